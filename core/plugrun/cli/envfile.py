"""``--env-file``: one variable a line, in Docker's form."""

from __future__ import annotations

import os

from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def read_env_file(path: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a file's variables as ``NAME=VALUE``.

    Blank lines and lines that start with ``#`` are left out; values are taken as they are,
    quotes too. A name without ``=`` takes the caller's value, and is left out if it has none.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        why = (error.strerror or "unreadable").lower()
        raise InvalidArgument(f"open {path}: {why}") from error
    found = []
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        variable = _line(raw.removesuffix(b"\r"), path, number, environ)
        if variable is not None:
            found.append(variable)
    return tuple(found)


def _line(raw: bytes, path: str, number: int, environ: Mapping[str, str]) -> str | None:
    try:
        line = raw.decode("utf-8").lstrip()
    except UnicodeDecodeError:
        raise InvalidArgument(
            f"invalid env file ({path}): invalid utf8 bytes at line {number}"
        ) from None
    if not line or line.startswith("#"):
        return None
    name, equals, _ = line.partition("=")
    if not name:
        raise InvalidArgument(f"invalid env file ({path}): no variable name on line '{line}'")
    if " " in name or "\t" in name:
        raise InvalidArgument(f"invalid env file ({path}): variable '{name}' contains whitespaces")
    if equals:
        return line
    value = environ.get(name)
    return None if value is None else f"{name}={value}"


def environment(files: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    """Return the files' variables, then those given one by one: the later wins."""
    found: list[str] = []
    for path in files:
        found.extend(read_env_file(path, os.environ))
    return (*found, *given)
