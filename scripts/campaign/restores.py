"""Restores under faults. Each run ends with a target that holds exactly what it should, by the restore itself or by the command that it
printed; the target is a primary with the settings that it had, and holds no key of the tool's own.

What the target holds is asked of the server: DEBUG DIGEST, key names, role, CONFIG GET.
"""

import contextlib
import functools
import os
import re
import shlex
import signal
import subprocess
import time

import lab
from lab import Violation

FAULTS = ["none", "cut", "stall", "kill", "kill-all", "signal", "restart", "damaged", "swapped", "full", "link-away"]
# Those that come at a moment of their own.
UNTIMELY = ("kill", "kill-all", "signal", "restart", "link-away")
QUIET = ["--progress", "none"]
# What a server changes by itself.
MOVING = {"port", "dir", "maxmemory", "replicaof", "slaveof", "logfile"}


def prepare(random, root):
    sources, close = [], []
    tool_home = os.path.join(root, "tool")
    os.makedirs(tool_home)
    tool = lab.Tool(tool_home)
    repository = os.path.join(root, "repository")
    for name, path in lab.programs():
        for size in (200, 2500):
            server = lab.Server(name, path, os.path.join(root, f"{name}-{size}"), ["--repl-diskless-sync-delay", "0"])
            lab.fill(server, random, size)
            if tool.run("init", "-r", repository, *QUIET).code not in (0, 3):
                raise SystemExit("the repository cannot be made")
            taken = tool.run("backup", "-i", f"redis://127.0.0.1:{server.port}", "--name", f"{name}-{size}", "-r", repository, "--compression", random.choice(["gzip", "zstd"]), *QUIET)
            if taken.code != 0:
                raise SystemExit(f"no backup to begin with: {taken}")
            sources.append({"name": name, "path": path, "backup": f"{name}-{size}/latest", "folder": f"{name}-{size}", "digest": server.digest(), "keys": server.keys()})
            server.kill()
    return {"sources": sources, "repository": repository, "close": close}


def one(index, random, folder, prepared):
    fault = FAULTS[index % len(FAULTS)]
    source = random.choice(prepared["sources"])
    settings = [["--repl-diskless-load", random.choice(["disabled", "swapdb"])], []][random.randrange(2)]
    if random.random() < 0.3:
        settings += ["--appendonly", "yes"]
    if random.random() < 0.2:
        settings += ["--requirepass", "sesame"]
    settings += ["--repl-diskless-sync-delay", "0"]
    if fault in UNTIMELY and takes_delay(source["path"]):
        # A server loads so few keys in no time: there is to be a load that a fault can hit. Microseconds a key.
        settings += ["--key-load-delay", str(random.choice([0, 100, 1000]))]
    target = Target(source["name"], source["path"], os.path.join(folder, "target"), settings)
    link = lab.Link(target.port)
    try:
        return tried(random, folder, fault, source, target, link, prepared)
    finally:
        link.close()
        target.kill()


@functools.cache
def takes_delay(path):
    """Whether this server knows the hidden setting `key-load-delay` on its command line."""
    asked = subprocess.run([path, "-", "--port", "0", "--key-load-delay", "none"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    # The value is none that it takes, so it ends at once, and says whether it knows the name.
    return "Bad directive" not in asked.stdout + asked.stderr


class Target(lab.Server):
    """A target that may ask for a password."""

    @property
    def password(self):
        return "sesame" if "--requirepass" in self.settings else None

    def client(self, timeout=20):
        client = lab.Client(self.port, timeout)
        if self.password and self.process.poll() is None:
            client("AUTH", self.password)
        return client

    def configuration(self):
        with self.client() as client:
            flat = [word.decode(errors="replace") for word in client("CONFIG", "GET", "*")]
        return {name: value for name, value in zip(flat[::2], flat[1::2]) if name not in MOVING}


def tried(random, folder, fault, source, target, link, prepared):
    tool = lab.Tool(folder, {"REDIS_OPS_PASSWORD": target.password} if target.password else {})
    repository = prepared["repository"]
    url = f"redis://127.0.0.1:{link.port}"
    method = random.choice(["auto", "replica", "restore", "commands"])
    had = random.choice(["nothing", "nothing", "nothing", "other keys"])
    words = ["restore", "--backup-id", source["backup"], "-r", repository, "--target-instance", url, "--method", method, *QUIET]
    replaces = False
    if had == "other keys":
        with target.client() as client:
            client.many([("SET", f"before:{number}", "x" * 50) for number in range(40)])
        replaces = True
        words += ["--replace-all", "--yes", "--no-safety-backup"]
    if fault in ("damaged", "swapped"):
        repository = spoil(random, folder, fault, source, prepared)
        words[words.index("-r") + 1] = repository
    # A target that loads by itself takes no rate.
    if fault in UNTIMELY and method != "replica" and random.random() < 0.7:
        words += ["--rate", random.choice(["2MB", "10MB"])]
    if fault == "full":
        with target.client() as client:
            client("CONFIG", "SET", "maxmemory", str(random.choice([2, 4]) << 20))
            client("CONFIG", "SET", "maxmemory-policy", random.choice(["noeviction", "allkeys-lru", "volatile-lru"]))
    before = {"settings": target.configuration(), "digest": target.digest(), "keys": target.keys()}
    if fault in ("cut", "stall"):
        link.fault = (random.choice(["up", "down"]), int(random.choice([2000, 20000, 400_000, 4_000_000]) * random.random()), fault, 1.5)
    process = tool.spawn(*words)
    pause = random.choice([0.05, 0.2, 0.5, 1.5, 3]) * random.random()
    if fault in UNTIMELY:
        time.sleep(pause)
    guards = started_by(process.pid) if fault in ("kill", "kill-all") else []
    if fault == "kill":
        process.kill()
        gone(guards)
    elif fault == "kill-all":
        # The machine is lost: whatever the tool has started goes with it, and first, for it would notice.
        for guard in guards:
            with contextlib.suppress(ProcessLookupError):
                os.kill(guard, signal.SIGKILL)
        process.kill()
    elif fault == "signal":
        process.send_signal(random.choice([signal.SIGINT, signal.SIGTERM]))
    elif fault == "restart":
        if process.poll() is not None:
            fault = "none, the restart came too late"
        else:
            target.kill()
            target.start()
    elif fault == "link-away":
        link.refusing = True
        link.cut()
        time.sleep(random.choice([0.3, 2]))
        link.refusing = False
    run = tool.wait(process, 240)
    told = [f"{fault} after {pause:.2f} s: {target.name} {' '.join(target.settings)}, held {had}: {' '.join(words)}\n{run}"]
    return judged(tool, fault, source, target, url, words, before, run, replaces, told)


def started_by(pid):
    """The processes that a process has started, by their ids: the guard, if it is there. None of it is in their environment."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
                # Behind the name: the state, and the parent.
                if int(file.read().rpartition(") ")[2].split()[1]) == pid:
                    found.append(int(name))
    return found


def gone(pids, limit=60):
    """Waits until these processes have ended: what a guard has to say it says before."""
    until = time.monotonic() + limit
    while any(is_running(pid) for pid in pids):
        if time.monotonic() > until:
            raise Violation(f"the guard has not ended within {limit} s after its restore was killed")
        time.sleep(0.02)


def is_running(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(") ")[2].split()[0] != "Z"
    return False


def spoil(random, folder, fault, source, prepared):
    """A copy of the repository in which this backup's object has a flipped byte, or is another backup's."""
    import glob
    import shutil

    copy = os.path.join(folder, "repository")
    # The marker and the backup alone: other runs work in the same repository, and what they write for a moment is not there to be copied.
    os.makedirs(os.path.join(copy, source["folder"]))
    marker = os.path.join(prepared["repository"], "redis-ops-repository.json")
    if os.path.exists(marker):
        shutil.copy(marker, copy)
    for place in glob.glob(os.path.join(prepared["repository"], source["folder"], "2*")):
        shutil.copytree(place, os.path.join(copy, source["folder"], os.path.basename(place)))
    mine = glob.glob(os.path.join(copy, source["folder"], "*", "dump.rdb*"))[0]
    if fault == "damaged":
        with open(mine, "r+b") as file:
            body = bytearray(file.read())
            at = random.randrange(len(body))
            body[at] ^= 1 << random.randrange(8)
            file.seek(0)
            file.write(body)
    else:
        other = random.choice([other for other in prepared["sources"] if other is not source])
        theirs = glob.glob(os.path.join(prepared["repository"], other["folder"], "*", "dump.rdb*"))[0]
        shutil.copyfile(theirs, mine)
    return copy


def judged(tool, fault, source, target, url, words, before, run, replaces, told):
    if fault == "signal" and run.code in (-signal.SIGINT, -signal.SIGTERM):
        # It came before the program had asked to hear of it: then it has done nothing yet.
        return untouched(tool, target, before, run, told)
    if run.code not in (0, 1, 2, 130, 143, -9) or run.code == -9 and fault not in ("kill", "kill-all"):
        raise Violation(f"an exit code of {run.code}\n{told[0]}")
    if fault in ("damaged", "swapped") and run.code != 3:
        return untouched(tool, target, before, run, told)
    if fault == "full" and run.code == 2:
        # It is refused or incomplete: nobody is told that all is there. The room is made, and what was printed is typed.
        with target.client() as client:
            client("CONFIG", "SET", "maxmemory", "0")
    tries = 0
    how = "restored"
    while run.code not in (0, 1):
        tries += 1
        if tries > 4:
            raise Violation("no printed command leads back\n" + "\n\n".join(told))
        line = printed(run)
        if line is None and tries == 1:
            # Killed without a word, or refused: what does the server say of itself now?
            health = tool.run("health", "-i", url, *QUIET)
            told.append(f"health: {health}")
            line = printed(health)
        if line is None:
            again = [word for word in words if word not in ("--replace-all", "--yes", "--no-safety-backup")]
            fresh = target.keys() == 0 or target.digest() == before["digest"]
            # Nobody has said a word: the same is typed once more, or `--resume` by whoever knows of it.
            line = words if fresh or tries % 2 == len(told[0]) % 2 else [*again, "--resume"]
        how = "led back by the printed command"
        run = tool.run(*line, timeout=240)
        told.append(f"typed: {' '.join(line)}\n{run}")
        if "--undo" in line and run.code in (0, 1):
            run = lab.Run(2, "", "")
    if fault == "restart" and how == "restored" and "yes" not in target.settings and target.keys() == 0:
        # The server went after the proof, and has no file to come back with.
        if "proof: the target holds" not in run.out:
            raise Violation(f"said to be restored, without a proof, and the target is empty\n{told[0]}")
        return "not judged: restarted after the proof"
    settled(tool, source, target, before, told)
    return f"{how} ({fault})"


def printed(run):
    """The words of the last command that the tool told to type."""
    found = re.findall(r"`redis-ops ((?:restore|verify) [^`\n]*)`", run.out + "\n" + run.err)
    if not found:
        return None
    words = shlex.split(found[-1])
    # Over keys that may be somebody's own the line asks, and somebody says yes.
    if "--on-conflict" in words and "--yes" not in words:
        words.append("--yes")
    return words + QUIET


def untouched(tool, target, before, run, told):
    now = (target.digest(), target.keys())
    if run.code in (0, 1):
        raise Violation(f"a backup that is not what its manifest says was restored\n{told[0]}")
    if now != (before["digest"], before["keys"]):
        raise Violation(f"the target holds {now[1]} keys, and held {before['keys']}\n{told[0]}")
    as_before(target, before, told)
    return "refused, target as it was"


def settled(tool, source, target, before, told):
    text = "\n\n".join(told)
    names = target.all_keys()
    strange = [name for _, name in names if b"redis-ops" in name]
    if strange:
        raise Violation(f"keys of our own are left: {strange[:3]}\n{text}")
    if (target.digest(), len(names)) != (source["digest"], source["keys"]):
        raise Violation(f"said to be restored, and the target holds {len(names)} of {source['keys']} keys, digest {target.digest()}, not {source['digest']}\n{text}")
    as_before(target, before, told)


def as_before(target, before, told):
    with target.client() as client:
        role = client.info("replication")["role"]
    if role != "master":
        raise Violation(f"the target is left a {role}\n" + "\n\n".join(told))
    now = target.configuration()
    changed = {name: (value, now.get(name)) for name, value in before["settings"].items() if now.get(name) != value}
    if changed:
        raise Violation(f"settings are left changed: {changed}\n" + "\n\n".join(told))


if __name__ == "__main__":
    lab.campaign(one, 1000, prepare)
