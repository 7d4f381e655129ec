"""JSON documents of archives and layouts: bounded, and of the form they must have."""

from __future__ import annotations

from plugrun.api import Corrupt, Descriptor, InvalidArgument, loads, parse_digest

from plugrun_archive_tar.members import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun_archive_tar.members import Members

LARGEST = 8 << 20
MOST_ENTRIES = 16384


def parsed(raw: bytes, name: str) -> Any:
    """Return a document's value; raise Corrupt if it is no JSON."""
    try:
        return loads(raw)
    except ValueError as error:
        raise Corrupt(f"{name} is not JSON: {error}") from None


def document(members: Members, name: str) -> Any:
    """Read and parse a member."""
    return parsed(whole(members, name, LARGEST), name)


def object_in(value: Any, where: str) -> dict[str, Any]:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise Corrupt(f"{where} is {value!r:.100}, not an object")
    return value


def list_in(value: Any, where: str, kind: type) -> list[Any]:
    """Return a JSON array of one kind; null is an empty one."""
    found = [] if value is None else value
    if not isinstance(found, list) or not all(isinstance(item, kind) for item in found):
        raise Corrupt(f"{where} is {value!r:.100}, not a list of the right kind")
    if len(found) > MOST_ENTRIES:
        raise Corrupt(f"{where} has {len(found)} entries, over the limit of {MOST_ENTRIES}")
    return found


def text_in(value: Any, where: str) -> str:
    """Return a JSON string; null is an empty one."""
    if not isinstance(value, str | None):
        raise Corrupt(f"{where} is {value!r:.100}, not a string")
    return value or ""


def descriptor_in(value: Any, where: str) -> Descriptor:
    """Return a descriptor from its JSON form."""
    body = object_in(value, where)
    try:
        digest = parse_digest(body.get("digest"))
        return Descriptor(text_in(body.get("mediaType"), where), digest, body.get("size", -1))
    except InvalidArgument as error:
        raise Corrupt(f"{where}: {error.message}") from None


def as_json(descriptor: Descriptor) -> dict[str, Any]:
    """Return a descriptor's JSON form."""
    return {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
