"""A volume: files that outlive the containers that use them."""

from __future__ import annotations

import os

from plugrun.errors import InvalidArgument
from plugrun.model.record import as_json, from_json, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOCAL = "local"
# Docker's label of a volume that nobody gave a name.
ANONYMOUS = "com.docker.volume.anonymous"

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_LATER = _FIRST | frozenset("_.-")
_LONGEST = 255  # NAME_MAX: a volume is a folder
# What the local driver knows, and what each of them needs beside it.
_OPTIONS = {"type": ("device",), "device": ("type",), "o": ("device", "type")}


@record
class Volume:
    """One volume; ``options`` say what is mounted at its place while a container uses it."""

    name: str
    created_ns: int
    driver: str = LOCAL
    labels: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()

    @property
    def anonymous(self) -> bool:
        """Whether nobody gave it a name."""
        return any(key == ANONYMOUS for key, _ in self.labels)


def volume_to_json(volume: Volume) -> dict[str, Any]:
    """Return a volume as plain JSON."""
    found: dict[str, Any] = as_json(volume)
    return found


def volume_from_json(data: dict[str, Any]) -> Volume:
    """Return the volume that ``volume_to_json`` wrote; unknown keys are left out."""
    return from_json(Volume, data)


def random_volume_name() -> str:
    """Return a name as Docker gives anonymous volumes: 64 hexadecimal digits."""
    return os.urandom(32).hex()


def check_volume(name: str, driver: str = LOCAL, options: tuple[tuple[str, str], ...] = ()) -> None:
    """Raise InvalidArgument unless a volume of this name and these options may be made."""
    if driver != LOCAL:
        raise InvalidArgument(
            f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found',
            hint="volumes are kept by the driver local",
        )
    if len(name) == 1:
        raise InvalidArgument(
            f"create {name}: volume name is too short, names should be at least two alphanumeric "
            "characters"
        )
    if name[:1] not in _FIRST or not _LATER.issuperset(name):
        raise InvalidArgument(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, '
            "use absolute path"
        )
    if len(name) > _LONGEST:
        raise InvalidArgument(f"create {name}: file name too long", hint="use at most 255 letters")
    _check_options(name, dict(options))


def _check_options(name: str, options: dict[str, str]) -> None:
    for key in options:
        if key not in _OPTIONS:
            raise InvalidArgument(f'create {name}: invalid option: "{key}"')
    for key in options:
        for needed in _OPTIONS[key]:
            if needed not in options:
                raise InvalidArgument(f'create {name}: missing required option: "{needed}"')
