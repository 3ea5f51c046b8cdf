//! The parts of an OpenAPI 3.0.3 document that follow from the description: schemas of answers and bodies, and the
//! parameters that are query options.

mod batch;
mod parameters;
mod schemas;

pub use batch::{batch_answer, batch_body};
pub use parameters::query_parameters;
pub use schemas::{collection, create_body, parameters_body, reference, schemas, update_body};

/// Full name of a type, under which its schema stands in the document's components.
pub fn schema_name(kind: &str) -> String {
    format!("{}.{kind}", crate::metadata::NAMESPACE)
}
