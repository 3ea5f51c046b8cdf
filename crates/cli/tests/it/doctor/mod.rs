//! `exconn doctor` on set-ups that work and on set-ups that are broken in different ways: the step that fails, the reason,
//! and what to do, each as `docs/troubleshooting/doctor.md` shows it.

mod online;
mod page;
mod premises;
mod servers;

use std::{fs, net::TcpListener, path::PathBuf, process::Command};

use serde_json::Value;
use tempfile::TempDir;

/// Where the configuration and the passwords of a set-up are, and what of its output differs from run to run.
struct Setup {
    folder: TempDir,
    /// What is printed here, and what the page says instead.
    names: Vec<(String, &'static str)>,
}

/// What the doctor printed.
struct Examined {
    code: i32,
    /// As the page shows it.
    text: String,
}

impl Setup {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        Self { folder, names: vec![(path, "/etc/exconn")] }
    }

    /// Prints on the page as something else than here.
    fn alias(&mut self, here: impl Into<String>, there: &'static str) {
        self.names.push((here.into(), there));
    }

    /// A file beside the configuration; gives its path.
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A configuration with this entry in which the connection is called `contoso`.
    fn configured(&self, entry: &str) -> String {
        let data = self.path("data");
        self.file("exconn.toml", &format!("listen = \"127.0.0.1:0\"\ndata = {data:?}\n{entry}"))
    }

    /// Examines the connection alone, since the service's own steps are the same in each set-up.
    fn examine(&self, entry: &str) -> Examined {
        self.examine_by(Command::new(env!("CARGO_BIN_EXE_exconn")), entry)
    }

    /// The same, started by another program.
    fn examine_by(&self, mut exconn: Command, entry: &str) -> Examined {
        exconn.args(["doctor", "--config", &self.configured(entry), "--connection", "contoso"]);
        self.run(exconn)
    }

    fn run(&self, mut exconn: Command) -> Examined {
        let output = exconn.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        for secret in [exconn_testkit::Domain::PASSWORD, "wrong-secret", "not-a-secret"] {
            assert!(!text.contains(secret) && !said.contains(secret), "a secret leaked: {text}{said}");
        }
        assert_eq!(said, "", "{text}");
        Examined { code: output.status.code().unwrap(), text: self.as_on_page(&text) }
    }

    /// A text with the names that the page gives to what is different in each run.
    fn as_on_page(&self, text: &str) -> String {
        let renamed = |text: String, (here, there): &(String, &str)| text.replace(here, there);
        steadied(&self.names.iter().fold(text.to_owned(), renamed))
    }
}

impl Examined {
    /// Nothing failed, though something may be worth a word; the page shows it.
    fn passes(&self, heading: &str) -> &Self {
        assert_eq!(self.code, 0, "{heading}: {}", self.text);
        assert!(self.steps("FAIL").is_empty() && self.text.contains("\nEverything works."), "{}", self.text);
        page::shows(heading, &self.text);
        self
    }

    /// This step failed and no other; the page shows it.
    fn fails(&self, heading: &str, step: &str, cure: &str) -> &Self {
        assert_eq!(self.code, 1, "{heading}: {}", self.text);
        assert_eq!(self.steps("FAIL"), [step], "{heading}: {}", self.text);
        self.advises(cure);
        page::shows(heading, &self.text);
        self
    }

    /// One line of the advice is this one.
    fn advises(&self, cure: &str) -> &Self {
        assert!(self.text.lines().any(|line| line.trim() == cure), "'{cure}' is not said in\n{}", self.text);
        self
    }

    /// The names of the steps with this mark.
    fn steps(&self, mark: &str) -> Vec<&str> {
        let marked = self.text.lines().filter_map(|line| line.strip_prefix("  ")?.strip_prefix(mark));
        marked.map(|rest| rest.trim_start().split("  ").next().unwrap()).collect()
    }
}

/// The text without what differs from run to run: how many seconds clocks differ.
fn steadied(text: &str) -> String {
    let steady = |line: &str| {
        let mut line = line.to_owned();
        for (before, after) in [("differ by ", " s"), ("  ", " s apart")] {
            let Some(end) = line.find(after) else { continue };
            let Some(start) = line[..end].rfind(before).map(|at| at + before.len()) else { continue };
            if line[start..end].parse::<u64>().is_ok_and(|seconds| seconds < 60) {
                line.replace_range(start..end, "0");
            }
        }
        line + "\n"
    };
    text.lines().map(steady).collect()
}

/// A loopback address that nothing listens at.
fn closed() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn every_section_of_the_page_is_of_a_set_up() {
    let setups =
        [include_str!("online.rs"), include_str!("premises.rs"), include_str!("servers.rs")].concat();
    for heading in page::headings() {
        assert!(setups.contains(&format!("\"{heading}\"")), "nothing shows '{heading}'");
    }
}

#[test]
fn a_configuration_without_an_organisation_fails_and_a_wrong_name_is_refused() {
    let setup = Setup::new();
    let config = setup.configured("");
    let run = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_exconn")).arg("doctor").args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap(), text + &String::from_utf8_lossy(&output.stderr))
    };
    let (code, said) = run(&["--config", &config]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("[[exchange]]") && said.contains("Data folder"), "{said}");
    let (code, said) = run(&["--config", &config, "--connection", "fabrikam"]);
    assert_eq!((code, said.contains("there is no connection 'fabrikam'")), (2, true), "{said}");
    let (code, said) = run(&["--config", "/nonexistent/exconn.toml"]);
    assert_eq!((code, said.contains("/nonexistent/exconn.toml")), (1, true), "{said}");
    let (code, said) = run(&["--config", &config, "--output", "json"]);
    let document: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &document["passed"]), (1, &false.into()), "{said}");
}
