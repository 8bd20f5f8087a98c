//! What is typed into a shell, `redis-ops` among it.

use super::{Known, NOTHING, reads};

pub(super) const KNOWN: &[Known] = &[
    Known {
        words: "redis-cli --scan",
        does: "gives every key of the pattern that has no time to live one, a command each",
        costs: "the keys are deleted then, whether or not somebody still needs them; some seconds of load",
        undo: "PERSIST <key>, before it has expired",
    },
    reads("redis-cli --intrinsic-latency", "measures for ten seconds how long the machine holds a process up"),
    Known {
        words: "redis-cli --cluster rebalance",
        does: "moves slots until every primary has as many",
        costs: "the network and both nodes of each move are busy; large keys hold clients up; take a backup first",
        undo: "redis-cli --cluster reshard, back again",
    },
    Known {
        words: "redis-cli --cluster fix",
        does: "ends the moves of slots that were begun",
        costs: "keys are moved between nodes: take a backup first",
        undo: "redis-cli --cluster reshard, back again",
    },
    Known {
        words: "sysctl net.core.somaxconn",
        does: "lets more connections wait until the server accepts them",
        costs: "for the whole machine; needs a restart of the server, and mends no stall",
        undo: "sysctl net.core.somaxconn=<what it was>",
    },
    reads("redis-ops list", "shows the backups"),
    reads("redis-ops restore --backup-id latest", "says what a restore would do, and does nothing (--plan)"),
    reads("redis-check-aof ", "looks for the place where the file breaks"),
    reads("grep Swap /proc/", "shows how much of the process is swapped out"),
    reads("df -h", "shows how full the disks are"),
    reads("ls -ld ", "shows whose the folder is"),
    Known {
        words: "chown redis: ",
        does: "gives the folder to the user that the server runs as",
        costs: "others who wrote there may no longer",
        undo: "chown back to what `ls -ld` said before",
    },
    reads("iostat -x 1", "shows how busy the disks are"),
    reads("journalctl -u redis", "shows the server's log"),
    reads("dmesg | grep", "shows whether the kernel has killed a process"),
    reads("ulimit -n", "shows how many files a process may have"),
    Known {
        words: "sysctl vm.overcommit_memory=1",
        does: "lets the kernel promise the memory that a fork needs on paper",
        costs: "for the whole machine: it may promise more than there is, and end a process when that is used",
        undo: "sysctl vm.overcommit_memory=0",
    },
    Known {
        words: "echo madvise >",
        does: "gives huge pages only to processes that ask for them",
        costs: "for the whole machine, until the next boot; of the server from its next start on",
        undo: "echo always > /sys/kernel/mm/transparent_hugepage/enabled",
    },
    reads("redis-ops diagnose", "looks closer; sends commands that only read"),
    reads("redis-ops health", "says whether the server is up, and why not"),
    reads("redis-ops verify", "reads the file and says whether a server loads it"),
    Known {
        words: "redis-ops backup",
        does: "makes a backup",
        costs: "a fork, and all data over the network once",
        undo: "nothing to undo: a backup is only added",
    },
    Known {
        words: "redis-ops restore --undo",
        does: "gives the server the role and the settings back that it had before the restore",
        costs: NOTHING,
        undo: "nothing to undo: the restore can be begun again",
    },
];
