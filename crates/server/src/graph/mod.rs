//! The Graph's routes.

mod address;
mod etag;

use crate::{
    answer::{Call, Target},
    app::Service,
    failure::Failure,
    reply::Reply,
    routes::Operation,
};

pub(crate) use address::{Version, resolve};

pub(crate) async fn answer(
    _service: &Service,
    _operation: Operation,
    _target: &Target<'_>,
    _exchange: Call<'_>,
) -> Result<Reply, Failure> {
    Err(Failure::NotFound)
}
