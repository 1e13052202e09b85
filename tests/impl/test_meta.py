"""The meta commands, story by story: every reply below is what memcached 1.6.45 answered to the same lines."""

import re

import pytest

from mcserver.inproc import create

# A step is a line, with its value after a bar; a reply has bars for line ends and # for a number that is not told.
# {B} is an opaque of 32 bytes, {L} a key of 251, {18 P} so many flags.
STORIES: dict[str, tuple[tuple[str, str], ...]] = {
    "get": (
        ("mg a", "EN|"),
        ("ms a 2 F5 E9|hi", "HD|"),
        ("mg a", "HD|"),
        ("mg a v", "VA 2|hi|"),
        ("mg a s v t f c k Oab q", "VA 2 s2 t-1 f5 c9 ka Oab|hi|"),
        ("mg a k h l t", "HD ka h1 l0 t-1|"),
        ("mg a h u", "HD h1|"),
        ("mg zz q", ""),
        ("mg zz q k", ""),
        ("mg zz k Oab", "EN kzz Oab|"),
        ("mg a v C9", "HD|"),
        ("mg a v C8", "VA 2|hi|"),
        ("mg a P1 L2 v", "VA 2|hi|"),
        ("mg a x I F1 D2 J3 MX", "HD|"),
        ("mg a E", "CLIENT_ERROR bad token in command line format|"),
        ("get a", "VALUE a 5 2|hi|END|"),
        ("mg  a   v ", "VA 2|hi|"),
    ),
    "get errors": (
        ("ms a 1|x", "HD|"),
        ("mg", "CLIENT_ERROR bad command line format|"),
        ("mg ", "CLIENT_ERROR bad command line format|"),
        ("mg {L}", "CLIENT_ERROR bad command line format|"),
        ("mg a v v", "CLIENT_ERROR duplicate flag|"),
        ("mg a K", "CLIENT_ERROR invalid flag|"),
        ("mg a !", "CLIENT_ERROR bad command line format|"),
        ("mg a v v !", "CLIENT_ERROR bad command line format|"),
        ("mg a Tx", "CLIENT_ERROR bad token in command line format|"),
        ("mg a Dx Jx", "CLIENT_ERROR invalid numeric initial value|"),
        ("mg a Jx Dx", "CLIENT_ERROR invalid numeric delta value|"),
        ("mg a Fx", "CLIENT_ERROR bad command line format|"),
        ("mg a Fx Tx", "CLIENT_ERROR bad token in command line format|"),
        ("mg a b Fx", "CLIENT_ERROR error decoding key|"),
        ("mg a b", "CLIENT_ERROR error decoding key|"),
        ("mg a Tx b", "CLIENT_ERROR error decoding key|"),
        ("mg a b Tx", "CLIENT_ERROR bad token in command line format|"),
        ("mg a q O{B}", "CLIENT_ERROR opaque token too long|"),
        ("mg a {19 P}", "CLIENT_ERROR options flags are too long|"),
        ("mg a {18 P}", "CLIENT_ERROR duplicate flag|"),
        ("mg zz O{B}", "CLIENT_ERROR opaque token too long|"),
        ("mg\ta", "ERROR|"),
        ("mga a", "ERROR|"),
        ("mg a noreply", "CLIENT_ERROR invalid flag|"),
        ("mx a", "ERROR|"),
        ("mx a noreply", ""),
        ("mg a T+1", "CLIENT_ERROR bad token in command line format|"),
        ("mg a T2147483648", "CLIENT_ERROR bad token in command line format|"),
        ("mg a C18446744073709551616", "CLIENT_ERROR bad token in command line format|"),
        ("mg a C0000000000000000000001", "HD|"),
        ("mg a F4294967296", "CLIENT_ERROR bad command line format|"),
    ),
    "base64": (
        ("ms Zm9v 2 b k|hi", "HD kZm9v b|"),
        ("get foo", "VALUE foo 0 2|hi|END|"),
        ("mg foo k", "HD kZm9v b|"),
        ("mg Zm9v b k v", "VA 2 kZm9v b|hi|"),
        ("me foo", "ME Zm9v exp=-1 la=0 cas=# fetch=yes cls=1 size=64|"),
        ("me Zm9v b k", "ME Zm9v exp=-1 la=0 cas=# fetch=yes cls=1 size=64|"),
        ("me Zm9v b", "EN|"),
        ("me aa b k", "CLIENT_ERROR bad command line format|"),
        ("mg Zm8= b k", "EN kZm8= b|"),
        ("mg Zm8 b", "CLIENT_ERROR error decoding key|"),
        ("md Zm9v b k", "HD kZm9v b|"),
        ("mg Zm9v b k", "EN kZm9v b|"),
        ("mg Zm9v k b N0", "HD kfoo W|"),
        ("mg foo k", "HD kfoo Z|"),
        ("ms Z!m9v 1 b k|1", "HD kZm9v b|"),
        ("ma Zm9v b k", "HD kZm9v b|"),
        ("incr foo 1", "3|"),
        ("mg foo k", "HD kZm9v b|"),
        ("ma foo D100 k", "HD kfoo|"),
        ("mg foo k", "HD kfoo|"),
        ("ms Z=m9 1 b|x", "HD|"),
        ("mg ==== b", "CLIENT_ERROR error decoding key|"),
        ("mg Zm9vZ=== b", "CLIENT_ERROR error decoding key|"),
        ("ms Zm9v 1 b|1", "HD|"),
        ("md foo x", "HD|"),
        ("mg foo k", "HD kfoo|"),
    ),
    "vivify and recache": (
        ("mg a N100 v t", "VA 0 t100 W||"),
        ("mg a N100 t h", "HD t100 h1 Z|"),
        ("mg a", "HD Z|"),
        ("mg a T30 R20 t", "HD t30 Z|"),
        ("ms a 1 T30|x", "HD|"),
        ("mg a R30", "HD|"),
        ("mg a R31 t", "HD t30 W|"),
        ("mg a R31", "HD Z|"),
        ("mg a R100 k", "HD ka Z|"),
        ("ms a 1 T30|y", "HD|"),
        ("mg a R100 T200 t", "HD t200 W|"),
        ("ms a 1|z", "HD|"),
        ("mg a R100", "HD|"),
        ("mg a R-1", "HD|"),
        ("mg a R0", "HD|"),
        ("md a", "HD|"),
        ("mg a E77 N0 c O{B}", "CLIENT_ERROR opaque token too long|"),
        ("mg a c", "HD c77|"),
        ("mg b N-1 k", "HD kb W|"),
        ("mg b", "EN|"),
    ),
    "stale": (
        ("ms a 1 E10|1", "HD|"),
        ("md a I E11 T100", "HD|"),
        ("mg a c t v", "VA 1 c11 t100 X W|1|"),
        ("mg a c", "HD c11 Z X|"),
        ("get a", "VALUE a 0 1|1|END|"),
        ("md a I E12", "HD|"),
        ("mg a k", "HD ka X W|"),
        ("touch a 50", "TOUCHED|"),
        ("mg a t", "HD t50 Z X|"),
        ("ms a 1 E20|2", "HD|"),
        ("mg a c", "HD c20|"),
        ("md a I E21", "HD|"),
        ("ms a 1 C15 I E22 T5|3", "HD|"),
        ("mg a c t v", "VA 1 c22 t-1 X W|3|"),
        ("mg a", "HD Z X|"),
        ("ms a 1 C22 E30|4", "HD|"),
        ("mg a c", "HD c30|"),
        ("ms a 1 C40 I|5", "EX|"),
        ("ms a 1 C0 I|5", "EX|"),
        ("md a I E31", "HD|"),
        ("append a 0 0 1|x", "STORED|"),
        ("mg a v", "VA 2|4x|"),
        ("md a I", "HD|"),
        ("md a x", "HD|"),
        ("mg a s", "HD s0|"),
        ("ms a 1 E40 F3|7", "HD|"),
        ("md a I x T60 F9 E41", "HD|"),
        ("mg a f s t c", "HD f9 s0 t60 c41 X W|"),
    ),
    "set modes": (
        ("ms a 2 ME k c O1 E5|xx", "HD ka c5 O1|"),
        ("ms a 2 ME c k|yy", "NS c0 ka|"),
        ("ms a 1 MA s c E6|z", "HD s3 c6|"),
        ("ms a 1 MP s E7|w", "HD s4|"),
        ("mg a v c", "VA 4 c7|wxxz|"),
        ("ms b 1 MA|1", "NS|"),
        ("ms b 1 MP s|1", "NS s1|"),
        ("ms b 1 MR c|1", "NS c0|"),
        ("ms b 1 C1 c|1", "NF c0|"),
        ("ms b 1 MA N50 E3 s|1", "HD s1|"),
        ("mg b t v", "VA 1 t50|1|"),
        ("ms b 1 MP N9 C9|1", "EX|"),
        ("ms b 1 MP C3 E4|0", "HD|"),
        ("mg b v t", "VA 2 t50|01|"),
        ("ms b 1 MS T5 F6|1", "HD|"),
        ("mg b t f", "HD t5 f6|"),
        ("ms b 1 MEE|1", "NS|"),
        ("ms b 1 Me|1", "CLIENT_ERROR invalid mode for ms M token|"),
        ("ms b 1 M|1", "CLIENT_ERROR invalid mode for ms M token|"),
        ("ms b 1 MX O{B}|1", "CLIENT_ERROR invalid mode for ms M token|"),
        ("ms b 1 ME C9 I|1", "NS|"),
        ("ms b 2 q k s|22", ""),
        ("ms b 2 q ME|22", "NS|"),
        ("ms b 0|", "HD|"),
        ("mg b v s", "VA 0 s0||"),
        ("ms c 0 MA|", "NS|"),
    ),
    "set errors": (
        ("ms", "CLIENT_ERROR bad command line format|"),
        ("ms a", "CLIENT_ERROR bad command line format|"),
        ("ms a 2x", "CLIENT_ERROR bad command line format|"),
        ("ms a -1", "CLIENT_ERROR bad command line format|"),
        ("ms a 2147483646", "CLIENT_ERROR bad command line format|"),
        ("ms a 01|x", "HD|"),
        ("ms {L} 3|get", "CLIENT_ERROR bad command line format|"),
        ("ms a 3 v v|get", "CLIENT_ERROR duplicate flag|"),
        ("ms a 3 K|get", "CLIENT_ERROR invalid flag|"),
        ("ms a 3 Tx|get", "CLIENT_ERROR bad token in command line format|"),
        ("ms a 3 b|get", "CLIENT_ERROR error decoding key|"),
        ("ms a 3 O{B}|get", "CLIENT_ERROR opaque token too long|"),
        ("ms a 2 !|xx", "CLIENT_ERROR bad command line format|ERROR|"),
        ("ms a 1 q|abc", "CLIENT_ERROR bad data chunk|CLIENT_ERROR bad command line format|"),
        ("ms a 1 {18 P}|x", "CLIENT_ERROR options flags are too long|"),
        ("mg a", "HD|"),
    ),
    "delete": (
        ("ms a 1 E5|1", "HD|"),
        ("md a C4 k O1", "EX ka O1|"),
        ("md a C5 q", ""),
        ("md a", "NF|"),
        ("md a q", "NF|"),
        ("md zz k Oq", "NF kzz Oq|"),
        ("ms a 1 F3 T60 E6|1", "HD|"),
        ("md a x", "HD|"),
        ("mg a f t s c", "HD f0 t-1 s0 c6|"),
        ("ms a 1 F3 E7|1", "HD|"),
        ("md a x E8 F2 T9", "HD|"),
        ("mg a f t s c", "HD f2 t9 s0 c8|"),
        ("md a I C1", "EX|"),
        ("md a O{B}", "CLIENT_ERROR opaque token too long|"),
        ("md a K", "CLIENT_ERROR invalid flag|"),
        ("md a I I", "CLIENT_ERROR duplicate flag|"),
        ("md {L}", "CLIENT_ERROR bad command line format|"),
        ("md a T5", "HD|"),
        ("mg a", "EN|"),
    ),
    "arithmetic": (
        ("ma n", "NF|"),
        ("ma n N60 J7 v t k", "VA 1 t60 kn|7|"),
        ("ma n v", "VA 1|8|"),
        ("ma n D5 v", "VA 2|13|"),
        ("ma n MD D2 v q", ""),
        ("ma n q", ""),
        ("ma n M- v", "VA 2|11|"),
        ("ma n M+ v O1 k", "VA 2 O1 kn|12|"),
        ("ma n M", "CLIENT_ERROR invalid mode for ma M token|"),
        ("ma n Mi", "CLIENT_ERROR invalid mode for ma M token|"),
        ("ma n C1 v", "EX|"),
        ("ma n E50 v c", "VA 2 c50|13|"),
        ("ma n C50 v T0 t", "VA 2 t-1|14|"),
        ("ma n K", "CLIENT_ERROR invalid or duplicate flag|"),
        ("ma n Dx", "CLIENT_ERROR invalid or duplicate flag|"),
        ("ma n D D", "CLIENT_ERROR invalid or duplicate flag|"),
        ("ma n !", "CLIENT_ERROR bad command line format|"),
        ("ma n O{B}", "CLIENT_ERROR opaque token too long|"),
        ("ma n v", "VA 2|16|"),
        ("ma", "CLIENT_ERROR bad command line format|"),
        ("ma {L}", "CLIENT_ERROR invalid or duplicate flag|"),
        ("ma n D18446744073709551615 v", "VA 2|15|"),
        ("ms n 20|18446744073709551615", "HD|"),
        ("ma n v", "VA 1|0|"),
        ("mg n v", "VA 20|0                   |"),
        ("ma n MD D5 v", "VA 1|0|"),
        ("ms n 1|x", "HD|"),
        ("ma n C1", "EX|"),
        ("ma n", "CLIENT_ERROR cannot increment or decrement non-numeric value|"),
        ("ms n 0|", "HD|"),
        ("ma n C1", "CLIENT_ERROR cannot increment or decrement non-numeric value|"),
        ("ma zz C5 k", "NF kzz|"),
        ("ma zz b", "CLIENT_ERROR invalid or duplicate flag|"),
        ("ms n 2 E5|10", "HD|"),
        ("ma n MD v T60 t", "VA 1 t60|9|"),
        ("mg n v t", "VA 2 t60|9 |"),
        ("ms n 1 E5|9", "HD|"),
        ("ma n v T60 t E70 c", "VA 2 t60 c70|10|"),
        ("mg n v t", "VA 2 t-1|10|"),
    ),
    "noop and debug": (
        ("mn", "MN|"),
        ("mn x", "MN|"),
        ("mn noreply", "MN|"),
        ("me", "CLIENT_ERROR bad command line format|"),
        ("me zz", "EN|"),
        ("ms a 3 F1 E5|abc", "HD|"),
        ("me a", "ME a exp=-1 la=0 cas=5 fetch=no cls=1 size=67|"),
        ("mg a", "HD|"),
        ("me a x y", "ME a exp=-1 la=0 cas=5 fetch=yes cls=1 size=67|"),
        ("me a v v", "ME a exp=-1 la=0 cas=5 fetch=yes cls=1 size=67|"),
        ("me a !", "CLIENT_ERROR bad command line format|"),
        ("me {L}", "CLIENT_ERROR bad command line format|"),
        ("ms a 3 T100 E6|abc", "HD|"),
        ("me a b", "ME a exp=100 la=0 cas=6 fetch=no cls=1 size=63|"),
        ("set b 0 0 1|x", "STORED|"),
        ("mn x y z", "MN|"),
        ("mnx", "ERROR|"),
    ),
    "limits": (
        ("ms a 1 q E5|1", ""),
        ("ms a 2000000 q|", "SERVER_ERROR object too large for cache|"),
        ("mg a", "EN|"),
    ),
}

_WORDS = {"{B}": "x" * 32, "{L}": "k" * 251, "{18 P}": "P " * 18, "{19 P}": "P " * 19}
_HIDDEN = re.compile(r"(?<= cas=)[0-9]{1,}")


def render(step: str) -> bytes:
    """Turn a step into the bytes to send."""
    for word, text in _WORDS.items():
        step = step.replace(word, text)
    line, bar, value = step.partition("|")
    if line.startswith("ms a 2000000 "):
        value = "x" * 2000000
    return line.encode() + b"\r\n" + (value.encode() + b"\r\n" if bar else b"")


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("size", [0, 1, 3])
def test_story(name: str, size: int) -> None:
    connection = create().open()
    for step, expected in STORIES[name]:
        data = render(step)
        if size and len(data) < 5000:
            for at in range(0, len(data), size):
                connection.send(data[at : at + size])
        else:
            connection.send(data)
        got = connection.receive().decode("latin-1").replace("\r\n", "|")
        if "#" in expected:
            got = _HIDDEN.sub("#", got)
        assert got == expected.replace("{B}", _WORDS["{B}"]), step


def test_pipelined_steps_are_answered_in_order() -> None:
    for name, steps in STORIES.items():
        if name == "limits":
            continue
        connection = create().open()
        connection.send(b"".join(render(step) for step, _ in steps))
        got = connection.receive().decode("latin-1").replace("\r\n", "|")
        expected = "".join(reply for _, reply in steps)
        assert _HIDDEN.sub("#", got) == _HIDDEN.sub("#", expected)
