"""Where a server listens: both families, lists of addresses, ports free or none, and the mode of a Unix socket."""

import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mcserver.listeners import ListenError, Listening, open_sockets
from mcserver.settings import Address, Settings
from tests.impl.support import Running, talk

Start = Callable[..., Running]


def has_v6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_v6 = pytest.mark.skipif(not has_v6(), reason="this system has no IPv6 address ::1")


@pytest.fixture
def opened() -> Iterator[Callable[..., list[Listening]]]:
    """Open the sockets of some settings, until the test ends."""
    found: list[Listening] = []

    def begin(**chosen: object) -> list[Listening]:
        new = open_sockets(Settings(**{"port": -1, **chosen}))  # type: ignore[arg-type]
        found.extend(new)
        return new

    yield begin
    for listening in found:
        listening.sock.close()


Opened = Callable[..., list[Listening]]
HERE = Address("127.0.0.1")


def port_of(listening: Listening) -> int:
    number: int = listening.sock.getsockname()[1]
    return number


def test_a_list_of_addresses(opened: Opened) -> None:
    """Each with a port of its own or that of -p; UDP on the same addresses."""
    port = port_of(opened(listen=(HERE,))[0])
    addresses = (Address("127.0.0.2"), Address("127.0.0.3", port))
    names = [one.name for one in opened(port=port, udp_port=port, listen=addresses)]
    assert names == [f"{kind}:{host}:{port}" for kind in ("tcp", "udp") for host in ("127.0.0.2", "127.0.0.3")]


def test_tcp_off(opened: Opened) -> None:
    """-p 0: UDP alone, and addresses with a port of their own."""
    assert [one.udp for one in opened(port=0, udp_port=-1, listen=(HERE,))] == [True]
    port = port_of(opened(listen=(HERE,))[0])
    assert [port_of(one) for one in opened(port=0, listen=(Address("127.0.0.2"), Address("127.0.0.3", port)))] == [port]


@needs_v6
def test_both_families_have_the_same_port(opened: Opened) -> None:
    """All interfaces without -l, and with *."""
    for listen in ((), (Address("*"),)):
        found = opened(listen=listen, udp_port=-1)
        assert {one.sock.family for one in found} == {socket.AF_INET, socket.AF_INET6}
        assert len({port_of(one) for one in found if not one.udp}) == 1
        assert len({port_of(one) for one in found if one.udp}) == 1


@needs_v6
def test_v6(start: Start) -> None:
    """An address in brackets; `stats conns` shows it so."""
    running = start("-l", "[::1]")
    assert running.process.stderr is not None
    where = running.process.stderr.readline().split("listening on ")[1].strip()
    assert where.startswith("[::1]:")
    with Running(running.process, where).connect() as sock:
        assert f":listen_addr tcp6:{where}\r\n".encode() in talk(sock, b"stats conns\r\n", b"END\r\n")


def test_which_addresses_are_secured(opened: Opened) -> None:
    """-Z is for TCP, but for addresses after notls:."""
    addresses = (HERE, Address("127.0.0.2", None, "notls"), Address("127.0.0.3", None, "mtls"))
    found = opened(tls=True, udp_port=-1, listen=addresses)
    assert [one.tls for one in found] == ["", None, "mtls", None, None, None]


def test_a_port_that_is_taken_leaves_nothing_open(opened: Opened) -> None:
    port = port_of(opened(listen=(HERE,))[0])
    for chosen in ({"port": port, "listen": (Address("127.0.0.2"), HERE)}, {"udp_port": port, "port": 0}):
        if "udp_port" in chosen:
            opened(port=0, udp_port=port, listen=(HERE,))
        with pytest.raises(ListenError, match=rf":{port}: Address already in use"):
            opened(**{"listen": (Address("127.0.0.2"), HERE), **chosen})
        with socket.create_server(("127.0.0.2", port)):
            pass


def test_an_address_that_is_none(opened: Opened) -> None:
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:"):
        opened(listen=(Address("192.0.2.1"),))


@pytest.mark.parametrize(("options", "mode"), [((), 0o700), (("-a", "660"), 0o660), (("-a", "777"), 0o777)])
def test_mode_of_a_unix_socket(start: Start, tmp_path: Path, options: tuple[str, ...], mode: int) -> None:
    """-a, and only its owner without it; several threads serve it too."""
    path = tmp_path / "socket"
    running = start("-s", str(path), "-t", "2", *options)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    with running.connect() as sock:
        shown = talk(sock, b"stats settings\r\n", b"END\r\n")
    assert f"STAT umask {mode:o}\r\n".encode() in shown
    assert running.stop() == 0
    assert not path.exists()
