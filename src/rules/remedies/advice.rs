//! What is for a person, in an application or on a machine.

use super::{Known, NOTHING};

/// How a change of an application is undone.
const RELEASE: &str = "the release before";

const fn application(words: &'static str, does: &'static str, costs: &'static str) -> Known {
    Known { words, does, costs, undo: RELEASE }
}

pub(super) const KNOWN: &[Known] = &[
    application(
        "in the application: ",
        "ends the cause, where all others only treat it",
        "a release of the application",
    ),
    application("use a connection pool", "one handshake for many requests", "a release of the application"),
    application("split the batch", "less waits in the server's memory at a time", "more round trips"),
    application(
        "send large values in pieces",
        "buffers stay small",
        "a release of the application, and of its readers",
    ),
    application("read parts: ", "no answer holds the thread and the network for long", "more round trips"),
    application("read faster", "answers no longer pile up", "a release of the application"),
    application("spread times to live", "keys no longer expire together", "a release of the application"),
    application(
        "keep it in the application",
        "the key is asked for far less",
        "readers see the value before for that long",
    ),
    application("store copies under several names", "several nodes share the work", "every write writes all copies"),
    application("use a hash of what makes the name long", "shorter names", "the names can no longer be read by people"),
    application(
        "give such keys a time to live",
        "their memory is freed by and by",
        "what was needed after all has to be made anew",
    ),
    application(
        "use rediss://",
        "nobody between client and server can read",
        "some processor time for each connection and byte",
    ),
    application(
        "subscribe to channels",
        "PUBLISH no longer walks through all patterns",
        "a release of the subscribers",
    ),
    application("use a stream", "messages wait for their readers", "they take memory until they are trimmed"),
    application(
        "spread the keys over a cluster",
        "several threads share the work",
        "clients have to know clusters; commands on several keys need one hash tag",
    ),
    Known {
        words: "read from replicas",
        does: "takes reads off this thread",
        costs: "replicas answer with what was true some milliseconds ago",
        undo: "read from the primary again",
    },
    Known {
        words: "restart it, or fail over",
        does: "loads the data anew, without holes",
        costs: "a restart is down until all is loaded; a failover breaks all connections once, and loses what was not yet replicated",
        undo: "nothing to undo",
    },
    Known {
        words: "run a build with jemalloc",
        does: "an allocator that gives memory back, and can defragment",
        costs: "a restart",
        undo: "the build before",
    },
    Known {
        words: "less data, or a larger machine",
        does: "makes room where no setting can",
        costs: "UNLINK and times to live delete data; a machine costs money",
        undo: "nothing to undo",
    },
    Known {
        words: "leave room above maxmemory",
        does: "what goes over the limit for a moment does not make the machine swap",
        costs: "a lower maxmemory, or a larger machine",
        undo: "the limit before",
    },
    Known {
        words: "fewer or smaller writes",
        does: "the backlog covers a longer time",
        costs: "a change of the application or of the network",
        undo: RELEASE,
    },
    Known {
        words: "look for eviction policy and memory limit",
        does: "shows what the server does not tell",
        costs: NOTHING,
        undo: "nothing to undo: it only reads",
    },
    Known {
        words: "look whether the producers live",
        does: "finds out why nothing arrives",
        costs: NOTHING,
        undo: "nothing to undo: it only reads",
    },
    Known {
        words: "fewer workers, or a time limit",
        does: "leaves connections to others",
        costs: "less work is done at a time",
        undo: "as many workers as before",
    },
    Known {
        words: "start workers",
        does: "works the queue off",
        costs: "what they work with has more to do: begin with few",
        undo: "stop them",
    },
    Known {
        words: "ping and traceroute",
        does: "shows where the way is slow; closer together it is shorter",
        costs: "moving a machine",
        undo: "move it back",
    },
    Known {
        words: "move the server to a machine",
        does: "nobody else takes the processor away",
        costs: "a failover, and the price of the machine",
        undo: "fail over back",
    },
    Known {
        words: "give the application the present password",
        does: "ends the refusals",
        costs: "a release or a restart of the application; a firewall rule against a guesser",
        undo: RELEASE,
    },
    Known {
        words: "reconnect clients",
        does: "spreads them over the I/O threads again",
        costs: "each connects anew",
        undo: "nothing to undo",
    },
    Known {
        words: "report the whole text",
        does: "the makers can mend what crashed",
        costs: "the text may hold values and names: read it first",
        undo: "nothing to undo",
    },
    Known {
        words: "run the newest",
        does: "has what was mended since",
        costs: "a restart or a failover; take a backup first",
        undo: "the version before: it may not load files of the newer one",
    },
    Known {
        words: "run 4.0 or later",
        does: "has what was mended since",
        costs: "a restart or a failover; take a backup first",
        undo: "the version before: it may not load files of the newer one",
    },
    Known {
        words: "bring both to one version",
        does: "a failover changes nothing for the clients",
        costs: "a restart or a failover; take a backup first",
        undo: "the version before: it may not load files of the newer one",
    },
    Known {
        words: "let pools renew their connections",
        does: "no connection lives long enough to pile up",
        costs: "a handshake now and then",
        undo: RELEASE,
    },
    Known {
        words: "leave this number out of alerts",
        does: "nobody is woken by a number that is wrong",
        costs: "the number may be right again after a restart",
        undo: "take it in again",
    },
    Known {
        words: "let the replica load anew",
        does: "the replica has what its primary has",
        costs: "what was written to the replica alone is gone; a fork, and all data over the network",
        undo: "cannot be undone: take a backup of the replica first",
    },
    Known {
        words: "bring the lost node back",
        does: "its slots are served again, with their data",
        costs: "a replica that is promoted lacks what was not yet replicated",
        undo: "nothing to undo",
    },
    Known {
        words: " back, or promote a replica of it",
        does: "its slots are served again, with their data",
        costs: "a replica that is promoted lacks what was not yet replicated",
        undo: "nothing to undo",
    },
    Known {
        words: "bring the replicas back",
        does: "there is something to fall back on again",
        costs: "a full resync of each, where it was away for long",
        undo: "nothing to undo",
    },
    Known {
        words: "bring the missing Sentinels back",
        does: "enough of them can decide on a failover",
        costs: NOTHING,
        undo: "SENTINEL REMOVE, of one that was added",
    },
    Known {
        words: "wait half a minute",
        does: "a Sentinel leaves TILT by itself when its clock is steady",
        costs: "no failover meanwhile",
        undo: "nothing to undo",
    },
    Known {
        words: "alike",
        does: "a failover changes nothing for the clients",
        costs: "a smaller limit evicts or refuses",
        undo: "the setting before",
    },
    Known {
        words: "see who promotes",
        does: "finds out who decides",
        costs: NOTHING,
        undo: "nothing to undo: it only reads",
    },
    Known {
        words: "start the server again in a folder",
        does: "saves find a folder again",
        costs: "a restart begins with what the folder has: the backup comes back by `redis-ops restore`",
        undo: "nothing to undo",
    },
    Known {
        words: "start the server with a configuration file",
        does: "the settings are there after a restart",
        costs: "a restart",
        undo: "start it without",
    },
    Known {
        words: "in the configuration file and restart",
        does: "nobody can crash the server or write files through it",
        costs: "a restart; tests that use DEBUG fail",
        undo: "the lines before, and a restart",
    },
    Known {
        words: "raise the limit of processes",
        does: "the server may have a child process again",
        costs: "the container or user may start more processes",
        undo: "the limit before",
    },
    Known {
        words: "a faster disk",
        does: "writes no longer wait",
        costs: "the price of the disk",
        undo: "the disk before",
    },
];
