"""RDB files that lie: what `verify` calls good must load, and live; and whatever it says of a file, a restore kills nobody.

Each run takes a file that a real server wrote, changes something in it that only a liar or a broken server would (a member twice, a
count, a hint, an expiry, an encoding, a byte within a packed value), gives it a right CRC64, and asks `verify --file`.

What it calls good without a word is loaded into every server at hand that meets its needs; then all keys are read, changed, saved,
loaded and deleted. A server that refuses such a file, or dies, is a violation. Then the file, good or not, is restored into one living
server, drawn like the method: a death, a hang, a server left as a replica or with other settings, and a number of keys that is not
the one that was said are violations. Servers may use 6 GiB of addresses.
"""

import json
import multiprocessing
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import lab
from judge import Judge
from rdbfile import File, mutate
from written import written

METHODS = ("auto", "replica", "restore", "commands")
HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = [
    os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests", "fixtures"),
    os.environ.get("REDIS_OPS_FIXTURES", os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(HERE))), "shared", "fixtures")),
]
# What `verify` says of what only a server can judge: functions and scripts, and the data of modules.
NOT_JUDGED = {"functions_not_run", "lua_script", "old_function", "modules_not_asked"}


class Tool:
    """The binary, with a home of its own."""

    def __init__(self, folder):
        self.folder = folder
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_OPS_", "AWS_"))}
        self.environment = keep | {"XDG_STATE_HOME": os.path.join(folder, "state"), "HOME": folder, "NO_COLOR": "1"}

    def json(self, *words):
        """(exit code, JSON); a violation where it is none."""
        try:
            done = subprocess.run(
                [lab.BINARY, *words, "--json"], capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL, env=self.environment, cwd=self.folder
            )
        except subprocess.TimeoutExpired:
            raise lab.Violation(f"{words[0]} did not end within 90 s")
        if done.returncode not in (0, 1, 2, 3) or "panicked" in done.stderr:
            raise lab.Violation(f"{words[0]} ends with {done.returncode}: {done.stderr[-300:]}")
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            raise lab.Violation(f"{words[0]} ends with {done.returncode} and answers {done.stdout[-300:]!r}")


def sources(folder):
    """Files that real servers wrote, read into parts: those that are kept, and what the servers at hand write today."""
    found = []
    for root in FIXTURES:
        for base, _, names in os.walk(root):
            if any(part in base for part in ("corrupt", "poison", "public", "reports", "repository")):
                continue
            found += [os.path.join(base, name) for name in names if name.endswith(".rdb")]
    found = sorted(path for path in found if os.path.getsize(path) < 24_000)
    # What today's servers write has encodings that no kept file has: it is drawn more often.
    found += [path for path in written(folder) for _ in range(20)]
    parsed, passed_over = [], 0
    for path in found:
        with open(path, "rb") as file:
            data = file.read()
        try:
            File.parse(data)
        except ValueError:
            passed_over += 1
            continue
        parsed.append((path, data))
    return parsed, passed_over




class Worker:
    """Runs seeds, with servers of its own."""

    def __init__(self, number, folder, servers, files):
        self.files, self.folder = files, folder
        self.tool = Tool(os.path.join(folder, f"tool-{number}"))
        os.makedirs(self.tool.folder)
        self.judges = [Judge(name, path, os.path.join(servers, f"{number}-{name}")) for name, path in lab.programs()]

    def close(self):
        for judge in self.judges:
            judge.stop()

    def run(self, seed):
        """(tallies, violations) of one mutant."""
        tallies = {}

        def count(what):
            tallies[what] = tallies.get(what, 0) + 1

        rng = random.Random(seed)
        source, data = rng.choice(self.files)
        parsed = File.parse(data)
        try:
            what = mutate(parsed, rng)
            mutant = parsed.write()
        except (OverflowError, ValueError, struct.error, IndexError):
            # What was to be written fits into no encoding.
            count("not written")
            return tallies, []
        path = os.path.join(self.folder, f"mutant-{seed}.rdb")
        with open(path, "wb") as file:
            file.write(mutant)
        said = []
        try:
            code, answer = self.tool.json("verify", "--file", path)
            count(f"verify {code}")
            if code in (0, 1):
                self.load(parsed, mutant, answer, said, count)
            self.restore(path, rng, said, count)
        except lab.Violation as violation:
            said.append(("the tool", str(violation)))
        if not said:
            os.remove(path)
        return tallies, [(seed, name, os.path.relpath(source), what, text, path) for name, text in said]

    def load(self, parsed, mutant, answer, said, count):
        needs = answer.get("needs", {})
        findings = answer.get("findings", [])
        # A finding names the servers that refuse the file or die of it: to them it is not good.
        excused = set()
        for finding in findings:
            if finding["id"] not in NOT_JUDGED:
                for fate in ("refuses", "dies", "unknown"):
                    excused.update(finding["evidence"].get(fate, "").split(", "))
        not_judged = any(finding["id"] in NOT_JUDGED for finding in findings)
        for judge in self.judges:
            modules = {"vectorset"} if judge.name.startswith("redis-8.") else set()
            if judge.label not in needs.get("servers", []) or judge.label in excused:
                continue
            if needs.get("databases", 1) > 64 or not set(needs.get("modules", [])) <= modules:
                continue
            count("loads")
            if text := judge.takes(mutant):
                if not_judged and judge.takes(parsed.without_foreign_parts()) is None:
                    count("refused for a function or a module's data, as said")
                else:
                    said.append((judge.name, text))

    def restore(self, path, rng, said, count):
        judge, method = rng.choice(self.judges), rng.choice(METHODS)
        judge.clears()
        shutil.rmtree(os.path.join(self.tool.folder, "state"), ignore_errors=True)
        url = f"redis://127.0.0.1:{judge.server.port}"
        code, answer = self.tool.json("restore", "--file", path, "--target-instance", url, "--method", method, "--accept-loss", "--yes")
        error = answer.get("error") or {}
        count(f"restore {method} {code}" + (f" {error['code']}" if error else ""))
        if error.get("code") == "bug":
            said.append((judge.name, f"restore --method {method}: {error}"))
        if code == 0 and not answer.get("result"):
            said.append((judge.name, f"restore --method {method} exits 0 without a result: {answer}"))
        if text := judge.after_restore(answer):
            said.append((judge.name, f"restore --method {method}, exit {code} ({error.get('code')}): {text}"))
            judge.stop()


def work(number, folder, servers, files, numbers, results):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker(number, folder, servers, files)
    try:
        while (seed := numbers.get()) is not None:
            try:
                results.put((seed, *worker.run(seed)))
            except Exception as error:  # the campaign's own fault is one as well: nothing was shown
                results.put((seed, {}, [(seed, "the campaign", "", "", f"{type(error).__name__}: {error}", "")]))
                worker.close()
    finally:
        worker.close()


def main():
    options = lab.options(200)
    base = tempfile.mkdtemp(prefix="redis-ops-poison-")
    # Servers save what they hold often: where memory serves as a disk, that costs no waiting.
    fast = "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > lab.GIB else None
    servers = tempfile.mkdtemp(prefix="redis-ops-poison-", dir=fast)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    totals, violations, workers, done, begun = {}, [], [], 0, time.monotonic()
    try:
        files, passed_over = sources(servers)
        if not files:
            sys.exit("no files of real servers found")
        print(f"poison: {options.runs} mutants of {len({path for path, _ in files})} files ({passed_over} not read), seed {options.seed}", flush=True)
        numbers, results = multiprocessing.Queue(), multiprocessing.Queue()
        jobs = max(1, options.jobs)
        for seed in [*range(options.seed, options.seed + options.runs), *[None] * jobs]:
            numbers.put(seed)
        workers = [multiprocessing.Process(target=work, args=(number, base, servers, files, numbers, results)) for number in range(jobs)]
        for worker in workers:
            worker.start()
        while done < options.runs:
            seed, tallies, found = results.get(timeout=600)
            done += 1
            for name, count in tallies.items():
                totals[name] = totals.get(name, 0) + count
            violations += found
            if found:
                print(f"VIOLATION seed {seed}: {found[0][3]} in {found[0][2]}", file=sys.stderr)
                for _, name, _, _, said, _ in found:
                    print(f"    {name} {said}", file=sys.stderr)
                print(f"    kept as {found[0][5]}", file=sys.stderr, flush=True)
            if done % 250 == 0:
                print(f"poison: {done} mutants, {done / (time.monotonic() - begun):.1f} a second, {len({seed for seed, *_ in violations})} violations", flush=True)
    finally:
        for worker in workers:
            if done < options.runs:
                worker.terminate()
            worker.join()
        shutil.rmtree(servers, ignore_errors=True)
        if not (options.keep or violations):
            shutil.rmtree(base, ignore_errors=True)
    print("poison: " + ", ".join(f"{name}: {count}" for name, count in sorted(totals.items())))
    print(f"poison: {len({seed for seed, *_ in violations})} violations in {done} mutants, {done / (time.monotonic() - begun):.1f} a second")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
