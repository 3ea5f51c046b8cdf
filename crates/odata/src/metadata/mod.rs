//! What a service says about itself as a whole: `$metadata` and the service document.

mod annotations;
mod format;
mod json;
mod service;
mod types;
mod xml;

pub use format::{Format, requested_format};
pub use json::json;
pub use service::service_document;
pub use types::Types;
pub use xml::xml;

/// The namespace of every type here.
pub const NAMESPACE: &str = "microsoft.graph";
/// What every entity inherits its key from.
pub const BASE_TYPE: &str = "entity";
/// The parameter that stands for the entity that an action is bound to.
const BINDING_PARAMETER: &str = "bindingParameter";
/// Digits behind the second's point that moments keep.
const MOMENT_PRECISION: u8 = 7;

/// A vocabulary whose terms the metadata uses.
struct Vocabulary {
    namespace: &'static str,
    alias: &'static str,
}

const VOCABULARIES: [Vocabulary; 2] = [
    Vocabulary { namespace: "Org.OData.Core.V1", alias: "Core" },
    Vocabulary { namespace: "Org.OData.Capabilities.V1", alias: "Capabilities" },
];

impl Vocabulary {
    /// Where its definition is published, without the extension.
    fn address(&self) -> String {
        format!("https://oasis-tcs.github.io/odata-vocabularies/vocabularies/{}", self.namespace)
    }
}

/// The full name of a type.
fn qualified(name: &str) -> String {
    format!("{NAMESPACE}.{name}")
}
