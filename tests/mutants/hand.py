"""Hand-written mutants of the engine: the mistakes that servers make, each with the clauses that must catch it.

A mutant replaces one piece of text in one engine file. A piece that is not found, or found more than once, is an error
of this list: a test keeps it in step with the engine.
"""

from __future__ import annotations

from typing import NamedTuple


class Hand(NamedTuple):
    """One mistake: its name, the engine file, the text and what replaces it, and a glob of the clauses that catch it."""

    name: str
    module: str
    old: str
    new: str
    clauses: str


HAND: tuple[Hand, ...] = (
    # Counters
    Hand("incr wraps at 2^63", "cache", "(value + delta) % U64", "(value + delta) % (U64 >> 1)", "text.incr.*"),
    Hand("incr saturates", "cache", "(value + delta) % U64", "min(value + delta, U64 - 1)", "text.incr.wraps"),
    Hand("incr does not wrap", "cache", "value = (value + delta) % U64", "value = value + delta", "text.incr.wraps"),
    Hand("decr wraps", "cache", "max(value - delta, 0)", "(value - delta) % U64", "text.decr.floor"),
    Hand("decr stops at 1", "cache", "max(value - delta, 0)", "max(value - delta, 1)", "text.decr.floor"),
    Hand("incr and decr swapped", "text", 'increment=tokens[0] == b"incr"', 'increment=tokens[0] == b"decr"', "text.incr.*"),
    Hand("shorter number padded with zeros", "cache", "text.ljust(length)", 'text.rjust(length, b"0")', "text.delta.*"),
    Hand("shorter number padded with NULs", "cache", "text.ljust(length)", r'text.ljust(length, b"\0")', "text.delta.*"),
    Hand("padding one short", "cache", "text.ljust(length)", "text.ljust(length - 1)", "text.delta.shorter"),
    Hand("incr keeps the cas unique", "cache", "        item.cas = self._last_cas\n        self.items", "        self.items", "text.cas.*"),
    Hand("non-numeric counts from 0", "cache", "            return Outcome.NON_NUMERIC\n", "            value = 0\n", "text.delta.*"),
    Hand("grown counter loses its flags", "cache", "len(text) - _LINE_END, item.flags, item.exptime", "len(text) - _LINE_END, 0, item.exptime", "text.delta.*"),
    Hand("incr creates a missing counter", "text", "Outcome.NOT_FOUND: replies.NOT_FOUND,\n    Outcome.NON_NUMERIC", 'Outcome.NOT_FOUND: b"0\\r\\n",\n    Outcome.NON_NUMERIC', "text.delta.missing"),
    Hand("delta above 2^64-1 accepted", "numbers", "value if value < U64 else None", "value % U64", "text.number.delta-range"),
    Hand("delta of 2^64-1 refused", "numbers", "value if value < U64 else None", "value if value < U64 - 1 else None", "text.number.delta-range"),
    Hand("delta may have a sign", "numbers", "if len(token) > _MAX_64BIT_CHARS or not token.isdigit():", 'token = token.removeprefix(b"+")\n    if len(token) > _MAX_64BIT_CHARS or not token.isdigit():', "text.number.*"),
    # Numbers
    Hand("flags cut to 16 bits", "numbers", "value & _U32_MASK\n\n\ndef lenient_i32", "value & 0xFFFF\n\n\ndef lenient_i32", "text.store.flags-kept"),
    Hand("flags not cut", "numbers", "None if value is None else value & _U32_MASK", "value", "text.number.flags-modulo"),
    Hand("exptime not cut to 32 bits", "numbers", "    value &= _U32_MASK\n    return value - (1 << 32) if value & _I32_SIGN else value", "    return value", "text.number.exptime-modulo"),
    Hand("exptime unsigned", "numbers", "return value - (1 << 32) if value & _I32_SIGN else value", "return value", "text.exptime.negative"),
    Hand("length one digit longer", "numbers", "_MAX_32BIT_CHARS = 11", "_MAX_32BIT_CHARS = 12", "text.number.*"),
    Hand("length one digit shorter", "numbers", "_MAX_32BIT_CHARS = 11", "_MAX_32BIT_CHARS = 10", "text.number.*"),
    Hand("length limit off by one", "settings", "VALUE_LENGTH_MAX = 2**31 - 3", "VALUE_LENGTH_MAX = 2**31 - 2", "text.number.length-range"),
    Hand("negative exptime refused by touch", "numbers", 'if token[:1] != b"-":', "if True:", "text.number.exptime-strict"),
    # Expiry
    Hand("thirty days and a second are relative", "settings", "RELATIVE_MAX = 60 * 60 * 24 * 30", "RELATIVE_MAX = 60 * 60 * 24 * 30 + 1", "text.exptime.*"),
    Hand("thirty days are absolute", "settings", "RELATIVE_MAX = 60 * 60 * 24 * 30", "RELATIVE_MAX = 60 * 60 * 24 * 30 - 1", "text.exptime.*"),
    Hand("negative exptime never expires", "cache", "        if exptime < 0:\n            return -1", "        if exptime < 0:\n            return 0", "text.exptime.negative"),
    Hand("exptime 0 expires at once", "cache", "        if exptime == 0:\n            return 0", "        if exptime == 0:\n            return -1", "text.*"),
    Hand("expires a second late", "cache", "return self.now + exptime\n", "return self.now + exptime + 1\n", "text.exptime.relative"),
    Hand("expires a second early", "cache", "return self.now + exptime\n", "return self.now + exptime - 1\n", "text.exptime.relative"),
    Hand("get serves the expired", "cache", "(item.exptime and item.exptime <= self.now) or (", "(", "text.exptime.*"),
    Hand("add sees the expired", "cache", "if exptime and exptime <= self.now:", "if exptime and exptime < self.now:", "text.exptime.*"),
    Hand("touch changes nothing", "cache", "        item.exptime = deadline\n        self.items.move_to_end(key)\n        return item", "        return item", "text.touch.extends"),
    Hand("append takes the new exptime", "cache", "old.flags, old.exptime, size)", "old.flags, 0, size)", "text.append.keeps"),
    Hand("append drops the flags", "cache", "len(start), old.flags, old.exptime", "len(start), 0, old.exptime", "text.*"),
    # flush_all
    Hand("flush_all forgets to flush", "cache", "            self.items.clear()\n", "            pass\n", "text.flush.*"),
    Hand("a delayed flush strikes at once", "cache", "        if at <= self.now:\n", "        if at:\n", "text.flush.*"),
    Hand("a delayed flush is a second late", "cache", "at = self.deadline(delay) - 1", "at = self.deadline(delay)", "text.flush.delayed"),
    Hand("a delayed flush spares later items", "cache", "item.time <= self.flush_at <= self.now", "item.time < self.flush_at - 1 <= self.now", "text.flush.delayed"),
    Hand("a delayed flush never strikes", "cache", "            self.flush_at = at\n", "            pass\n", "text.flush.delayed"),
    Hand("flush_all under -F", "text", "if not state.settings.flush_allowed:", "if state.settings.flush_allowed is None:", "text.flush.not-allowed"),
    Hand("flush_all answers under noreply", "text", "return _SILENT if quiet else reply", "return reply", "text.noreply.*"),
    # Keys and lines
    Hand("key limit 249", "settings", "KEY_MAX = 250", "KEY_MAX = 249", "text.key.*"),
    Hand("key limit 251", "settings", "KEY_MAX = 250", "KEY_MAX = 251", "text.key.*"),
    Hand("line limit one less", "settings", "LINE_MAX = 2048", "LINE_MAX = 2047", "text.line.*"),
    Hand("line limit one more", "settings", "LINE_MAX = 2048", "LINE_MAX = 2049", "text.line.*"),
    Hand("gat lines may not grow", "retrieval", '(b"get ", b"gets ", b"gat ", b"gats ")', '(b"get ", b"gets ")', "text.line.*"),
    Hand("an endless get is closed in silence", "connection", "            self._out.append(replies.NO_MEMORY_READING)\n", "", "text.line.get-too-long"),
    Hand("CR is part of the line", "connection", "            if end > begin and data[end - 1] == _CR:\n                end -= 1\n", "", "text.line.cr-lf"),
    Hand("all CRs are dropped", "connection", "            if end > begin and data[end - 1] == _CR:", "            while end > begin and data[end - 1] == _CR:", "text.line.inner-cr"),
    Hand("short lines are unknown commands", "text", "LINE_MIN = 4", "LINE_MIN = 2", "text.line.short"),
    Hand("HTTP is answered", "text", '.startswith(b"HTTP/"):\n        return None', '.startswith(b"HTTP/"):\n        return replies.ERROR', "text.line.http"),
    Hand("a lone HTTP word closes", "text", "if len(tokens) > 1 and tokens", "if tokens", "text.line.unknown"),
    Hand("a key too long is passed over", "retrieval", "    if _TOO_LONG_KEY.search(line, at) is not None:", "    if False:", "text.get.key-too-long"),
    # noreply
    Hand("incr answers under noreply", "text", "    return _SILENT if is_noreply(tokens) else reply\n\n\ndef _delete", "    return reply\n\n\ndef _delete", "text.noreply.*"),
    Hand("delete answers under noreply", "text", "    return _SILENT if is_noreply(tokens) else reply\n\n\ndef _flush_all", "    return reply\n\n\ndef _flush_all", "text.noreply.*"),
    Hand("touch answers under noreply", "text", "    return _SILENT if is_noreply(tokens) else reply\n\n\ndef _arithmetic", "    return reply\n\n\ndef _arithmetic", "text.noreply.*"),
    Hand("set answers under noreply", "connection", "        if not header.noreply:\n            self._out.append(reply)", "        self._out.append(reply)", "text.noreply.*"),
    Hand("a refused set answers under noreply", "connection", 'b"" if header.noreply else error', "error", "text.noreply.silent-error"),
    Hand("noreply anywhere on the line", "text", "return tokens[min(len(tokens), TOKEN_MAX) - 1] == b\"noreply\"", 'return b"noreply" in tokens', "text.noreply.*"),
    Hand("unknown commands answer noreply", "text", "    if is_noreply(tokens):\n        return _SILENT\n    if len", "    if len", "text.noreply.unknown"),
    # Storage
    Hand("add overwrites", "cache", "            elif mode is StoreMode.ADD:\n                self.items.move_to_end(key)\n                return Outcome.NOT_STORED\n", "", "text.add.*"),
    Hand("replace creates", "cache", "if mode is not StoreMode.ADD:\n                    return", "if mode not in (StoreMode.ADD, StoreMode.REPLACE):\n                    return", "text.replace.*"),
    Hand("append prepends", "cache", "if append else (start, value, own", "if not append else (start, value, own", "text.append.*"),
    Hand("cas does not compare", "cache", "if old.cas != unique:", "if unique == 0:", "text.cas.*"),
    Hand("cas compares the wrong way", "cache", "if old.cas != unique:", "if old.cas == unique:", "text.cas.*"),
    Hand("set keeps the cas unique", "cache", "        cas = self._last_cas + 1\n        self._last_cas = cas\n", "        cas = 2\n", "text.cas.*"),
    Hand("cas on a missing key answers NOT_STORED", "cache", "                    return Outcome.NOT_FOUND\n                if mode", "                    return Outcome.NOT_STORED\n                if mode", "text.cas.missing"),
    Hand("bad chunk accepted", "connection", 'if buffer.endswith(b"\\r\\n"):', "if True:", "text.store.bad-chunk"),
    Hand("bad chunk stored all the same", "connection", "            reply = replies.BAD_DATA_CHUNK\n", "            reply = replies.BAD_DATA_CHUNK\n            self._state.cache.put(header.key, b'VALUE %b 0 1\\r\\nx\\r\\n' % header.key, 13 + len(header.key) - 1, 0, 0, 70)\n", "text.store.bad-chunk"),
    Hand("the block ends one byte early", "connection", "bytearray(len(head) + header.length + _LINE_END)", "bytearray(len(head) + header.length + _LINE_END - 1)", "text.store.*"),
    Hand("too large is not swallowed", "connection", "            self._swallow = header.length + _LINE_END\n", "            self._swallow = 1\n", "text.store.*"),
    Hand("swallows one byte too many", "connection", "            self._swallow = header.length + _LINE_END\n", "            self._swallow = header.length + _LINE_END + 1\n", "text.store.*"),
    Hand("answers before it swallows", "connection", '            self._enter(Phase.SWALLOW, "swallow")\n', '            self._out.append(self._refusal)\n            self._refusal = b""\n            self._enter(Phase.SWALLOW, "swallow")\n', "text.store.*"),
    Hand("a failed set keeps the old item", "connection", "                cache.drop(header.key)  #", "                pass  #", "text.store.too-large-deletes"),
    Hand("every failed store drops the old item", "connection", "            if error and mode is StoreMode.SET:", "            if error:", "text.store.too-large-keeps"),
    Hand("item limit one more", "connection", "            if size > cache.item_size_max:\n                self", "            if size > cache.item_size_max + 1:\n                self", "text.store.too-large*"),
    Hand("item limit one less", "connection", "            if size > cache.item_size_max:\n                self", "            if size > cache.item_size_max - 1:\n                self", "text.store.largest"),
    Hand("append beyond the item limit", "cache", "        if size > self.item_size_max or not self.make_room(size):\n            return Outcome.NOT_STORED\n        start", "        start", "text.append.too-large"),
    Hand("flags cost nothing", "settings", "FLAGS_SIZE = 4", "FLAGS_SIZE = 0", "text.store.*"),
    # Retrieval
    Hand("END is missing", "retrieval", "                out.append(replies.END)\n", "", "text.get.*"),
    Hand("gets forgets the cas unique", "retrieval", 'b"gets": (True, False)', 'b"gets": (False, False)', "text.gets.hit"),
    Hand("gats forgets the cas unique", "retrieval", 'b"gats": (True, True)', 'b"gats": (False, True)', "text.gats.hit"),
    Hand("gat does not touch", "retrieval", "cache.touch(key, self._deadline) if self._touch else cache.fetch(key)", "cache.fetch(key)", "text.gat.*"),
    Hand("a repeated key is answered once", "retrieval", "return cursor.of_keys([key for key in line[at:].split(b\" \") if key])", "return cursor.of_keys(list(dict.fromkeys(key for key in line[at:].split(b\" \") if key)))", "text.get.multi"),
    Hand("24 keys at most", "retrieval", "return cursor.of_keys([key for key in line[at:].split(b\" \") if key])", "return cursor.of_keys([key for key in line[at:].split(b\" \") if key][:24])", "text.get.many"),
    Hand("gat without keys answers END", "retrieval", "        if exptime_match is None or _TOKEN.search(line, exptime_match.end()) is None:", "        if exptime_match is None:", "text.gat.no-key"),
    # The stream
    Hand("a line that ends a chunk waits for the next", "connection", "            end = data.find(b\"\\n\", pos)\n            if end < 0:", "            end = data.find(b\"\\n\", pos)\n            if end < 0 or (end == size - 1 and pos > 0):", "text.stream.*"),
    Hand("CR and LF in different chunks", "connection", "            joined = bytes(self._partial) + data\n", '            joined = bytes(self._partial).rstrip(b"\\r") + data\n', "text.*"),
    Hand("the rest of a chunk is lost after a value", "connection", "        return pos + take\n\n    def _complete", "        return _ALL if stop == len(self._buffer) or not self._buffer else pos + take\n\n    def _complete", "text.stream.*"),
    Hand("quit forgets what is owed", "connection", '        elif word == b"quit":\n', '        elif word == b"quit":\n            self._out.clear()\n', "text.quit.after-replies"),
    Hand("junk forgets what is owed", "connection", '        self._partial = bytearray()\n        self._enter(Phase.CLOSED, "closing")\n        return False', '        self._out.clear()\n        self._partial = bytearray()\n        self._enter(Phase.CLOSED, "closing")\n        return False', "text.stream.owed-before-close"),
    Hand("quit does not close", "connection", '        elif word == b"quit":\n            self._enter(Phase.CLOSED, "closing")', '        elif word == b"quit":\n            pass', "text.quit.*"),
    Hand("an error closes", "connection", "            if reply:\n                self._out.append(reply)\n            return", '            if reply:\n                self._out.append(reply)\n            if reply.startswith(b"CLIENT_ERROR"):\n                self._enter(Phase.CLOSED, "closing")\n            return', "text.stream.error-keeps-open"),
)  # fmt: skip
"""All of them."""


def apply(mutant: Hand, source: str) -> str:
    """The mutated source. Raises ValueError if the text to replace does not stand there exactly once."""
    if source.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: its text stands {source.count(mutant.old)} times in {mutant.module}.py")
    return source.replace(mutant.old, mutant.new)
