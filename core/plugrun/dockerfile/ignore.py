"""``.dockerignore``: which file it is, and the patterns in it.

Source: docs.docker.com/build/concepts/context. Of the Dockerfile and of the file itself nothing is
special here: they may be left out, too, as they are read before.
"""

from __future__ import annotations

import posixpath

from plugrun.dockerfile.characters import SPACES
from plugrun.errors import InvalidArgument

LARGEST = 16 * 1024 * 1024


def ignore_names(dockerfile: str) -> tuple[str, ...]:
    """Return the files to look for, beside the Dockerfile the first, in the context the second.

    The first that exists counts, and no other.
    """
    return (f"{dockerfile}.dockerignore", ".dockerignore")


def read_ignore(data: bytes, name: str = ".dockerignore") -> tuple[str, ...]:
    """Return the patterns of a file, in order; raise InvalidArgument if it is too large."""
    if len(data) > LARGEST:
        raise InvalidArgument(f"{name} has {len(data)} bytes, more than the {LARGEST} allowed")
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    lines = (line for line in text.split("\n") if not line.startswith("#"))
    return tuple(_pattern(line.strip(SPACES)) for line in lines if line.strip(SPACES))


def _pattern(line: str) -> str:
    mark = "!" if line.startswith("!") else ""
    path = line[len(mark) :].strip(SPACES)
    if path:
        path = posixpath.normpath(path).replace("//", "/")
        path = path[1:] if len(path) > 1 and path.startswith("/") else path
    return mark + path
