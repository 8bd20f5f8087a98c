//! Asks a server what it is and how it is, with read-only commands, and gives the answers as plain data.

mod topology;

pub use topology::{Mode, NodeRole, PrimaryLink, ServerFacts};
