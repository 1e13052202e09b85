"""Runs vectors exported by `mcspec vectors export`: `python run_vectors.py HOST:PORT vectors.jsonl [--flush]`.

`--flush` allows vectors that flush or reconfigure the server. Prints what fails and a summary; exits 1 if any failed.
"""

# ruff: noqa: ANN001, ANN002, ANN201, ANN204, D102, D103 - as short as it would be in another language
import json
import re
import socket
import sys
import time
from base64 import b64decode, b64encode
from itertools import pairwise
from pathlib import Path

TIMEOUT = 5.0
SHOWN = re.compile(
    rb"(?s)VALUE (?P<key>\S+) \d+ (?P<size>\d+)(?: (?P<unique>\d+))?|ME (?P<me>\S+) .*cas=(?P<cas>\d+) .*"
    rb"|(?:VA (?P<length>\d+)|HD|EX|NF|NS)(?P<flags> .*)?|.*"
)


def uniques(data, seen):
    """Remember the last cas unique shown with each key; values are skipped, whatever they look like."""
    at = 0
    while (end := data.find(b"\r\n", at)) >= 0:
        shown = SHOWN.fullmatch(data, at, end)
        flags = {word[:1]: word[1:] for word in (shown["flags"] or b"").split()}
        key, unique = shown["key"] or shown["me"] or flags.get(b"k"), shown["unique"] or shown["cas"] or flags.get(b"c")
        if key and unique and unique != b"0":
            seen[b64decode(key) if b"b" in flags else key] = int(unique)
        at = end + 2 + int(shown["size"] or shown["length"] or -2) + 2


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
        if "time" in part:
            return b"%d" % (time.time() + part["time"])
        offset = part.get("offset", 0)
        return b"%d" % (self.seen.get(part["cas"].encode("latin-1"), -offset) + offset)

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

    def settle(self, step):
        """An error message, or None if what came is allowed."""
        conn, more = step["settle"], True
        if step["sentinel"]:
            self.socket(conn).sendall(b"version\r\n")
        while True:
            text, version = self.data.get(conn, b"").decode("latin-1"), True
            if step["sentinel"]:
                version = re.search(r"(?:^|\n)(VERSION [^\r\n]*\r\n)$", text)
                text = text[: version.start(1)] if version else text
            fits = version and any(
                re.fullmatch(one["regex"], text) if "regex" in one else text == one["text"] for one in step["allow"]
            )
            if fits and (not step["end"] or more is False):
                uniques(text.encode("latin-1"), self.seen)
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
        elif "advance" in step:
            time.sleep(step["advance"])
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
            runner.socket("flush").sendall(b"flush_all\r\n")
            runner.socket("flush").recv(100)
        for made in runner.sockets.values():
            made.close()


def main(where, path, *flags):
    host, _, port = where.rpartition(":")
    counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
    for number, line in enumerate(Path(path).read_text(encoding="ascii").splitlines()):
        # Keys of its own for each vector, of the same length: what one leaves behind does not disturb the next.
        own = f"v{(number + int(time.time() * 1000)) % 16**5:05x}"
        vector = json.loads(line.replace("bWNzcGVj", b64encode(own.encode()).decode()).replace("mcspec", own))
        if vector["options"] or vector["clock"] == "exact" or (vector["flushes"] and "--flush" not in flags):
            counts["skipped"] += 1
            continue
        if error := run(vector, (host, int(port))):
            print(f"{vector['id']}: {error}")
        counts["failed" if error else "passed"] += 1
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
