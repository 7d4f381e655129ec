"""The hooks. What is heavy (``requests``) is imported when an image is asked for."""

from __future__ import annotations

from plugrun.api import Option, parse_reference, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.api import Registry, Transport

SCHEME = "docker"


def plugrun_options() -> tuple[Option, ...]:
    """The keys a profile may set for registries."""
    return (
        Option(
            "insecure",
            "strings",
            (),
            "registries (HOST[:PORT]) spoken to without checking certificates, or over plain HTTP",
        ),
        Option("mirrors", "mapping", {}, "registry -> mirrors to ask first, as URLs or hosts"),
        Option(
            "certificates",
            "string",
            "/etc/docker/certs.d",
            "folder with one for each registry (HOST[:PORT]): *.crt to trust, *.cert with *.key to "
            "show",
        ),
        Option(
            "timeout",
            "integer",
            60,
            "seconds without a byte, or with next to none, after which a source has stalled "
            "(PLUGRUN_HTTP_STALL_TIMEOUT goes before it)",
        ),
        Option("retries", "integer", 6, "how often a passing failure is tried again"),
    )


def plugrun_open_transport(address: str, options: Mapping[str, Any]) -> Transport | None:
    """Open ``docker://NAME``; a plain reference is one too."""
    scheme, rest = split_address(address)
    if scheme != SCHEME:
        return None
    reference = parse_reference(rest)
    from plugrun_registry_http.transport import RegistryTransport

    return RegistryTransport(reference, options)


def plugrun_open_registry(server: str, options: Mapping[str, Any]) -> Registry | None:
    """Open a registry by its host; nothing is Docker Hub."""
    from plugrun_registry_http.server import RegistryServer

    return RegistryServer(server, options)
