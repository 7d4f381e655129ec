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
DIR = "dir"
ROOTFS = "rootfs"
SCHEMES = frozenset((DOCKER_ARCHIVE, OCI_ARCHIVE, OCI, DIR, ROOTFS))


def plugrun_options() -> tuple[Option, ...]:
    """No key may be set."""
    return ()


def plugrun_open_transport(address: str, options: Mapping[str, Any]) -> Transport | None:
    """Open ``docker-archive:PATH[:REF]``, ``oci-archive:PATH[:REF]``, ``oci:FOLDER[:REF]``,
    ``dir:FOLDER`` or ``rootfs:FOLDER``.

    An archive's PATH may be ``-``: standard input to read from, standard output to write to. REF
    ``@N`` is the archive's image number N, from 0.
    """
    scheme, rest = split_address(address)
    if scheme not in SCHEMES:
        return None
    has_reference = scheme not in (DIR, ROOTFS)
    path, _, reference = rest.partition(":") if has_reference else (rest, "", "")
    if not path or "\0" in path:
        form = "PATH[:REFERENCE]" if has_reference else "FOLDER"
        raise InvalidArgument(f"{address!r} names no file", hint=f"write it as {scheme}:{form}")
    if scheme == DIR:
        from plugrun_archive_tar.directory import DirectoryTransport

        return DirectoryTransport(path)
    if scheme == ROOTFS:
        from plugrun_archive_tar.rootfs import RootfsTransport

        return RootfsTransport(path)
    from plugrun_archive_tar.transport import ArchiveTransport

    return ArchiveTransport(scheme, path, reference)
