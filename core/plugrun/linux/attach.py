"""Perform mounts given as data at one place."""

from __future__ import annotations

import os

from plugrun.linux.mounting import MS_BIND, MS_REC, MS_REMOUNT, mount, parse_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.model.mount import Mount

# mount(2) reads at most a page of data; a little less, for the kernel's own use of it.
_DATA_LIMIT = 4000


def mount_all(mounts: Sequence[Mount], target: str) -> None:
    """Perform mounts in order, each at its own target beneath ``target``.

    For trees that the caller trusts not to change meanwhile (a snapshot that nothing runs in).
    Changes the working directory when an overlay has more layers than fit into a page.
    """
    for one in mounts:
        place = os.path.join(target, one.target) if one.target else target
        flags, _, propagation, data = parse_options(one.options)
        if len(os.fsencode(data)) > _DATA_LIMIT:
            data = _shortened(data)
        kind = "" if flags & MS_BIND else one.type
        first = flags & (MS_BIND | MS_REC) if flags & MS_BIND else flags
        mount(one.source, place, kind, first, data)
        if flags & MS_BIND and flags & ~(MS_BIND | MS_REC):
            mount("", place, "", flags | MS_REMOUNT, "")
        if propagation:
            mount("", place, "", propagation, "")


def _shortened(data: str) -> str:
    """Make an overlay's paths relative to the folder they share, and go there."""
    options = dict(option.partition("=")[::2] for option in data.split(","))
    lowers = options["lowerdir"].split(":")
    base = os.path.commonpath([os.path.dirname(path) for path in lowers])
    os.chdir(base)
    options["lowerdir"] = ":".join(os.path.relpath(path, base) for path in lowers)
    return ",".join(f"{name}={value}" if value else name for name, value in options.items())
