"""Documents as the typed values that Docker's client fills templates with.

A template sees what JSON does not show: a nil slice prints ``[]`` and a nil map ``map[]``, a field
that is left out of the document has its zero value, a map may lack a key where a struct may not.
"""

from __future__ import annotations

from plugrun.cli.gotemplate.values import Absent, Map, NilPointer, Shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# By the key of the enclosing struct, "" for the outermost, "*" for any.
_MAPS = frozenset(
    (
        *(("*", name) for name in ("Labels", "Annotations", "Networks", "Ports", "PortBindings")),
        *(("*", name) for name in ("ExposedPorts", "Volumes", "Sysctls", "Tmpfs", "Metadata")),
        *(("*", name) for name in ("DriverOpts", "StorageOpt", "Options")),
        *(("*", name) for name in ("Containers", "AuxiliaryAddresses")),
        ("LogConfig", "Config"),
        ("GraphDriver", "Data"),
    )
)
_SLICES = frozenset(
    (
        *("Binds", "VolumesFrom", "CapAdd", "CapDrop", "ExtraHosts", "GroupAdd", "Links"),
        *("SecurityOpt", "DeviceCgroupRules", "DeviceRequests", "MaskedPaths", "ReadonlyPaths"),
        *("Env", "Cmd", "Entrypoint", "OnBuild", "ExecIDs", "Aliases", "Dns", "Ulimits"),
        *("SecondaryIPAddresses", "SecondaryIPv6Addresses", "DNSNames"),
    )
)
_POINTERS = frozenset(("MemorySwappiness", "PidsLimit", "IPAMConfig"))
_DURATIONS = ("Interval", "Timeout", "StartPeriod", "StartInterval")


class NilSlice(list["Any"]):
    """A slice that is nil: empty, and ``null`` in JSON."""

    is_nil = True


class NilMap(Map):
    """A map that is nil."""

    is_nil = True


class _AbsentSlice(NilSlice, Absent):
    """One whose field JSON leaves out."""


class _AbsentMap(NilMap, Absent):
    """One whose field JSON leaves out."""


class _AbsentText(str, Absent):
    """An empty string whose field JSON leaves out."""


class _AbsentPointer(NilPointer, Absent):
    """One whose field JSON leaves out."""


class _AbsentNumber(int, Absent):
    """A zero whose field JSON leaves out."""


class Duration(int):
    """Nanoseconds, printed as Go prints a time.Duration."""

    def __str__(self) -> str:
        return duration_text(int(self))


class _AbsentDuration(Duration, Absent):
    """No time, whose field JSON leaves out."""


class _Ulimit(dict[str, "Any"], Shown):
    """A limit, printed as it is given: ``nofile=1024:2048``."""

    def shown(self) -> str:
        return f"{self['Name']}={self['Soft']}:{self['Hard']}"


_CONFIG = {
    "ExposedPorts": _AbsentMap,
    "Healthcheck": _AbsentPointer,
    "StopSignal": _AbsentText,
    "StopTimeout": _AbsentPointer,
    "Shell": _AbsentSlice,
}
_HOST = {
    "Mounts": _AbsentSlice,
    "Tmpfs": _AbsentMap,
    "Sysctls": _AbsentMap,
    "StorageOpt": _AbsentMap,
    "Annotations": _AbsentMap,
    "Init": _AbsentPointer,
}
_CONTAINER = {
    "SizeRw": _AbsentPointer,
    "SizeRootFs": _AbsentPointer,
    "ImageManifestDescriptor": _AbsentPointer,
}
_IMAGE_CONFIG = {
    **_CONFIG,
    **dict.fromkeys(("Env", "Cmd", "Entrypoint", "OnBuild"), _AbsentSlice),
    **dict.fromkeys(("Labels", "Volumes"), _AbsentMap),
    **dict.fromkeys(("User", "WorkingDir"), _AbsentText),
}
_LEFT_OUT: dict[str, dict[str, Any]] = {
    "Config": _CONFIG,
    "HostConfig": _HOST,
    "State": {"Health": _AbsentPointer},
}
_HEALTH_CHECK = ("Test", *_DURATIONS, "Retries")
_MOUNT = ("Type", "Name", "Source", "Destination", "Driver", "Mode", "RW", "Propagation")


def typed(value: Any, name: str = "", parent: str = "") -> Any:
    """Return a document as a template is to see it."""
    if isinstance(value, dict):
        return _struct(value, name, parent)
    if isinstance(value, (list, tuple)):
        return [_element(item, name) for item in value]
    if value is None:
        return _nil(name, parent)
    if parent == "Healthcheck" and name in _DURATIONS:
        return Duration(value)
    return value


def _element(item: Any, name: str) -> Any:
    found = typed(item, "", name)
    if name == "Ulimits" and isinstance(found, dict):
        return _Ulimit(found)
    if name == "Mounts" and isinstance(found, dict) and "Destination" in found:
        return {key: found.get(key, _AbsentText()) for key in _MOUNT}
    return found


def _struct(value: Mapping[str, Any], name: str, parent: str) -> dict[str, Any]:
    items = {key: typed(item, key, name) for key, item in value.items()}
    if _is_map(name, parent):
        return Map(items)
    if name == "Healthcheck":
        return {key: items.get(key, _zero(key)) for key in _HEALTH_CHECK}
    left_out = _LEFT_OUT.get(name, {})
    if not name and "HostConfig" in value:
        left_out = _CONTAINER
    if not name and "RootFS" in value:
        # An image's config says nothing of what is empty.
        items["Config"] = _filled(dict(items["Config"]), _IMAGE_CONFIG)
    return _filled(items, left_out)


def _filled(items: dict[str, Any], left_out: Mapping[str, Any]) -> dict[str, Any]:
    for key, kind in left_out.items():
        if key not in items:
            items[key] = kind(key) if issubclass(kind, NilPointer) else kind()
    return items


def _zero(key: str) -> Any:
    if key == "Test":
        return _AbsentSlice()
    return _AbsentDuration() if key in _DURATIONS else _AbsentNumber()


def _is_map(name: str, parent: str) -> bool:
    return ("*", name) in _MAPS or (parent, name) in _MAPS


def _nil(name: str, parent: str) -> Any:
    if _is_map(name, parent):
        return NilMap()
    if name in _SLICES or parent == "Ports":
        return NilSlice()
    return NilPointer(name) if name in _POINTERS else None


def duration_text(ns: int) -> str:
    """Return what Go's time.Duration.String does: ``1m30s``, ``500ms``, ``0s``."""
    if ns < 0:
        return "-" + duration_text(-ns)
    if ns < 10**9:
        for unit, scale in (("ms", 10**6), ("µs", 10**3), ("ns", 1)):
            if ns >= scale:
                return _fraction(ns, scale) + unit
        return "0s"
    minutes, rest = divmod(ns, 60 * 10**9)
    text = _fraction(rest, 10**9) + "s"
    if minutes:
        text = f"{minutes % 60}m{text}"
    return f"{minutes // 60}h{text}" if minutes >= 60 else text


def _fraction(ns: int, scale: int) -> str:
    whole, rest = divmod(ns, scale)
    digits = f"{rest:0{len(str(scale)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
