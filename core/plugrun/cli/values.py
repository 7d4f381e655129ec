"""Values on the command line: text in Docker's forms to numbers and records, without ``re``.

Every function raises InvalidArgument with what Docker says after ``invalid argument "x" for
"--y" flag:``, or with the daemon's words where Docker leaves the check to its daemon.
"""

from __future__ import annotations

from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.network import EndpointConfig

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
_DIGITS = frozenset("0123456789")
_NUMBER = frozenset("0123456789.eE+-")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME_REST = _NAME | frozenset("_.-")
_LARGEST = 2**63 - 1
_FACTORS = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
_BASES = {"x": 16, "o": 8, "b": 2}
_MINIMUM_MEMORY = 6 * 2**20


def parse_bool(text: str) -> bool:
    """Return what Go's strconv.ParseBool does."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise InvalidArgument(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def parse_int(text: str) -> int:
    """Return a 64-bit number as Go's strconv.ParseInt reads it with base 0 (0x, 0o, 0b, 0)."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    base = _BASES.get(digits[1:2].lower(), 8) if len(digits) > 1 and digits[0] == "0" else 10
    body = digits[2:] if base != 10 and digits[1:2].lower() in _BASES else digits
    try:
        if not body.isascii() or not body.isalnum():
            raise ValueError
        value = int(body, base)
    except ValueError:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    value = -value if text.startswith("-") else value
    if not -_LARGEST - 1 <= value <= _LARGEST:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value


def parse_bytes(text: str) -> int:
    """Return a size in bytes: ``512m``, ``1.5g``, ``1GiB``, ``10 kB``; the unit is binary."""
    end = len(text)
    while end and text[end - 1] not in _DIGITS and text[end - 1] not in ". ":
        end -= 1
    if end == 0:
        raise InvalidArgument(f"invalid size: '{text}'")
    number, suffix = text[:end].removesuffix(" "), text[end:]
    value = _float(number)
    if value < 0:
        raise InvalidArgument(f"invalid size: '{text}'")
    value *= _factor(suffix)
    if value > _LARGEST:
        raise InvalidArgument(f"invalid size: '{text}'")
    return int(value)


def _float(text: str) -> float:
    try:
        if not _NUMBER.issuperset(text):
            raise ValueError
        return float(text)
    except ValueError:
        raise InvalidArgument(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None


def _factor(suffix: str) -> int:
    unit, rest = suffix[:1].lower(), suffix[1:].lower()
    if unit in ("", "b") and not rest:
        return 1
    if unit in _FACTORS and rest in ("", "b", "ib"):
        return _FACTORS[unit]
    raise InvalidArgument(f"invalid suffix: '{suffix}'")


def parse_cpus(text: str) -> int:
    """Return a number of CPUs in billionths."""
    sign = -1 if text.startswith("-") else 1
    whole, _, part = text.removeprefix("-" if sign < 0 else "+").partition(".")
    if not (whole or part) or not _DIGITS.issuperset(whole + part):
        raise InvalidArgument(f"failed to parse {text} as a rational number")
    part = part.rstrip("0")
    if len(part) > 9 or len(whole) > 9:
        raise InvalidArgument("value is too precise")
    return sign * (int(whole or "0") * 10**9 + int(part.ljust(9, "0")))


def check_env(text: str) -> str:
    """Return ``NAME=VALUE`` or ``NAME`` as it is."""
    if not text or text.startswith("="):
        raise InvalidArgument(f"invalid environment variable: {text}")
    return text


def check_label(text: str) -> str:
    """Return ``KEY=VALUE`` or ``KEY`` as it is."""
    if not text or text.startswith("="):
        raise InvalidArgument(f"invalid label '{text}': empty name")
    return text


def check_filter(text: str) -> str:
    """Return ``KEY=VALUE`` as it is."""
    if "=" not in text:
        raise InvalidArgument("bad format of filter (expected name=value)")
    return text


def parse_network(text: str) -> EndpointConfig:
    """Return what one ``--network`` says: a name, or ``name=…,alias=…,ip=…``."""
    from plugrun.model.network import EndpointConfig

    if "=" not in text:
        return EndpointConfig(text)
    from plugrun.cli.networkvalue import parse_network

    return parse_network(text)


# By `Option.kind`; a kind that is not here is taken as it is written.
CONVERTERS = {
    "flag": parse_bool,
    "int": parse_int,
    "bytes": parse_bytes,
    "decimal": parse_cpus,
    "env": check_env,
    "label": check_label,
    "filter": check_filter,
    "network": parse_network,
}


def check_memory(size: int) -> int:
    """Return a memory limit; 0 is none."""
    if 0 < size < _MINIMUM_MEMORY:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    return size


def check_cpus(nano: int, available: int) -> int:
    """Return a CPU limit that this many CPUs can serve; 0 is none."""
    if nano and not 10**7 <= nano <= available * 10**9:
        raise InvalidArgument(
            f"Range of CPUs is from 0.01 to {available}.00, "
            f"as there are only {available} CPUs available"
        )
    return nano


def check_name(name: str) -> str:
    """Return a container's name without Docker's leading slash."""
    bare = name.removeprefix("/")
    if len(bare) < 2 or bare[0] not in _NAME or not _NAME_REST.issuperset(bare):
        raise InvalidArgument(
            f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )
    return bare


def check_hostname(name: str) -> str:
    """Return a host name: labels of letters, digits and inner dashes; at most 64 (sethostname)."""
    labels = name.split(".")
    fits = all(
        label and (_NAME | {"-", "_"}).issuperset(label) and label.strip("-") == label
        for label in labels
    )
    if len(name) > 64 or not fits:
        raise InvalidArgument(f"invalid hostname format: {name}")
    return name
