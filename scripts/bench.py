"""The measurements behind bench.sh. Every figure is the best of several runs; every ratio is made within one run."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

KEYS = int(sys.argv[1])
RUNS = int(os.environ.get("RUNS", "2"))
TOOL = os.path.abspath("target/dist/redis-ops")
DATA = os.environ["REDIS_OPS_BENCH_DATA"]
ONLY = os.environ.get("ONLY", "")
MIB = 1024 * 1024


class Measured:
    """Wall seconds, CPU seconds and peak memory of the process itself."""

    def __init__(self, wall, cpu, rss):
        self.wall, self.cpu, self.rss = wall, cpu, rss


def run(command, codes=(0,), stdin=None):
    """One run of a command: a list, or a shell line for pipelines. It must end with one of the codes."""
    shell = isinstance(command, str)
    if shell:
        command = ["bash", "-c", "set -o pipefail; " + command]
    with open(LOG, "ab") as log:
        start = time.monotonic()
        child = subprocess.Popen(command, stdout=log, stderr=log, stdin=stdin or subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    child.returncode = code
    if code not in codes:
        with open(LOG, "rb") as log:
            sys.stderr.write(log.read()[-3000:].decode(errors="replace"))
        raise SystemExit(f"exit {code}: {command}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def best(command, before=None, runs=RUNS, codes=(0,)):
    results = []
    for _ in range(runs):
        if before:
            before()
        results.append(run(command, codes))
    fastest = min(results, key=lambda result: result.wall)
    fastest.rss = max(result.rss for result in results)
    return fastest


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A redis-server of its own."""

    def __init__(self, name, *arguments):
        self.port, self.folder = free_port(), os.path.join(WORK, name)
        os.makedirs(self.folder, exist_ok=True)
        self.arguments = arguments
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "", "--repl-diskless-sync",
             "yes", "--repl-diskless-sync-delay", "0", "--proto-max-bulk-len", "2gb", *self.arguments],
            stdout=subprocess.DEVNULL)
        PROCESSES.append(self.process)
        while self.cli("ping") != "PONG":
            time.sleep(0.02)

    def cli(self, *words):
        answer = subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True)
        return answer.stdout.strip()

    def stop(self):
        self.process.kill()
        self.process.wait()

    def cpu(self):
        """CPU seconds of the server itself, its children not counted."""
        told = dict(line.split(":") for line in self.cli("info", "cpu").splitlines() if ":" in line)
        return float(told["used_cpu_sys"]) + float(told["used_cpu_user"])

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"


def reply(reader):
    """One RESP reply of a type that DUMP, PTTL and SCAN give."""
    line = reader.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"$":
        length = int(rest)
        if length < 0:
            return None
        data = reader.read(length + 2)
        return data[:-2]
    if kind == b"*":
        return [reply(reader) for _ in range(int(rest))]
    return rest


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


@contextlib.contextmanager
def asked(server):
    """A connection: `ask(commands)` sends them all, and gives one reply after the other."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port))) as link:
        reader = link.makefile("rb", buffering=MIB)

        def ask(commands):
            commands = list(commands)
            link.sendall(b"".join(commands))
            return (reply(reader) for _ in commands)

        yield ask


def pages(ask):
    """The keys of database 0, page by page."""
    cursor = None
    while cursor != b"0":
        ((cursor, keys),) = ask([command(b"SCAN", cursor or b"0", b"COUNT", b"2000")])
        yield keys


def ready_made_restores(server, path):
    """All keys of a server as RESTORE commands, for `redis-cli --pipe`."""
    now = int(time.time() * 1000)
    with asked(server) as ask, open(path, "wb") as out:
        for keys in pages(ask):
            replies = ask(word for key in keys for word in (command(b"DUMP", key), command(b"PTTL", key)))
            for key in keys:
                payload, ttl = next(replies), int(next(replies))
                deadline = b"%d" % (now + ttl if ttl > 0 else 0)
                out.write(command(b"RESTORE", key, deadline, payload, b"ABSTTL"))


# How a value is read, and how it is written again; what is read is a list of words.
READ = {b"string": (b"GET",), b"list": (b"LRANGE", b"0", b"-1"), b"set": (b"SMEMBERS",), b"hash": (b"HGETALL",),
        b"zset": (b"ZRANGE", b"0", b"-1", b"WITHSCORES"), b"stream": (b"XRANGE", b"-", b"+")}
WRITE = {b"string": b"SET", b"list": b"RPUSH", b"set": b"SADD", b"hash": b"HSET", b"zset": b"ZADD"}


def ready_made_commands(server, path):
    """All keys of a server as typed commands, for `redis-cli --pipe`. Of streams the entries, without groups."""
    now = int(time.time() * 1000)
    with asked(server) as ask, open(path, "wb") as out:
        for keys in pages(ask):
            kinds = list(ask(command(b"TYPE", key) for key in keys))
            reads = ((command(READ[kind][0], key, *READ[kind][1:]), command(b"PTTL", key)) for key, kind in zip(keys, kinds))
            replies = ask(word for pair in reads for word in pair)
            for key, kind in zip(keys, kinds):
                value, ttl = next(replies), int(next(replies))
                if kind == b"stream":
                    for entry, fields in value:
                        out.write(command(b"XADD", key, entry, *fields))
                else:
                    words = [value] if kind == b"string" else value
                    if kind == b"zset":
                        words = [word for member, score in zip(words[::2], words[1::2]) for word in (score, member)]
                    for start in range(0, len(words), 1024):
                        out.write(command(WRITE[kind], key, *words[start:start + 1024]))
                if ttl > 0:
                    out.write(command(b"PEXPIREAT", key, b"%d" % (now + ttl)))


def best_load(command, before):
    """The phase `load` of a restore, as it says itself; the best of several runs."""
    results = []
    for _ in range(RUNS):
        before()
        answer = os.path.join(WORK, "answer.json")
        measured = run(f"{shlex.join(command)} --json > {answer}")
        with open(answer) as text:
            result = json.load(text)["result"]
        if result["method"] != "replica":
            raise SystemExit(f"not by replica: {result}")
        results.append(Measured(result["phases"]["load"], 0, measured.rss))
    return min(results, key=lambda result: result.wall)


def row(what, measured, base=None, limit="", note=""):
    ratio = f"{measured.wall / base.wall:.2f} ×" if base else ""
    rss = f"{measured.rss / MIB:.0f} MiB" if measured.rss else ""
    ROWS.append((what, f"{measured.wall:.2f}", ratio, limit, rss, note))
    print(f"  {what}: {measured.wall:.2f} s {ratio} {rss} {note}", file=sys.stderr, flush=True)


def wanted(section):
    return not ONLY or section in ONLY.split(",")


def size_of(folder):
    return sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(folder) for name in names if name.startswith("dump.rdb"))


def bench():
    source = Server("source")
    print(f"loading {KEYS} keys", file=sys.stderr, flush=True)
    if os.path.exists(os.path.join(DATA, "load.sh")):
        subprocess.run([os.path.join(DATA, "load.sh"), str(source.port), str(KEYS)], check=True, stdout=subprocess.DEVNULL)
    else:
        source.cli("debug", "populate", str(KEYS), "key", "160")
    raw = os.path.join(WORK, "std.rdb")
    # To a file: to standard output it would leave the mark of the transfer behind the RDB.
    run(["redis-cli", "-p", str(source.port), "--rdb", raw])
    raw_bytes = os.path.getsize(raw)
    version = re.search(r"v=(\S+)", subprocess.run(["redis-server", "--version"], capture_output=True, text=True).stdout).group(1)
    print(f"Redis {version}, {KEYS} keys, RDB {raw_bytes / 1e6:.0f} MB, {os.cpu_count()} cores", file=sys.stderr, flush=True)

    def folder(name):
        path = os.path.join(WORK, name)
        shutil.rmtree(path, ignore_errors=True)
        return path

    def backup(destination, *more):
        return [TOOL, "backup", "-i", source.url, "--name", "bench", "-r", destination, "--progress", "none", *more]

    repository = folder("repository")
    if wanted("backup"):
        bare = best(f"redis-cli -p {source.port} --rdb - 2>/dev/null > /dev/null")
        row("redis-cli --rdb - > /dev/null", bare)
        for codec, limit in (("gzip", 1.35), ("zstd", 1.20)):
            measured = best(backup(repository, "--compression", codec), before=lambda: folder("repository"))
            stored = size_of(repository) / raw_bytes
            row(f"redis-ops backup, {codec}, to a folder", measured, bare, f"≤ {limit}", f"stored {stored:.3f} of raw")
        if wanted("s3"):
            port = free_port()
            os.makedirs(os.path.join(folder("s3"), "bench"))
            PROCESSES.append(subprocess.Popen(
                ["s3s-fs", "--host", "127.0.0.1", "--port", str(port), "--access-key", "bench", "--secret-key", "bench-secret", os.path.join(WORK, "s3")],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench-secret", AWS_REGION="us-east-1",
                              AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{port}")
            time.sleep(0.5)
            people = best(f"redis-cli -p {source.port} --rdb - 2>/dev/null | gzip | aws s3 cp - s3://bench/people.gz", runs=1)
            row("redis-cli --rdb - | gzip | aws s3 cp -", people)
            ours = best(backup("s3://bench/ours", "--s3-endpoint", f"http://127.0.0.1:{port}"))
            row("redis-ops backup, gzip, to S3", ours, people, "≤ 0.50")

    if wanted("verify"):
        folder("repository")
        run(backup(repository, "--compression", "gzip"))
        stored = next(os.path.join(path, name) for path, _, names in os.walk(repository) for name in names if name == "dump.rdb.gz")
        unpacked = os.path.join(WORK, "unpacked.rdb")
        people = best(f"gzip -dc {stored} > {unpacked} && redis-check-rdb {unpacked}")
        row("gzip -dc to a file, redis-check-rdb", people)
        row("redis-ops verify --level structure, gzip", best([TOOL, "verify", "--backup-id", "latest", "-r", repository, "--progress", "none"]), people, "≤ 0.50")
        os.unlink(unpacked)

        # Yesterday and today: one key of a hundred differs, a few are gone, a few are new.
        first = run([TOOL, "verify", "--backup-id", "latest", "-r", repository, "--progress", "none"])
        source.cli("eval", "for i = 1, tonumber(ARGV[1]) do local key = redis.call('randomkey') if redis.call('type', key).ok == 'string' then redis.call('append', key, 'x') end end", "0", str(KEYS // 100))
        for number in range(20):
            source.cli("set", f"bench:new:{number}", "x")
        run(backup(repository, "--compression", "gzip"))
        both = Measured(first.wall + run([TOOL, "verify", "--backup-id", "latest", "-r", repository, "--progress", "none"]).wall, 0, 0)
        row("redis-ops verify --level structure of two backups", both)
        older = sorted(name for name in os.listdir(os.path.join(repository, "bench")))[0]
        compare = [TOOL, "verify", "--backup-id", f"bench/{older}", "--against", "bench/latest", "-r", repository, "--progress", "none"]
        row("redis-ops verify --against", best(compare, codes=(2,)), both, "≤ 2.00")

    if wanted("engine"):
        one_core = ["taskset", "-c", "0"] if shutil.which("taskset") else []
        # What is measured is the reader, not the disk: the file is read once before each run.
        warm = lambda: run(f"cat {raw} > /dev/null")
        checker = best([*one_core, "redis-check-rdb", raw], before=warm)
        row("redis-check-rdb, one core", checker, note=f"{raw_bytes / 1e6 / checker.wall:.0f} MB/s")
        for what, more in (("structure and CRC64", []), ("structure, census and digest", ["--census"])):
            measured = best([*one_core, TOOL, "verify", "--file", raw, "--progress", "none", *more], before=warm)
            limit = "≤ 0.25" if not more else ""
            row(f"redis-ops verify --file, {what}, one core", measured, checker, limit, f"{raw_bytes / 1e6 / measured.wall:.0f} MB/s")

    if wanted("diagnose"):
        def of_the_server(command, runs=RUNS):
            before = source.cpu()
            # What it finds is not what is measured.
            measured = best(command, runs=runs, codes=(0, 1, 2))
            return measured, f"{(source.cpu() - before) / runs:.1f} s of the server's CPU"

        people, note = of_the_server(["redis-cli", "-p", str(source.port), "--memkeys"], runs=1)
        row("redis-cli --memkeys", people, note=note)
        keyspace = [TOOL, "diagnose", "keyspace", "-i", source.url]
        for what, more, limit in (("--full", ["--full"], "≤ 0.20"), ("--via replication", ["--via", "replication"], "")):
            measured, note = of_the_server([*keyspace, *more])
            row(f"redis-ops diagnose keyspace {what}", measured, people, limit, note)
        counted = best([TOOL, "verify", "--file", raw, "--census", "--progress", "none"])
        row("redis-ops verify --file --census", counted)
        row("redis-ops diagnose keyspace --file", best([TOOL, "diagnose", "keyspace", "--file", raw], codes=(0, 1, 2)), counted)

    if wanted("restore"):
        folder("repository")
        run(backup(repository, "--compression", "zstd"))
        pipes = {"restore": os.path.join(WORK, "restores.resp"), "commands": os.path.join(WORK, "commands.resp")}
        ready_made_restores(source, pipes["restore"])
        ready_made_commands(source, pipes["commands"])
        source.stop()
        target = Server("target")
        restore = [TOOL, "restore", "--backup-id", "latest", "-r", repository, "--progress", "none", "--no-proof", "--target-instance"]

        def empty(server):
            return lambda: server.cli("flushall")

        for method, words in (("restore", "RESTORE commands"), ("commands", "typed commands")):
            people = best(f"redis-cli -p {target.port} --pipe < {pipes[method]}", before=empty(target))
            row(f"redis-cli --pipe of ready-made {words}", people)
            row(f"redis-ops restore --method {method}", best([*restore, target.url, "--method", method], before=empty(target)), people, "≤ 1.20")
            os.unlink(pipes[method])

        target.cli("flushall")
        shutil.copy(raw, os.path.join(target.folder, "dump.rdb"))
        log = os.path.join(WORK, "load.log")
        target.arguments = ("--logfile", log)
        for _ in range(RUNS):
            target.stop()
            target.start()
        loads = re.findall(r"DB loaded from disk: ([0-9.]+) seconds", open(log).read())
        own = Measured(min(float(seconds) for seconds in loads), 0, 0)
        os.unlink(os.path.join(target.folder, "dump.rdb"))
        row("redis-server loads the file at start", own)
        for what, server, limit in (
            ("from memory", target, "≤ 1.20"),
            # A server that lets nobody change its `repl-diskless-load` takes the file in through its disk.
            ("through its disk", Server("by-disk", "--rename-command", "CONFIG", ""), "≤ 1.60"),
        ):
            loaded = best_load([*restore, server.url, "--method", "replica"], empty(server))
            row(f"redis-ops restore --method replica, load {what}", loaded, own, limit)
            if server is not target:
                server.stop()
        bare = best(f"redis-cli -p {target.port} --rdb - 2>/dev/null > /dev/null")
        row("redis-cli --rdb - of the restored server", bare)
        measured = best([TOOL, "verify", "--instance", target.url, "--backup-id", "bench/latest", "-r", repository, "--progress", "none"])
        row("redis-ops verify --instance", measured, bare, "≤ 1.15")


def table():
    heads = ("what", "seconds", "ratio", "goal", "peak memory", "")
    print("| " + " | ".join(heads) + " |")
    print("|---|--:|--:|--:|--:|---|")
    for cells in ROWS:
        print("| " + " | ".join(cells) + " |")


WORK = tempfile.mkdtemp(prefix="redis-ops-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))
LOG = os.path.join(WORK, "log")
PROCESSES, ROWS = [], []
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
try:
    bench()
finally:
    for process in PROCESSES:
        with contextlib.suppress(OSError):
            process.kill()
            process.wait()
    shutil.rmtree(WORK, ignore_errors=True)
table()
