"""Beyond text over a stream: datagrams, binary requests and packets, from conversation to verdict."""

from __future__ import annotations

import random
import shlex
import shutil
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mcconform import options, runner, targets
from mcconform.conversation import CasRef, Conversation, Datagram, Open, Send, Settle, TimeRef, rename, say
from mcconform.headers import keys
from mcconform.jsonform import dumps, loads
from mcconform.observed import Canon, Uniques
from mcconform.phases import enumerated_binary, vectors
from mcconform.phases.malformed import broken_datagrams
from mcconform.reassembly import PAYLOAD, Fault, Message, Reassembly
from mcconform.reports.oneliner import one_liner
from mcconform.reports.opcodes import summary
from mcconform.safety import danger
from mcconform.sentinels import Sentinels
from mcconform.shrink import shrink
from mcconform.streams import Scope
from mcconform.streams import conversation as generated
from mcconform.streams_binary import GET, GETK, GETQ, INCR, NOOP, SET, STAT, packet
from mcconform.tally import Tally
from mcconform.targets import WITH_UDP, SpawnTarget, Tls
from mcconform.targets.credentials import Credentials
from mcconform.targets.tcp import SocketTarget, parse_address
from mcconform.verdict import Result, Verdict
from mcspec import Rules, clauses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER = f"{shlex.quote(sys.executable)} -m mcserver -l 127.0.0.1"
KEY = b"mcspec-a"
FRAME = b"\0\7\0\0\0\1\0\0"


@pytest.fixture(scope="module")
def spawned() -> Iterator[SpawnTarget]:
    """The bundled server."""
    target = SpawnTarget(f"{SERVER} -p {{port}} {{options}}")
    yield target
    target.close()


def binary(*requests: list[bytes | CasRef]) -> Send:
    """Requests on connection 0."""
    return Send(0, tuple(part for request in requests for part in request))


def inproc(conversation: Conversation, adapter: str = "honest") -> Result:
    setting = runner.Setting(runner.Judge(Rules()), allow_flush=True)
    return runner.run(conversation, targets.make(f"inproc:adapters:{adapter}"), setting, b"prefix")


def test_the_json_form_keeps_transports_and_encodings() -> None:
    made = Conversation(
        "c",
        (
            Open(3, "udp"),
            Datagram(3, (FRAME, b"get mcspec-a\r\n")),
            Send(0, (b"\x80", CasRef(KEY, 1, 0, "u64"), TimeRef(5, "u32"), TimeRef(-5, "i32"), TimeRef(1))),
            Settle(),
        ),
        options=("-B", "packet"),
    )
    assert loads(dumps(made)) == made
    with pytest.raises(ValueError, match="u16"):
        loads('{"id": "c", "steps": [{"send": [{"time": 1, "encoding": "u16"}]}]}')
    with pytest.raises(ValueError, match="sctp"):
        loads('{"id": "c", "steps": [{"open": 0, "transport": "sctp"}]}')


def test_references_have_their_width() -> None:
    uniques = Uniques()
    uniques.feed(0, b"VALUE mcspec-a 0 1 258\r\nx\r\n")
    assert uniques.bind(CasRef(KEY, 1, encoding="u64"), 0) == b"\0\0\0\0\0\0\1\3"
    assert uniques.bind(TimeRef(2, "u32"), 256) == b"\0\0\1\2"
    assert uniques.bind(TimeRef(-1, "i32"), 0) == b"\xff\xff\xff\xff"


def test_keys_are_renamed_in_datagrams_and_not_across_them() -> None:
    made = Conversation("c", (Open(0, "udp"), Datagram(0, (b"get mcs",)), Datagram(0, (b"pec mcspec-a",))))
    first, second = rename(made, b"abcdef").steps[1:]
    assert isinstance(first, Datagram)
    assert isinstance(second, Datagram)
    assert (first.parts, second.parts) == ((b"get mcs",), (b"pec abcdef-a",))


def test_the_first_byte_and_the_options_decide_what_is_spoken() -> None:
    assert Conversation("c", (Send(0, (b"\x80\n",)),)).speech(0) == "binary"
    assert Conversation("c", (say(0, "get"),)).speech(0) == "text"
    assert Conversation("c", (say(0, "get"),), options=("-B", "packet")).speech(0) == "packet"
    assert Conversation("c", (say(0, "get"),), options=("-S",)).speech(0) == "binary"


def test_sentinels_use_what_the_conversation_does_not() -> None:
    first = Sentinels(Conversation("c", (binary(packet(NOOP)),))).request(0)
    assert first[:2] == b"\x80\x0a"
    taken = Conversation("c", (binary(packet(NOOP, opaque=int.from_bytes(first[12:16], "big"))),))
    assert Sentinels(taken).request(0) != first
    assert Sentinels(Conversation("c", (), options=("-S",))).request(0)[1] == 0x0B
    assert Sentinels(Conversation("c", (), options=("-B", "packet"))).request(0) == b"\0\0\0\5\0"
    assert Sentinels(Conversation("c", ())).datagram(0)[4:] == b"\0\1\0\0version\r\n"


def piece(number: int, total: int, data: bytes, request: int = 7) -> bytes:
    return b"".join(field.to_bytes(2, "big") for field in (request, number, total, 0)) + data


def test_datagrams_are_put_together() -> None:
    found = Reassembly()
    assert found.feed(piece(0, 1, b"END\r\n")) == Message(7, b"END\r\n")
    assert found.feed(piece(0, 2, b"x" * PAYLOAD)) is None
    assert found.begun
    assert found.feed(piece(1, 2, b"y")) == Message(7, b"x" * PAYLOAD + b"y")
    assert found.feed(piece(0, 0, b"")) is None, "clients pass over a frame alone"


@pytest.mark.parametrize(
    ("datagram", "gap"),
    [
        (piece(1, 2, b"y"), True), (piece(0, 2, b"short"), False), (piece(0, 1, b"x" * 1393), False),
        (piece(0, 1, b""), False), (b"\0\7\0\0\0\1\0\1x", False), (b"\0\7", False), (piece(0, 0, b"x"), False),
    ],
)  # fmt: skip
def test_what_is_no_part_of_an_answer(datagram: bytes, *, gap: bool) -> None:
    found = Reassembly().feed(datagram)
    assert isinstance(found, Fault)
    assert found.gap == gap


@pytest.mark.parametrize(
    "stream",
    [
        b"\x80\x08", b"xx\x80\x18", b"\x80\x1b\0\0", b"\x80\x10\0\5\0", b"".join(packet(0, b"other")),
        b"x" + b"".join(packet(SET, b"other", bytes(8), b"v")), b"".join(packet(SET, KEY, bytes(8), b"\x80\x08")),
        b"".join(packet(0x24, b"foreign", bytes(4))),
    ],
)  # fmt: skip
def test_headers_are_dangerous_at_any_offset(stream: bytes) -> None:
    assert danger(Conversation("c", (Send(0, (stream,)),))) is not None
    assert danger(Conversation("c", (Open(0, "udp"), Datagram(0, (FRAME + stream,))))) is not None


def test_binary_requests_for_our_keys_are_harmless() -> None:
    made = Conversation("c", (binary(packet(SET, KEY, bytes(8), b"v"), packet(GETK, KEY), packet(NOOP), packet(STAT)),))
    assert danger(made) is None
    assert made.alone, "it reads what is counted"
    rng = random.Random(4)
    drawn = [generated(rng, Scope(foreign=False, binary=True)) for _ in range(300)]
    assert sum(danger(one) is None for one in drawn) > 200


def test_packets_are_looked_at_where_they_are_spoken() -> None:
    flush = (Send(0, (b"\0\0\0\5\x0c",)),)
    assert danger(Conversation("c", flush)) is None
    assert danger(Conversation("c", flush, options=("-B", "packet"))) is not None
    assert list(keys(b"\0\0\0\x0d\1" + KEY, packets=True)) == [KEY]


def test_binary_replies_show_the_cas_uniques_of_what_was_asked() -> None:
    uniques = Uniques()
    asked = [packet(SET, b"k", bytes(8), b"v" * 9, opaque=1), packet(GETQ, b"q", opaque=2), packet(GET, b"k", opaque=3)]
    for request in asked:
        uniques.sent(0, b"".join(request))
    reply = b"\x81\0\0\0\4\0\0\0\0\0\0\5\0\0\0\3\0\0\0\0\0\0\1\2\0\0\0\0v"
    uniques.feed(0, reply[:9])
    uniques.feed(0, reply[9:])
    assert uniques.bind(CasRef(b"k"), 0) == b"258"
    canon = Canon(b"prefix")
    assert canon(reply)[16:24] == (1).to_bytes(8, "big")
    assert canon(FRAME + reply)[24:32] == (1).to_bytes(8, "big")


def test_a_wrong_opaque_is_seen_told_and_shrunk() -> None:
    made = Conversation("c", (binary(packet(SET, KEY, bytes(8), b"v", opaque=9), packet(NOOP, opaque=3)), Settle()))
    assert inproc(made).verdict is Verdict.PASS
    result = inproc(made, "opaque")
    assert result.difference is not None
    assert result.difference.clause.startswith("binary.")
    assert "opaque" in "".join(result.difference.expected)
    smallest, _ = shrink(result, lambda candidate: inproc(candidate, "opaque"))
    assert smallest.conversation.size < made.size


def test_all_the_opcodes_are_enumerated_and_counted() -> None:
    tally = Tally({}, (), "must")
    decided: dict[str, list[str]] = {}
    for conversation in enumerated_binary.every():
        if not conversation.options:
            result = inproc(conversation)
            assert result.difference is None, (conversation.id, result.difference)
            assert result.verdict in (Verdict.PASS, Verdict.UNSPECIFIED), (conversation.id, result.reason)
            tally.add(result, aimed=False)
            for clause in result.passed:
                decided.setdefault(clause, []).append(conversation.id)
    event = next(event for event in tally.events() if event["event"] == "opcodes")
    assert summary(event).startswith("binary  37 of 37 opcodes")
    # A selection of one clause runs vectors that decide it, if there are any, and not the whole chapter.
    of_whole_streams = {"binary.stream.prompt", "binary.stream.closed-is-final"}
    for clause in (clause for clause in decided if clause.startswith("binary.") and clause not in of_whole_streams):
        assert any(enumerated_binary.about(clause.split(".")[1], name) for name in decided[clause]), clause


def test_a_selection_runs_what_is_about_its_clauses_and_the_chapter_everything() -> None:
    names = [conversation.id for conversation in enumerated_binary.every()]
    sections = {clause.split(".")[1] for clause in clauses.load() if clause.startswith("binary.")}
    for section in sections - {"shape"}:
        assert sum(enumerated_binary.about(section, name) for name in names) < 0.4 * len(names), section
    assert all(any(enumerated_binary.about(section, name) for section in sections) for name in names)


@pytest.mark.parametrize(
    ("clause", "name", "expected"),
    [
        ("text.incr.adds", "enum.incr.delta-0.text", True),
        ("text.get.hit", "enum.incr.delta-0.text", False),
        ("text.incr.adds", "enum.binary.incr.cas-none", False),
        ("binary.incr.counts", "enum.incr.delta-0.text", False),
        ("binary.incr.counts", "enum.binary.incrq.cas-none", True),
        ("binary.cas.match", "enum.cas.text", False),
        ("packet.set.stored", "enum.set.text", False),
        ("meta.mg.hit", "enum.mg.no-flag", True),
        ("meta.key.base64", "enum.ms.no-flag", True),
        ("meta.mg.hit", "enum.ms.no-flag", False),
    ],
)
def test_clauses_of_one_chapter_do_not_run_the_vectors_of_another(clause: str, name: str, *, expected: bool) -> None:
    assert vectors.about(clause, name) is expected


def test_only_what_was_spoken_counts_as_an_opcode() -> None:
    lines = b"\0\0\0\0\1version\r\nversion\r\n\x80\x0a\r\n"
    text = inproc(Conversation("c", (say(0, "version\r\n"), Send(0, (lines,)), Settle())))
    in_udp = inproc(Conversation("c", (Open(0, "udp"), Datagram(0, (FRAME, lines)), Settle())))
    assert text.verdict is in_udp.verdict is Verdict.PASS
    assert text.opcodes == in_udp.opcodes == ()
    spoken = (Open(0, "udp"), Datagram(0, (FRAME, *packet(NOOP))), Settle())
    assert set(inproc(Conversation("c", spoken)).opcodes) == {("binary", "noop", "answered")}


def test_udp_in_process() -> None:
    asked = Datagram(0, (FRAME, b"set mcspec-a 0 0 1\r\nx\r\nget mcspec-a\r\n"))
    made = Conversation("c", (Open(0, "udp"), asked, Settle()))
    assert inproc(made).verdict is Verdict.PASS
    result = inproc(made, "numbered")
    assert result.difference is not None
    assert "sequence number 0" in result.difference.expected[0]


def test_a_lost_datagram_decides_nothing() -> None:
    target = targets.make("inproc:adapters:lossy")
    target.immediate = False
    made = Conversation("c", (Open(0, "udp"), Datagram(0, (FRAME, b"version\r\n")), Settle()))
    setting = runner.Setting(runner.Judge(Rules()), allow_flush=True, timeout=0.01, patience=0)
    result = runner.run(made, target, setting, b"prefix")
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "a datagram did not come")


def test_options_say_who_may_come_in_and_what_is_spoken() -> None:
    rules = options.apply(Rules(), ("-B", "binary", "-Y", "file"))
    assert (rules.protocol, rules.authentication, rules.credentials) == ("binary", "ascii", ((b"mcuser", b"mcpass"),))
    assert options.apply(Rules(), ("-S",)).authentication == "sasl"
    with pytest.raises(ValueError, match="no protocol 'ebcdic'"):
        options.apply(Rules(), ("-B", "ebcdic"))


def test_credentials_are_a_file() -> None:
    made = Credentials()
    (filled,) = made.fill(("{credentials}",))
    assert made.path.read_text() == "mcuser:mcpass\n"
    assert filled == str(made.path) == made.environment["MEMCACHED_SASL_PWDB"]
    made.close()
    assert not made.path.exists()


def test_a_spawned_server_serves_udp_where_it_is_needed(spawned: SpawnTarget) -> None:
    made = Conversation("c", (Open(1, "udp"), Datagram(1, (FRAME, b"version\r\n")), say(0, "version\r\n"), Settle()))
    result = runner.run(made, spawned, runner.Setting(runner.Judge(Rules())), b"prefix")
    assert result.verdict is Verdict.PASS, result
    address = spawned.process(WITH_UDP).address
    over_udp = SocketTarget(parse_address(f"udp:127.0.0.1:{address.udp}"))
    only_udp = Conversation("c", (Open(0, "udp"), Datagram(0, (FRAME, b"version\r\n"))))
    setting = runner.Setting(runner.Judge(Rules()), fresh=False)
    assert runner.run(only_udp, over_udp, setting, b"prefix").verdict is Verdict.PASS
    plain = SocketTarget(spawned.process().address)
    assert runner.run(only_udp, plain, setting, b"prefix").verdict is Verdict.UNSUPPORTED


def test_tls_is_spoken_and_certificates_are_looked_at(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(chain)]
    subprocess.run(["openssl", *words], check=True, capture_output=True)
    command = f"{SERVER} -Z -o ssl_chain_cert={chain},ssl_key={key} -p {{port}} {{options}}"
    target = SpawnTarget(command, Tls(str(chain)))
    try:
        made = Conversation("c", (binary(packet(SET, KEY, bytes(8), b"1"), packet(INCR, KEY, bytes(20))), Settle()))
        setting = runner.Setting(runner.Judge(Rules()), allow_flush=True)
        assert runner.run(made, target, setting, b"prefix").verdict is Verdict.PASS
        address = target.process().address
        distrusting = SocketTarget(address._replace(tls=Tls()))
        assert "certificate" in str(runner.run(made, distrusting, setting, b"prefix").difference).lower()
        careless = SocketTarget(address._replace(tls=Tls(insecure=True)))
        assert runner.run(made, careless, setting, b"prefix").verdict is Verdict.PASS
    finally:
        target.close()
    assert Tls(insecure=True).context().verify_mode is ssl.CERT_NONE


def test_a_datagram_as_a_command() -> None:
    made = Conversation("c", (Open(0, "udp"), Datagram(0, (FRAME, b"get a\r\n"))))
    assert "exec 3<>/dev/udp/localhost/11211" in one_liner(made, "localhost 11211")


def test_broken_datagrams_get_what_they_deserve() -> None:
    for number in range(60):
        made = broken_datagrams(random.Random(number), "m", binary=True)
        result = inproc(made)
        assert result.verdict in (Verdict.PASS, Verdict.UNSPECIFIED), (number, result.difference, result.reason)
        assert made.datagrams == {0}
