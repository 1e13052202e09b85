"""The Rules record: limits, traits and options that `step` reads, and the functions and rows that decide.

A profile is a valuation of the traits; a planted bug is a Rules with one limit, one function or one row of the table
replaced (`planted`). There is no other switch in the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mcspec import (
    access,
    admin,
    arith,
    arith_frames,
    binary,
    cache,
    connection,
    counting,
    flushing,
    machine,
    meta,
    packet,
    storing,
    text,
)
from mcspec.arith import Span
from mcspec.cache import Cache, Found, Item, Now, Result
from mcspec.limits import Limits
from mcspec.machine import TEXT, Event, State, Table
from mcspec.storing import Entry


class Traits(NamedTuple):
    """Where released servers differ. The default of each field is what `base` says; the comment names the clause."""

    leading_space: str = "error"
    """text.line.leading-space: `error`, `ignored` (up to 1.6.39) or `some` (1.6.40 on: a second table skips it)."""

    nul: str = "byte"
    """text.line.nul: `byte` of a word, or `ends-line` (up to 1.6.39)."""

    short_line: str = "bad-format"
    """text.line.short: `bad-format`, or `error` (up to 1.6.39)."""

    missing_words: str = "bad-format"
    """text.line.missing-words: `bad-format`, or `error` (up to 1.6.39)."""

    extra_words: str = "ignored"
    """text.line.extra-words: `ignored`, or `error` (up to 1.6.39)."""

    http: str = "unknown-word"
    """text.line.http: which lines close: an `unknown-word` before it, or `late-branch` (1.6.18, by first letter)."""

    line_limit: str = "exact"
    """text.line.too-long: `exact`, or `racy` (real servers look at what one read brought)."""

    long_retrieval: str = "all"
    """text.line.get-may-grow: `all` four retrieval words, or `get` and gets only."""

    header_error: str = "swallow"
    """text.store.header-error-swallows: `swallow` the value, or `keep` it as the next line (up to 1.6.39)."""

    length_number: str = "strict"
    """text.number.length-strict: `strict`, or `c` (up to 1.6.39)."""

    argument_number: str = "strict"
    """text.number.delta-strict and its kin: `strict`, or `c` (up to 1.6.44)."""

    bare_minus: str = "refused"
    """text.number.digits: a lone `-` is `refused`, or `zero` (1.6.40 on, in strict signed numbers)."""

    blank_number: str = "refused"
    """text.number.c-syntax: a word of C blanks only is `refused`, or `next` (1.6.40 on: reads on into the next)."""

    noreply_unknown: str = "silent"
    """text.noreply.unknown: `silent`, or `answered` (up to 1.6.39)."""

    delete_extra: str = "usage"
    """text.delete.usage: `usage` line, or `ignored` (1.6.40 on)."""

    delete_noreply_key: str = "silent"
    """text.delete.noreply-key: `silent`, or `answered` (1.4.3 to 1.6.39)."""

    gat_without_key: str = "bad-format"
    """text.gat.no-key: `bad-format`, or `end` (1.6.18: an exptime alone is looked at, then END)."""

    get_error_drops: str = "nothing"
    """text.get.key-too-long: what else is lost: `nothing`, `queued` replies, or `queued-blank` (and a blank line)."""

    close_drops: str = "nothing"
    """text.stream.owed-before-close: `nothing`, or `queued` replies are lost when junk closes the connection."""

    prompt: str = "always"
    """text.stream.prompt: `always`, or `not-in-value` (1.6: replies wait while a value is being received)."""

    flush_returns: str = "never"
    """text.flush.gone-for-good: `never`, or `may` (a later delayed flush uncovers what an earlier one hid)."""

    counter_overread: str = "no"
    """text.delta.stored-form: `no`, or `may` (a counter of 2**63 and more is read on beyond its end)."""

    counted_anew: str = "no"
    """meta.ma.marks: T and E of ma are kept (`no`), or may come to nothing while the item is being sent (`may`)."""

    retrieval_noreply: str = "key"
    """text.noreply.retrieval: the last word is a `key`; beside a long key it is `unclear` (1.6.40 on)."""

    bget: str = "unknown"
    """text.line.unknown: `bget` is `unknown`, or an `alias` of get (up to 1.6.39)."""

    flag_words: str = "twenty"
    """meta.line.many-flags: a line may have `twenty` words, or `nineteen` and another text refuses it (to 1.6.39)."""

    flag_bytes: str = "letters"
    """meta.flag.first-byte: flags begin with `letters` or digits, or with `any` byte (up to 1.6.39)."""

    md_errors: str = "own"
    """meta.flag.unknown: md says which fault a flag has (`own`), or has `one` text for all (up to 1.6.39)."""

    ma_errors: str = "one"
    """meta.ma.bad-flag: ma has `one` text for a key too long as well, or bad `format` for that (up to 1.6.39)."""

    mode_word: str = "first-letter"
    """meta.flag.mode: only the `first-letter` after M counts, or it must be `alone` (up to 1.6.39)."""

    chosen_cas: str = "known"
    """meta.flag.chosen: the flags E and x are `known`, or `unknown` (up to 1.6.26)."""

    ms_size: str = "shown"
    """meta.ms.size: the flag s of ms is `shown`, or `ignored` (up to 1.6.19)."""

    append_creates: str = "yes"
    """meta.ms.append-creates: N lets append and prepend create (`yes`), or is ignored (`no`, up to 1.6.19)."""

    mg_compare: str = "drops-value"
    """meta.mg.compare: C in mg `drops-value` if it matches, or is `ignored` (up to 1.6.39)."""

    quiet_create: str = "silent"
    """meta.ma.quiet-create: ma with q is `silent` when it creates, or the reply is `shown` (up to 1.6.39)."""

    me_flags: str = "base64-before-another"
    """meta.me.flags: b right behind the key counts if another word follows it, or always (`base64`, up to 1.6.39)."""

    me_ttl: str = "left"
    """meta.me.line: exp is the time `left`, or that `negated` (up to 1.6.23)."""

    me_far: str = "shown"
    """meta.me.line: exp of 2^31 seconds and more is `shown`, or `wraps` to a signed number of 32 bits."""

    unique_taken: str = "store"
    """text.cas.grows: ms takes its cas unique at the `store`, or with its `line`, block or no block (1.6.27 on)."""

    opaque_first: str = "no"
    """meta.flag.opaque-long: is it found before a value that is too large (`yes`, up to 1.6.39), or after (`no`)."""

    stats_words: str = "begun"
    """stats.word.beginning: some sub-commands of stats may be `begun` only, or all are `whole` words (up to 1.6.39)."""

    shutdown_text: str = "server-error"
    """admin.shutdown.forbidden: the refusal is a `server-error`, or an `error` (up to 1.6.39)."""

    crawler_noreply: str = "silent"
    """admin.noreply.silent: lru_crawler knows noreply (`silent`), or takes it for a word (`word`, up to 1.6.39)."""

    mgdump: str = "known"
    """admin.mgdump.framing: `known`, or `unknown` (up to 1.6.18)."""

    dump_begins: str = "ok"
    """admin.metadump.framing: dumps begin with `ok`, or at once with what is `dumped` (up to 1.6.42)."""

    automove_words: str = "known"
    """admin.slabs.window: freeratio and window are `known`, or `unknown` (up to 1.6.33)."""

    body_limit: str = "refused"
    """binary.header.body-limit: a body over the limit is `refused`, or there is `none` (up to 1.6.41): nothing is said
    then of what is dropped of a value of 2^31 bytes and more."""

    unknown_body: str = "once"
    """binary.unknown.body: the body of an unknown opcode is dropped `once`, or with its `key-twice` (1.6.0 on)."""

    surplus_body: str = "refused"
    """binary.shape.surplus: what is too much behind touch, gat and stat is `refused`, or the `next-header`."""

    header_first: str = "no"
    """binary.header.waits: a refusal waits for extras and key (`no`), or the header suffices (`yes`, up to 1.5.22)."""

    contradiction: str = "unknown"
    """binary.header.contradicts: lengths that contradict are `unknown` commands, or a wrong `shape` (up to 1.4.32)."""

    automove_window: str = "bounded"
    """admin.slabs.window: a window is `bounded`, or `any` (up to 1.6.44)."""

    auth_line: str = "strict"
    """access.ascii.set: the line of a token is `strict`, or that but `cut` by a byte before its LF (1.6.40 on), or its
    `words` are those of any line (up to 1.6.39)."""

    auth_replies: str = "each"
    """access.ascii.each-answered: of what strangers are refused `each` is answered, or the `last` of a read only."""

    datagram_end: str = "forgotten"
    """udp.end.value: what is left of a request at the end of a datagram is `forgotten`, or a value is `read-on`."""

    datagram_rest: str = "read"
    """udp.request.pipelined: binary requests behind one that was answered are `read`, or may be `lost` (to 1.6.45)."""


class Functions(NamedTuple):
    """The functions that decide. The specification calls them here, so that a planted bug can stand in for one."""

    incremented: Callable[[int, int, int], int] = arith.incremented
    decremented: Callable[[int, int], int] = arith.decremented
    expiry_class: Callable[[int, int], int] = arith.expiry_class
    reached: Callable[[Span, Span], int] = arith.reached
    flushed: Callable[[Cache, Item, Now, Rules], int] = cache.flushed
    deadline: Callable[[int, Now, Rules], tuple[Span | None, str]] = cache.deadline
    fits: Callable[[bytes, int, int, Rules], bool] = cache.fits
    bind: Callable[[Cache, int, int], Cache | None] = cache.bind
    compare: Callable[[Cache, Item, int, Rules], tuple[tuple[bool, Cache], ...]] = cache.compare
    find: Callable[[Cache, bytes, Now, Rules], tuple[Found, ...]] = cache.find
    link: Callable[[Cache, Entry, Item | None, str, Now, Rules], tuple[Result, ...]] = storing.link
    oversize: Callable[[Cache, str, bytes], Cache] = storing.oversize
    get: Callable[[Cache, bytes, Now, Rules], tuple[Result, ...]] = cache.get
    store: Callable[[Cache, Entry, Now, Rules], tuple[Result, ...]] = storing.store
    touch: Callable[[Cache, bytes, int, Now, Rules], tuple[Result, ...]] = cache.touch
    delete: Callable[[Cache, bytes, Now, Rules], tuple[Result, ...]] = cache.delete
    arithmetic: Callable[..., tuple[Result, ...]] = counting.count
    count_found: Callable[..., tuple[Result, ...]] = counting.count_found
    flush: Callable[[Cache, int, Now, Rules], tuple[Cache, ...]] = flushing.flush
    parse: Callable[[bytes, Rules], machine.Request] = text.parse
    spoken: Callable[[int, Rules], str] = connection.spoken
    used: Callable[[Item, Now], Item] = cache.used
    read: Callable[[bytes, Rules], binary.Request | binary.Refusal] = binary.read
    header_need: Callable[[int, int, int, int], int] = arith_frames.header_need
    header_class: Callable[..., int] = arith_frames.header_class
    value_length: Callable[[int, int, int], int] = arith_frames.value_length
    key_right: Callable[[int, int], bool] = arith_frames.key_right
    extras_right: Callable[..., bool] = arith_frames.extras_right
    body_right: Callable[..., bool] = arith_frames.body_right
    packet_class: Callable[[int, int, int], int] = arith_frames.packet_class
    packet_value: Callable[[int, int], int] = arith_frames.packet_value
    known: Callable[[bytes, bytes, Rules], bool] = access.known
    admitted: Callable[[int, str, Rules], bool] = access.admitted
    datagram_accepted: Callable[[int, int], bool] = arith_frames.datagram_accepted
    datagrams: Callable[[int, int], int] = arith_frames.datagrams
    piece_length: Callable[[int, int, int], int] = arith_frames.piece_length
    total_shown: Callable[[int, int], int] = arith_frames.total_shown
    sequence_shown: Callable[[int, int], int] = arith_frames.sequence_shown


class Rules(NamedTuple):
    """All that a run of the specification depends on beside its input."""

    limits: Limits = Limits()
    traits: Traits = Traits()
    evictions: bool = True
    """False under -M: a full server refuses to store."""
    flush_allowed: bool = True
    """False under -F."""
    dumps_allowed: bool = True
    """False under -X: no dump of keys."""
    watch_allowed: bool = True
    """False under -W."""
    shutdown_allowed: bool = False
    """True under -A."""
    delimiter: bytes = b":"
    """What ends the prefix of a key in `stats detail` (-D), one byte."""
    functions: Functions = Functions()
    """What decides; other than the default only in a model or with a planted bug."""
    protocol: str = "auto"
    """What connections speak (-B): `auto`, by their first byte, or `ascii`, `binary` or `packet`."""
    authentication: str = ""
    """Whom a connection must show that it is: nobody, or a user of `credentials` by `sasl` (-S) or `ascii` (-Y)."""
    credentials: tuple[tuple[bytes, bytes], ...] = ()
    """Users and their passwords."""
    table: Table = connection.TABLE
    """The connection machine; likewise."""
    framings: Mapping[str, Table] = connection.FRAMINGS
    """The machine of each protocol that is not text; likewise."""
    grammar: Mapping[bytes, text.Reader] = {**text.GRAMMAR, **meta.GRAMMAR, **admin.GRAMMAR}
    """The commands of all chapters, each with the reader of its line; likewise."""

    dispatch: tuple[packet.Command | None, ...] = packet.DISPATCH
    """What the codes of packets ask for; likewise."""

    def planted(self, state: State, event: Event, old: str, **changes: Any) -> Rules:
        """These rules with another `guard`, `action` or `to` in the row whose action or guard is named `old`.

        `protocol` names another table than that of text.

        Raises:
            KeyError: if there is no such row, or more than one.
        """
        protocol = changes.pop("protocol", TEXT)
        table = self.table if protocol == TEXT else self.framings[protocol]
        before = table[state, event]
        found = [row for row in before if old in (row.action.__name__, row.guard.__name__)]
        if len(found) != 1:
            raise KeyError(f"{len(found)} rows of {state.value} {event.value} are named {old}")
        after = tuple(row._replace(**changes) if row is found[0] else row for row in before)
        table = {**table, (state, event): after}
        if protocol == TEXT:
            return self._replace(table=table)
        return self._replace(framings={**self.framings, protocol: table})

    def replaced(self, **functions: Any) -> Rules:
        """These rules with functions of the record replaced."""
        return self._replace(functions=self.functions._replace(**functions))
