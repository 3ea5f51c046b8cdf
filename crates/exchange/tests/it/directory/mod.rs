//! The directory driver against Samba as a domain controller, and against servers of the tests' own where a real one cannot
//! be made to fail in the right way.

mod changes;
mod controllers;
mod domains;
mod examination;
mod faults;
mod full;
mod odd_objects;
mod sasl;
mod scripted;
mod seam;
mod seeds;
mod setup;
mod signing_in;
mod tls;
