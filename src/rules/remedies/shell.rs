//! What is typed into a shell, `redis-ops` among it.

use super::{Known, NOTHING, reads};

pub(super) const KNOWN: &[Known] = &[
    Known {
        words: "redis-cli --scan",
        does: "sets a time to live on every matching key that has none, one command per key",
        costs: "the keys are deleted then, even if a client still needs them; some seconds of load",
        undo: "PERSIST <key>, before it has expired",
    },
    reads("redis-cli --intrinsic-latency", "measures for ten seconds how long the machine stalls a process"),
    Known {
        words: "redis-cli --cluster rebalance",
        does: "moves slots until every primary has the same number",
        costs: "loads the network and both nodes of each move; large keys block clients; take a backup first",
        undo: "redis-cli --cluster reshard, back again",
    },
    Known {
        words: "redis-cli --cluster fix",
        does: "finishes interrupted slot moves",
        costs: "keys are moved between nodes: take a backup first",
        undo: "redis-cli --cluster reshard, back again",
    },
    Known {
        words: "sysctl net.core.somaxconn",
        does: "lets more connections wait until the server accepts them",
        costs: "applies to the whole machine; needs a restart of the server, and does not fix stalls",
        undo: "sysctl net.core.somaxconn=<what it was>",
    },
    reads("redis-ops list", "shows the backups"),
    reads("redis-ops restore --backup-id latest", "shows what a restore would do, and changes nothing (--plan)"),
    reads("redis-ops restore --file", "shows what a restore would do, and changes nothing (--plan)"),
    reads("getent hosts ", "shows the addresses of a name"),
    reads("redis-check-aof ", "finds the position where the file is damaged"),
    reads("grep Swap /proc/", "shows how much of the process is swapped out"),
    reads("df -h", "shows how full the disks are"),
    reads("ls -ld ", "shows the owner of the folder"),
    Known {
        words: "chown redis: ",
        does: "gives the folder to the user that the server runs as",
        costs: "other users may no longer write there",
        undo: "chown back to the owner that `ls -ld` showed before",
    },
    reads("iostat -x 1", "shows how busy the disks are"),
    reads("journalctl -u redis", "shows the server's log"),
    reads("dmesg | grep", "shows whether the kernel has killed a process"),
    reads("ulimit -n", "shows how many files a process may have"),
    Known {
        words: "sysctl vm.overcommit_memory=1",
        does: "lets the kernel grant a fork more memory than is free",
        costs: "applies to the whole machine: the kernel may grant more memory than exists, and kill a process when it is used",
        undo: "sysctl vm.overcommit_memory=0",
    },
    Known {
        words: "echo madvise >",
        does: "gives huge pages only to processes that ask for them",
        costs: "applies to the whole machine until the next boot, and to the server after its next restart",
        undo: "echo always > /sys/kernel/mm/transparent_hugepage/enabled",
    },
    reads("redis-ops diagnose", "examines the server with read-only commands"),
    reads("redis-ops health", "shows whether the server is up, and if not, why"),
    reads("redis-ops verify", "reads the file and shows whether a server can load it"),
    Known {
        words: "redis-ops backup",
        does: "makes a backup",
        costs: "a fork, and all data over the network once",
        undo: "nothing to undo: a backup is only added",
    },
    Known {
        words: "redis-ops restore --undo",
        does: "gives the server back the role and settings that it had before the restore",
        costs: NOTHING,
        undo: "nothing to undo: the restore can be started again",
    },
];
