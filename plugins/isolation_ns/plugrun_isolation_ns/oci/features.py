"""``features``: what this runtime can do, for engines that ask before they call.

Source: opencontainers/runtime-spec 1.2, features.md and features-linux.md.
"""

from __future__ import annotations

import json

from plugrun.api import mounting

from plugrun_isolation_ns import capabilities, rules
from plugrun_isolation_ns.hooks import KINDS, SPEC_VERSION
from plugrun_isolation_ns.mounts import COPY_UP


def print_features() -> int:
    """Print the document."""
    print(json.dumps(features(), indent=2))
    return 0


def features() -> dict[str, object]:
    """Return the document."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": SPEC_VERSION,
        "hooks": list(KINDS),
        "mountOptions": _mount_options(),
        "linux": {
            "namespaces": sorted(rules.FLAGS),
            "capabilities": sorted(capabilities.NAMES),
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False},
            "seccomp": {"enabled": True},
            "apparmor": {"enabled": True},
            "selinux": {"enabled": False},
            "intelRdt": {"enabled": False},
        },
        "annotations": {},
    }


def _mount_options() -> list[str]:
    words = (mounting.SET_FLAGS, mounting.CLEAR_FLAGS, mounting.PROPAGATION)
    return sorted({"rro", COPY_UP}.union(*words))
