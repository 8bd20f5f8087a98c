//! Compression in independent frames, and digests of what passes.
