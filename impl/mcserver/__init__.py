"""A memcached-compatible cache server: a byte engine, a uvloop shell around it and memcached's own command line.

The engine (`engine`, `cache`, `connection`, `text`) owns bytes and never touches a socket or the real clock; the
shell (`server`, `loop`, `cli`) owns sockets; `inproc` drives the engine without either, with a clock set by hand.
"""

__version__ = "0.1.0"

#: What ``version`` answers after ``VERSION ``; clients branch on the number, so memcached's comes first.
PROTOCOL_VERSION = f"1.6.45-mcserver-{__version__}"

__all__ = ["PROTOCOL_VERSION", "__version__"]
