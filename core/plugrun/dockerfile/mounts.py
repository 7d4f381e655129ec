"""``RUN --mount=type=…,…``.

Values may name variables, so all but ``from`` are read when the step is about to run.
"""

from __future__ import annotations

from plugrun.dockerfile.instructions import RunMount
from plugrun.errors import InvalidArgument
from plugrun.model.spelling import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_KINDS = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARING = ("shared", "private", "locked")
_OWNED = ("cache", "secret", "ssh")
_TEXTS = {
    "from": "origin",
    "source": "source",
    "src": "source",
    "target": "target",
    "dst": "target",
    "destination": "target",
    "id": "id",
    "env": "env",
}
_NUMBERS = {"mode": 8, "uid": 10, "gid": 10}
_FLAGS = ("readonly", "ro", "readwrite", "rw", "required")
_KEYS = ("type", *_TEXTS, *_NUMBERS, *_FLAGS, "sharing", "size")
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
_FACTORS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}


def mount_origin(flag: str) -> str:
    """Return the ``from=`` of a mount as written; raise InvalidArgument if it names a variable."""
    origin = ""
    for field in _fields(flag):
        key, equals, value = field.partition("=")
        if equals and key.lower() == "from":
            if "$" in value[:-1]:
                raise InvalidArgument(
                    "'from' doesn't support variable expansion, define alias stage instead"
                )
            origin = value
    return origin


def parse_mount(flag: str, expanded: Callable[[str], str]) -> RunMount:
    """Return what one ``--mount`` asks, each value passed through ``expanded``."""
    values: dict[str, Any] = {"kind": "bind"}
    for field in _fields(flag):
        key, equals, value = field.partition("=")
        _set(values, key.lower(), expanded(value) if equals else None, field)
    if "read_only" not in values:
        values["read_only"] = values["kind"] not in ("cache", "tmpfs")
    mount = RunMount(**values)
    _check(mount)
    return mount


def _fields(flag: str) -> list[str]:
    import _csv

    try:
        rows: list[list[str]] = list(_csv.reader([flag], strict=True))
    except _csv.Error as error:
        raise InvalidArgument(f"failed to parse csv mounts: {error}") from None
    return rows[0] if rows else []


def _set(values: dict[str, Any], key: str, value: str | None, field: str) -> None:
    kind = values["kind"]
    if value is None and key not in _FLAGS:
        raise InvalidArgument(f"invalid field '{field}' must be a key=value pair")
    if (key == "required" and kind not in ("secret", "ssh")) or (key == "size" and kind != "tmpfs"):
        raise InvalidArgument(f"unexpected key '{key}' for mount type '{kind}'")
    if key in _TEXTS:
        values[_TEXTS[key]] = value
    elif key in _NUMBERS:
        values[key] = _number(key, value or "")
    elif key in _FLAGS:
        given = _bool(key, "true" if value is None else value)
        name = "required" if key == "required" else "read_only"
        values[name] = given if key in ("readonly", "ro", "required") else not given
    elif key in ("type", "sharing"):
        known, said = (_KINDS, "mount type") if key == "type" else (_SHARING, "sharing value")
        word = (value or "").lower()
        if word not in known:
            raise InvalidArgument(f'unsupported {said} "{value}"{did_you_mean(value or "", known)}')
        values["kind" if key == "type" else "sharing"] = word
    elif key == "size":
        values["size"] = _size(value or "")
    else:
        raise InvalidArgument(f"unexpected key '{key}' in '{field}'{did_you_mean(key, _KEYS)}")


def _check(mount: RunMount) -> None:
    """Refuse what does not go with the mount's type, in Docker's order."""
    for name in _NUMBERS if mount.kind not in _OWNED else ():
        if getattr(mount, name) is not None:
            raise InvalidArgument(f'{name} not allowed for "{mount.kind}" type mounts')
    if mount.kind == "secret":
        _check_secret(mount)
    if mount.sharing and mount.kind != "cache":
        raise InvalidArgument(f"invalid cache sharing set for {mount.kind} mount")


def _check_secret(mount: RunMount) -> None:
    if mount.origin:
        raise InvalidArgument("secret mount should not have a from")
    if mount.sharing:
        raise InvalidArgument("secret mount should not define sharing")
    if not (mount.source or mount.target or mount.id):
        raise InvalidArgument("invalid secret mount. one of source, target required")
    if mount.source and mount.id:
        raise InvalidArgument("both source and id can't be set")


def _bool(key: str, value: str) -> bool:
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    raise InvalidArgument(f"invalid value for {key}: {value}")


def _number(key: str, value: str) -> int:
    digits = frozenset("01234567" if _NUMBERS[key] == 8 else "0123456789")
    if not value or not digits.issuperset(value) or len(value) > 11:
        raise InvalidArgument(f"invalid value {value} for {key}")
    number = int(value, _NUMBERS[key])
    if number >= 2**32:
        raise InvalidArgument(f"invalid value {value} for {key}")
    return number


def _size(value: str) -> int:
    """Return ``64m`` in bytes (units.RAMInBytes of Docker)."""
    number = value.rstrip("bBiIkKmMgGtTpP")
    suffix = value[len(number) :].lower()
    unit, rest = suffix[:1], suffix[1:]
    number = number.removesuffix(" ")
    whole = number.replace(".", "", 1)
    fits = whole.isascii() and whole.isdigit() and len(whole) < 20
    if not fits or unit not in _FACTORS or rest not in ("", "b", "ib") or (unit == "b" and rest):
        raise InvalidArgument(f"invalid value for size: {value}")
    return int(float(number) * _FACTORS[unit])
