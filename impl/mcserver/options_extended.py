"""What ``-o`` takes: names, some with a value, separated by commas."""

from dataclasses import replace

from mcserver.option_values import OptionError, number, path
from mcserver.settings import KIB, MIB, Settings

_SECONDS_MAX = 10**9
#: Hot and warm items may take so many percent of a class, each of them and both together.
_SHARE_RANGE = (1, 79)
SHARES_MAX = 80
#: Ages are multiplied by less than this.
_FACTOR_LIMIT = 1e9
_SHARE = "a percentage from 1 to 79"
#: tuning: Most kilobytes of replies that may wait for a TLS client.
_BUFFER_MAX = 1024 * KIB
_WITH_VALUE = frozenset(
    (
        "slab_chunk_max idle_timeout temporary_ttl hot_lru_pct warm_lru_pct hot_max_factor warm_max_factor"
        " trace_dispatch ssl_chain_cert ssl_key ssl_keyformat"
        " ssl_verify_mode ssl_ca_cert ssl_ciphers ssl_min_version ssl_wbuf_size"
    ).split()
)
_KEY_FORMATS = {"1": False, "PEM": False, "2": True, "DER": True}


def extend(settings: Settings, part: str) -> Settings:
    """The settings with `part`, one of the words of a list, carried out. Raises OptionError."""
    name, given, value = part.partition("=")
    shown = f"-o {name}"
    if bool(given) != (name in _WITH_VALUE):
        message = f"bad option '-o {part}': type mcserver --help for the list"
        raise OptionError(message)
    if name.startswith("ssl_"):
        return _secure(settings, name, value, part)
    match name:
        case "slab_chunk_max":
            return replace(settings, chunk_max=number(shown, value, 1, KIB, "kilobytes from 1 to 1024") * KIB)
        case "idle_timeout":
            return replace(settings, idle_timeout=number(shown, value, 0, _SECONDS_MAX, "a number of seconds"))
        case "temporary_ttl":
            return replace(settings, temporary_ttl=number(shown, value, 0, _SECONDS_MAX, "a number of seconds"))
        case "hot_lru_pct":
            return replace(settings, hot_percent=number(shown, value, *_SHARE_RANGE, _SHARE))
        case "warm_lru_pct":
            return replace(settings, warm_percent=number(shown, value, *_SHARE_RANGE, _SHARE))
        case "hot_max_factor":
            return replace(settings, hot_factor=_age_factor(shown, value))
        case "warm_max_factor":
            return replace(settings, warm_factor=_age_factor(shown, value))
        case "lru_maintainer" | "no_lru_maintainer":
            return replace(settings, segmented=name == "lru_maintainer")
        case "lru_crawler" | "no_lru_crawler":
            return replace(settings, crawler=name == "lru_crawler")
        case "maxconns_fast" | "no_maxconns_fast":
            return replace(settings, maxconns_fast=name == "maxconns_fast")
        case "modern":
            return replace(settings, modern=True, segmented=True, crawler=True, chunk_max=512 * KIB)
        case "no_modern":
            return replace(settings, modern=False, segmented=False, crawler=False, chunk_max=MIB)
        case "debugtime":
            return replace(settings, debugtime=True)
        case "trace_dispatch":
            return replace(settings, trace_dispatch=path(shown, value))
        case _:
            raise _unknown(part)


def _age_factor(name: str, value: str) -> float:
    try:
        ratio = float(value)
    except ValueError:
        ratio = 0.0
    if not 0 < ratio < _FACTOR_LIMIT:
        message = f"bad value '{value}' for {name}: type a factor above 0, as in {name}=0.5"
        raise OptionError(message)
    return ratio


def _unknown(part: str) -> OptionError:
    return OptionError(f"unknown option '-o {part}': type mcserver --help for the list")


def _secure(settings: Settings, name: str, value: str, part: str) -> Settings:
    tls = settings.tls_settings
    shown = f"-o {name}"
    match name:
        case "ssl_chain_cert":
            tls = replace(tls, chain_cert=path(shown, value))
        case "ssl_key":
            tls = replace(tls, key=path(shown, value))
        case "ssl_keyformat":
            if value not in _KEY_FORMATS:
                message = f"bad value '{value}' for {shown}: type 1 (PEM) or 2 (DER)"
                raise OptionError(message)
            tls = replace(tls, key_der=_KEY_FORMATS[value])
        case "ssl_verify_mode":
            tls = replace(tls, verify_mode=number(shown, value, 0, 3, "a number from 0 to 3"))
        case "ssl_ca_cert":
            tls = replace(tls, ca_cert=path(shown, value))
        case "ssl_ciphers":
            if not value:
                message = f"empty list for {shown}: type {shown}=HIGH, or another list that openssl ciphers takes"
                raise OptionError(message)
            tls = replace(tls, ciphers=value)
        case "ssl_min_version":
            tls = replace(tls, min_version=number(shown, value, 0, 3, "a number from 0 to 3"))
        case "ssl_wbuf_size":
            size = number(shown, value, 1, _BUFFER_MAX, f"kilobytes from 1 to {_BUFFER_MAX}")
            tls = replace(tls, write_buffer=size * KIB)
        case "ssl_session_cache":
            tls = replace(tls, session_cache=True)
        case _:
            raise _unknown(part)
    return replace(settings, tls_settings=tls)
