"""User namespaces: what an ordinary user's containers begin with (user_namespaces(7))."""

from __future__ import annotations

import os
import pwd
import shutil

from plugrun.engine.doctor.checks import NOTE, OK, Check, read_first
from plugrun.linux.process import CLONE_NEWUSER, unshare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

AREA = "user namespaces"
_PURPOSE = "containers without root"
_APPARMOR = (
    "give plugrun an AppArmor profile with `userns,` in it (apparmor.d(5)), or "
    "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
)
# A switch, the value that forbids, and what to do. The last is Ubuntu's, on since 24.04.
_SWITCHES = (
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", _APPARMOR),
)


def check_user_namespaces(proc: str = "/proc/sys") -> Iterator[Check]:
    """Look at the switches, make one, and look for the IDs that a user may give away."""
    for path, forbidding, remedy in _SWITCHES:
        value = read_first(f"{proc}/{path}")
        if not value:
            continue
        name = path.replace("/", ".")
        state, what = (NOTE, remedy) if value == forbidding else (OK, "")
        yield Check(AREA, name, state, value, _PURPOSE, what)
    yield _trial()
    yield from _ids()


def _trial() -> Check:
    """Make one, in a process that ends at once."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            unshare(CLONE_NEWUSER)
            code = 0
        except OSError as error:
            code = error.errno or code
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    who = "root" if os.geteuid() == 0 else "this user"
    if code == 0:
        return Check(AREA, "unshare", OK, f"{who} can make one", _PURPOSE)
    why = os.strerror(code) if code > 0 else "the trial was killed"
    remedy = "see the switches above; within a container, its seccomp profile forbids it"
    return Check(AREA, "unshare", NOTE, f"{who} cannot make one: {why}", _PURPOSE, remedy)


def _ids() -> Iterator[Check]:
    if os.geteuid() == 0:
        return
    user = pwd.getpwuid(os.geteuid()).pw_name
    for name in ("subuid", "subgid"):
        ranges = [line for line in _lines(f"/etc/{name}") if line.split(":")[0] == user]
        remedy = f"usermod --add-{name}s 100000-165535 {user}"
        if ranges:
            yield Check(AREA, f"/etc/{name}", OK, ", ".join(ranges), _PURPOSE)
        else:
            found = f"nothing for {user}"
            yield Check(AREA, f"/etc/{name}", NOTE, found, _PURPOSE, remedy)
    for program in ("newuidmap", "newgidmap"):
        place = shutil.which(program)
        state, what = (OK, "") if place else (NOTE, "apt install uidmap")
        yield Check(AREA, program, state, place or "not installed", _PURPOSE, what)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line.strip() for line in file]
    except OSError:
        return []
