//! The driver for Exchange Online against an admin interface that was written apart from it, and against servers that say
//! what that one never does.

mod answers;
mod certificate;
mod examination;
mod faults;
mod listing;
mod mailboxes;
mod scripted;
mod seeds;
mod setup;
mod sign_in;
mod tls;
