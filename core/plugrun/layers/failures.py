"""What is wrong with a layer or an archive, and in which: as errors of ours."""

from __future__ import annotations

import errno
from contextlib import contextmanager

from plugrun.errors import Corrupt, NoSpace, PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

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


@contextmanager
def found_in(what: str, hint: str = "") -> Iterator[None]:
    """Let Corrupt and its kinds say in what it was found, and what to do if they do not say yet."""
    try:
        yield
    except Corrupt as error:
        raise type(error)(f"{what}: {error.message}", hint=error.hint or hint) from error
