//! What the control groups of a process allow it: version 2, where one tree holds all, and version 1, where each resource has its own.

/// Above this a limit of version 1 means that there is none.
const NO_LIMIT: u64 = 1 << 60;

/// The least memory that a group of the process, or one above it, may have. `group` is `/proc/PID/cgroup`, `read` reads a file.
pub(super) fn memory_limit(group: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let limit = |folder: &String| {
        let text =
            read(&format!("{folder}/memory.max")).or_else(|| read(&format!("{folder}/memory.limit_in_bytes")))?;
        text.trim().parse::<u64>().ok().filter(|limit| *limit < NO_LIMIT)
    };
    folders(group, "memory").iter().filter_map(limit).min()
}

/// How many processes there are in the group that is nearest to its limit, and how many there may be.
pub(super) fn processes(group: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<(u64, u64)> {
    let number = |path: String| read(&path)?.trim().parse::<u64>().ok();
    let pair =
        |folder: &String| Some((number(format!("{folder}/pids.current"))?, number(format!("{folder}/pids.max"))?));
    folders(group, "pids").iter().filter_map(pair).min_by_key(|(there, most)| most.saturating_sub(*there))
}

/// The folders of the groups of a process, from its own up to the root.
fn folders(group: &str, resource: &str) -> Vec<String> {
    let mut folders = Vec::new();
    for line in group.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(kinds), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let root = match kinds {
            "" => "/sys/fs/cgroup".to_owned(),
            kinds if kinds.split(',').any(|kind| kind == resource) => format!("/sys/fs/cgroup/{resource}"),
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        loop {
            folders.push(format!("{root}{path}"));
            match path.rsplit_once('/') {
                Some((above, _)) => path = above,
                None => break,
            }
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files<'a>(list: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |path| list.iter().find(|(own, _)| *own == path).map(|(_, text)| format!("{text}\n"))
    }

    #[test]
    fn the_least_limit_on_the_way_to_the_root_counts() {
        let two = files(&[
            ("/sys/fs/cgroup/pod/redis/memory.max", "max"),
            ("/sys/fs/cgroup/pod/memory.max", "536870912"),
            ("/sys/fs/cgroup/pod/redis/pids.current", "7"),
            ("/sys/fs/cgroup/pod/redis/pids.max", "8"),
        ]);
        assert_eq!(memory_limit("0::/pod/redis\n", &two), Some(512 << 20));
        assert_eq!(processes("0::/pod/redis\n", &two), Some((7, 8)));
        let one = files(&[
            ("/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "104857600"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712"),
        ]);
        assert_eq!(memory_limit("4:cpu,cpuacct:/x\n3:memory:/docker/1\n0::/\n", &one), Some(100 << 20));
        // In a name space of its own a container sees itself at the root.
        assert_eq!(memory_limit("0::/\n", &files(&[("/sys/fs/cgroup/memory.max", "1000000")])), Some(1_000_000));
        assert_eq!((memory_limit("", &two), processes("nonsense", &one)), (None, None));
    }
}
