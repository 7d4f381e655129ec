"""Whose certificates are trusted on the web: this machine's authorities, as for its other tools."""

from __future__ import annotations

import os

# Where Linux distributions keep the certificates the machine's owner trusts.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def trusted_bundle() -> str:
    """Return the file of certificates to trust, the machine's own as in Docker; empty if none."""
    named = (os.environ.get(name, "") for name in _BUNDLE_VARIABLES)
    for path in named:
        if path:
            return path
    return next((path for path in _BUNDLES if os.path.isfile(path)), "")
