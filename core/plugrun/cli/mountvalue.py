"""``--mount KEY=VALUE,…`` and ``--tmpfs PATH[:OPTIONS]``, as Docker reads them.

What Docker's client finds wrong is wrong with the option; what its daemon does is in ``checked``.
"""

from __future__ import annotations

import _csv
import os

from plugrun.cli.values import parse_bool, parse_bytes
from plugrun.cli.volumespec import SPREADS, plain
from plugrun.errors import InvalidArgument
from plugrun.linux.mounting import CLEAR_FLAGS, PROPAGATION, SET_FLAGS
from plugrun.model.mountpoint import BIND, BY_MOUNT, BY_TMPFS, TMPFS, VOLUME, MountPoint
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TARGETS = ("target", "dst", "destination")
_SOURCES = ("source", "src")
_READ_ONLY = ("readonly", "ro")
_LONE = frozenset((*_READ_ONLY, "volume-nocopy", "bind-nonrecursive"))
_TEXTS = {"bind-propagation": "propagation", "volume-driver": "driver", "volume-subpath": "subpath"}
_PAIRS = {"volume-label": "labels", "volume-opt": "options"}
_TMPFS_DATA = frozenset(("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"))


def parse_mount(text: str) -> MountPoint:
    """Return what one ``--mount`` asks; raise InvalidArgument as Docker's client does."""
    if not text:
        raise InvalidArgument("EOF")
    try:
        fields: list[str] = next(_csv.reader([text], strict=True))
    except _csv.Error as error:
        raise InvalidArgument(f"parse error: {error}") from None
    values: dict[str, Any] = {"kind": VOLUME, "target": "", "source": "", "given": BY_MOUNT}
    keys = set()
    for field in fields:
        key, equals, value = field.partition("=")
        key = key.strip().lower()
        keys.add(key)
        if not equals and key not in _LONE:
            raise InvalidArgument(f"invalid field '{field}' must be a key=value pair")
        _set(values, key, value if equals else "true", field)
    if not values["kind"]:
        raise InvalidArgument("type is required")
    _check_mixture(values["kind"], keys)
    _check_recursion(values)
    if not values["target"]:
        raise InvalidArgument("target is required")
    return MountPoint(**values)


def _set(values: dict[str, Any], key: str, value: str, field: str) -> None:
    if key == "type":
        values["kind"] = value.lower()
    elif key in _SOURCES:
        values["source"] = os.path.abspath(value) if value.startswith(".") else value
    elif key in _TARGETS:
        values["target"] = value
    elif key in _READ_ONLY:
        values["read_only"] = _bool(key, value)
    elif key == "volume-nocopy":
        values["no_copy"] = _bool(key, value)
    elif key == "bind-nonrecursive":
        if _bool(key, value):
            values["recursive"] = "disabled"
    elif key == "bind-recursive":
        values["recursive"] = _recursion(value)
    elif key in _TEXTS:
        values[_TEXTS[key]] = value
    elif key in _PAIRS:
        name, _, rest = value.partition("=")
        values[_PAIRS[key]] = (*values.get(_PAIRS[key], ()), (name, rest))
    elif key == "tmpfs-size":
        values["tmpfs_size"] = _size(value)
    elif key == "tmpfs-mode":
        values["tmpfs_mode"] = _mode(value)
    elif key != "consistency":
        raise InvalidArgument(f"unexpected key '{key}' in '{field}'")


def _bool(key: str, value: str) -> bool:
    try:
        return parse_bool(value)
    except InvalidArgument:
        raise InvalidArgument(f"invalid value for {key}: {value}") from None


def _recursion(value: str) -> str:
    if value in ("enabled", "disabled", "writable", "readonly"):
        return "" if value == "enabled" else value
    try:
        return "" if parse_bool(value) else "disabled"
    except InvalidArgument:
        raise InvalidArgument(
            f'invalid value for bind-recursive: {value} (must be "enabled", "disabled", '
            '"writable", or "readonly")'
        ) from None


def _size(value: str) -> int:
    try:
        return parse_bytes(value)
    except InvalidArgument:
        raise InvalidArgument(f"invalid value for tmpfs-size: {value}") from None


def _mode(value: str) -> int:
    if not value or not frozenset("01234567").issuperset(value):
        raise InvalidArgument(f"invalid value for tmpfs-mode: {value}")
    return int(value, 8)


def _check_mixture(kind: str, keys: set[str]) -> None:
    for owner in (VOLUME, BIND, TMPFS):
        if kind != owner and any(key.startswith(f"{owner}-") for key in keys):
            raise InvalidArgument(f"cannot mix '{owner}-*' options with mount type '{kind}'")


def _check_recursion(values: dict[str, Any]) -> None:
    word = values.get("recursive", "")
    needs = "option 'bind-recursive={}' requires '{}' to be specified in conjunction"
    if word in ("writable", "readonly") and not values.get("read_only"):
        raise InvalidArgument(needs.format(word, "readonly"))
    if word == "readonly" and values.get("propagation") != "rprivate":
        raise InvalidArgument(needs.format(word, "bind-propagation=rprivate"))


def checked(point: MountPoint) -> MountPoint:
    """Return a ``--mount`` made plain; raise InvalidArgument as Docker's daemon does."""
    wrong = _fault(point)
    if wrong:
        raise InvalidArgument(f'invalid mount config for type "{point.kind}": {wrong}')
    target = plain(point.target)
    if point.kind == BIND:
        return replace(point, target=target, source=plain(point.source))
    volume, anonymous = point.source, not point.source
    if point.kind == TMPFS:
        return replace(point, target=target)
    return replace(point, target=target, source="", volume=volume, anonymous=anonymous)


def _fault(point: MountPoint) -> str:
    """Say what is wrong with a mount, or nothing."""
    if point.kind not in (BIND, VOLUME, TMPFS):
        return "mount type unknown"
    fault = _target_fault(point.target)
    if fault:
        return fault
    if point.kind == BIND:
        return _bind_fault(point)
    if point.kind == TMPFS:
        return "field Source must not be specified" if point.source else ""
    return _volume_fault(point)


def _target_fault(target: str) -> str:
    if not target.startswith("/"):
        return f"invalid mount path: '{target}' mount path must be absolute"
    return "invalid specification: destination can't be '/'" if plain(target) == "/" else ""


def _bind_fault(point: MountPoint) -> str:
    if not point.source:
        return "field Source must not be empty"
    if point.propagation and point.propagation not in SPREADS:
        return f"invalid propagation mode: {point.propagation}"
    if not point.source.startswith("/"):
        return f"invalid mount path: '{point.source}' mount path must be absolute"
    return ""


def _volume_fault(point: MountPoint) -> str:
    if not point.source and point.read_only:
        return "must not set ReadOnly mode when using anonymous volumes"
    if point.subpath and not point.source:
        return "must not set Subpath when using anonymous volumes"
    path = os.path.normpath(point.subpath or ".")
    if path.startswith(("/", "../")) or path == "..":
        return "subpath must be a relative path within the volume"
    return ""


def parse_tmpfs(text: str) -> MountPoint:
    """Return what one ``--tmpfs`` asks."""
    path, _, options = text.partition(":")
    fault = _target_fault(path)
    if fault:
        raise InvalidArgument(fault)
    for option in options.split(",") if options else ():
        name, equals, value = option.partition("=")
        known = name in _TMPFS_DATA if equals else _is_flag(option)
        if not known:
            parts = f'"{name}" "{value}"' if equals else f'"{name}"'
            raise InvalidArgument(f"invalid tmpfs option [{parts}]")
    return MountPoint(TMPFS, plain(path), mode=options, given=BY_TMPFS)


def _is_flag(word: str) -> bool:
    return word in SET_FLAGS or word in CLEAR_FLAGS or word in PROPAGATION or word == "defaults"
