//! What is for a person, in an application or on a machine.

use super::{Known, NOTHING};

/// How a change of an application is undone.
const RELEASE: &str = "deploy the previous release";

const fn application(words: &'static str, does: &'static str, costs: &'static str) -> Known {
    Known { words, does, costs, undo: RELEASE }
}

pub(super) const KNOWN: &[Known] = &[
    application(
        "in the application: ",
        "removes the cause; all other fixes treat the symptom",
        "a release of the application",
    ),
    application("use a connection pool", "one handshake for many requests", "a release of the application"),
    application("split the batch", "less data waits in the server's memory at a time", "more round trips"),
    application(
        "send large values in pieces",
        "buffers stay small",
        "a release of the application, and of its readers",
    ),
    application("read parts: ", "no reply blocks the thread and the network for long", "more round trips"),
    application("read faster", "replies no longer pile up", "a release of the application"),
    application("spread times to live", "keys no longer expire together", "a release of the application"),
    application(
        "cache the value in the application",
        "clients ask for the key far less often",
        "readers see the old value for that long",
    ),
    application(
        "store copies under several names",
        "several nodes share the work",
        "every write has to update all copies",
    ),
    application("use a hash of what makes the name long", "shorter names", "people can no longer read the names"),
    application(
        "give such keys a time to live",
        "their memory is freed over time",
        "data that was still needed has to be created again",
    ),
    application(
        "use rediss://",
        "nobody between client and server can read",
        "some processor time for each connection and byte",
    ),
    application("subscribe to channels", "PUBLISH no longer compares every pattern", "a release of the subscribers"),
    application("use a stream", "messages wait for their readers", "they take memory until they are trimmed"),
    application(
        "spread the keys over a cluster",
        "several threads share the work",
        "clients must support Redis Cluster; commands on several keys need one hash tag",
    ),
    Known {
        words: "read from replicas",
        does: "takes reads off this thread",
        costs: "replicas return data that is some milliseconds old",
        undo: "read from the primary again",
    },
    Known {
        words: "restart the server, or fail over",
        does: "loads the data again, without gaps",
        costs: "a restart means downtime until the data is loaded; a failover closes all connections once, and loses writes that were not yet replicated",
        undo: "nothing to undo",
    },
    Known {
        words: "run a build with jemalloc",
        does: "jemalloc returns memory to the system, and can defragment",
        costs: "a restart",
        undo: "install the previous build",
    },
    Known {
        words: "less data, or a larger machine",
        does: "frees memory where no setting can",
        costs: "UNLINK and times to live delete data; a machine costs money",
        undo: "nothing to undo",
    },
    Known {
        words: "leave room above maxmemory",
        does: "a brief excess over the limit does not make the machine swap",
        costs: "a lower maxmemory, or a larger machine",
        undo: "set the previous limit",
    },
    Known {
        words: "fewer or smaller writes",
        does: "the backlog covers a longer time",
        costs: "a change of the application or of the network",
        undo: RELEASE,
    },
    Known {
        words: "look for eviction policy and memory limit",
        does: "shows what the server does not report",
        costs: NOTHING,
        undo: "nothing to undo: it only reads",
    },
    Known {
        words: "check whether the producers are running",
        does: "finds out why nothing arrives",
        costs: NOTHING,
        undo: "nothing to undo: it only reads",
    },
    Known {
        words: "fewer workers, or a time limit",
        does: "leaves connections for other clients",
        costs: "less work is done at a time",
        undo: "start as many workers as before",
    },
    Known {
        words: "start workers",
        does: "processes the queue",
        costs: "the systems behind the workers get more load: start with a few",
        undo: "stop them",
    },
    Known {
        words: "ping and traceroute",
        does: "shows where the network is slow; machines close together have lower latency",
        costs: "moving a machine",
        undo: "move it back",
    },
    Known {
        words: "move the server to a machine",
        does: "no other virtual machine takes processor time",
        costs: "a failover, and the price of the machine",
        undo: "fail back",
    },
    Known {
        words: "give the application the current password",
        does: "logins succeed again",
        costs: "a release or restart of the application, or a firewall rule against the attacker",
        undo: RELEASE,
    },
    Known {
        words: "reconnect clients",
        does: "spreads them over the I/O threads again",
        costs: "each client has to reconnect",
        undo: "nothing to undo",
    },
    Known {
        words: "report the whole text",
        does: "the developers can fix the crash",
        costs: "the text may contain keys and values: check it before you send it",
        undo: "nothing to undo",
    },
    Known {
        words: "run the newest",
        does: "contains the fixes",
        costs: "a restart or a failover; take a backup first",
        undo: "install the old version: it may not load files of the newer one",
    },
    Known {
        words: "run 4.0 or later",
        does: "contains the fixes",
        costs: "a restart or a failover; take a backup first",
        undo: "install the old version: it may not load files of the newer one",
    },
    Known {
        words: "bring both to one version",
        does: "a failover changes nothing for the clients",
        costs: "a restart or a failover; take a backup first",
        undo: "install the old version: it may not load files of the newer one",
    },
    Known {
        words: "let pools renew their connections",
        does: "no connection lasts long enough for its queue to grow",
        costs: "a handshake now and then",
        undo: RELEASE,
    },
    Known {
        words: "leave this number out of alerts",
        does: "the wrong number causes no alerts",
        costs: "the number may be right again after a restart",
        undo: "add it to the alerts again",
    },
    Known {
        words: "reload the replica",
        does: "the replica has the same data as its primary",
        costs: "data written only to the replica is lost; a fork, and all data over the network",
        undo: "cannot be undone: take a backup of the replica first",
    },
    Known {
        words: " back, or promote a replica of it",
        does: "its data is served again, and writes are accepted",
        costs: "a promoted replica lacks the writes that were not yet replicated",
        undo: "nothing to undo",
    },
    Known {
        words: "bring the replicas back",
        does: "a replica can take over again",
        costs: "a full resync of each, where it was away for long",
        undo: "nothing to undo",
    },
    Known {
        words: "bring the missing Sentinels back",
        does: "enough of them can decide on a failover",
        costs: NOTHING,
        undo: "SENTINEL REMOVE <group>, on a Sentinel that was added",
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
        costs: "a smaller limit evicts keys or refuses writes",
        undo: "set the previous value",
    },
    Known {
        words: "find out what triggers the failovers",
        does: "shows which tool triggers the failovers",
        costs: NOTHING,
        undo: "nothing to undo: it only reads",
    },
    Known {
        words: "start the server again in a folder",
        does: "saves work again",
        costs: "the server starts with the data in that folder: `redis-ops restore` brings the backup back",
        undo: "nothing to undo",
    },
    Known {
        words: "start a newer server with this file",
        does: "loads the file",
        costs: "an upgrade: the older version cannot load what the newer one writes",
        undo: "stop it: keep a copy of the file, since a save replaces it",
    },
    Known {
        words: "start the server with a configuration file",
        does: "the settings survive a restart",
        costs: "a restart",
        undo: "start it without the file",
    },
    Known {
        words: "in the configuration file and restart",
        does: "nobody can crash the server or write files through it",
        costs: "a restart; tests that use DEBUG fail",
        undo: "put the old lines back, and restart the server",
    },
    Known {
        words: "raise the process limit",
        does: "the server can fork again",
        costs: "the container or user may start more processes",
        undo: "set the previous limit",
    },
    Known {
        words: "a faster disk",
        does: "writes no longer wait",
        costs: "the price of the disk",
        undo: "move back to the old disk",
    },
];
