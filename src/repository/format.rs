//! The format of the whole repository, and where it is written down.

/// The key of the marker, which says in which format a repository is.
pub const MARKER: &str = "redis-ops-repository.json";
/// The layout of a repository that this program knows. A higher one is refused by name.
pub const REPOSITORY_FORMAT: u32 = 1;
