use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::machine;

/// The built `exconn`.
pub(crate) fn exconn() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = here.with_file_name("exconn");
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is missing: cargo build --release", path.display()))
    }
}

/// The Python of the test peers.
pub(crate) fn python() -> Result<PathBuf, String> {
    std::env::var_os("EXCONN_PEERS_PYTHON")
        .map(PathBuf::from)
        .ok_or_else(|| "EXCONN_PEERS_PYTHON is not set: run the benchmarks with `cargo xtask bench`".into())
}

/// The folder that holds the workspace.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).unwrap_or(here)
}

/// A process that ends with this value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts a command and keeps its standard output.
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
        let started = command.stdout(Stdio::piped()).spawn();
        started.map(Self).map_err(|error| format!("cannot run {command:?}: {error}"))
    }

    /// The next line that it prints, up to now unread.
    pub(crate) fn lines(&mut self) -> Result<impl Iterator<Item = String> + use<>, String> {
        let output = self.0.stdout.take().ok_or("its output is taken")?;
        Ok(BufReader::new(output).lines().map_while(Result::ok))
    }

    /// Waits for its end and returns what it printed and the most memory that it held, in MiB.
    pub(crate) fn finish(mut self) -> Result<(String, f64), String> {
        let mut output = self.0.stdout.take().ok_or("its output is taken")?;
        let pid = self.0.id();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).map(|_| text)
        });
        let mut peak = 0.0;
        let status = loop {
            peak = peak_memory(pid).unwrap_or(peak);
            if let Some(status) = self.0.try_wait().map_err(|error| error.to_string())? {
                break status;
            }
            thread::sleep(Duration::from_millis(5));
        };
        let text =
            reader.join().map_err(|_| "reading its output failed")?.map_err(|error| error.to_string())?;
        if status.success() { Ok((text, peak)) } else { Err(format!("ended with {status}: {text}")) }
    }
}

/// The most memory that a process held resident, in MiB.
pub(crate) fn peak_memory(pid: u32) -> Option<f64> {
    memory(pid, "VmHWM")
}

/// The memory that a process holds resident, in MiB.
pub(crate) fn resident_memory(pid: u32) -> Option<f64> {
    memory(pid, "VmRSS")
}

fn memory(pid: u32, field: &str) -> Option<f64> {
    let text = machine::field(&format!("/proc/{pid}/status"), field)?;
    text.trim_end_matches(" kB").trim().parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}

/// Seconds of processor time that this process has used, in user and kernel mode.
pub(crate) fn own_processor_seconds() -> f64 {
    // Fields 14 and 15 behind the command's closing parenthesis; in hundredths of a second on Linux.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let ticks: f64 =
        behind.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
    ticks / 100.0
}
