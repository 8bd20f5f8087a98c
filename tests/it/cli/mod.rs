//! The command line as a contract: what may be typed, what is said, and with which exit code.

mod completions;
mod help;
mod lock;
mod output;
mod pages;
mod pipes;
mod readme;
mod schedule;
mod secrets;
mod settings;
mod terminal;
mod usage;
