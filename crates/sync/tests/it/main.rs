//! An agent over the real SQLite store, with an Exchange that does what each test says.

mod agent;
mod scripted;
