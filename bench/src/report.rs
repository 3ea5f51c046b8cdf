use std::{
    fmt::{self, Display},
    fs,
    path::PathBuf,
};

use crate::machine;

/// The results of one benchmark.
#[derive(Default)]
pub(crate) struct Section {
    title: &'static str,
    lines: Vec<Line>,
}

struct Line {
    what: String,
    figure: String,
    wanted: Option<(String, bool)>,
}

impl Section {
    pub(crate) fn new(title: &'static str) -> Self {
        Self { title, lines: Vec::new() }
    }

    /// A figure that nothing is promised about.
    pub(crate) fn note(&mut self, what: impl Display, figure: impl Display) {
        self.lines.push(Line { what: what.to_string(), figure: figure.to_string(), wanted: None });
    }

    /// A figure that must be at least `bound`.
    pub(crate) fn at_least(&mut self, what: impl Display, figure: f64, bound: f64, unit: &str) {
        self.promise(what, figure, format!("at least {bound}{unit}"), figure >= bound, unit);
    }

    /// A figure that must be at most `bound`.
    pub(crate) fn at_most(&mut self, what: impl Display, figure: f64, bound: f64, unit: &str) {
        self.promise(what, figure, format!("at most {bound}{unit}"), figure <= bound, unit);
    }

    fn promise(&mut self, what: impl Display, figure: f64, wanted: String, holds: bool, unit: &str) {
        let figure = if figure.abs() >= 100.0 { format!("{figure:.0}") } else { format!("{figure:.2}") };
        self.lines.push(Line {
            what: what.to_string(),
            figure: format!("{figure}{unit}"),
            wanted: Some((wanted, holds)),
        });
    }

    /// Whether every promise is kept.
    pub(crate) fn holds(&self) -> bool {
        self.lines.iter().all(|line| line.wanted.as_ref().is_none_or(|(_, holds)| *holds))
    }
}

impl Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n| what | measured | promised | |\n|---|---|---|---|", self.title)?;
        for Line { what, figure, wanted } in &self.lines {
            let (wanted, verdict) = match wanted {
                None => ("", ""),
                Some((wanted, true)) => (wanted.as_str(), "kept"),
                Some((wanted, false)) => (wanted.as_str(), "**missed**"),
            };
            writeln!(f, "| {what} | {figure} | {wanted} | {verdict} |")?;
        }
        Ok(())
    }
}

/// All results, for `bench/RESULTS.md`.
#[derive(Default)]
pub(crate) struct Report {
    sections: Vec<Section>,
}

impl Report {
    pub(crate) fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    pub(crate) fn write(&self) -> Result<(), String> {
        let mut text = format!(
            "# Results\n\nWritten by `cargo xtask bench`; compare ratios, not machines.\n\n{}\n",
            machine::description()
        );
        for section in &self.sections {
            text.push_str(&format!("\n{section}"));
        }
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    }
}
