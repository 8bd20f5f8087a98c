"""RDB files that lie: what `verify` calls good must load, and live.

Each run takes a file that a real server wrote, changes something in it that only a liar or a broken server would (a member twice, a
count, a hint, an expiry, an encoding, a byte within a packed value), gives it a right CRC64, and asks `verify --file`. What it calls good
without a word is loaded into every server at hand that meets its needs; then all keys are read, changed and deleted, and saved. A server
that refuses such a file, or dies, is a violation. Servers may use 6 GiB of addresses.
"""

import concurrent.futures
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

import lab
from rdbfile import File, mutate

MEMORY = 6 * lab.GIB
FIXTURES = [
    os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "tests", "fixtures"),
    os.environ.get("REDIS_OPS_FIXTURES", "/nonexistent"),
]


def verify(path):
    """(exit code, JSON) of `verify --file`."""
    done = subprocess.run(
        [lab.BINARY, "verify", "--file", path, "--json"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    if done.returncode not in (0, 1, 2, 3) or "panicked" in done.stderr:
        raise lab.Violation(f"verify ends with {done.returncode}: {done.stderr[-300:]}")
    return done.returncode, json.loads(done.stdout or "{}")


def exercise(client, database, key):
    """Reads a key in every way, changes it, makes it change its encoding, and deletes it. Errors are answers; a hang-up is not."""
    kind = client("TYPE", key)
    kind = kind.decode() if isinstance(kind, bytes) else ""
    client("DUMP", key)
    client("PTTL", key)
    client("OBJECT", "ENCODING", key)
    long = b"x" * 100
    elements = []
    if kind == "string":
        client("GET", key)
        client("STRLEN", key)
        client("APPEND", key, "x")
    elif kind == "list":
        elements = client("LRANGE", key, 0, -1) or []
        client("LINDEX", key, 0)
        client("LINDEX", key, -1)
        client("LINSERT", key, "BEFORE", (elements or [b""])[-1], long)
        client("LSET", key, 0, "1")
        client("LREM", key, 0, (elements or [b""])[0])
        client("RPUSH", key, "9", long * 100)
        client("LTRIM", key, 1, -2)
        client("RPOP", key)
        client("LPOP", key)
    elif kind == "set":
        elements = list(client("SMEMBERS", key) or [])
        for element in elements[:300]:
            client("SISMEMBER", key, element)
            client("SADD", key, element)
        client("SRANDMEMBER", key, -5)
        client("SADD", key, 7, -1000000000000)
        client("SREM", key, *(elements[:1] or [b"a"]))
        client("SADD", key, "word", long)
        client("SPOP", key)
        for element in elements[:300]:
            client("SREM", key, element)
    elif kind == "zset":
        elements = client("ZRANGE", key, 0, -1) or []
        client("ZRANGEBYSCORE", key, "-inf", "+inf", "WITHSCORES")
        client("ZRANGEBYSCORE", key, 1, 3)
        client("ZREVRANGE", key, 0, -1)
        for element in elements[:300]:
            client("ZRANK", key, element)
            client("ZSCORE", key, element)
            client("ZINCRBY", key, 1, element)
        client("ZREMRANGEBYRANK", key, 0, 0)
        client("ZADD", key, 5, "word", 6, long)
        client("ZPOPMIN", key)
        client("ZPOPMAX", key)
        for element in elements[:300]:
            client("ZREM", key, element)
    elif kind == "hash":
        fields = client("HKEYS", key) or []
        client("HGETALL", key)
        client("HPTTL", key, "FIELDS", 1, (fields or [b"a"])[0])
        client("HPEXPIRE", key, 100000, "FIELDS", 1, (fields or [b"a"])[-1])
        for field in fields[:300]:
            client("HGET", key, field)
            client("HSET", key, field, "changed")
        client("HINCRBY", key, "counter", 1)
        client("HDEL", key, *(fields[:1] or [b"a"]))
        client("HPERSIST", key, "FIELDS", 1, (fields or [b"a"])[-1])
        client("HSET", key, "word", long)
        client("HRANDFIELD", key, -5)
        for field in fields[:300]:
            client("HDEL", key, field)
    elif kind == "stream":
        client("XINFO", "STREAM", key, "FULL")
        entries = client("XRANGE", key, "-", "+")
        entries = entries if isinstance(entries, list) else []
        client("XREVRANGE", key, "+", "-")
        client("XLEN", key)
        groups = client("XINFO", "GROUPS", key)
        for group in groups if isinstance(groups, list) else []:
            name = group[1]
            consumers = client("XINFO", "CONSUMERS", key, name)
            pending = client("XPENDING", key, name, "-", "+", 100)
            for entry in pending if isinstance(pending, list) else []:
                client("XCLAIM", key, name, "other", 0, entry[0])
            client("XREADGROUP", "GROUP", name, "c", "STREAMS", key, "0")
            client("XREADGROUP", "GROUP", name, "c", "STREAMS", key, ">")
            client("XAUTOCLAIM", key, name, "third", 0, "0")
            for entry in (pending if isinstance(pending, list) else [])[:2]:
                client("XACK", key, name, entry[0])
            for consumer in consumers if isinstance(consumers, list) else []:
                client("XGROUP", "DELCONSUMER", key, name, consumer[1])
            client("XGROUP", "DESTROY", key, name)
        client("XADD", key, "*", "f", "v")
        for entry in entries[:3]:
            if isinstance(entry, list):
                client("XDEL", key, entry[0])
        client("XTRIM", key, "MAXLEN", 1)
        client("XADD", key, "*", "g", "v", "h", "w")
    elif kind == "array":
        client("ARGETALL", key)
        client("ARLEN", key)
        client("ARSET", key, 5, "x")
    elif kind == "vectorset":
        client("VCARD", key)
        client("VDIM", key)
        client("VRANDMEMBER", key, 5)
    client("COPY", key, b"copy:" + key, "REPLACE")
    client("DEL", b"copy:" + key)
    client("DEL", key)


class Judge:
    """A real server that loads one file after the other, by DEBUG RELOAD."""

    def __init__(self, name, path, folder):
        self.name, self.path, self.folder, self.server = name, path, folder, None

    def start(self):
        if self.server is None:
            os.makedirs(self.folder, exist_ok=True)
            with open(os.path.join(self.folder, "log"), "w"):
                pass
            dump = os.path.join(self.folder, "dump.rdb")
            if os.path.exists(dump):
                os.remove(dump)
            self.server = lab.Server(self.name, self.path, self.folder, ["--databases", "64", "--loglevel", "warning"], MEMORY)

    def stop(self):
        if self.server is not None:
            self.server.kill()
            self.server = None

    def words(self, why):
        log = self.server.log()
        for mark in ("Internal error", "ASSERTION", "Guru", "panic", "FATAL", "Out Of Memory", "Unrecoverable", "crashed"):
            at = log.find(mark)
            if at >= 0:
                return f"{why}: {log[at : at + 200]!r}"
        return f"{why}: {log[-200:]!r}"

    def judge(self, path):
        """None if the server takes the file; else what it said."""
        self.start()
        stage = "loads"
        try:
            with self.server.client(20) as client:
                client("FLUSHALL")
                client("FUNCTION", "FLUSH")
                shutil.copyfile(path, os.path.join(self.folder, "dump.rdb"))
                reply = client("DEBUG", "RELOAD", "NOSAVE")
                if isinstance(reply, RuntimeError):
                    text = self.words(f"refuses ({reply})")
                    self.stop()
                    return text
                stage = "uses"
                client("SAVE")
                databases = [name for name in client.info("keyspace") if name.startswith("db")]
                for database in databases:
                    client("SELECT", database[2:])
                    keys = client("KEYS", "*")
                    keys = keys if isinstance(keys, list) else []
                    for key in keys[:400]:
                        exercise(client, database, key)
                    client("SAVE")
                    client("FLUSHDB")
                client("PING")
        except (OSError, ConnectionError) as error:
            self.server.process.poll()
            try:
                self.server.process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                pass
            text = self.words(f"{stage}: {error} (exit {self.server.process.returncode})")
            self.stop()
            return text
        return None


def sources():
    """Files that real servers wrote."""
    found = []
    for folder in FIXTURES:
        for base, _, names in os.walk(folder):
            if any(part in base for part in ("corrupt", "poison", "public", "reports")):
                continue
            found += [os.path.join(base, name) for name in names if name.endswith(".rdb")]
    found = [path for path in found if os.path.getsize(path) < 24_000]
    return sorted(found)


def reads(name, needs):
    """Whether a server of this name reads what the file needs."""
    product, _, version = name.partition("-")
    return f"{product} {version}" in needs


def is_good(code, answer):
    """Good without a word: what is said of it are notes of which no server dies."""
    words = [finding["id"] for finding in answer.get("findings", [])]
    return code in (0, 1) and not any(word in ("functions_not_run", "lua_script") for word in words)


def run(seed, paths, judges, folder, tallies):
    rng = random.Random(seed)
    source = rng.choice(paths)
    with open(source, "rb") as file:
        data = file.read()
    try:
        parsed = File.parse(data)
    except ValueError:
        tallies["not read"] = tallies.get("not read", 0) + 1
        return []
    try:
        what = mutate(parsed, rng)
        mutant = parsed.write()
    except (OverflowError, ValueError, struct.error, IndexError):
        # What was to be written fits into no encoding.
        tallies["not written"] = tallies.get("not written", 0) + 1
        return []
    path = os.path.join(folder, f"mutant-{seed}.rdb")
    with open(path, "wb") as file:
        file.write(mutant)
    code, answer = verify(path)
    tallies[f"exit {code}"] = tallies.get(f"exit {code}", 0) + 1
    violations = []
    if is_good(code, answer):
        needs = answer.get("needs", {})
        servers = needs.get("servers", [])
        # A finding names the servers that refuse the file or die of it: to them it is not good.
        excused = set()
        for finding in answer.get("findings", []):
            for fate in ("refuses", "dies", "unknown"):
                excused.update(finding["evidence"].get(fate, "").split(", "))
        for judge in judges:
            label = judge.name.replace("-", " ", 1)
            if label not in servers or label in excused or needs.get("databases", 1) > 64 or not modules_are_met(judge.name, needs):
                continue
            tallies["loads"] = tallies.get("loads", 0) + 1
            said = judge.judge(path)
            if said:
                violations.append((seed, judge.name, os.path.basename(source), what, said))
    if violations:
        print(f"VIOLATION seed {seed}: {what} in {source}", file=sys.stderr)
        for _, name, _, _, said in violations:
            print(f"    {name} {said}", file=sys.stderr)
        print(f"    kept as {path}", file=sys.stderr)
        sys.stderr.flush()
    else:
        os.remove(path)
    return violations


def modules_are_met(name, needs):
    wanted = set(needs.get("modules", []))
    has = {"vectorset"} if name.startswith("redis-8.") else set()
    return wanted <= has


def main():
    options = lab.options(200)
    paths = sources()
    if not paths:
        sys.exit("no files of real servers found")
    print(f"poison: {options.runs} mutants of {len(paths)} files, seed {options.seed}")
    base = tempfile.mkdtemp(prefix="redis-ops-poison-")
    programs = lab.programs()
    workers = max(1, options.jobs)
    totals, violations = {}, []

    def work(number):
        folder = os.path.join(base, f"worker-{number}")
        os.makedirs(folder)
        judges = [Judge(name, path, os.path.join(folder, name)) for name, path in programs]
        tallies, found = {}, []
        try:
            for index in range(number, options.runs, workers):
                found += run(options.seed + index, paths, judges, folder, tallies)
        finally:
            for judge in judges:
                judge.stop()
        return tallies, found

    try:
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for tallies, found in pool.map(work, range(workers)):
                violations += found
                for name, count in tallies.items():
                    totals[name] = totals.get(name, 0) + count
    finally:
        if not (options.keep or violations):
            shutil.rmtree(base, ignore_errors=True)
    print("poison: " + ", ".join(f"{name}: {count}" for name, count in sorted(totals.items())))
    print(f"poison: {len({seed for seed, *_ in violations})} mutants called good were refused or killed a server")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
