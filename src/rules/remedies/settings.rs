//! Settings that a fix changes. All hold at once, and until the next restart unless CONFIG REWRITE or the file keeps them.

use super::{Known, NOTHING};

const fn set(words: &'static str, does: &'static str, costs: &'static str) -> Known {
    Known { words, does, costs, undo: "" }
}

pub(super) const KNOWN: &[Known] = &[
    set(
        "CONFIG SET maxmemory-policy allkeys",
        "evicts keys when memory is full, the longest unused first",
        "deletes any keys, also those that are meant to stay: what is gone stays gone",
    ),
    set(
        "CONFIG SET maxmemory-policy volatile-ttl",
        "evicts keys that have a time to live when memory is full, those that end soonest first",
        "deletes such keys before their time: what is gone stays gone",
    ),
    set(
        "CONFIG SET maxmemory-policy ",
        "changes what happens when memory is full",
        "keys may be evicted, or writes refused, that were not before",
    ),
    set(
        "CONFIG SET maxmemory-eviction-tenacity ",
        "evicts for longer before each command",
        "every command waits longer while memory is above the limit",
    ),
    set(
        "CONFIG SET maxmemory-clients ",
        "limits what the buffers of all clients take together",
        "disconnects the clients with the largest buffers when they take more",
    ),
    set(
        "CONFIG SET maxmemory <less",
        "leaves more of the machine to forks and other processes",
        "below what is used now keys are evicted, or writes refused where nothing may be evicted",
    ),
    set(
        "CONFIG SET maxmemory <80",
        "refuses writes, or evicts, before the kernel kills the server",
        "below what is used now keys are evicted, or writes refused where nothing may be evicted",
    ),
    set(
        "CONFIG SET maxmemory ",
        "takes writes, and keeps keys, up to this much memory",
        "forks, buffers and other processes have so much less of the machine",
    ),
    set(
        "CONFIG SET lazyfree-lazy-eviction ",
        "frees evicted values in the background",
        "their memory is free a moment later",
    ),
    set(
        "CONFIG SET activedefrag ",
        "moves values together, and gives pages back",
        "takes up to a quarter of the main thread (active-defrag-cycle-max) while it works",
    ),
    set(
        "CONFIG SET client-output-buffer-limit \"normal",
        "disconnects clients that do not read their answers",
        "a client with a large answer or pipeline on its way is disconnected too, and loses it",
    ),
    set(
        "CONFIG SET client-output-buffer-limit ",
        "lets more wait for a slow replica before it is disconnected",
        "takes up to that much memory while a replica is behind",
    ),
    set(
        "CONFIG SET maxclients ",
        "lets more clients connect",
        "a file descriptor and about 20 kB for each; refused where `ulimit -n` of the process is less",
    ),
    set(
        "CONFIG SET timeout ",
        "closes connections that were idle for so long",
        "pools that keep idle connections have to connect anew; subscribers and replicas are left alone",
    ),
    set("CONFIG SET tcp-keepalive ", "closes connections whose peer is gone", "a packet a minute for each connection"),
    set(
        "CONFIG SET tracking-table-max-keys ",
        "remembers more keys for clients that cache",
        "about a hundred bytes for each key that is remembered",
    ),
    set("CONFIG SET slowlog-log-slower-than ", "logs commands that are slower", "a little memory for each entry"),
    set("CONFIG SET slowlog-max-len ", "keeps more slow commands", "about a kilobyte for each entry"),
    set("CONFIG SET latency-monitor-threshold ", "remembers what held the server up", "a few kilobytes"),
    set(
        "CONFIG SET active-expire-effort ",
        "deletes expired keys sooner",
        "takes more of the main thread: about a quarter at most, at 10",
    ),
    set(
        "CONFIG SET hz ",
        "looks for expired keys and idle clients more often",
        "takes a few percent of the processor, of an idle server too",
    ),
    set(
        "CONFIG SET *-max-listpack-entries ",
        "keeps collections up to this length in their compact form",
        "commands on such collections take longer; those that have outgrown it stay large until they are written anew",
    ),
    set(
        "CONFIG SET *-max-ziplist-entries ",
        "keeps collections up to this length in their compact form",
        "commands on such collections take longer; those that have outgrown it stay large until they are written anew",
    ),
    set("CONFIG SET dir ", "saves to another folder from now on", "the files in the old one are not moved"),
    set(
        "CONFIG SET save ",
        "saves by itself at these intervals",
        "a fork at each save, and up to twice the memory while many keys change",
    ),
    set(
        "CONFIG SET appendfsync everysec",
        "writes no longer wait for the disk",
        "a crash of the machine loses about a second of writes",
    ),
    set(
        "CONFIG SET no-appendfsync-on-rewrite ",
        "does not wait for the disk while a child writes to it",
        "a crash of the machine in that time may lose more than a second of writes, 30 s at worst",
    ),
    set(
        "CONFIG SET repl-backlog-size ",
        "lets a replica that was away for longer go on where it was",
        "takes that much memory on this server",
    ),
    set(
        "CONFIG SET masterauth ",
        "logs in to the primary with this password",
        "the password is in the history of whoever types it",
    ),
    set("CONFIG SET repl-diskless-load ", "loads a full resync from its disk again", NOTHING),
    set(
        "CONFIG SET min-replicas-to-write ",
        "takes writes without replicas",
        "what is written is lost if this machine fails",
    ),
    set(
        "CONFIG SET min-slaves-to-write ",
        "takes writes without replicas",
        "what is written is lost if this machine fails",
    ),
    set(
        "CONFIG SET replica-read-only ",
        "refuses writes on the replica",
        "who writes here gets READONLY; what was written here stays until the next resync",
    ),
    set(
        "CONFIG SET slave-read-only ",
        "refuses writes on the replica",
        "who writes here gets READONLY; what was written here stays until the next resync",
    ),
    set(
        "CONFIG SET cluster-announce-hostname ",
        "tells clients this name of the node",
        "clients that cannot resolve the name do not reach the node",
    ),
    set(
        "CONFIG SET protected-mode ",
        "refuses everybody from other machines, as long as there is no password",
        "clients on other machines get DENIED from now on",
    ),
    set(
        "CONFIG SET tls-cert-file ",
        "shows the new certificate to new connections",
        "refused if it does not fit its key",
    ),
    set("CONFIG SET ", "changes this setting", "what the documentation of the setting says"),
];
