use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::{app::App, wire::Connection};

impl App {
    /// Answers one request.
    pub(crate) async fn answer(
        &self,
        _request: Request<Incoming>,
        _connection: &Connection,
    ) -> Response<Full<Bytes>> {
        Response::new(Full::default())
    }
}
