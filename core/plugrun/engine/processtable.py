"""The columns of ``ps -ef``, read from /proc: for machines without ps(1)."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

TITLES = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
_LONGEST_NAME = 8
# Documentation/admin-guide/devices.txt: majors of pseudo terminals, serial lines and consoles.
_PTS = range(136, 144)
_TTY, _SERIAL = 4, 64


def full_listing(pids: Sequence[int]) -> list[list[str]]:
    """Return titles and a row a process; one that has ended meanwhile is left out."""
    rows = [list(TITLES)]
    for pid in pids:
        try:
            rows.append(_row(pid))
        except OSError:
            continue
    return rows


def _row(pid: int) -> list[str]:
    stat = _text(f"/proc/{pid}/stat")
    # proc_pid_stat(5); the name may hold anything, so what follows it is counted from its end.
    name = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat[stat.rindex(")") + 2 :].split()
    tick = os.sysconf("SC_CLK_TCK")
    used = (int(fields[11]) + int(fields[12])) // tick
    up = float(_text("/proc/uptime").split()[0])
    lived = max(up - int(fields[19]) / tick, 1)
    return [
        _user(os.stat(f"/proc/{pid}").st_uid),
        str(pid),
        fields[1],
        str(min(int(used * 100 / lived), 99)),
        _start(time.time() - lived),
        terminal_name(int(fields[4])),
        f"{used // 3600:02}:{used // 60 % 60:02}:{used % 60:02}",
        _command(pid, name),
    ]


def _text(path: str) -> str:
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "replace")


def _user(uid: int) -> str:
    import pwd

    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}+"


def _start(seconds: float) -> str:
    began, now = time.localtime(seconds), time.localtime()
    if (began.tm_year, began.tm_yday) == (now.tm_year, now.tm_yday):
        return time.strftime("%H:%M", began)
    return time.strftime("%b%d" if began.tm_year == now.tm_year else "%Y", began)


def terminal_name(number: int) -> str:
    """Return what ps calls a terminal's device number; ``?`` for none."""
    major, minor = os.major(number), os.minor(number)
    if major in _PTS:
        return f"pts/{minor + (major - _PTS[0]) * 256}"
    if major == _TTY:
        return f"tty{minor}" if minor < _SERIAL else f"ttyS{minor - _SERIAL}"
    return "?"


def _command(pid: int, name: str) -> str:
    words = _text(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
    return words or f"[{name}]"
