"""``-v``: a path of this machine or a volume at a place in the container, as Docker reads it."""

from __future__ import annotations

import os

from plugrun.errors import InvalidArgument
from plugrun.model.mountpoint import BIND, VOLUME, MountPoint

SPREADS = frozenset(("shared", "rshared", "slave", "rslave", "private", "rprivate"))
_CONSISTENCY = frozenset(("consistent", "cached", "delegated"))
# Each group of words says one thing: two of a group contradict each other.
_GROUPS = (
    frozenset(("ro", "rw")),
    frozenset(("z", "Z")),
    SPREADS,
    frozenset(("nocopy",)),
    _CONSISTENCY,
)


def parse_volume(text: str) -> MountPoint:
    """Return what one ``-v`` asks: ``[SOURCE:]TARGET[:OPTIONS]``.

    A source that starts with ``.`` counts from the working directory; any other that does not
    start with ``/`` names a volume. Raise InvalidArgument in Docker's words.
    """
    parts = text.split(":")
    if not text:
        raise InvalidArgument("invalid empty volume spec")
    if len(parts) > 3:
        raise InvalidArgument(f"invalid spec: {text}: too many colons")
    if "" in parts:
        raise InvalidArgument(f"invalid spec: {text}: empty section between colons")
    if len(parts) == 1:
        return MountPoint(VOLUME, checked_target(f"/{text.lstrip('/')}", text), anonymous=True)
    mode = parts[2] if len(parts) == 3 else ""
    options = _options(mode)
    source = os.path.abspath(parts[0]) if parts[0].startswith(".") else parts[0]
    whole = ":".join((source, *parts[1:]))
    kind = BIND if source.startswith("/") else VOLUME
    _check_kind(kind, options, whole)
    spread = [option for option in options if option in SPREADS]
    return MountPoint(
        kind,
        checked_target(parts[1], whole, kind),
        source=plain(source) if kind == BIND else "",
        volume=source if kind == VOLUME else "",
        read_only="ro" in options,
        propagation=spread[0] if spread else "",
        mode=mode,
        text=whole,
        no_copy="nocopy" in options,
        create_source=kind == BIND,
    )


def _options(mode: str) -> tuple[str, ...]:
    options = tuple(mode.split(",")) if mode else ()
    known = all(any(option in group for group in _GROUPS) for option in options)
    if not known or any(sum(o in group for o in options) > 1 for group in _GROUPS):
        raise InvalidArgument(f"invalid mode: {mode}")
    return options


def _check_kind(kind: str, options: tuple[str, ...], text: str) -> None:
    alien = "VolumeOptions" if kind == BIND else "BindOptions"
    if ("nocopy" in options) if kind == BIND else any(option in SPREADS for option in options):
        raise InvalidArgument(
            f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": "
            f"field {alien} must not be specified"
        )


def checked_target(path: str, text: str, kind: str = VOLUME) -> str:
    """Return a mount's target made plain; ``text`` is the option that names it."""
    wrong = f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": "
    if not path.startswith("/"):
        raise InvalidArgument(f"{wrong}invalid mount path: '{path}' mount path must be absolute")
    target = plain(path)
    if target == "/":
        raise InvalidArgument(f"{wrong}invalid specification: destination can't be '/'")
    return target


def plain(path: str) -> str:
    """Return an absolute path without ``.``, ``..`` and repeated slashes; normpath keeps two."""
    return "/" + os.path.normpath(path).lstrip("/")
