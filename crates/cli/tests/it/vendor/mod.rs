//! The vendor's own client libraries, unmodified, against the binary.
//!
//! Each library has a story in `crates/cli/tests/vendor`: a program as somebody would write it for Microsoft Graph, in
//! chapters. It checks what it sees, and prints the name of each chapter that went well.

mod javascript;
mod python;
mod run;
mod tls;
