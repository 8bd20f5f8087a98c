"""Real servers that load file after file: whether they take it, live while all of it is used, and load what they saved of it."""

import os
import socket
import subprocess
import time

import lab

MEMORY = 6 * lab.GIB

# What a server does with all keys of a database runs within it: a client that asks for each answer would take most of the time.
# Errors are answers; of a crash the server's end tells.
EACH_KEY = b"""
if redis.replicate_commands then pcall(redis.replicate_commands) end
local call = redis.pcall
local function list(reply)
    if type(reply) == 'table' and reply.err == nil and reply.ok == nil then return reply end
    return {}
end
local function each(elements, most, act)
    for at = 1, math.min(#elements, most) do act(elements[at]) end
end
local keys = list(call('KEYS', '*'))
for at = 1, math.min(#keys, 400) do
    local key = keys[at]
    local kind = call('TYPE', key)
    kind = type(kind) == 'table' and kind.ok or kind
    %s
end
return #keys
"""

READ_AND_CHANGE = EACH_KEY % b"""
    local long = string.rep('x', 100)
    call('DUMP', key)
    call('PTTL', key)
    call('OBJECT', 'ENCODING', key)
    -- Redis 8.10.2 crashes when it is asked for the memory of a vector set with an expiry, whoever wrote it.
    if kind ~= 'vectorset' then call('MEMORY', 'USAGE', key, 'SAMPLES', '0') end
    if kind == 'string' then
        call('GET', key)
        call('STRLEN', key)
        call('GETRANGE', key, 0, -1)
        call('APPEND', key, 'x')
    elseif kind == 'list' then
        local elements = list(call('LRANGE', key, 0, -1))
        call('LRANGE', key, -1000, -1)
        call('LINDEX', key, 0)
        call('LINDEX', key, -1)
        call('LINSERT', key, 'BEFORE', elements[#elements] or '', long)
        call('LSET', key, 0, '1')
        each(elements, 3, function(element) call('LREM', key, 1, element) end)
        call('LREM', key, 0, elements[1] or '')
        call('LPUSH', key, 'x', string.rep(long, 100))
        call('RPUSH', key, '9', string.rep(long, 100))
        call('LTRIM', key, 1, -2)
        call('RPOP', key)
        call('LPOP', key)
    elseif kind == 'set' then
        local elements = list(call('SMEMBERS', key))
        each(elements, 300, function(element)
            call('SISMEMBER', key, element)
            call('SADD', key, element)
        end)
        call('SRANDMEMBER', key, -5)
        call('SRANDMEMBER', key, 100)
        call('SADD', key, 7, -1000000000000)
        call('SREM', key, elements[1] or 'a')
        call('SADD', key, elements[1] or 'a')
        call('SADD', key, 'word', long)
        call('SPOP', key)
    elseif kind == 'zset' then
        local elements = list(call('ZRANGE', key, 0, -1))
        call('ZRANGEBYSCORE', key, '-inf', '+inf', 'WITHSCORES')
        call('ZRANGEBYSCORE', key, 1, 3)
        call('ZREVRANGE', key, 0, -1)
        call('ZRANGEBYLEX', key, '-', '+')
        each(elements, 300, function(element)
            call('ZRANK', key, element)
            call('ZSCORE', key, element)
            call('ZINCRBY', key, 1, element)
        end)
        call('ZREMRANGEBYRANK', key, 0, 0)
        call('ZADD', key, 5, 'word', 6, long)
        call('ZPOPMIN', key)
        call('ZPOPMAX', key)
    elseif kind == 'hash' then
        local fields = list(call('HKEYS', key))
        call('HGETALL', key)
        call('HPTTL', key, 'FIELDS', 1, fields[1] or 'a')
        call('HPEXPIRE', key, 100000, 'FIELDS', 1, fields[#fields] or 'a')
        each(fields, 300, function(field)
            call('HGET', key, field)
            call('HSET', key, field, 'changed')
        end)
        call('HINCRBY', key, 'counter', 1)
        call('HDEL', key, fields[1] or 'a')
        call('HPERSIST', key, 'FIELDS', 1, fields[#fields] or 'a')
        call('HSET', key, 'word', long)
        call('HRANDFIELD', key, -5)
    elseif kind == 'stream' then
        call('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0)
        local entries = list(call('XRANGE', key, '-', '+'))
        call('XREVRANGE', key, '+', '-')
        call('XLEN', key)
        for _, group in ipairs(list(call('XINFO', 'GROUPS', key))) do
            local name = group[2]
            local consumers = list(call('XINFO', 'CONSUMERS', key, name))
            local pending = list(call('XPENDING', key, name, '-', '+', 100))
            each(pending, 100, function(entry) call('XCLAIM', key, name, 'other', 0, entry[1]) end)
            call('XREADGROUP', 'GROUP', name, 'c', 'STREAMS', key, '0')
            call('XREADGROUP', 'GROUP', name, 'c', 'STREAMS', key, '>')
            call('XAUTOCLAIM', key, name, 'third', 0, '0')
            each(pending, 2, function(entry) call('XACK', key, name, entry[1]) end)
            each(consumers, 100, function(consumer) call('XGROUP', 'DELCONSUMER', key, name, consumer[2]) end)
            if #consumers % 2 == 0 then call('XGROUP', 'DESTROY', key, name) end
        end
        call('XADD', key, '*', 'f', 'v')
        each(entries, 3, function(entry) call('XDEL', key, entry[1]) end)
        call('XADD', key, '*', 'g', 'v', 'h', 'w')
    elseif kind == 'array' then
        call('ARGETALL', key)
        call('ARGETRANGE', key, 0, 100)
        call('ARSCAN', key, 0, 1000)
        call('ARLEN', key)
        call('ARCOUNT', key)
        call('ARINFO', key, 'FULL')
        call('ARINSERT', key, 'new', '7')
        call('ARSET', key, 5, 'x')
        call('ARDEL', key, 0)
    elseif kind == 'vectorset' then
        call('VCARD', key)
        call('VDIM', key)
        call('VINFO', key)
        local member = call('VRANDMEMBER', key)
        call('VEMB', key, member)
        call('VSIM', key, 'ELE', member)
        call('VREM', key, member)
    elseif kind == 'gcra' then
        call('GCRA', key, 5, 10, 60000)
    end
    call('COPY', key, 'copy:' .. key, 'REPLACE')
    call('DEL', 'copy:' .. key)
"""

TAKE_APART = EACH_KEY % b"""
    if kind == 'list' then
        call('LRANGE', key, 0, -1)
        for _ = 1, 100 do call('RPOP', key) end
    elseif kind == 'set' then
        each(list(call('SMEMBERS', key)), 300, function(element) call('SREM', key, element) end)
    elseif kind == 'zset' then
        each(list(call('ZRANGE', key, 0, -1)), 300, function(element) call('ZREM', key, element) end)
    elseif kind == 'hash' then
        each(list(call('HKEYS', key)), 300, function(field) call('HDEL', key, field) end)
    elseif kind == 'stream' then
        each(list(call('XRANGE', key, '-', '+')), 100, function(entry) call('XDEL', key, entry[1]) end)
        call('XTRIM', key, 'MAXLEN', 0)
        call('XSETID', key, '9999999999999-0')
    elseif kind == 'array' then
        for index = 0, 300 do call('ARDEL', key, index) end
    end
"""

# Values become too large for the encoding that they came in: a server looks at all of it when it changes that.
GROW = EACH_KEY % b"""
    local long = string.rep('x', 100)
    if kind == 'hash' then
        each(list(call('HKEYS', key)), 300, function(field) call('HSET', key, field, long) end)
        call('HSET', key, 'word', long)
        for at = 1, 600 do call('HSET', key, 'new' .. at, 'v') end
    elseif kind == 'set' then
        for at = 1, 600 do call('SADD', key, at) end
        call('SADD', key, 'word', long)
    elseif kind == 'zset' then
        for at = 1, 150 do call('ZADD', key, at, 'new' .. at) end
        call('ZADD', key, 5, 'word', 6, long)
    elseif kind == 'list' then
        for at = 1, 150 do call('RPUSH', key, at); call('LPUSH', key, long) end
    elseif kind == 'stream' then
        for at = 1, 120 do call('XADD', key, '*', 'f', 'v', 'long', long) end
    end
"""

DELETE = EACH_KEY % b"    call('DEL', key)"


class Talk(lab.Client):
    """A client that sends all at once, and knows which answer it waits for when the server goes."""

    def all(self, commands):
        """The answers to (stage, command)."""
        out = bytearray()
        for _, words in commands:
            words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
            out += b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        self.stage = commands[0][0]
        self.socket.sendall(out)
        answers = []
        for stage, _ in commands:
            self.stage = stage
            answers.append(self.read())
        return answers


class Judge:
    """A real server, started anew when it died. A refusal or a death is told in words; `None` is what is hoped for."""

    def __init__(self, name, path, folder, settings=()):
        self.name, self.path, self.folder, self.server, self.client = name, path, folder, None, None
        self.settings = ["--databases", "64", "--loglevel", "warning", "--repl-diskless-sync-delay", "0", *settings]
        self.label = name.replace("-", " ", 1)

    def start(self):
        if self.server is None:
            os.makedirs(self.folder, exist_ok=True)
            with open(os.path.join(self.folder, "log"), "w"):
                pass
            dump = os.path.join(self.folder, "dump.rdb")
            if os.path.exists(dump):
                os.remove(dump)
            self.server = lab.Server(self.name, self.path, self.folder, self.settings, MEMORY)
            self.client = Talk(self.server.port, 20)
            self.seen = 0
            self.defaults = self.adjustable()

    def stop(self):
        if self.client is not None:
            self.client.__exit__()
            self.client = None
        if self.server is not None:
            self.server.kill()
            self.server = None

    def adjustable(self):
        """Settings that a restore changes for a while."""
        names = ("repl-diskless-load", "masterauth", "masteruser", "repl-timeout", "save")
        return self.client.all([("asks", ("CONFIG", "GET", name)) for name in names])

    def words(self, why):
        log = self.server.log()[self.seen :]
        for mark in ("Internal error", "ASSERTION", "Guru", "panic", "FATAL", "Out Of Memory", "Unrecoverable", "crashed", "creating the library", "Lua script"):
            at = log.find(mark)
            if at >= 0:
                return f"{why}: {log[at : at + 200]!r}"
        return f"{why}: {log[-200:]!r}"

    def ended(self, error):
        """What is left to say of a server that does not answer any more."""
        stage = self.client.stage
        try:
            self.server.process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            pass
        text = self.words(f"{stage}: {error or type(error).__name__} (exit {self.server.process.returncode})")
        self.stop()
        return text

    def takes(self, mutant):
        """Loads the file, and uses what came of it."""
        self.start()
        self.seen = len(self.server.log())
        try:
            cleared = self.client.all([("is cleared", ("FLUSHALL",)), ("is cleared", ("FUNCTION", "FLUSH"))])
            if isinstance(cleared[0], RuntimeError):
                raise lab.Violation(f"FLUSHALL was refused: {cleared[0]}")
            dump = os.path.join(self.folder, "dump.rdb")
            with open(dump + ".new", "wb") as file:
                file.write(mutant)
            os.replace(dump + ".new", dump)
            (reply,) = self.client.all([("loads", ("DEBUG", "RELOAD", "NOSAVE"))])
            if isinstance(reply, RuntimeError):
                text = self.words(f"refuses ({reply})")
                # Half of it may have been loaded.
                self.stop()
                return text
        except (OSError, ConnectionError) as error:
            return self.ended(error)
        return self.uses()

    def databases(self):
        (keyspace,) = self.client.all([("is asked", ("INFO", "keyspace"))])
        lines = (line.split(":", 1) for line in keyspace.decode().splitlines() if line.startswith("db"))
        return {int(name[2:]): int(value.split(",")[0][5:]) for name, value in lines}

    def grows(self):
        """Adds to all values until they change their encoding, and has that saved and loaded."""
        try:
            grow = [(f"database {index} grows", words) for index in self.databases() for words in (("SELECT", index), ("EVAL", GROW, 0))]
            answer = self.client.all([*grow, ("loads what it saved", ("DEBUG", "RELOAD"))])[-1]
            if isinstance(answer, RuntimeError):
                text = self.words(f"does not load what it saved ({answer})")
                self.stop()
                return text
        except (OSError, ConnectionError) as error:
            return self.ended(error)
        return None

    def uses(self):
        """Reads all keys, changes them, has them saved and loaded, takes them apart, has that saved and loaded, and deletes them.

        What is left when the last element of a value was removed is what some servers save and do not load."""
        try:
            databases = self.databases()
            change = [(f"uses database {index}", words) for index in databases for words in (("SELECT", index), ("EVAL", READ_AND_CHANGE, 0))]
            apart = [(f"takes database {index} apart", words) for index in databases for words in (("SELECT", index), ("EVAL", TAKE_APART, 0))]
            delete = [(f"empties database {index}", words) for index in databases for words in (("SELECT", index), ("EVAL", DELETE, 0))]
            functions = [("lists functions", ("FUNCTION", "LIST", "WITHCODE")), ("dumps functions", ("FUNCTION", "DUMP"))]
            reload = ("loads what it saved", ("DEBUG", "RELOAD"))
            end = [("is cleared", ("FLUSHALL",)), ("is cleared", ("FUNCTION", "FLUSH")), ("is asked", ("SELECT", 0)), ("is asked", ("PING",))]
            steps = [reload, *functions, *change, reload, *apart, reload, *delete, *end]
            answers = self.client.all(steps)
            for answer in (answer for step, answer in zip(steps, answers) if step is reload):
                if isinstance(answer, RuntimeError):
                    text = self.words(f"does not load what it saved ({answer})")
                    self.stop()
                    return text
            for (stage, words), answer in zip(steps, answers):
                if words[0] == "EVAL" and isinstance(answer, RuntimeError):
                    raise lab.Violation(f"{self.name} {stage}: the campaign's script fails: {answer}")
        except (OSError, ConnectionError) as error:
            return self.ended(error)
        return None

    def after_restore(self, said):
        """Judges a target after a restore of which JSON is `said`: alive, a primary, set as before, with as many keys as said."""
        try:
            role, ping = self.client.all([("is asked", ("ROLE",)), ("is asked", ("PING",))])
            if not isinstance(role, list) or role[0] != b"master" or ping != b"PONG":
                return f"it is left as {role!r:.200}"
            if self.adjustable() != self.defaults:
                return f"its settings were {self.defaults} and are {self.adjustable()}"
            held = sum(self.databases().values())
            result = said["result"] if said.get("error") is None else None
            # What has expired may be there for a moment.
            if result and not result["restored"] <= held <= result["restored"] + result["expired"]:
                return f"it holds {held} keys, and {result['restored']} were said"
            log = self.server.log()[self.seen :]
            for mark in ("ASSERTION", "Guru", "crashed by signal"):
                if mark in log:
                    return self.words("its log")
        except (OSError, ConnectionError) as error:
            return self.ended(error)
        return self.uses()

    def clears(self):
        self.start()
        self.seen = len(self.server.log())
        self.client.all([("is cleared", ("FLUSHALL",)), ("is cleared", ("FUNCTION", "FLUSH"))])
