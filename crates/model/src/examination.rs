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

impl Finding {
    /// Its name in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed(_) => "passed",
            Self::Warned { .. } => "warned",
            Self::Failed { .. } => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    /// What was seen, or why nothing was.
    pub fn seen(&self) -> &str {
        match self {
            Self::Passed(seen) | Self::Skipped(seen) => seen,
            Self::Warned { seen, .. } | Self::Failed { seen, .. } => seen,
        }
    }

    /// What to change, if anything.
    pub fn cure(&self) -> Option<&str> {
        match self {
            Self::Passed(_) | Self::Skipped(_) => None,
            Self::Warned { cure, .. } | Self::Failed { cure, .. } => Some(cure),
        }
    }
}

/// One step of the examination of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was tried, for instance `TLS`, or `Get-MobileDevice`.
    pub name: String,
    /// How it went.
    pub finding: Finding,
}
