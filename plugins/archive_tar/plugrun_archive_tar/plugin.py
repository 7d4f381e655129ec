"""The hooks. What reads and writes archives is imported when an address asks for it."""

from __future__ import annotations

from plugrun.api import InvalidArgument, Option, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.api import Transport

DOCKER_ARCHIVE = "docker-archive"
OCI_ARCHIVE = "oci-archive"
OCI = "oci"
SCHEMES = frozenset((DOCKER_ARCHIVE, OCI_ARCHIVE, OCI))


def plugrun_options() -> tuple[Option, ...]:
    """No key may be set."""
    return ()


def plugrun_open_transport(address: str, options: Mapping[str, Any]) -> Transport | None:
    """Open ``docker-archive:PATH[:REF]``, ``oci-archive:PATH[:REF]`` or ``oci:FOLDER[:REF]``.

    An archive's PATH may be ``-``: standard input to read from, standard output to write to. REF
    ``@N`` is the archive's image number N, from 0.
    """
    scheme, rest = split_address(address)
    if scheme not in SCHEMES:
        return None
    path, _, reference = rest.partition(":")
    if not path or "\0" in path:
        raise InvalidArgument(
            f"{address!r} names no file", hint=f"write it as {scheme}:PATH[:REFERENCE]"
        )
    from plugrun_archive_tar.transport import ArchiveTransport

    return ArchiveTransport(scheme, path, reference)
