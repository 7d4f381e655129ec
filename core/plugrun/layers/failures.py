"""What the kernel refuses while a layer is unpacked, as an error of ours."""

from __future__ import annotations

import errno

from plugrun.errors import Corrupt, NoSpace, PlugrunError

_FULL = (errno.ENOSPC, errno.EDQUOT)
# The layer's own doing: no file system takes such a name, target or size.
_LAYERS_FAULT = (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EFBIG)


def explained(error: OSError, what: str) -> PlugrunError:
    """Say what of a layer could not be unpacked, and why."""
    text = f"cannot unpack {what}: {error.strerror}"
    if error.errno in _FULL:
        return NoSpace(text, hint="free some space, or remove images that are not used")
    if error.errno in _LAYERS_FAULT:
        return Corrupt(text)
    return PlugrunError(text)
