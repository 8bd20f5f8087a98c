//! Whether this machine can keep what leads a restore on and back: tried before anything is written to the target.

use std::io::{self, Write as _};
use std::path::Path;

use super::{Line, Plan};
use crate::private_files;

/// The stable name of the refusal.
pub(super) const CODE: &str = "state_folder";

/// As much as a journal takes at its start.
const ROOM: usize = 64 << 10;

impl Plan {
    /// This plan; refused, if the state folder cannot be written to.
    #[must_use]
    pub fn keeping_state_in(mut self, folder: &Path) -> Self {
        if let Err(error) = try_out(folder) {
            let text = format!(
                "cannot write to the state folder `{}` ({error}): redis-ops needs it to resume an interrupted restore, and to make the \
                 target a primary again",
                folder.display()
            );
            self.lines.push(Line::refused(CODE, text));
        }
        self
    }
}

fn try_out(folder: &Path) -> io::Result<()> {
    private_files::folder(folder)?;
    let probe = folder.join(format!("probe-{}", std::process::id()));
    let written = private_files::create(&probe).and_then(|mut file| {
        file.write_all(&[0; ROOM])?;
        file.sync_data()
    });
    match std::fs::remove_file(&probe) {
        Err(error) if written.is_ok() => Err(error),
        _ => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_can_be_made_is_made_and_nothing_is_left_in_it() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("redis-ops/restores");
        try_out(&folder).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::write(above.path().join("file"), "").unwrap();
        assert!(try_out(&above.path().join("file")).is_err());
        assert!(try_out(Path::new("/proc/redis-ops")).is_err());
    }
}
