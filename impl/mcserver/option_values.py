"""The values of options: numbers, sizes and addresses, and the complaint about a bad one."""

from mcserver.settings import KIB, MIB, Address

#: ``-I`` takes from 1 KiB to 1024 MiB.
ITEM_SIZE_RANGE = (KIB, 1024 * MIB)
#: ``-f`` takes factors above the first, up to the second.
FACTOR_RANGE = (1.0, 10.0)
#: What may stand before an address, with a colon, when the server speaks TLS.
TLS_WORDS = ("notls", "btls", "mtls")
#: Highest port.
PORT_MAX = 65535


class OptionError(Exception):
    """A command line that cannot be carried out; the message is one line that names the culprit and the cure."""


def number(name: str, value: str, low: int, high: int, meaning: str) -> int:
    """A decimal number from `low` to `high`; `meaning` tells what to type instead."""
    digits = value.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= len(str(high)) and low <= int(value) <= high:
        return int(value)
    message = f"bad value '{value}' for {name}: type {meaning}"
    raise OptionError(message)


def factor(name: str, value: str) -> float:
    """A slab growth factor."""
    try:
        ratio = float(value)
    except ValueError:
        ratio = 0.0
    if not FACTOR_RANGE[0] < ratio <= FACTOR_RANGE[1]:
        message = f"bad value '{value}' for {name}: type a factor above 1 and up to 10, as in {name} 1.25"
        raise OptionError(message)
    return ratio


def mode(name: str, value: str) -> int:
    """The mode of a file, three octal digits."""
    if value and len(value) <= 4 and set(value) <= set("01234567") and int(value, 8) <= 0o777:
        return int(value, 8)
    message = f"bad value '{value}' for {name}: type a mode from 0 to 777, octal, as in {name} 770"
    raise OptionError(message)


def path(name: str, value: str) -> str:
    """The path of a file."""
    if value and "\0" not in value:
        return value
    message = f"empty path for {name}: type {name} /path/of/file"
    raise OptionError(message)


def item_size(name: str, value: str) -> int:
    """A size in bytes, or with the unit k or m."""
    unit = {"k": KIB, "m": MIB}.get(value[-1:].lower(), 1)
    digits = value if unit == 1 else value[:-1]
    low, high = ITEM_SIZE_RANGE
    if digits.isascii() and digits.isdigit() and len(digits) <= len(str(high)) and low <= int(digits) * unit <= high:
        return int(digits) * unit
    message = f"bad value '{value}' for {name}: type a size from 1k to 1024m, as in {name} 2m"
    raise OptionError(message)


def addresses(name: str, value: str) -> tuple[Address, ...]:
    """Addresses separated by commas or semicolons."""
    return tuple(_address(name, part) for part in value.replace(";", ",").split(","))


def _address(name: str, text: str) -> Address:
    """``host``, ``host:port``, ``[v6]``, ``[v6]:port`` or a bare v6 address, all after ``notls:`` and so on or not."""
    tls = next((word for word in TLS_WORDS if text.startswith(f"{word}:")), "")
    host, port = text.removeprefix(f"{tls}:") if tls else text, ""
    if host.startswith("["):
        host, closed, port = host[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            message = f"bad address '{text}' for {name}: type [host]:port"
            raise OptionError(message)
        port = port[1:]
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not host:
        message = f"empty address in the value of {name}: type a host, as in {name} 127.0.0.1"
        raise OptionError(message)
    known = number(name, port, 0, PORT_MAX, f"a port from 0 to {PORT_MAX} after the host") if port else None
    return Address(host, known, tls)
