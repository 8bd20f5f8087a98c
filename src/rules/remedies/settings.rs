//! Settings that a fix changes. All hold at once, and until the next restart unless CONFIG REWRITE or the file keeps them.

use super::{Known, NOTHING};

const fn set(words: &'static str, does: &'static str, costs: &'static str) -> Known {
    Known { words, does, costs, undo: "" }
}

pub(super) const KNOWN: &[Known] = &[
    set(
        "CONFIG SET maxmemory-policy allkeys",
        "when memory is full, evicts the least recently used keys first",
        "may delete any key, even one that should stay: evicted keys are lost",
    ),
    set(
        "CONFIG SET maxmemory-policy volatile-ttl",
        "when memory is full, evicts keys with a time to live, those that expire soonest first",
        "deletes such keys before they expire: evicted keys are lost",
    ),
    set(
        "CONFIG SET maxmemory-policy ",
        "changes what happens when memory is full",
        "the server may now evict keys or refuse writes",
    ),
    set(
        "CONFIG SET maxmemory-eviction-tenacity ",
        "evicts for longer before each command",
        "every command waits longer while memory is above the limit",
    ),
    set(
        "CONFIG SET maxmemory-clients ",
        "limits the memory of all client buffers together",
        "above the limit, disconnects the clients with the largest buffers",
    ),
    set(
        "CONFIG SET maxmemory <less",
        "leaves more memory for forks and other processes",
        "below the current use, keys are evicted, or writes refused where the policy evicts nothing",
    ),
    set(
        "CONFIG SET maxmemory <80",
        "the server refuses writes or evicts keys before the kernel kills it",
        "below the current use, keys are evicted, or writes refused where the policy evicts nothing",
    ),
    set(
        "CONFIG SET maxmemory ",
        "accepts writes and keeps keys up to this much memory",
        "leaves that much less memory for forks, buffers and other processes",
    ),
    set(
        "CONFIG SET lazyfree-lazy-eviction ",
        "frees evicted values in the background",
        "their memory is freed slightly later",
    ),
    set(
        "CONFIG SET activedefrag ",
        "moves values together, and returns pages to the system",
        "takes up to a quarter of the main thread (active-defrag-cycle-max) while it works",
    ),
    set(
        "CONFIG SET client-output-buffer-limit \"normal",
        "disconnects clients that do not read their replies",
        "a client that waits for a large reply or pipeline is disconnected too, and loses it",
    ),
    set(
        "CONFIG SET client-output-buffer-limit ",
        "buffers more data for a slow replica before disconnecting it",
        "takes up to that much memory while a replica is behind",
    ),
    set(
        "CONFIG SET maxclients ",
        "lets more clients connect",
        "a file descriptor and about 20 kB for each; refused where `ulimit -n` of the process is less",
    ),
    set(
        "CONFIG SET timeout ",
        "closes connections that were idle for that many seconds",
        "pools that keep idle connections have to reconnect; subscribers and replicas are not affected",
    ),
    set("CONFIG SET tcp-keepalive ", "closes connections whose peer is gone", "a packet a minute for each connection"),
    set(
        "CONFIG SET tracking-table-max-keys ",
        "remembers more keys for clients that cache",
        "about a hundred bytes for each key that is remembered",
    ),
    set("CONFIG SET slowlog-log-slower-than ", "logs commands that are slower", "a little memory for each entry"),
    set("CONFIG SET slowlog-max-len ", "keeps more slow commands", "about a kilobyte for each entry"),
    set("CONFIG SET latency-monitor-threshold ", "records what delayed the server", "a few kilobytes"),
    set(
        "CONFIG SET active-expire-effort ",
        "deletes expired keys sooner",
        "takes more of the main thread: about a quarter at most, at 10",
    ),
    set(
        "CONFIG SET hz ",
        "looks for expired keys and idle clients more often",
        "takes a few percent of the processor, even on an idle server",
    ),
    set(
        "CONFIG SET *-max-listpack-entries ",
        "keeps collections up to this length in their compact form",
        "commands on such collections take longer; collections that are already larger stay large until they are rewritten",
    ),
    set(
        "CONFIG SET *-max-ziplist-entries ",
        "keeps collections up to this length in their compact form",
        "commands on such collections take longer; collections that are already larger stay large until they are rewritten",
    ),
    set("CONFIG SET dir ", "saves to another folder from now on", "the files in the old one are not moved"),
    set(
        "CONFIG SET save ",
        "saves automatically at these intervals",
        "a fork at each save, and up to twice the memory while many keys change",
    ),
    set(
        "CONFIG SET backup-sealed-ttl ",
        "the server removes a sealed backup by itself after so many seconds",
        "a backup that nobody has copied by then is gone",
    ),
    set(
        "CONFIG SET appendfsync everysec",
        "writes no longer wait for the disk",
        "a crash of the machine loses about a second of writes",
    ),
    set(
        "CONFIG SET no-appendfsync-on-rewrite ",
        "writes do not wait for the disk while a child process writes to it",
        "a crash of the machine in that time may lose more than a second of writes, 30 s at worst",
    ),
    set(
        "CONFIG SET repl-backlog-size ",
        "a replica that was disconnected for longer can continue without a full resync",
        "takes that much memory on this server",
    ),
    set(
        "CONFIG SET masterauth ",
        "logs in to the primary with this password",
        "the password stays in the history of the shell or of redis-cli",
    ),
    set("CONFIG SET repl-diskless-load ", "writes a full resync to disk before loading it", NOTHING),
    set(
        "CONFIG SET min-replicas-to-write ",
        "accepts writes without replicas",
        "writes are lost if this machine fails",
    ),
    set("CONFIG SET min-slaves-to-write ", "accepts writes without replicas", "writes are lost if this machine fails"),
    set(
        "CONFIG SET replica-read-only ",
        "refuses writes on the replica",
        "clients that write here get READONLY; data that was written here stays until the next resync",
    ),
    set(
        "CONFIG SET slave-read-only ",
        "refuses writes on the replica",
        "clients that write here get READONLY; data that was written here stays until the next resync",
    ),
    set(
        "CONFIG SET cluster-announce-hostname ",
        "tells clients this name of the node",
        "clients that cannot resolve the name do not reach the node",
    ),
    set(
        "CONFIG SET protected-mode ",
        "refuses connections from other machines while there is no password",
        "clients on other machines get DENIED from now on",
    ),
    set(
        "CONFIG SET tls-cert-file ",
        "new connections get the new certificate",
        "the server refuses a certificate that does not match its key",
    ),
    set("CONFIG SET ", "changes this setting", "see the documentation of the setting"),
];
