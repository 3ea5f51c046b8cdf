//! The client's half against the server's, and both against what real Windows hosts sent.

mod conversation;
