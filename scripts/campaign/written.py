"""What the servers at hand write today: files of the encodings of which nobody keeps one. The same commands give files of the same layout."""

import os

import lab


def of_all(word):
    """Commands that every server takes; one that a server does not know is left out."""
    yield ("SET", f"{word}number", "12345")
    yield ("SET", f"{word}long", "ab" * 50)
    yield ("PEXPIREAT", f"{word}long", 4_102_444_800_000)
    yield ("RPUSH", f"{word}list", "a", "1", "-70000", "b" * 70)
    yield ("RPUSH", f"{word}list-of-nodes", *[f"element {n} " + "y" * 90 for n in range(120)], "z" * 9000)
    yield ("SADD", f"{word}numbers", *range(1, 12))
    yield ("SADD", f"{word}large-numbers", 1, 70_000, 1 << 40)
    yield ("SADD", f"{word}words", "a", "b", "7", "c")
    yield ("SADD", f"{word}table", *[f"m{n}" for n in range(140)])
    yield ("ZADD", f"{word}zset", 1, "a", 2.5, "b", "-inf", "c", 3, "7")
    yield ("ZADD", f"{word}skiplist", *[word for n in range(140) for word in (n / 4, f"m{n}")])
    yield ("HSET", f"{word}hash", "a", "1", "b", "text", "7", "x")
    yield ("HSET", f"{word}hash-table", *[word for n in range(20) for word in (f"f{n}", "v" * 80)])
    yield ("HSET", f"{word}expiring", "a", "1", "b", "2", "c", "3")
    yield ("HPEXPIREAT", f"{word}expiring", 4_102_444_800_000, "FIELDS", 2, "a", "b")
    yield ("HSET", f"{word}expiring-table", *[word for n in range(20) for word in (f"f{n}", "v" * 80)])
    yield ("HPEXPIREAT", f"{word}expiring-table", 4_102_444_800_000, "FIELDS", 3, "f1", "f5", "f19")
    yield from [("XADD", f"{word}stream", f"{n}-1", "field", str(n), "other", "value") for n in range(1, 9)]
    yield ("XADD", f"{word}stream", "9-1", "another", "1")
    yield ("XDEL", f"{word}stream", "3-1")
    yield ("XGROUP", "CREATE", f"{word}stream", "g1", "0")
    yield ("XGROUP", "CREATE", f"{word}stream", "g2", "0")
    yield ("XREADGROUP", "GROUP", "g1", "one", "COUNT", 3, "STREAMS", f"{word}stream", ">")
    yield ("XREADGROUP", "GROUP", "g1", "two", "COUNT", 2, "STREAMS", f"{word}stream", ">")
    yield ("XREADGROUP", "GROUP", "g2", "one", "COUNT", 2, "STREAMS", f"{word}stream", ">")
    yield ("XNACK", f"{word}stream", "g1", "FAIL", "IDS", 1, "2-1")
    yield ("XCFGSET", f"{word}stream", "IDMP-DURATION", 1000, "IDMP-MAXSIZE", 50)
    yield ("XADD", f"{word}stream", "IDMP", "producer", "id1", "*", "field", "1")
    yield ("XADD", f"{word}stream", "IDMP", "producer", "id2", "*", "field", "2")
    yield ("XADD", f"{word}stream", "IDMP", "producer 2", "id1", "*", "field", "3")


ARRAYS = [
    ("ARSET", "array", 0, "a", "12", "1.5", "a longer text"),
    ("ARSET", "array", 100, "7", "b"),
    ("ARINSERT", "array", "inserted", "3"),
    ("ARSET", "sparse", 5, "x"),
    ("ARSET", "sparse", 70_000, "y"),
    ("ARSET", "sparse", 1 << 40, "-9"),
    ("ARSET", "dense", 0, *range(60)),
]
TEMPLATES = [
    ("HIMPORT", "PREPARE", "short", "name", "mail", "age"),
    *[("HIMPORT", "SET", f"user:{n}", "short", f"name {n}", f"{n}@example.com", str(n)) for n in range(4)],
    ("HIMPORT", "PREPARE", "other", "a", "bb", "ccc", "dddd"),
    *[("HIMPORT", "SET", f"other:{n}", "other", "1", "x" * 200, "text", str(n)) for n in range(4)],
]
VECTORS = [("VADD", "vectors", "VALUES", 3, n, 1, 0.5, f"element{n}") for n in range(4)]
FUNCTIONS = [
    ("FUNCTION", "LOAD", "#!lua name=one\nredis.register_function('f_one', function(keys, args) return 1 end)"),
    ("FUNCTION", "LOAD", "#!lua name=two\nredis.register_function{function_name='f_two', callback=function() return 2 end, flags={'no-writes'}}"),
]
SETS = {
    "types": [*of_all(""), ("SELECT", 3), *list(of_all("in three "))[:6]],
    "arrays": ARRAYS,
    "templates": TEMPLATES,
    "vectors": VECTORS,
    "functions": [*FUNCTIONS, ("SET", "key", "value")],
}


def written(folder):
    """Paths of the files, one for each server and kind of content that it knows."""
    paths = []
    for name, path in lab.programs():
        home = os.path.join(folder, f"written-{name}")
        server = lab.Server(name, path, home, ["--databases", "16"])
        try:
            with server.client() as client:
                for kind, commands in SETS.items():
                    client("FLUSHALL")
                    client("FUNCTION", "FLUSH")
                    client("SELECT", 0)
                    answers = [client(*words) for words in commands]
                    if kind != "types" and any(isinstance(answer, RuntimeError) for answer in answers):
                        continue
                    client("SAVE")
                    kept = os.path.join(folder, f"written-{kind}-by-{name}.rdb")
                    os.replace(os.path.join(home, "dump.rdb"), kept)
                    paths.append(kept)
        finally:
            server.kill()
    return sorted(paths)
