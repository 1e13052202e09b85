"""What can be said in every protocol: operations and answers that know nothing of how they are written."""

from __future__ import annotations

from typing import NamedTuple

DONE, FOUND, NOT_FOUND, NOT_STORED, EXISTS, REFUSED = "done", "found", "not found", "not stored", "exists", "refused"


class Operation(NamedTuple):
    """One request without a protocol. `unique` is what cas compares with; `quiet` asks for no reply."""

    name: str
    keys: tuple[bytes, ...] = ()
    value: bytes = b""
    flags: int = 0
    exptime: int = 0
    delta: int = 0
    unique: int = 0
    quiet: bool = False

    @property
    def key(self) -> bytes:
        """The only key."""
        assert len(self.keys) == 1
        return self.keys[0]


class Answer(NamedTuple):
    """What a reply means. A number is that of a counter, a text the reason of a refusal."""

    status: str
    key: bytes = b""
    value: bytes = b""
    flags: int = 0
    unique: int = 0
    number: int = 0
    text: bytes = b""


RETRIEVALS = ("get", "gets", "gat", "gats")
"""They have no noreply, so no operation of these names is quiet."""

NON_NUMERIC = b"non-numeric"
"""The reason of a refusal that random plans meet; each protocol has other words for it."""
