//! Diagnose, health and metrics on real servers.

mod bad_input;
mod faults;
mod fixes;
mod formats;
mod health;
mod healthy;
mod lab;
mod output;
mod pasted;
mod quiet;
mod serving;
mod sources;
mod usable;
