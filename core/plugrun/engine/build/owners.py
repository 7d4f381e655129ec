"""Whose the files are that ``--chown`` names: by the image's own passwd and group, never NSS."""

from __future__ import annotations

from plugrun.dockerfile.ownership import parse_chown
from plugrun.engine.fence.accounts import identify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.fence.accounts import Accounts


def owner_of(chown: str, accounts: Callable[[], Accounts]) -> tuple[int, int]:
    """Return UID and GID; ``accounts`` is asked only for what is no number.

    Raise InvalidArgument for a name that the image does not know.
    """
    owner = parse_chown(chown)
    if owner.numeric is not None:
        return owner.numeric
    group = owner.group or (owner.user if owner.user.isdigit() else "")
    found = identify(f"{owner.user}:{group}" if group else owner.user, accounts())
    return found.uid, found.gid
