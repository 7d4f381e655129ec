"""A mount point: what ``-v``, ``--mount``, ``--tmpfs`` and VOLUME mount in a container."""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Docker's words for what is mounted.
BIND = "bind"
VOLUME = "volume"
TMPFS = "tmpfs"

# Who asked for it: an option, the image, or another container by --volumes-from.
BY_VOLUME = "-v"
BY_MOUNT = "--mount"
BY_TMPFS = "--tmpfs"
BY_IMAGE = "image"
BY_CONTAINER = "--volumes-from"

_SPREADS = frozenset(("shared", "rshared", "slave", "rslave", "private", "rprivate"))


@record
class MountPoint:
    """One mount of a container; ``target`` is absolute and plain, and never ``/``.

    ``source`` is the path on this machine: absolute, empty for a tmpfs and until the volume is
    known. ``volume`` is the volume's name, ``driver`` who keeps it. ``mode`` is the text after the
    last colon of a ``-v`` or ``--tmpfs`` as it was given, ``text`` the whole of a ``-v``.
    ``tmpfs_size`` is in bytes, 0 for half of the memory; ``tmpfs_mode`` -1 is not said.
    ``recursive`` is empty, ``disabled``, ``writable`` or ``readonly`` (``bind-recursive``).
    ``subpath`` is a path within the volume, and ``place`` where that is mounted while the
    container runs. ``labels`` and ``options`` are for the volume, should it be made.
    ``create_source`` is to make a folder of a source that is missing.
    """

    kind: str
    target: str
    source: str = ""
    volume: str = ""
    driver: str = ""
    read_only: bool = False
    propagation: str = ""
    mode: str = ""
    text: str = ""
    given: str = BY_VOLUME
    no_copy: bool = False
    anonymous: bool = False
    recursive: str = ""
    subpath: str = ""
    tmpfs_size: int = 0
    tmpfs_mode: int = -1
    labels: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    place: str = ""
    create_source: bool = False


def mount_from_bind(data: dict[str, Any]) -> dict[str, Any]:
    """Return as JSON the mount point of a ``Bind``: what records held before there were volumes."""
    options = tuple(data.get("options", ()))
    mode = ",".join(options)
    text = f"{data['source']}:{data['target']}"
    spread = [option for option in options if option in _SPREADS]
    return {
        "kind": BIND,
        "source": data["source"],
        "target": data["target"],
        "read_only": "ro" in options,
        "propagation": spread[-1] if spread else "",
        "mode": mode,
        "text": f"{text}:{mode}" if mode else text,
        "create_source": True,
    }
