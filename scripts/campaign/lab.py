"""What the campaigns share: real servers, links that fail at a chosen byte, a store that fails at a chosen request, and the tool."""

import argparse
import contextlib
import glob
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BINARY = os.environ.get("REDIS_OPS_BINARY", "redis-ops")
GIB = 1 << 30


class Violation(Exception):
    """A promise that was not kept."""


def options(default_runs):
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="?", type=int, default=default_runs)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a run that failed")
    return parser.parse_args()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def programs():
    """(name, path) of every server at hand, in order."""
    found = sorted(glob.glob(os.path.join(os.environ.get("REDIS_OPS_SERVERS", "/nonexistent"), "bin", "*-server-*")))
    found = [path for path in found if not path.endswith("-sid")]
    if not found and shutil.which("redis-server"):
        found = [shutil.which("redis-server")]
    return [(os.path.basename(path).replace("-server", ""), path) for path in found]


class Client:
    """Speaks RESP2, and nothing that could hide what the server says."""

    def __init__(self, port, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server hung up")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RuntimeError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if int(rest) < 0:
                return None
            body = self.file.read(int(rest) + 2)
            if len(body) != int(rest) + 2:
                raise ConnectionError("the server hung up")
            return body[:-2]
        if kind == b"*":
            return None if int(rest) < 0 else [self.read() for _ in range(int(rest))]
        raise ConnectionError(f"not a reply: {line!r}")

    def __call__(self, *words):
        self.send(*words)
        return self.read()

    def many(self, commands):
        for start in range(0, len(commands), 500):
            batch = commands[start : start + 500]
            for words in batch:
                self.send(*words)
            for words in batch:
                reply = self.read()
                if isinstance(reply, RuntimeError):
                    raise Violation(f"{words[0]} was refused: {reply}")

    def info(self, section="everything"):
        reply = self("INFO", section)
        if isinstance(reply, RuntimeError):
            raise reply
        lines = (line.split(":", 1) for line in reply.decode(errors="replace").splitlines() if ":" in line)
        return {name: value for name, value in lines}


class Server:
    """A real server on a port and in a folder of its own."""

    def __init__(self, name, path, folder, settings=(), memory=None):
        self.name, self.path, self.folder, self.settings, self.memory = name, path, folder, list(settings), memory
        os.makedirs(folder, exist_ok=True)
        self.port = free_port()
        self.process = None
        self.start()

    def start(self):
        def limit():
            os.setpgid(0, 0)
            if self.memory:
                resource.setrlimit(resource.RLIMIT_AS, (self.memory, self.memory))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        words = [self.path, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", ""]
        if not self.name.startswith("redis-6"):
            words += ["--enable-debug-command", "yes"]
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(words + self.settings, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=limit)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} does not start: {self.log()[-400:]}")
            try:
                with self.client(1) as client:
                    if client("PING") == b"PONG":
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} does not answer")

    def log(self):
        with open(os.path.join(self.folder, "log"), errors="replace") as log:
            return log.read()

    def client(self, timeout=20):
        return Client(self.port, timeout)

    def is_alive(self):
        return self.process.poll() is None

    def kill(self):
        if self.process and self.process.poll() is None:
            # A version may be started by a wrapper of its own: the whole group goes.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def digest(self):
        """What the server itself says of all of its keys, which does not depend on order or encoding."""
        with self.client() as client:
            # Keys whose time has come are removed first, so that two servers agree.
            reply = client("DEBUG", "DIGEST")
            if isinstance(reply, RuntimeError):
                raise reply
            return reply.decode()

    def keys(self):
        with self.client() as client:
            info = client.info("keyspace")
        return sum(int(re.match(r"keys=(\d+)", value).group(1)) for name, value in info.items() if name.startswith("db"))

    def all_keys(self):
        with self.client() as client:
            found = []
            for name in client.info("keyspace"):
                if name.startswith("db"):
                    client("SELECT", name[2:])
                    found += [(int(name[2:]), key) for key in client("KEYS", "*")]
            return found


class Link:
    """A TCP link in front of a server, which breaks or stalls once a number of bytes has come back from it."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.passed = {"up": 0, "down": 0}
        self.fault = None  # (direction, bytes, "cut" | "stall", seconds)
        self.fired = False
        self.refusing = False
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=10)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            self.sockets += [near, far]
            for source, sink, direction in ((near, far, "up"), (far, near, "down")):
                threading.Thread(target=self._pass, args=(source, sink, direction), daemon=True).start()

    def _pass(self, source, sink, direction):
        try:
            while data := source.recv(16384):
                with self.lock:
                    before = self.passed[direction]
                    self.passed[direction] += len(data)
                    fault = self.fault
                    hit = fault and not self.fired and fault[0] == direction and self.passed[direction] > fault[1]
                    if hit:
                        self.fired = True
                if hit:
                    sink.sendall(data[: max(0, fault[1] - before)])
                    if fault[2] == "cut":
                        self.cut()
                        return
                    time.sleep(fault[3])
                    data = data[max(0, fault[1] - before) :]
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        for end in self.sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.sockets = []

    def close(self):
        self.listener.close()
        self.cut()


class StoreLink(Link):
    """An HTTP link in front of an S3 server, which fails at chosen requests: `faults` maps the request's number to what happens."""

    def __init__(self, port, faults):
        self.faults, self.requests, self.seen = faults, 0, []
        super().__init__(port)

    def _pass(self, source, sink, direction):
        if direction == "down":
            return  # the requests' thread reads the answers as well
        near, far = source, sink
        upstream = far.makefile("rb")
        reader = near.makefile("rb")
        try:
            while head := read_head(reader):
                with self.lock:
                    number = self.requests
                    self.requests += 1
                    fault = self.faults.get(number)
                    self.seen.append((head.split(b"\r\n", 1)[0].decode(errors="replace"), fault))
                # A client that waits for leave to send its body gets it.
                if b"expect: 100-continue" in head.lower():
                    near.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = read_body(reader, head)
                if fault == "503":
                    text = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
                    near.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(text) + text)
                    return
                if fault == "cut":
                    return
                if fault == "stall":
                    time.sleep(3)
                head = re.sub(rb"(?i)\r\nexpect: 100-continue", b"", head)
                far.sendall(head + body)
                answer_head = read_head(upstream)
                method = head.split(b" ", 1)[0]
                answer = b"" if method == b"HEAD" else read_body(upstream, answer_head)
                if fault == "lost":
                    return
                near.sendall(answer_head + answer)
        except (OSError, ValueError):
            pass
        finally:
            for end in (near, far):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                    end.close()


def read_head(reader):
    lines = []
    while line := reader.readline():
        lines.append(line)
        if line == b"\r\n":
            return b"".join(lines)
    return b""


def read_body(reader, head):
    lower = head.lower()
    if length := re.search(rb"\r\ncontent-length: *(\d+)", lower):
        return reader.read(int(length.group(1)))
    if b"transfer-encoding: chunked" in lower:
        parts = []
        while True:
            line = reader.readline()
            parts.append(line)
            size = int(line.split(b";")[0], 16)
            parts.append(reader.read(size + 2))
            if size == 0:
                return b"".join(parts)
    status = head.split(b" ", 2)[1:2]
    if head.startswith(b"HTTP/") and status and status[0] not in (b"204", b"304") and b"connection: close" in lower:
        return reader.read()
    return b""


class Run:
    """One command of the tool, with what it printed."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"exit {self.code}\n--- stdout\n{self.out[-1500:]}\n--- stderr\n{self.err[-1500:]}"


class Tool:
    """The binary, with a state folder and an environment of its own."""

    def __init__(self, folder, extra=None):
        self.folder = folder
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_OPS_", "AWS_"))}
        state = os.path.join(folder, "state")
        self.environment = keep | {"XDG_STATE_HOME": state, "HOME": folder, "NO_COLOR": "1"} | (extra or {})

    def spawn(self, *words):
        return self.spawn_other(BINARY, *words)

    def spawn_other(self, *words):
        """A command that ends up as the tool, such as a shell with a limit."""
        out = open(os.path.join(self.folder, "out"), "wb+")
        err = open(os.path.join(self.folder, "err"), "wb+")
        process = subprocess.Popen(list(words), stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=self.environment, cwd=self.folder, start_new_session=True)
        process.files = (out, err)
        return process

    def wait(self, process, timeout=120):
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Violation(f"it did not end within {timeout} s: {process.args}\n{self.read(process)[1][-1500:]}")
        return Run(code, *self.read(process))

    def read(self, process):
        texts = []
        for file in process.files:
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return texts

    def run(self, *words, timeout=120):
        return self.wait(self.spawn(*words), timeout)


def fill(server, random_, keys):
    """Keys of every type, in two databases, with some expiries far away; the same for the same seed."""
    bytes_ = lambda most: random_.randbytes(random_.randint(0, most))
    commands = []
    for number in range(keys):
        if number == keys * 9 // 10:
            commands.append(("SELECT", "3"))
        key = f"{random_.choice(['user', 'job', 'cart', 'é'])}:{number}"
        kind = random_.randrange(8)
        size = random_.choice([1, 3, 20, 200])
        if kind <= 1:
            commands.append(("SET", key, bytes_(random_.choice([8, 60, 3000, 40000]))))
        elif kind == 2:
            commands.append(("RPUSH", key, *[bytes_(60) for _ in range(size)]))
        elif kind == 3:
            commands.append(("SADD", key, *[random_.randint(-9999, 99999) if size < 20 else bytes_(30) for _ in range(size)]))
        elif kind == 4:
            commands.append(("HSET", key, *[word for index in range(size) for word in (f"f{index}", bytes_(40))]))
        elif kind == 5:
            commands.append(("ZADD", key, *[word for index in range(size) for word in (random_.random() * 1e6, f"m{index}")]))
        elif kind == 6:
            commands += [("XADD", key, f"{index + 1}-1", "a", bytes_(20), "b", "x") for index in range(min(size, 30))]
            commands += [("XGROUP", "CREATE", key, "g", "0"), ("XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", key, ">")]
        else:
            commands.append(("SET", key, random_.randint(-(1 << 40), 1 << 40)))
        if random_.random() < 0.2:
            commands.append(("PEXPIREAT", key, 4_000_000_000_000 + number))
    with server.client() as client:
        client.many(commands)


def campaign(one, default_runs, prepare=None):
    """Runs `one(index, Random, folder, prepared)` as often as asked; prints every violation with its seed; exit 1 if there was one."""
    chosen = options(default_runs)
    root = tempfile.mkdtemp(prefix="redis-ops-campaign-")
    prepared = prepare(random.Random(chosen.seed), root) if prepare else None
    counts, violations, lock = {}, [], threading.Lock()
    numbers = iter(range(chosen.runs))
    print(f"seed {chosen.seed}, {chosen.runs} runs", flush=True)

    def work():
        while True:
            with lock:
                index = next(numbers, None)
            if index is None:
                return
            seed = chosen.seed + index
            folder = os.path.join(root, f"run-{index}")
            os.makedirs(folder)
            began = time.monotonic()
            try:
                word = one(index, random.Random(seed), folder, prepared)
                bad = None
            except Violation as violation:
                word, bad = "VIOLATION", str(violation)
            except Exception as error:  # the campaign's own fault is one as well: nothing was shown
                word, bad = "NOT SHOWN", f"{type(error).__name__}: {error}"
            took = time.monotonic() - began
            if took > 60:
                print(f"--seed {seed} took {took:.0f} s: {word}", flush=True)
            with lock:
                counts[word] = counts.get(word, 0) + 1
                if bad:
                    violations.append(seed)
                    print(f"\n{word} --seed {seed} (run {index})\n{bad}\n", flush=True)
                done = sum(counts.values())
                if done % 50 == 0:
                    print(f"{done} runs: {counts}", flush=True)
            if not (bad and chosen.keep):
                shutil.rmtree(folder, ignore_errors=True)

    try:
        workers = [threading.Thread(target=work) for _ in range(chosen.jobs)]
        [worker.start() for worker in workers]
        [worker.join() for worker in workers]
    finally:
        for thing in (prepared or {}).get("close", []):
            thing()
        if not (violations and chosen.keep):
            shutil.rmtree(root, ignore_errors=True)
    for word in sorted(counts):
        print(f"{counts[word]:6} {word}")
    print(f"{chosen.runs - len(violations)} passed, {len(violations)} failed")
    sys.exit(1 if violations else 0)
