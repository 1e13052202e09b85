"""Which requests the binary protocol has: for each of the 256 opcodes the shape of its body, and who carries it out."""

from typing import Final, NamedTuple

from mcserver import binary_wire as wire
from mcserver.binary_commands import HANDLERS, Handler
from mcserver.cache import StoreMode
from mcserver.settings import KEY_MAX


class Opcode(NamedTuple):
    """One opcode: lengths its extras may have, the range of its key's length, whether a value may follow."""

    extras: tuple[int, ...]
    key_least: int
    key_most: int
    #: Whether a value may follow extras and key. memcached does not ask that of touch, gat and stat, and takes what
    #: follows for the next header.
    more: bool
    #: Carries it out at once; None for a store (`mode`), for quit, and for those of SASL.
    run: Handler | None
    mode: StoreMode | None = None
    quiet: bool = False

    def fits(self, extlen: int, keylen: int, surplus: int) -> bool:
        """Whether a body of these lengths has the right shape."""
        return extlen in self.extras and self.key_least <= keylen <= self.key_most and (self.more or not surplus)


_STORES: Final = (
    (wire.SET, wire.SETQ, StoreMode.SET, wire.STORE_EXTRAS.size),
    (wire.ADD, wire.ADDQ, StoreMode.ADD, wire.STORE_EXTRAS.size),
    (wire.REPLACE, wire.REPLACEQ, StoreMode.REPLACE, wire.STORE_EXTRAS.size),
    (wire.APPEND, wire.APPENDQ, StoreMode.APPEND, 0),
    (wire.PREPEND, wire.PREPENDQ, StoreMode.PREPEND, 0),
)

# Extras, whether there is a key, whether more may follow; by opcodes.
_SHAPES: Final[tuple[tuple[tuple[int, ...], tuple[int, ...], int, int, bool], ...]] = (
    ((wire.GET, wire.GETQ, wire.GETK, wire.GETKQ, wire.DELETE, wire.DELETEQ), (0,), 1, KEY_MAX, False),
    (
        (wire.INCREMENT, wire.INCREMENTQ, wire.DECREMENT, wire.DECREMENTQ),
        (wire.ARITHMETIC_EXTRAS.size,),
        1,
        KEY_MAX,
        False,
    ),
    ((wire.TOUCH, wire.GAT, wire.GATQ, wire.GATK, wire.GATKQ), (wire.FLAGS.size,), 1, KEY_MAX, False),
    ((wire.FLUSH, wire.FLUSHQ), (0, wire.FLAGS.size), 0, 0, False),
    ((wire.NOOP, wire.VERSION, wire.QUIT, wire.QUITQ, wire.SASL_LIST), (0,), 0, 0, False),
    ((wire.STAT,), (0,), 0, KEY_MAX, False),
    ((wire.SASL_AUTH, wire.SASL_STEP), (0,), 1, KEY_MAX, True),
)


def _table() -> tuple[Opcode | None, ...]:
    table: list[Opcode | None] = [None] * 256
    for opcodes, extras, least, most, more in _SHAPES:
        for opcode in opcodes:
            table[opcode] = Opcode(extras, least, most, more, HANDLERS.get(opcode), quiet=opcode == wire.QUITQ)
    for loud, quiet, mode, size in _STORES:
        table[loud] = Opcode((size,), 1, KEY_MAX, True, None, mode)
        table[quiet] = Opcode((size,), 1, KEY_MAX, True, None, mode, quiet=True)
    return tuple(table)


#: By opcode; None for those that do not exist.
TABLE: Final = _table()
