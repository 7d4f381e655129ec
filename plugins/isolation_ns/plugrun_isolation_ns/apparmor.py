"""AppArmor's profile for the command, where the kernel has AppArmor (apparmor(7))."""

from __future__ import annotations

import os

from plugrun.api import BackendUnavailable, IsolationError

UNCONFINED = "unconfined"
_ENABLED = "/sys/module/apparmor/parameters/enabled"
# Linux 5.8 gave each security module a folder of its own.
_FILES = ("/proc/self/attr/apparmor/exec", "/proc/self/attr/exec")


def is_there() -> bool:
    """Whether the kernel enforces AppArmor profiles."""
    try:
        with open(_ENABLED, "rb") as stream:
            return stream.read(1) == b"Y"
    except OSError:
        return False


def check(profile: str) -> None:
    """Refuse a profile that nothing would enforce."""
    if profile and profile != UNCONFINED and not is_there():
        raise BackendUnavailable(
            f"the AppArmor profile {profile} cannot be applied: this kernel has no AppArmor",
            hint="leave the profile out",
        )


def on_execution(profile: str) -> None:
    """Make this process change into a profile when it executes its command.

    It is called while /proc is the host's own, so that it is AppArmor's file that is written.
    """
    if not profile or (profile == UNCONFINED and not is_there()):
        return
    for file in _FILES:
        try:
            fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            os.write(fd, f"exec {profile}".encode())
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise IsolationError(f"AppArmor profile {profile}: {reason}") from None
        finally:
            os.close(fd)
        return
    raise IsolationError(f"AppArmor profile {profile}: the kernel has no file to ask for it")
