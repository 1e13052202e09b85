"""Runs vectors of `mcspec vectors export`: `python run_vectors.py HOST:PORT vectors.jsonl [--flush] [OPTION...]`.

`--flush` allows vectors that flush or reconfigure the server, or work on keys of any name. OPTION... are those that the
server was started with, like -B packet: vectors that need others are skipped. Prints what fails and a summary; exits 1
if any failed.
"""

# ruff: noqa: ANN001, ANN002, ANN201, ANN204, D102, D103 - as short as it would be in another language
import json
import re
import socket
import sys
import time
from base64 import b64encode
from itertools import pairwise
from pathlib import Path

TIMEOUT = 5.0


class Runner:
    """The connections of one vector."""

    def __init__(self, address):
        self.address, self.sockets, self.data, self.seen = address, {}, {}, {}

    def socket(self, conn):
        if conn not in self.sockets:
            made = socket.create_connection(self.address, timeout=TIMEOUT)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets[conn], self.data[conn] = made, b""
        return self.sockets[conn]

    def render(self, part):
        if isinstance(part, str):
            return part.encode("latin-1")
        if "repeat" in part:
            return part["repeat"].encode("latin-1") * part["times"]
        number = int(time.time()) + part["time"] if "time" in part else self.seen[part["unique"]] + part["offset"]
        if "encoding" not in part:
            return b"%d" % max(0, number)
        size = int(part["encoding"][1:]) // 8
        return (number % 256**size).to_bytes(size, "big")

    def send(self, step):
        conn = step.get("conn", 0)
        data = b"".join(self.render(part) for part in step["send"])
        cuts = [0, *[cut for cut in step.get("cuts", []) if cut < len(data)], len(data)]
        for low, high in pairwise(cuts):
            try:
                self.socket(conn).sendall(data[low:high])
            except (BrokenPipeError, ConnectionResetError):
                return  # the server closed: what came before is compared at the settle
            time.sleep(1e-6)  # so that one send is one read of the server

    def read(self, conn):
        """More bytes of a connection; False at its end, None when nothing comes."""
        try:
            more = self.socket(conn).recv(65536)
        except (ConnectionResetError, TimeoutError) as error:
            return None if isinstance(error, TimeoutError) else False
        self.data[conn] += more
        return bool(more)

    def allowed(self, one, text):
        """Whether this is the output; cas uniques that it shows for the first time are remembered."""
        if "text" in one:
            return text == one["text"]
        found = re.fullmatch(one["regex"], text)
        for unique, shown in zip(one["uniques"], found.groups() if found else (), strict=False):
            number = int.from_bytes(shown.encode("latin-1"), "big") if "encoding" in unique else int(shown)
            if self.seen.setdefault(unique["unique"], number) != number:
                return False
        return found is not None

    def settle(self, step):
        """An error message, or None if what came is allowed."""
        conn, more = step["settle"], True
        while True:
            text = self.data.get(conn, b"").decode("latin-1")
            fits = any(self.allowed(one, text) for one in step["allow"])
            if fits and (not step["end"] or more is False):
                self.data[conn] = b""
                return None
            if not more:
                return "still open" if fits else f"got {text!r}, allowed: {step['allow']}"[:1500]
            more = self.read(conn)

    def step(self, step):
        if "send" in step:
            self.send(step)
        elif "settle" in step:
            return self.settle(step)
        elif "open" in step:
            self.socket(step["open"])
        elif "advance" in step or "pause" in step:
            time.sleep(step.get("advance", step.get("pause")))
        elif "half-close" in step:
            self.socket(step["half-close"]).shutdown(socket.SHUT_WR)
        else:
            made = self.sockets.pop(next(iter(step.values())), None)
            if made is not None:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"%c\0\0\0\0\0\0\0" % ("reset" in step))
                made.close()
        return None


def run(vector, address):
    """The first thing that is not allowed, or None."""
    runner = Runner(address)
    try:
        return next((error for error in map(runner.step, vector["steps"]) if error), None)
    finally:
        if vector["flushes"]:  # a flush that is still pending would hit the next vector
            runner.socket("flush").sendall(b"\0\0\0\5\x0c" if "packet" in vector["options"] else b"flush_all\r\n")
            runner.socket("flush").recv(100)
        for made in runner.sockets.values():
            made.close()


def main(where, path, *options):
    flush = "--flush" in options
    options = [option for option in options if option != "--flush"]
    host, _, port = where.rpartition(":")
    counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for number, line in enumerate(Path(path).read_text(encoding="ascii").splitlines()):
        # Keys of its own for each vector, of the same length: what one leaves behind does not disturb the next.
        own = f"v{(number + int(time.time() * 1000)) % 16**5:05x}"
        vector = json.loads(line.replace("bWNzcGVj", b64encode(own.encode()).decode()).replace("mcspec", own))
        if vector["options"] != options or vector["clock"] == "exact" or (vector["flushes"] and not flush):
            counts["skipped"] += 1
            continue
        if error := run(vector, (host, int(port))):
            print(f"{vector['id']}: {error}")
        counts["failed" if error else "passed"] += 1
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
