/// How a step of an examination went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It works; what was seen.
    Passed(String),
    /// It works, but a person should know of something.
    Warned {
        /// What was seen.
        seen: String,
        /// What to change.
        cure: String,
    },
    /// It does not work.
    Failed {
        /// What was seen.
        seen: String,
        /// The exact thing to change.
        cure: String,
    },
    /// It could not be tried; the step that it builds on.
    Skipped(String),
}

/// One step of an examination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was tried, for instance `TLS`, or `Get-MobileDevice`.
    pub name: String,
    /// How it went.
    pub finding: Finding,
}

/// Takes the steps of an examination as they are done.
pub trait Report: Send {
    /// The next step.
    fn step(&mut self, step: Step);
}

impl Report for Vec<Step> {
    fn step(&mut self, step: Step) {
        self.push(step);
    }
}
