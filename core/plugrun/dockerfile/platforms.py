"""The ARGs that every Dockerfile has: ``TARGETPLATFORM`` and its kin, and the proxies."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugrun.model.descriptor import Platform

# A build may be given these without an ARG; RUN sees them, and no image and no cache keeps them.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
# Build arguments that speak to the builder, which no Dockerfile need declare.
FOR_BUILDER = ("SOURCE_DATE_EPOCH", "BUILDKIT_")


def platform_arguments(
    target: Platform, build: Platform, stage: str, given: Mapping[str, str]
) -> dict[str, str]:
    """Return the predefined ARGs of the global scope; what was given for one of them wins."""
    found = {
        "BUILDPLATFORM": str(build),
        "BUILDOS": build.os,
        "BUILDOSVERSION": "",
        "BUILDARCH": build.architecture,
        "BUILDVARIANT": build.variant,
        "TARGETPLATFORM": str(target),
        "TARGETOS": target.os,
        "TARGETOSVERSION": "",
        "TARGETARCH": target.architecture,
        "TARGETVARIANT": target.variant,
        "TARGETSTAGE": stage or "default",
    }
    return {name: given.get(name, value) for name, value in found.items()}


def is_proxy(name: str) -> bool:
    """Say whether a build argument is a proxy, in capitals or in small letters."""
    return name.upper() in PROXIES


def proxy_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies among the build arguments, each under both of its spellings."""
    found = {}
    for name, value in sorted(given.items()):
        if is_proxy(name):
            found[name.upper()] = found[name.lower()] = value
    return found
