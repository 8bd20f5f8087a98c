//! Diagnose, health and metrics on real servers.

mod faults;
mod health;
mod lab;
mod output;
mod quiet;
mod serving;
