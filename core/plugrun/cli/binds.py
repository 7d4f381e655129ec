"""``-v HOST:CONTAINER[:OPTIONS]``: paths of this machine mounted in a container."""

from __future__ import annotations

import os

from plugrun.errors import InvalidArgument, UsageError
from plugrun.model.container import Bind

_OPTIONS = frozenset(
    ("ro", "rw", "z", "Z", "shared", "rshared", "slave", "rslave", "private", "rprivate")
)


def parse_bind(text: str) -> Bind:
    """Return a bind; a source that starts with ``.`` counts from the working directory.

    Raise UsageError for volumes, which do not exist yet.
    """
    parts = text.split(":")
    if "" in parts:
        raise InvalidArgument(f"invalid spec: {text}: empty section between colons")
    if len(parts) > 3:
        raise InvalidArgument(f"invalid volume specification: '{text}'")
    if len(parts) == 1:
        raise UsageError(
            f"'{text}' asks for an anonymous volume, which plugrun does not have yet",
            hint="mount a path of this machine: -v /host/path:/container/path",
        )
    options = tuple(parts[2].split(",")) if len(parts) == 3 else ()
    _check_options(options)
    return Bind(_source(parts[0]), _target(parts[1], text), options)


def _source(path: str) -> str:
    if path.startswith("."):
        return os.path.abspath(path)
    if not path.startswith("/"):
        raise UsageError(
            f"'{path}' names a volume, and plugrun has no named volumes yet",
            hint=f"write a path of this machine: an absolute one, or ./{path}",
        )
    return os.path.normpath(path)


def _target(path: str, text: str) -> str:
    if not path.startswith("/"):
        raise InvalidArgument(
            f"invalid volume specification: '{text}': invalid mount path: '{path}' "
            "mount path must be absolute"
        )
    plain = os.path.normpath(path)
    if plain.strip("/") == "":
        raise InvalidArgument(f"invalid volume specification: '{text}': destination can't be '/'")
    return plain


def _check_options(options: tuple[str, ...]) -> None:
    known = _OPTIONS.issuperset(options)
    if not known or ("ro" in options and "rw" in options) or len(set(options)) != len(options):
        raise InvalidArgument(f"invalid mode: {','.join(options)}")
