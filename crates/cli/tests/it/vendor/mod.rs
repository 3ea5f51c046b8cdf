//! The vendor's own client libraries, unmodified, against the binary.
//!
//! Each library has a story in `crates/cli/tests/vendor`: a program as somebody would write it for Microsoft Graph, in
//! chapters. It checks what it sees, and prints the name of each chapter that went well.

mod javascript;
mod python;
mod rust;
mod sign_in;
mod tls;

use std::process::Command;

use crate::{program::output_of, service::Home};

/// So few changes at once that every story has to wait.
fn throttle(home: &Home) {
    home.reconfigure("mode = \"off\"", "mode = \"on\"\nwindow = \"1s\"\napp_changes = 4");
}

/// Runs a story's chapters, each of which must come to its end.
fn tell(command: &mut Command, chapters: &[&str]) {
    let told = output_of(command.args(chapters));
    assert_eq!(told.lines().collect::<Vec<_>>(), chapters);
}
