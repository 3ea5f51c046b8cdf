pub use exconn_model::{Finding, Step};

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
