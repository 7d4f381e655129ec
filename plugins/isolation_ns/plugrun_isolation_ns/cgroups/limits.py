"""Limits on their way from the spec to the kernel's files: applied as asked, or refused."""

from __future__ import annotations

import errno
import os

from plugrun.api import BackendUnavailable, IsolationError, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# What a machine that lacks the controller, or forbids its use, answers with.
_LACKING = frozenset((errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EOPNOTSUPP))

THROTTLES = (
    ("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"),
)
BLOCK_IO = frozenset(("weight", "weightDevice", *(name for name, _, _ in THROTTLES)))


@record
class Limit:
    """One write: the controller that must be there, its file, the text, the spec's own word."""

    controller: str
    file: str
    value: str
    word: str


def write(path: str, value: str) -> None:
    """Write one value into a file of the cgroup file system, which takes it in one write."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        # To write nothing is to write no byte at all: a newline is how an empty value is said.
        os.write(fd, value.encode() or b"\n")
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)


def read(path: str) -> str:
    """Return a file's text, stripped."""
    with open(path, "rb", 0) as stream:
        return stream.read().decode().strip()


def apply(path: str, limit: Limit) -> None:
    """Write a limit; BackendUnavailable if this machine has none such, else IsolationError."""
    try:
        write(path, limit.value)
    except FileNotFoundError:
        raise unavailable(limit.controller, limit.word, f"{path} does not exist") from None
    except OSError as error:
        reason = f"writing {limit.value} to {path}: {(error.strerror or '').lower()}"
        if error.errno in _LACKING:
            raise unavailable(limit.controller, limit.word, reason) from None
        hint = "the kernel does not take this value: give another"
        if error.errno == errno.EBUSY:
            hint = "more than that is in use: allow more, or let the container use less first"
        raise IsolationError(f"the limit {limit.word} cannot be set: {reason}", hint=hint) from None


def apply_all(limits: Iterable[tuple[str, Limit]]) -> None:
    """Write limits to their paths, or change nothing: what was written is taken back."""
    done: list[tuple[str, str]] = []
    try:
        for path, limit in limits:
            before = _former(path, limit.value)
            apply(path, limit)
            done.append((path, before))
    except BaseException:
        for path, before in reversed(done):
            write(path, before)
        raise


def _former(path: str, value: str) -> str:
    """Return what takes a write back; a file of one line a device keeps the other devices."""
    try:
        text = read(path)
    except OSError:
        return ""
    device = value.partition(" ")[0]
    if ":" not in device:
        return text
    for line in text.splitlines():
        if line.startswith(f"{device} "):
            return line
    key, equals, _ = value.partition(" ")[2].partition("=")
    return f"{device} {key}=max" if equals else f"{device} 0"


def unavailable(controller: str, word: str, reason: str) -> BackendUnavailable:
    """Return the refusal of a limit that this machine cannot apply."""
    return BackendUnavailable(
        f"the limit {word} cannot be applied here: {reason}",
        hint=f"give the machine the cgroup controller {controller} "
        f"(see /proc/cgroups and the kernel's cgroup_enable=), or leave the limit away",
    )


def refuse_unknown(resources: dict[str, Any], known: dict[str, frozenset[str]]) -> None:
    """Refuse limits that no table knows: a limit is enforced or refused, never dropped."""
    for group, values in resources.items():
        if not values:
            continue
        if group not in known:
            raise unavailable(group, group, "isolation ns does not enforce it")
        if not known[group]:
            continue
        for name, value in values.items():
            if value not in (None, 0, False, "", []) and name not in known[group]:
                raise unavailable(group, f"{group}.{name}", "isolation ns does not enforce it")


def has_swap() -> bool:
    """Whether anything can be swapped out: without swap, a limit on it holds by itself."""
    with open("/proc/swaps", "rb") as stream:
        return len(stream.read().splitlines()) > 1


def is_beyond_kernel(path: str) -> bool:
    """Whether a file is for the reservation of huge pages, which kernels before 5.7 do not count.

    The runtime spec has their use alone limited then, which a file without the word is for.
    """
    return ".rsvd." in path and not os.path.exists(path)


def word_for(value: int) -> str:
    """Return a number as v2 files write it, where none and -1 are ``max``."""
    return "max" if value < 0 else str(value)
