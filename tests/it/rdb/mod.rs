//! The RDB engine against files of real servers, whole and damaged.

mod contents;
mod corrupt;
mod cuts;
mod dump;
mod flips;
mod newer;
mod public;
mod recorder;
mod smoke;
