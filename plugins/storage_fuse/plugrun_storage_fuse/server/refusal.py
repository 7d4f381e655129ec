"""Why a union cannot be served, in the words that whoever started the server passes on."""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_REPAIR = "plugrun system check --repair puts right what can be"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def explained(folders: Sequence[str], error: OSError) -> str:
    """Return a class of error, the reason and a hint, as ``plugrun.linux.serving`` reads them."""
    for path in filter(None, folders):
        if not os.path.isdir(path):
            fault = "no folder" if os.path.lexists(path) else "missing"
            text = f"Corrupt: the storage is damaged: the layer {path} is {fault}"
            return f"{text}\nhint: {_REPAIR}"
    if error.errno in _FULL:
        hint = "free some space (plugrun system prune), or use another --root"
        return f"NoSpace: the file system of {folders[-1]} is full\nhint: {hint}"
    return f"CannotMount: the union cannot be served: {error}"
