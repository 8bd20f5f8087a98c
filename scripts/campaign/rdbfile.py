"""Reads RDB files into parts, changes the parts so that the file lies, and writes them again with a right CRC64."""

import struct

POLYNOMIAL = 0x95AC9329AC4BC9B5
TABLE = []
for byte in range(256):
    crc = byte
    for _ in range(8):
        crc = crc >> 1 ^ POLYNOMIAL if crc & 1 else crc >> 1
    TABLE.append(crc)


def crc64(data):
    crc, table = 0, TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def length(n):
    if n < 64:
        return bytes([n])
    if n < 1 << 14:
        return struct.pack(">H", n | 0x4000)
    if n < 1 << 32:
        return b"\x80" + struct.pack(">I", n)
    return b"\x81" + struct.pack(">Q", n & (1 << 64) - 1)


def string(data):
    return length(len(data)) + data


def unlzf(data, expanded):
    out, at = bytearray(), 0
    while at < len(data):
        control = data[at]
        at += 1
        if control < 32:
            out += data[at : at + control + 1]
            at += control + 1
        else:
            n = control >> 5
            if n == 7:
                n += data[at]
                at += 1
            start = len(out) - ((control & 31) << 8 | data[at]) - 1
            at += 1
            for i in range(n + 2):
                out.append(out[start + i])
    if len(out) != expanded:
        raise ValueError("LZF")
    return bytes(out)


class Reader:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, n):
        if self.at + n > len(self.data):
            raise ValueError("short")
        self.at += n
        return self.data[self.at - n : self.at]

    def length(self):
        first = self.take(1)[0]
        if first < 64:
            return first
        if first < 128:
            return (first & 63) << 8 | self.take(1)[0]
        if first == 0x80:
            return struct.unpack(">I", self.take(4))[0]
        if first == 0x81:
            return struct.unpack(">Q", self.take(8))[0]
        raise ValueError("length")

    def string(self):
        """(text, raw bytes)"""
        start = self.at
        first = self.data[self.at]
        if first < 0xC0:
            text = self.take(self.length())
        else:
            self.at += 1
            form = first & 63
            if form < 3:
                text = str(int.from_bytes(self.take(1 << form), "little", signed=True)).encode()
            elif form == 3:
                compressed, expanded = self.length(), self.length()
                text = unlzf(self.take(compressed), expanded)
            else:
                raise ValueError("string")
        return text, self.data[start : self.at]


# A value is a list of parts: ["len", n], ["str", raw], ["blob", kind, bytes], ["raw", bytes], with labels that mutations look for.
PLAIN = {1: 1, 2: 1, 4: 2}
BLOBS = {9: "zipmap", 10: "ziplist", 11: "intset", 12: "ziplist", 13: "ziplist", 16: "listpack", 17: "listpack", 20: "listpack"}


def read_value(reader, number, valkey, templates=()):
    parts = []

    def take_length(label):
        parts.append(["len", label, reader.length()])
        return parts[-1][2]

    def take_string(label):
        parts.append(["str", label, reader.string()[1]])

    def take_raw(label, n):
        parts.append(["raw", label, reader.take(n)])

    def take_id(label):
        take_length(label + "-ms")
        take_length(label + "-seq")

    def take_blob(kind, label="blob"):
        parts.append(["blob", kind, reader.string()[0]])

    if number == 0:
        take_string("value")
    elif number in PLAIN:
        for _ in range(take_length("count")):
            for index in range(PLAIN[number]):
                take_string("member" if index == 0 else "value")
    elif number in (3, 5):
        for _ in range(take_length("count")):
            take_string("member")
            if number == 5:
                take_raw("score", 8)
            else:
                n = reader.data[reader.at]
                take_raw("text-score", 1 if n >= 253 else 1 + n)
    elif number in BLOBS:
        take_blob(BLOBS[number])
    elif number in (14, 18):
        for _ in range(take_length("count")):
            kind = 2
            if number == 18:
                kind = take_length("container")
            if kind == 1:
                take_string("member")
            else:
                take_blob("listpack" if number == 18 else "ziplist")
    elif number == 22 and valkey:
        for _ in range(take_length("count")):
            take_string("member")
            take_string("value")
            take_raw("expiry", 8)
    elif number == 24 and not valkey:
        take_raw("earliest", 8)
        for _ in range(take_length("count")):
            take_length("relative-expiry")
            take_string("member")
            take_string("value")
    elif number == 25 and not valkey:
        take_raw("earliest", 8)
        take_blob("listpack3")
    elif number in (15, 19, 21, 26, 27):
        form = {15: 1, 19: 2, 21: 3, 26: 4, 27: 5}[number]
        for _ in range(take_length("count")):
            take_string("node")
            take_blob("stream")
        take_length("xlen")
        take_id("last")
        if form >= 2:
            take_id("first")
            take_id("deleted")
            take_length("added")
        for _ in range(take_length("groups")):
            take_string("group")
            take_id("delivered")
            if form >= 2:
                take_length("read")
            for _ in range(take_length("pending")):
                take_raw("pel-id", 16)
                take_raw("pel-time", 8)
                take_length("pel-count")
            for _ in range(take_length("consumers")):
                take_string("consumer")
                take_raw("seen", 8)
                if form >= 3:
                    take_raw("active", 8)
                for _ in range(take_length("owned")):
                    take_raw("owned-id", 16)
            if form >= 5:
                for _ in range(take_length("released")):
                    take_raw("owned-id", 16)
        if form >= 4:
            take_length("duration")
            take_length("entries")
            for _ in range(take_length("producers")):
                take_string("producer")
                for _ in range(take_length("produced")):
                    take_string("iid")
                    take_id("iid")
            take_length("x")
            take_length("y")
    elif number == 7:
        take_length("module")
        while True:
            opcode = take_length("opcode")
            if opcode == 0:
                break
            if opcode in (1, 2):
                take_length("number")
            elif opcode == 3:
                take_raw("float", 4)
            elif opcode == 4:
                take_raw("double", 8)
            elif opcode == 5:
                take_string("text")
            else:
                raise ValueError("module")
    elif number == 30 and not valkey:
        take_blob("listpack")
    elif number == 32 and not valkey:
        for _ in range(templates.get(take_length("template"), 0)):
            take_string("value")
    elif number == 28 and not valkey:
        count = take_length("count")
        if take_length("flag"):
            take_length("insert")
        for _ in range(count):
            take_length("index")
            kind = take_length("kind")
            if kind in (1, 2):
                take_raw("number", 8)
            else:
                take_string("value")
    elif number == 33 and not valkey:
        take_length("gcra")
    else:
        raise ValueError(f"type {number}")
    return parts


def write_value(parts):
    out = bytearray()
    for kind, _, content in parts:
        if kind == "len":
            out += length(content)
        elif kind == "blob":
            out += string(content)
        else:
            out += content
    return bytes(out)


class File:
    """A header and records: ["op", number, bytes], ["aux", name, value], ["key", number, key, parts],
    ["template", 242, b"", parts]."""

    def __init__(self, header, records):
        self.header, self.records = header, records

    @staticmethod
    def parse(data):
        reader = Reader(data)
        header = reader.take(9)
        valkey = header.startswith(b"VALKEY")
        version = int(header[6:] if valkey else header[5:])
        records, templates = [], {}
        while True:
            number = reader.take(1)[0]
            start = reader.at
            if number == 255:
                break
            if number == 250:
                records.append(["aux", reader.string()[0], reader.string()[0]])
            elif number in (254, 248):
                records.append(["op", number, [reader.length()]])
            elif number == 251:
                records.append(["op", number, [reader.length(), reader.length()]])
            elif number == 244:
                records.append(["op", number, [reader.length(), reader.length(), reader.length()]])
            elif number in (253, 252, 249):
                records.append(["raw", number, reader.take({253: 4, 252: 8, 249: 1}[number])])
            elif number == 245:
                records.append(["function", number, reader.string()[0]])
            elif number == 242 and not valkey:
                template, count = reader.length(), reader.length()
                templates[template] = count
                fields = [["str", "member", reader.string()[1]] for _ in range(count)]
                records.append(["template", number, b"", [["len", "template", template], ["len", "count", count], *fields]])
            elif number < 242:
                key = reader.string()[1]
                records.append(["key", number, key, read_value(reader, number, valkey, templates)])
            else:
                raise ValueError(f"opcode {number}")
        if version < 5:
            raise ValueError("no checksum")
        return File(header, records)

    def without_foreign_parts(self):
        """The file without functions, scripts and values of modules, written."""
        keep = lambda record: not (record[0] == "function" or record[0] == "aux" and record[1] == b"lua" or record[0] == "key" and record[1] == 7)
        return File(self.header, [record for record in self.records if keep(record)]).write()

    def write(self):
        out = bytearray(self.header)
        for record in self.records:
            if record[0] == "aux":
                out += b"\xfa" + string(record[1]) + string(record[2])
            elif record[0] == "op":
                out.append(record[1])
                for n in record[2]:
                    out += length(n)
            elif record[0] == "raw":
                out += bytes([record[1]]) + record[2]
            elif record[0] == "function":
                out += b"\xf5" + string(record[2])
            else:
                out += bytes([record[1]]) + record[2] + write_value(record[3])
        out.append(255)
        return bytes(out) + struct.pack("<Q", crc64(out))


# Packed values: entries are text or numbers.


def read_listpack(blob):
    entries, at = [], 6
    while blob[at] != 255:
        first = blob[at]
        if first < 0x80:
            entry, n = first, 1
        elif first < 0xC0:
            n = first & 63
            entry, n = blob[at + 1 : at + 1 + n], 1 + n
        elif first < 0xE0:
            entry, n = ((first & 31) << 8 | blob[at + 1]), 2
            entry -= 8192 if entry >= 4096 else 0
        elif first < 0xF0:
            n = (first & 15) << 8 | blob[at + 1]
            entry, n = blob[at + 2 : at + 2 + n], 2 + n
        elif first == 0xF0:
            n = struct.unpack("<I", blob[at + 1 : at + 5])[0]
            entry, n = blob[at + 5 : at + 5 + n], 5 + n
        else:
            width = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}[first]
            entry, n = int.from_bytes(blob[at + 1 : at + 1 + width], "little", signed=True), 1 + width
        entries.append(entry)
        at += n + (1 if n < 128 else 2 if n < 16384 else 3 if n < 1 << 21 else 4)
    return entries


def listpack_entry(entry, form=None):
    if isinstance(entry, int):
        if form == "wide" or not -(1 << 31) <= entry < 1 << 31:
            head = b"\xf4" + struct.pack("<q", entry)
        elif 0 <= entry < 128:
            head = bytes([entry])
        elif -4096 <= entry < 4096:
            head = struct.pack(">H", 0xC000 | entry & 0x1FFF)
        elif -(1 << 15) <= entry < 1 << 15:
            head = b"\xf1" + struct.pack("<h", entry)
        else:
            head = b"\xf3" + struct.pack("<i", entry)
    elif form == "wide":
        head = b"\xf0" + struct.pack("<I", len(entry)) + entry
    elif form == "middle" or 64 <= len(entry) < 4096:
        head = struct.pack(">H", 0xE000 | len(entry) & 0xFFF) + entry
    elif len(entry) < 64:
        head = bytes([0x80 | len(entry)]) + entry
    else:
        head = b"\xf0" + struct.pack("<I", len(entry)) + entry
    n, back = len(head), []
    while True:
        back.append(n & 127 | (0x80 if back else 0))
        n >>= 7
        if not n:
            break
    # The lowest group is last, and has no mark: they are written highest first.
    groups, n = [], len(head)
    while True:
        groups.append(n & 127)
        n >>= 7
        if not n:
            break
    groups.reverse()
    return head + bytes([groups[0]] + [group | 128 for group in groups[1:]])


def listpack(entries, count=None, forms=None):
    body = b"".join(listpack_entry(entry, (forms or {}).get(index)) for index, entry in enumerate(entries))
    n = len(entries) if count is None else count
    return struct.pack("<IH", len(body) + 7, min(n & 0xFFFF, 65535)) + body + b"\xff"


def read_ziplist(blob):
    entries, at = [], 10
    while blob[at] != 255:
        at += 5 if blob[at] == 254 else 1
        first = blob[at]
        if first < 0x40:
            entries.append(blob[at + 1 : at + 1 + first])
            at += 1 + first
        elif first < 0x80:
            n = (first & 63) << 8 | blob[at + 1]
            entries.append(blob[at + 2 : at + 2 + n])
            at += 2 + n
        elif first == 0x80:
            n = struct.unpack(">I", blob[at + 1 : at + 5])[0]
            entries.append(blob[at + 5 : at + 5 + n])
            at += 5 + n
        elif 0xF1 <= first <= 0xFD:
            entries.append((first & 15) - 1)
            at += 1
        else:
            width = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}[first]
            entries.append(int.from_bytes(blob[at + 1 : at + 1 + width], "little", signed=True))
            at += 1 + width
    return entries


def ziplist(entries, count=None, tail_off=0):
    body, last, before = b"", 10, 0
    for entry in entries:
        head = bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)
        if isinstance(entry, int):
            if 0 <= entry <= 12:
                content = bytes([0xF1 + entry])
            else:
                content = b"\xe0" + struct.pack("<q", entry)
        elif len(entry) < 64:
            content = bytes([len(entry)]) + entry
        elif len(entry) < 16384:
            content = struct.pack(">H", 0x4000 | len(entry)) + entry
        else:
            content = b"\x80" + struct.pack(">I", len(entry)) + entry
        last = 10 + len(body)
        before = len(head) + len(content)
        body += head + content
    n = len(entries) if count is None else count
    return struct.pack("<IIH", len(body) + 11, last + tail_off, min(n & 0xFFFF, 65535)) + body + b"\xff"


def read_packed(kind, blob):
    if kind == "ziplist":
        return read_ziplist(blob)
    if kind == "intset":
        width = struct.unpack("<I", blob[:4])[0]
        return [int.from_bytes(blob[at : at + width], "little", signed=True) for at in range(8, len(blob), width)]
    return read_listpack(blob)


def packed(kind, entries, rng=None):
    if kind == "ziplist":
        return ziplist(entries)
    if kind == "intset":
        width = max([2] + [4 for n in entries if not -(1 << 15) <= n < 1 << 15] + [8 for n in entries if not -(1 << 31) <= n < 1 << 31])
        return struct.pack("<II", width, len(entries)) + b"".join(n.to_bytes(width, "little", signed=True) for n in entries)
    return listpack(entries)


NUMBERS = [0, 1, 2, 3, 63, 64, 127, 128, 255, 256, 65535, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 36, 1 << 40, 1 << 62, 1 << 63, (1 << 64) - 1]


def near(n, rng):
    return rng.choice([n + 1, max(n - 1, 0), n * 2, 0, rng.choice(NUMBERS), rng.randrange(0, 300)])


def other_form(raw, rng):
    """The same text in another encoding, or as it is."""
    text = Reader(raw).string()[0]
    forms = [string(text)]
    try:
        n = int(text)
        if str(n).encode() == text:
            for form, width in ((0, 1), (1, 2), (2, 4)):
                if -(1 << 8 * width - 1) <= n < 1 << 8 * width - 1:
                    forms.append(bytes([0xC0 | form]) + n.to_bytes(width, "little", signed=True))
    except ValueError:
        pass
    if text:
        forms.append(b"\xc3" + length(len(text) + (len(text) + 31) // 32) + length(len(text)) + literal_lzf(text))
    return rng.choice(forms)


def literal_lzf(text):
    return b"".join(bytes([len(text[at : at + 32]) - 1]) + text[at : at + 32] for at in range(0, len(text), 32))


def mutate_packed(kind, blob, rng):
    """(what, new blob)"""
    per = {"listpack3": 3}.get(kind, rng.choice([1, 2]))
    try:
        entries = read_packed(kind, blob) if kind != "zipmap" else None
    except (IndexError, KeyError, struct.error):
        entries = None
    choice = rng.choice(["twice", "twice-other", "swap", "bytes", "count", "drop", "form", "replace", "empty", "back", "insert"])
    if kind == "zipmap" or entries is None or not entries:
        choice = "bytes"
    if choice == "bytes":
        new = bytearray(blob)
        for _ in range(rng.choice([1, 1, 2])):
            if new:
                new[rng.randrange(len(new))] = rng.choice([0, 1, 0xFF, 0x80, rng.randrange(256)])
        return f"{kind} bytes", bytes(new)
    at = rng.randrange(len(entries)) // per * per
    group = entries[at : at + per]
    if choice == "twice":
        where = rng.choice([0, len(entries), at])
        return f"{kind} member twice", packed(kind, entries[:where] + group + entries[where:])
    if choice == "twice-other":
        def other(entry):
            if isinstance(entry, int):
                return str(entry).encode()
            return int(entry) if entry.lstrip(b"-").isdigit() and len(entry) < 18 and str(int(entry)).encode() == entry else entry

        if kind == "intset":
            return "intset twice", packed(kind, entries + group)
        return f"{kind} member twice in another form", packed(kind, entries + [other(group[0])] + group[1:])
    if choice == "swap" and len(entries) >= 2 * per:
        other_at = rng.randrange(len(entries)) // per * per
        new = list(entries)
        new[at : at + per], new[other_at : other_at + per] = new[other_at : other_at + per], new[at : at + per]
        return f"{kind} order", packed(kind, new)
    if choice == "count":
        n = near(len(entries), rng) & 0xFFFF
        if kind == "ziplist":
            return f"{kind} count {n}", ziplist(entries, n, rng.choice([0, 0, 1, -1]))
        if kind == "intset":
            return f"{kind} count {n}", blob[:4] + struct.pack("<I", n) + blob[8:]
        return f"{kind} count {n}", listpack(entries, n)
    if choice == "drop":
        return f"{kind} drops one", packed(kind, entries[:at] + entries[at + 1 :])
    if choice == "form" and kind.startswith(("listpack", "stream")):
        return f"{kind} forms", listpack(entries, None, {rng.randrange(len(entries)): rng.choice(["wide", "middle"]) for _ in range(2)})
    if choice == "back" and kind.startswith(("listpack", "stream")):
        text = listpack_entry(entries[at])
        bad = bytearray(listpack(entries))
        where = bytes(bad).find(text) + len(text) - 1
        bad[where] = rng.choice([0, 1, 0x80 | bad[where], bad[where] ^ 1])
        return f"{kind} back length", bytes(bad)
    if choice == "empty":
        return f"{kind} empty", packed(kind, [])
    if choice == "insert":
        return f"{kind} inserts", packed(kind, entries[:at] + [rng.choice([7, -1]) if kind == "intset" else rng.choice([b"", b"nan", 7, b"x" * 70])] + entries[at:])
    new = list(entries)
    where = rng.randrange(len(new))
    if kind == "intset":
        new[where] = rng.choice([0, -1, 1 << 40, entries[0]])
    else:
        values = [b"", b"nan", b"inf", b"-nan", b"0x10", b"1e400", b"12abc", b"abc", 0, -1, 1, 2, 3, 1 << 40, -(1 << 63), (1 << 63) - 1, b"1", b"a" * 4096, near(entries[where], rng) & (1 << 62) - 1 if isinstance(entries[where], int) and entries[where] >= 0 else b"z"]
        new[where] = rng.choice(values)
    return f"{kind} entry {where} becomes {new[where]!r:.20}", packed(kind, new)


def mutate_value(record, rng):
    number, parts = record[1], record[3]
    kind, label, content = part = rng.choice(parts)
    at = parts.index(part)
    if kind == "blob":
        what, part[2] = mutate_packed(label, content, rng)
        return f"type {number}: {what}"
    if kind == "len":
        if label in ("count", "container", "opcode", "kind", "owned", "pending", "consumers", "groups") and rng.random() < 0.7:
            pass
        else:
            part[2] = near(content, rng) & (1 << 64) - 1
            return f"type {number}: {label} {content} becomes {part[2]}"
    if label in ("member", "consumer", "group", "node", "iid", "producer"):
        same = [other for other in parts if other[1] == label and other is not part]
        if same and rng.random() < 0.7:
            part[2] = other_form(rng.choice(same)[2], rng)
            return f"type {number}: {label} twice"
        part[2] = rng.choice([b"\x00", string(b"x" * 70), other_form(content, rng), string(b"7"), b"\xc0\x07"])
        return f"type {number}: {label} changes"
    if kind == "raw":
        same = [other for other in parts if other[1] == label and other is not part]
        if same and rng.random() < 0.5:
            part[2] = rng.choice(same)[2]
        elif label == "score":
            part[2] = rng.choice([b"\0\0\0\0\0\0\xf8\x7f", b"\0\0\0\0\0\0\xf0\xff", struct.pack("<d", rng.choice([-0.0, 1e308, 5.0]))])
        elif label == "text-score":
            text = rng.choice([b"nan", b"", b"abc", b"1 ", b"0x10", b"1e400", b"-inf", b"3"])
            part[2] = rng.choice([bytes([len(text)]) + text, b"\xfd", b"\xfe", b"\xff"])
        elif len(content) == 8:
            part[2] = struct.pack("<q", rng.choice([-1, 0, 1, -2, (1 << 48) - 1, 1 << 48, (1 << 63) - 1, -(1 << 63), 1]))
        else:
            part[2] = bytes(rng.randrange(256) for _ in content)
        return f"type {number}: {label} becomes {part[2].hex()}"
    # A collection announces its members first: one is told twice, or left out, with the count that fits.
    counts = [index for index, other in enumerate(parts) if other[0] == "len" and other[1] in ("count", "pending", "consumers", "groups", "owned")]
    if counts and kind == "len":
        members = {"count": ("member", "node", "container", "index"), "pending": ("pel-id",), "consumers": ("consumer",), "groups": ("group",), "owned": ("owned-id",)}.get(label)
        starts = [index for index in range(at + 1, len(parts)) if members and parts[index][1] in members]
        if starts:
            start = rng.choice(starts)
            after = [index for index in starts if index > start]
            stops = ("xlen", "consumers", "pending", "owned", "released", "consumer", "group", "duration")
            end = after[0] if after else next((index for index in range(start + 1, len(parts)) if parts[index][1] in stops and parts[index][1] not in (members or ())), len(parts))
            group = [list(other) for other in parts[start:end]]
            if rng.random() < 0.8:
                parts[start:start] = group
                part[2] = content + 1
                return f"type {number}: {members[0]} group twice, {label} {part[2]}"
            del parts[start:end]
            part[2] = max(content - 1, 0)
            return f"type {number}: {members[0]} left out, {label} {part[2]}"
        part[2] = near(content, rng) & (1 << 64) - 1
        return f"type {number}: {label} {content} becomes {part[2]}"
    if kind == "str":
        text = Reader(content).string()[0]
        part[2] = rng.choice([b"\x00", other_form(content, rng), string(b""), string(text + b"x"), b"\xc3\x00\x00"])
        return f"type {number}: {label} changes"
    return f"type {number}: {label} stays"


SAME_LAYOUT = [[1, 2], [16, 17, 20], [12, 13, 10], [15, 15], [4, 4], [0, 0], [11, 11]]


def mutate(file, rng):
    """Changes the file; says what was changed."""
    said = []
    for _ in range(rng.choice([1, 1, 1, 1, 2])):
        keys = [record for record in file.records if record[0] == "key"]
        what = rng.random()
        if keys and what < 0.78:
            # Templates of hashes are values that keys share.
            values = [record for record in file.records if record[0] in ("key", "template")]
            record = rng.choice(values)
            # Strings are most of the keys, and lie least.
            if record[1] == 0:
                record = rng.choice([other for other in values if other[1]] or values)
            said.append(mutate_value(record, rng))
            continue
        at = rng.randrange(len(file.records) + 1)
        choice = rng.choice(["hint", "expiry", "aux", "select", "key-twice", "type", "slot", "idle", "function", "version", "order", "seconds"])
        if choice == "hint":
            numbers = [rng.choice(NUMBERS), rng.choice(NUMBERS)]
            file.records.insert(at, ["op", 251, numbers])
            said.append(f"hint {numbers}")
        elif choice == "expiry":
            value = rng.choice([-1, 0, 1, -2, (1 << 63) - 1, -(1 << 63), 1 << 48, 4102444800000, 1 << 62])
            file.records.insert(at, ["raw", 252, struct.pack("<q", value)])
            said.append(f"expiry {value}")
        elif choice == "seconds":
            value = rng.choice([-1, 0, 1, (1 << 31) - 1, -(1 << 31)])
            file.records.insert(at, ["raw", 253, struct.pack("<i", value)])
            said.append(f"expiry seconds {value}")
        elif choice == "aux":
            name = rng.choice([b"slot-info", b"repl-stream-db", b"repl-id", b"repl-offset", b"used-mem", b"ctime", b"aof-base", b"redis-bits", b"x", b"cluster-slot-states", b"lua"])
            value = rng.choice([b"", b"-1", b"99999999999999999999", b"x", b"1,2", b"1,2,3,4", b"70000,1,1,1", b"1,99999999999,1,1", b"a" * 200, b"return 1"])
            file.records.insert(at, ["aux", name, value])
            said.append(f"aux {name} {value[:20]}")
        elif choice == "select":
            index = rng.choice([0, 1, 15, 16, 63, 64, 1 << 31, 1 << 40])
            file.records.insert(at, ["op", 254, [index]])
            said.append(f"SELECTDB {index}")
        elif choice == "key-twice" and keys:
            one = rng.choice(keys)
            file.records.insert(rng.choice([at, file.records.index(one)]), ["key", one[1], other_form(one[2], rng), [list(part) for part in one[3]]])
            said.append("a key twice")
        elif choice == "type" and keys:
            record = rng.choice(keys)
            same = next((group for group in SAME_LAYOUT if record[1] in group), [record[1]])
            before, record[1] = record[1], rng.choice(same)
            said.append(f"type {before} becomes {record[1]}")
        elif choice == "slot":
            numbers = [rng.choice([0, 5, 16383, 16384, 1 << 40]), rng.choice(NUMBERS), rng.choice(NUMBERS)]
            file.records.insert(at, ["op", 244, numbers])
            said.append(f"SLOT_INFO {numbers}")
        elif choice == "idle":
            file.records.insert(at, rng.choice([["op", 248, [rng.choice(NUMBERS)]], ["raw", 249, bytes([rng.choice([0, 5, 255])])]]))
            said.append("idle or frequency")
        elif choice == "function":
            source = rng.choice([b"#!lua name=a\nredis.register_function('fa', function() return 1 end)", b"garbage", b"#!lua name=\n", b"#!lua name=a b\n", b"#!js name=x\n1"])
            file.records.insert(at, ["function", 245, source])
            said.append(f"function {source[:20]}")
        elif choice == "version":
            if file.header.startswith(b"REDIS"):
                file.header = b"REDIS%04d" % rng.choice([5, 6, 7, 9, 10, 11, 12])
            said.append(f"version {file.header}")
        elif choice == "order" and len(file.records) > 1:
            one = file.records.pop(rng.randrange(len(file.records)))
            file.records.insert(min(at, len(file.records)), one)
            said.append(f"{one[0]} {one[1]} moves")
    return "; ".join(said) or "nothing"
