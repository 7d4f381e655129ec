"""Certificates of single registries, as Docker has them: ``certs.d/HOST[:PORT]/``.

``*.crt`` are authorities to trust there, besides the machine's own; a pair ``NAME.cert`` and
``NAME.key`` is what we show. Source: Docker's manual, "Verify repository client with
certificates".
"""

from __future__ import annotations

import os
import tempfile
import threading

from plugrun.api import ConfigError, trusted_bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tempfile import _TemporaryFileWrapper


class CertificateFolder:
    """One folder with a folder for each registry; read when a registry is asked. No name: none."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._bundles: dict[str, _TemporaryFileWrapper[bytes] | None] = {}

    def authorities(self, netloc: str) -> str:
        """Return a file of the authorities to trust for a host, nothing if it has none."""
        with self._lock:
            if netloc not in self._bundles:
                self._bundles[netloc] = self._bundle(netloc)
            bundle = self._bundles[netloc]
            return bundle.name if bundle else ""

    def close(self) -> None:
        """Remove the bundles that were made; they are made anew if they are needed again."""
        with self._lock:
            bundles, self._bundles = self._bundles, {}
        for bundle in bundles.values():
            if bundle:
                bundle.close()

    def own(self, netloc: str) -> tuple[str, str] | None:
        """Return the certificate and key to show to a host; raise ConfigError if one is alone."""
        names = self._names(netloc)
        for name in names:
            if not name.endswith(".cert"):
                continue
            key = name.removesuffix(".cert") + ".key"
            if key not in names:
                raise ConfigError(
                    f"{self._path}/{netloc}/{name} has no key beside it",
                    hint=f"put it there as {key}; a certificate of an authority is called *.crt",
                )
            return f"{self._path}/{netloc}/{name}", f"{self._path}/{netloc}/{key}"
        return None

    def _names(self, netloc: str) -> list[str]:
        if not self._path or netloc in ("", ".", "..") or "/" in netloc:
            return []
        try:
            return sorted(os.listdir(f"{self._path}/{netloc}"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise ConfigError(f"{self._path}/{netloc}: {error.strerror}") from None

    def _bundle(self, netloc: str) -> _TemporaryFileWrapper[bytes] | None:
        """Return one file with all authorities: that is what TLS libraries take."""
        own = [f"{self._path}/{netloc}/{n}" for n in self._names(netloc) if n.endswith(".crt")]
        if not own:
            return None
        bundle = tempfile.NamedTemporaryFile(prefix="plugrun-authorities-")  # noqa: SIM115
        for path in filter(None, (trusted_bundle(), *own)):
            with open(path, "rb") as file:
                bundle.write(file.read() + b"\n")
        bundle.flush()
        return bundle
