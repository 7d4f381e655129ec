"""``--init``: the small program that reaps zombies as a container's PID 1."""

from __future__ import annotations

import os

from plugrun.errors import BackendUnavailable

# Where Docker, Debian's tini and Podman put one; each is static, so it runs in any image.
_NAMES = ("docker-init", "tini-static", "catatonit")
_FOLDERS = ("/usr/libexec/docker", "/usr/libexec/podman", "/usr/lib/podman")


def find_init() -> str:
    """Return the host's init program; raise BackendUnavailable if it has none."""
    for folder in (*os.environ.get("PATH", os.defpath).split(":"), *_FOLDERS):
        for name in _NAMES:
            path = f"{folder}/{name}"
            if folder.startswith("/") and os.access(path, os.X_OK):
                return path
    raise BackendUnavailable(
        f"--init needs one of {', '.join(_NAMES)} on this machine",
        hint="apt-get install tini",
    )
