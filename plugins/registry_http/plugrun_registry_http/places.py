"""Where an image is looked for: mirrors, the registry, and over which scheme.

A registry on this machine's loopback is spoken to over plain HTTP, then HTTPS; one that the
profile calls insecure over HTTPS without a check, then plain HTTP; any other over HTTPS alone.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from plugrun.api import ConfigError, record, shown_url, trusted_bundle

from plugrun_registry_http.certificates import CertificateFolder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Docker Hub's registry answers under another name than its images have.
_SERVERS = {"docker.io": "registry-1.docker.io"}


@record
class Place:
    """One base URL an image may be at.

    ``source`` is what the user calls it: all places of one source are the same registry.
    ``prefix`` goes before the repository's name. ``mirror``: another place knows better.
    """

    source: str
    origin: str
    prefix: str = ""
    mirror: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is spoken to over HTTP without TLS."""
        return self.origin.startswith("http:")

    def repository(self, path: str) -> str:
        """Return the repository's name at this place."""
        return f"{self.prefix}/{path}" if self.prefix else path


class Trust:
    """Which hosts may be spoken to without TLS, or without checking who they are.

    ``certificates`` is a folder as Docker's ``certs.d``: one folder a registry.
    """

    def __init__(self, insecure: Iterable[str], certificates: str = "") -> None:
        self._certificates = CertificateFolder(certificates)
        self._insecure = frozenset(entry.lower().removesuffix("/") for entry in insecure)

    def is_listed(self, netloc: str) -> bool:
        """Whether the profile calls ``HOST[:PORT]`` insecure; an entry without port is for all."""
        return netloc.lower() in self._insecure or _host(netloc) in self._insecure

    def verify(self, url: str) -> bool | str:
        """Return what ``requests`` takes as ``verify``: whether, or with which bundle."""
        netloc = urlsplit(url).netloc
        own = self._certificates.authorities(netloc)
        if own:
            return own
        if self.is_listed(netloc) or is_loopback(netloc):
            return False
        return trusted_bundle() or True

    def close(self) -> None:
        """Let go of temporary files."""
        self._certificates.close()

    def certificate(self, url: str) -> tuple[str, str] | None:
        """Return the files of the certificate and key that a host wants us to show, if any."""
        return self._certificates.own(urlsplit(url).netloc)

    def allows(self, url: str, place: Place) -> bool:
        """Whether a redirect or token server named by ``place`` may be asked: no way down."""
        parts = urlsplit(url)
        if parts.scheme == "https":
            return True
        return parts.scheme == "http" and (place.is_plain or self.is_listed(parts.netloc))

    def origins(self, netloc: str) -> tuple[str, ...]:
        """Return the base URLs at which a registry may answer, best first."""
        if is_loopback(netloc):
            return f"http://{netloc}", f"https://{netloc}"
        if self.is_listed(netloc):
            return f"https://{netloc}", f"http://{netloc}"
        return (f"https://{netloc}",)


def places(host: str, mirrors: Mapping[str, Iterable[str]], trust: Trust) -> tuple[Place, ...]:
    """Return where images of registry ``host`` are looked for, in order."""
    found = [place for mirror in mirrors.get(host, ()) for place in _mirror(mirror, trust)]
    server = _SERVERS.get(host, host)
    found.extend(Place(host, origin) for origin in trust.origins(server))
    return tuple(found)


def _mirror(text: str, trust: Trust) -> list[Place]:
    parts = urlsplit(text if "://" in text else f"//{text}")
    good = parts.netloc and parts.scheme in ("", "http", "https") and not parts.query
    if not good or "@" in parts.netloc:
        raise ConfigError(
            f'mirror "{shown_url(text)}" is neither a host nor a URL of one',
            hint="write it as HOST[:PORT][/PREFIX] or http(s)://HOST[:PORT][/PREFIX]",
        )
    origins = (f"{parts.scheme}://{parts.netloc}",) if parts.scheme else trust.origins(parts.netloc)
    prefix = parts.path.strip("/")
    return [Place(text, origin, prefix, mirror=True) for origin in origins]


def is_loopback(netloc: str) -> bool:
    """Whether ``HOST[:PORT]`` is this machine itself: 127.0.0.0/8, ::1 or localhost."""
    host = _host(netloc)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(netloc: str) -> str:
    return (urlsplit(f"//{netloc}").hostname or "").lower()
