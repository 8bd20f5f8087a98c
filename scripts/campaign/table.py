"""Measures what each server at hand does with each file of a folder when it starts with it, and prints the table of that.

`up:N:ok`: it loads N keys and lives while all of them grow, and while they are read, changed, saved and loaded, taken apart, saved and
loaded again, and deleted. `up:N:SPOILS`: it lives, and does not load what it saved. `up:N:CRASH`: it dies while they are used.
`exited rc=1 …`: it refuses the file. `exited(CRASH) …`: it dies of it. `hang`: it never answers. Servers have 16 databases, no modules,
and 6 GiB of addresses.

    REDIS_OPS_SERVERS=… python3 scripts/campaign/table.py tests/fixtures/poison > SERVERS.tsv
"""

import glob
import os
import shutil
import sys
import tempfile

import lab
from judge import MEMORY, Judge, Talk

MARKS = ("Internal error", "ASSERTION", "Guru", "RDB has duplicated", "Can't handle RDB", "FATAL", "Out Of Memory", "crashed", "creating the library", "Lua script")


def words(log):
    """What the log says of the end, in one line."""
    for mark in MARKS:
        at = log.find(mark)
        if at >= 0:
            # What stands on the next line has the time of the day in it.
            return " ".join(log[at : at + 80].splitlines()[0].split())
    return ""


def started(name, path, folder, file):
    """A judge whose server has started with the file, or what it said when it did not."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    shutil.copyfile(file, os.path.join(folder, "dump.rdb"))
    server = lab.Server.__new__(lab.Server)
    server.name, server.path, server.folder, server.memory = name, path, folder, MEMORY
    server.settings, server.port, server.process = ["--loglevel", "warning"], lab.free_port(), None
    try:
        server.start()
    except RuntimeError:
        code = server.process.poll()
        if code is None:
            server.kill()
            return None, "hang"
        return None, f"exited{'(CRASH)' if code < 0 else f' rc={code}'} {words(server.log())}".rstrip()
    judge = Judge(name, path, folder)
    judge.server, judge.client, judge.seen = server, Talk(server.port, 20), 0
    return judge, None


def fate(name, path, folder, file):
    for act in (Judge.grows, Judge.uses):
        judge, refused = started(name, path, folder, file)
        if refused:
            return refused
        try:
            loaded = sum(judge.databases().values())
            said = act(judge)
        except (OSError, ConnectionError):
            said = "it is gone"
        finally:
            judge.stop()
        if said is not None:
            return f"up:{loaded}:{'SPOILS' if 'does not load what it saved' in said else 'CRASH'}"
    return f"up:{loaded}:ok"


def main():
    files = sorted(glob.glob(os.path.join(sys.argv[1], "*.rdb")))
    programs = lab.programs()
    base = tempfile.mkdtemp(prefix="redis-ops-table-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        print("\t".join(["file", *(name for name, _ in programs)]), flush=True)
        for file in files:
            fates = [fate(name, path, os.path.join(base, name), file) for name, path in programs]
            print("\t".join([os.path.basename(file), *fates]), flush=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
