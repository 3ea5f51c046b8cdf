//! Running a program that must end well, and soon.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::service::until_within;

/// None takes a tenth of it.
const BOUND: Duration = Duration::from_secs(300);

/// A process that does not outlive the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program to its end and returns what it printed. Whatever it printed is shown if it fails.
pub(crate) fn output_of(command: &mut Command) -> String {
    output_within(BOUND, command)
}

/// The same with a bound of one's own.
pub(crate) fn output_within(bound: Duration, command: &mut Command) -> String {
    let mut child =
        Ended(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let (stdout, stderr) = (read(child.0.stdout.take().unwrap()), read(child.0.stderr.take().unwrap()));
    let status = until_within(bound, "the program ends", || child.0.try_wait().unwrap());
    drop(child);
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    stdout
}

fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
