"""Fill ``mcserver -m 100`` for ever with values of random sizes and watch its resident memory.

``python -m tests.bench.memory [rounds] [largest]`` starts a server, sets `rounds` times 100 MB of random keys whose
sizes are drawn anew in every round (small, mixed, large), and prints the most resident memory seen in each. It exits
with 1 when the memory above that of the empty server exceeds 1.5 times ``-m`` at any time.
"""

import functools
import random
import sys
from collections.abc import Callable

from tests.impl.support import Running, spawn

LIMIT_MB = 100
FACTOR = 1.5
#: Largest value in bytes of each kind of round.
KINDS = {"tiny": 64, "small": 600, "medium": 8_000, "large": 200_000, "huge": 1_000_000}
BATCH = 256 * 1024


def fill(server: Running, size: Callable[[], int], megabytes: int, seed: int) -> int:
    """Set random keys until `megabytes` were sent; the most resident memory seen, in KiB."""
    draw = random.Random(seed)
    most = 0
    with server.connect() as sock:
        sock.settimeout(60)
        left = megabytes * 1_000_000
        while left > 0:
            parts: list[bytes] = []
            batch = 0
            while batch < BATCH:
                length = size()
                key = b"%x" % draw.getrandbits(64)
                parts.append(b"set %b 0 0 %d noreply\r\n%b\r\n" % (key, length, bytes(length)))
                batch += length + 60
            left -= batch
            sock.sendall(b"".join(parts))
            most = max(most, server.rss())
        sock.sendall(b"version\r\n")
        assert sock.recv(100).startswith(b"VERSION")
    return max(most, server.rss())


def run(rounds: int, megabytes: int) -> int:
    """Fill in `rounds` rounds; the largest excess over the empty server's memory, in KiB."""
    server = spawn(["-l", "127.0.0.1", "-p", "-1", "-m", str(LIMIT_MB)])
    worst = 0
    try:
        empty = server.rss()
        print(f"empty: {empty // 1024} MB")
        draw = random.Random(7)
        for number in range(rounds):
            name = list(KINDS)[number % len(KINDS)]
            largest = KINDS[name]
            size = functools.partial(draw.randint, 0, largest)
            excess = fill(server, size, megabytes, number) - empty
            worst = max(worst, excess)
            print(f"round {number + 1}, values up to {largest} bytes: {excess // 1024} MB above empty", flush=True)
    finally:
        server.stop()
    return worst


def main() -> int:
    """Run the command line."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    megabytes = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    worst = run(rounds, megabytes)
    allowed = int(LIMIT_MB * 1024 * FACTOR)
    print(f"at most {worst // 1024} MB above the empty server, allowed {allowed // 1024} MB")
    return int(worst > allowed)


if __name__ == "__main__":
    sys.exit(main())
