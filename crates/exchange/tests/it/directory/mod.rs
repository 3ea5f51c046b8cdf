//! The directory driver against Samba as a domain controller, and against servers of the tests' own where a real one cannot
//! be made to fail in the right way.

mod changes;
mod full;
mod setup;
