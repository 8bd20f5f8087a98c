"""Backups under faults. Each run ends published and equal to its source, or not published and with nothing left behind.

What "equal" means is asked of a real server: it loads what lies in the repository, and its DEBUG DIGEST is compared with the source's.

One passing fault costs no backup, with one exception that the contract makes: before the first byte of a transfer a store is asked for ten
seconds, so a store that refuses six requests in a row there may end the backup (exit 2, nothing published, nothing left behind).
"""

import glob
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import lab
from lab import Violation

FAULTS = ["none", "cut", "stall", "server-killed", "signal", "kill", "store-503", "store-lost", "store-cut", "store-stall", "store-away", "disk-full"]
QUIET = ["--progress", "none"]
# So many refusals in a row take longer than the ten seconds that a backup asks a store before the first byte of a transfer.
REFUSALS_ALLOWED = 6


def prepare(random, root):
    servers = []
    for name, path in lab.programs():
        server = lab.Server(name, path, os.path.join(root, name), ["--repl-diskless-sync-delay", "0"])
        lab.fill(server, random, random.choice([300, 3000]))
        server.expected = (server.digest(), server.keys())
        servers.append(server)
    if not servers:
        raise SystemExit("no redis-server at hand")
    moto, port = start_moto(root)
    close = [server.kill for server in servers] + ([moto.kill] if moto else [])
    return {"servers": servers, "moto": port, "close": close}


def start_moto(root):
    program = os.environ.get("REDIS_OPS_MOTO", os.path.join("target", "moto", "bin", "moto_server"))
    if not os.path.exists(program):
        print("no moto_server at hand: folders only (scripts/test.sh installs it)", flush=True)
        return None, None
    port = lab.free_port()
    with open(os.path.join(root, "moto.log"), "wb") as log:
        moto = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
    for _ in range(200):
        try:
            http("PUT", port, "/backups")
            return moto, port
        except OSError:
            time.sleep(0.1)
    moto.kill()
    return None, None


def http(method, port, path):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, data=b"" if method == "PUT" else None)
    request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=campaign/20240101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")
    for attempt in range(4):
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            # The store itself errs at times when several ask it at once.
            if error.code != 500 or attempt == 3:
                raise
            time.sleep(0.2)


class Folder:
    kind = "folder"

    def __init__(self, folder, random, prepared, fault):
        self.url = os.path.join(folder, "repository")
        os.makedirs(self.url)
        self.environment, self.words, self.link = {}, [], None

    def objects(self):
        found = [os.path.relpath(path, self.url) for path in glob.glob(self.url + "/**", recursive=True) if os.path.isfile(path)]
        hidden = [os.path.relpath(os.path.join(where, name), self.url) for where, _, names in os.walk(self.url) for name in names if name.startswith(".")]
        return sorted(set(found + hidden))

    def unfinished(self):
        return []

    def fetch(self, name):
        with open(os.path.join(self.url, name), "rb") as file:
            return file.read()

    def direct(self):
        return self.words

    def close(self):
        pass


class S3:
    kind = "s3"

    def __init__(self, folder, random, prepared, fault):
        self.port, self.prefix = prepared["moto"], os.path.basename(folder) + f"-{random.randrange(1 << 40)}"
        faults, at = {}, random.randrange(14)
        if fault == "store-503":
            faults = {at + index: "503" for index in range(random.choice([1, 2, REFUSALS_ALLOWED]))}
        elif fault == "store-lost":
            faults = {at: "lost"}
        elif fault == "store-cut":
            faults = {at + index: "cut" for index in range(random.choice([1, 1, 3]))}
        elif fault == "store-stall":
            faults = {at: "stall"}
        self.link = lab.StoreLink(self.port, faults)
        self.url = f"s3://backups/{self.prefix}"
        self.environment = {"AWS_ACCESS_KEY_ID": "campaign", "AWS_SECRET_ACCESS_KEY": "campaign", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
        self.words = ["--s3-endpoint", f"http://127.0.0.1:{self.link.port}"]

    def direct(self):
        return ["--s3-endpoint", f"http://127.0.0.1:{self.port}"]

    def objects(self):
        text = http("GET", self.port, f"/backups?list-type=2&prefix={self.prefix}/").decode()
        return sorted(key.removeprefix(self.prefix + "/") for key in re.findall(r"<Key>([^<]+)</Key>", text))

    def unfinished(self):
        text = http("GET", self.port, "/backups?uploads").decode()
        return [key for key in re.findall(r"<Key>([^<]+)</Key>", text) if key.startswith(self.prefix + "/")]

    def fetch(self, name):
        return http("GET", self.port, f"/backups/{self.prefix}/{name}")

    def close(self):
        self.link.close()


def one(index, random, folder, prepared):
    fault = FAULTS[index % len(FAULTS)] if index < 10 * len(FAULTS) else random.choice(FAULTS)
    source = random.choice(prepared["servers"])
    own = None
    if fault == "server-killed":
        own = source = lab.Server(source.name, source.path, os.path.join(folder, "server"), ["--repl-diskless-sync-delay", "0"])
        lab.fill(source, random, 300)
        source.expected = (source.digest(), source.keys())
    on_store = prepared["moto"] and (fault.startswith("store-") or (fault != "disk-full" and random.random() < 0.3))
    if fault.startswith("store-") and not on_store:
        return "skipped: no S3 server"
    store = (S3 if on_store else Folder)(folder, random, prepared, fault)
    redis = lab.Link(source.port)
    try:
        return tried(random, folder, fault, source, store, redis)
    finally:
        redis.close()
        store.close()
        if own:
            own.kill()


def tried(random, folder, fault, source, store, redis):
    tool = lab.Tool(folder, store.environment)
    if fault in ("cut", "stall"):
        redis.fault = ("down", int(random.choice([0, 300, 3000, 60000, 800000, 4_000_000]) * random.random()), fault, 1.5)
    slow = ["--rate", random.choice(["1MB", "20MB"])] if fault in ("signal", "kill", "server-killed", "store-away") else []
    compression = random.choice(["gzip", "zstd", "none"])
    words = ["backup", "-i", f"redis://127.0.0.1:{redis.port}", "--name", "prod", "-r", store.url, "--compression", compression, *store.words, *slow, *QUIET]
    if random.random() < 0.2:
        words += ["--source", "scan"]
    # A mistyped place is never made: the campaign makes its own.
    made = tool.run("init", "-r", store.url, *store.direct(), *QUIET)
    if made.code not in (0, 3):
        raise Violation(f"init: {made}")
    if fault == "disk-full":
        words = ["bash", "-c", f'trap "" XFSZ; ulimit -f {random.choice([1, 40, 400])}; exec "$@"', "-", lab.BINARY, *words]
        process = tool.spawn_other(*words)
    else:
        process = tool.spawn(*words)
    pause = random.choice([0.02, 0.1, 0.3, 0.8, 1.5]) * random.random()
    if fault == "signal":
        time.sleep(pause)
        process.send_signal(random.choice([signal.SIGINT, signal.SIGTERM]))
    elif fault == "kill":
        time.sleep(pause)
        os.killpg(process.pid, signal.SIGKILL)
    elif fault == "server-killed":
        time.sleep(pause)
        source.kill()
    elif fault == "store-away":
        time.sleep(pause)
        store.link.refusing = True
        store.link.cut()
        time.sleep(random.choice([0.5, 2, 4]))
        store.link.refusing = False
    run = tool.wait(process, 180)
    told = f"{fault} on {source.name} to {store.kind}: {' '.join(words)}\nrequests: {store.link.seen if store.link else ''}\n{run}"
    return judged(tool, fault, source, store, run, told)


def judged(tool, fault, source, store, run, told):
    objects = store.objects()
    manifests = [name for name in objects if name.endswith("/manifest.json")]
    # A signal may come before the program has asked to hear of it; then it has done nothing yet.
    allowed = {"kill": (-9, 0, 1, 2), "signal": (0, 1, 2, 130, 143, -signal.SIGINT, -signal.SIGTERM)}.get(fault, (0, 1, 2))
    if run.code not in allowed:
        raise Violation(f"an exit code of {run.code}\n{told}")
    # A store that is away comes back within what a backup waits before its first byte as well.
    given_up = run.code == 2 and refuses_before_transfer(store)
    if not given_up and fault in ("none", "store-lost", "store-503", "stall", "store-stall", "store-cut", "store-away") and run.code not in (0, 1):
        raise Violation(f"a backup that one passing fault of the {'store' if 'store' in fault else 'server'} has cost\n{told}")
    if run.code in (0, 1) and len(manifests) != 1:
        raise Violation(f"it says published, and there are {len(manifests)} manifests: {objects}\n{told}")
    if run.code not in (0, 1, -9) and manifests:
        raise Violation(f"it says not published, and there is {manifests}\n{told}")
    if fault != "kill" and len(manifests) == 0:
        left = [name for name in objects + store.unfinished() if name != "redis-ops-repository.json" and os.path.basename(name) not in run.err]
        if left:
            raise Violation(f"left behind and not named: {left}\n{told}")
    if manifests:
        equal(tool, source, store, manifests[0], told)
    listed = tool.run("list", "-r", store.url, "--json", *store.direct())
    locks_alone = all(os.path.basename(name) == "lock.json" for name in objects)
    if listed.code == 3 and locks_alone and listed.json()["error"]["code"] == "not_found":
        # Nothing was begun, so no repository is there either: a killed run may have come as far as its lock.
        published = []
    else:
        published = [backup for backup in listed.json()["backups"] if backup.get("status", "published") == "published"] if listed.code == 0 else None
    if published is None or len(published) != len(manifests):
        raise Violation(f"`list` says {published} of {manifests}\n{listed}\n{told}")
    if fault not in ("server-killed",):
        unharmed(source, told)
    outcome = "published and equal" if manifests else "not published, clean"
    return f"{outcome} ({fault}{' before the first byte' if given_up else ''})"


def refuses_before_transfer(store):
    """Whether the store refused six requests, and was never asked to take a byte of the dump."""
    seen = store.link.seen if store.link else []
    return sum(fault == "503" for _, fault in seen) >= REFUSALS_ALLOWED and not any("/dump" in request for request, _ in seen)


def equal(tool, source, store, manifest, told):
    folder = manifest.removesuffix("manifest.json")
    shard = json.loads(store.fetch(manifest))["shards"][0]
    raw = store.fetch(folder + shard["object"])
    unpack = {".gz": ["gzip", "-dc"], ".zst": ["zstd", "-dc"], ".rdb": ["cat"]}[os.path.splitext(shard["object"])[1]]
    home = os.path.join(tool.folder, "loaded")
    os.makedirs(home, exist_ok=True)
    with open(os.path.join(home, "dump.rdb"), "wb") as file:
        done = subprocess.run(unpack, input=raw, stdout=file, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise Violation(f"{unpack[0]} does not read it: {done.stderr[-300:]}\n{told}")
    loaded = lab.Server(source.name, source.path, home)
    try:
        found = (loaded.digest(), loaded.keys())
        if found != source.expected:
            raise Violation(f"published and not equal: {found}, the source has {source.expected}\n{told}")
    finally:
        loaded.kill()
    verified = tool.run("verify", "--backup-id", "prod/latest", "-r", store.url, *store.direct(), *QUIET)
    if verified.code != 0:
        raise Violation(f"published, equal, and `verify` says {verified}\n{told}")


def unharmed(source, told):
    with source.client() as client:
        if client.info("replication")["role"] != "master":
            raise Violation(f"the source is no primary any more\n{told}")
    if source.keys() != source.expected[1]:
        raise Violation(f"the source has {source.keys()} keys, not {source.expected[1]}\n{told}")


if __name__ == "__main__":
    lab.campaign(one, 1000, prepare)
