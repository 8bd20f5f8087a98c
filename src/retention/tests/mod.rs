//! Retention over a store whose clock stands where a test puts it, and in which processes die between any two requests.

mod at_once;
mod month;
mod place;
mod removal;
mod sequences;
