//! CLIXML: how PowerShell writes objects (MS-PSRP 2.2.5).

mod encode;
mod escape;
mod object;
mod token;
mod value;

pub use encode::{Writer, escape};
pub use object::{ObjectVisitor, Property, decode_object};
pub use value::{Object, Objects, Value, decode};

/// Why a document cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not well-formed, or not CLIXML.
    #[error("malformed CLIXML: {0}")]
    Malformed(String),
    /// Not UTF-8.
    #[error("the CLIXML is not UTF-8")]
    NotUtf8,
    /// More bytes than the limit.
    #[error("the CLIXML is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Nested deeper than the limit.
    #[error("the CLIXML is nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More elements than the limit.
    #[error("the CLIXML has more than {limit} elements")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Read well, and refused by the visitor.
    #[error("{0}")]
    Refused(String),
}
