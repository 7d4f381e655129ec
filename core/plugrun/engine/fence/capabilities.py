"""Capabilities of a container by Docker's rule for ``--cap-add`` and ``--cap-drop``.

Loaded only for containers that ask for others than Docker's fourteen.
"""

from __future__ import annotations

from plugrun.engine.fence.spec import DEFAULT_CAPABILITIES
from plugrun.errors import InvalidArgument, IsolationError
from plugrun.linux.capabilities import KNOWN, at_hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.model.fence import Security

ALL = "ALL"


def named(texts: Sequence[str], what: str) -> tuple[str, ...]:
    """Return capabilities in the kernel's names, in ascending order; ``ALL`` stays.

    Raise InvalidArgument, in Docker's words, for one that is none.
    """
    found = set()
    for text in texts:
        name = text.upper()
        if name != ALL and not name.startswith("CAP_"):
            name = f"CAP_{name}"
        if name != ALL and name not in KNOWN:
            raise InvalidArgument(f'invalid {what}: unknown capability: "{name}"')
        found.add(name)
    return (ALL,) if ALL in found else tuple(sorted(found))


def allowed(security: Security) -> tuple[str, ...]:
    """Return the bounding set that a container gets.

    ALL and ``--privileged`` mean what this process may hand on. Raise IsolationError for a
    capability asked for by name that it may not.
    """
    add, drop = security.cap_add, security.cap_drop
    if security.privileged:
        return at_hand()
    if ALL in add:
        return tuple(name for name in at_hand() if name not in drop)
    kept = () if ALL in drop else tuple(n for n in DEFAULT_CAPABILITIES if n not in drop)
    missing = [name for name in add if name not in at_hand()]
    if missing:
        raise IsolationError(
            f"unable to apply caps: {', '.join(missing)} cannot be given here",
            hint="root itself lacks it (CapBnd in /proc/self/status)",
        )
    return (*kept, *(name for name in add if name not in kept))
