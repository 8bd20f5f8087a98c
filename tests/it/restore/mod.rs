//! Restores into real servers.

mod asked;
mod by_replica;
mod choices;
mod clocks;
mod command;
mod everywhere;
mod faults;
mod file;
mod foreign_object;
mod guard;
mod meanwhile;
mod model;
mod others;
mod parts;
mod pipes;
mod plan_and_run;
mod poison;
mod replica;
mod round_trip;
mod standing;
mod stored;
mod support;
mod temporary;
mod trailing;
