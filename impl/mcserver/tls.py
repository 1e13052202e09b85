"""TLS: the certificate and the rules of handshakes, made from ``-o ssl_...``, and made anew while the server runs."""

import contextlib
import os
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

from mcserver.settings import TlsSettings

_VERSIONS = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
#: Versions as ``stats settings`` names them.
VERSION_NAMES = ("tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3")
#: What ``-o ssl_verify_mode`` asks of clients; 3 is 2, as no handshake is ever repeated on a connection.
_MODES = (ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED, ssl.CERT_REQUIRED)
#: Kinds of private keys, as PEM calls them; DER does not say which one it is.
_KEY_KINDS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


class TlsError(Exception):
    """Certificates or rules that cannot be used; the message is one line, without secrets."""


class Certificates:
    """What a server shows of itself and asks of its clients."""

    def __init__(self, settings: TlsSettings) -> None:
        """Read the files that `settings` name. Raises TlsError."""
        self._settings = settings
        #: For handshakes from now on, by the word that stands before the listening address.
        self.contexts = {
            "": self._made(_MODES[settings.verify_mode]),
            "btls": self._made(ssl.CERT_NONE),
            "mtls": self._made(ssl.CERT_REQUIRED),
        }

    def reload(self) -> str:
        """Read the files again; why that failed, and the old ones stay in force, or nothing."""
        try:
            # At first in a context nobody uses: a half-read pair would refuse every handshake.
            self._made(ssl.CERT_NONE)
            for context in self.contexts.values():
                self._load(context)
        except TlsError as error:
            return str(error)
        return ""

    def _made(self, mode: ssl.VerifyMode) -> ssl.SSLContext:
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = mode
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # whoever asks for TLS 1.0 knows
            context.minimum_version = _VERSIONS[settings.min_version]
        if not settings.session_cache:
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        if settings.ciphers:
            try:
                context.set_ciphers(settings.ciphers)
            except ssl.SSLError as error:
                message = f"no such TLS ciphers: {settings.ciphers}"
                raise TlsError(message) from error
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        settings = self._settings
        key = settings.key or settings.chain_cert
        try:
            with _as_pem(key, der=settings.key_der) as files:
                _load_pair(context, settings.chain_cert, files)
        except (OSError, ValueError) as error:
            message = f"Error loading the certificate or its key: {settings.chain_cert}, {key} : {_reason(error)}"
            raise TlsError(message) from error
        if settings.ca_cert:
            try:
                context.load_verify_locations(settings.ca_cert)
            except (OSError, ValueError) as error:
                message = f"Error loading the CA certificate: {settings.ca_cert} : {_reason(error)}"
                raise TlsError(message) from error


def _load_pair(context: ssl.SSLContext, chain: str, keys: list[str]) -> None:
    """Load `chain` with the first of the `keys` that is one."""
    for key in keys[:-1]:
        with contextlib.suppress(OSError):
            context.load_cert_chain(chain, key, password=_no_password)
            return
    context.load_cert_chain(chain, keys[-1], password=_no_password)


def _no_password() -> str:
    # Otherwise OpenSSL would ask for it at the terminal, and the server would stand still.
    message = "the key is protected by a password"
    raise ValueError(message)


@contextlib.contextmanager
def _as_pem(path: str, *, der: bool) -> Iterator[list[str]]:
    """Paths of what may be the key in PEM: `path` itself, or files in memory that last as long as the context."""
    if not der:
        yield [path]
        return
    data = Path(path).read_bytes()
    with contextlib.ExitStack() as stack:
        paths: list[str] = []
        for kind in _KEY_KINDS:
            number = os.memfd_create("key", os.MFD_CLOEXEC)
            stack.callback(os.close, number)
            os.write(number, ssl.DER_cert_to_PEM_cert(data).replace("CERTIFICATE", kind).encode("ascii"))
            paths.append(f"/proc/self/fd/{number}")
        yield paths


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not understood"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
