"""Who listens where: the kernel's table of a process's network namespace (proc_net(5))."""

from __future__ import annotations

_LISTEN = "0A"  # include/net/tcp_states.h


def listens(pid: int, port: int) -> bool:
    """Return whether something listens on a TCP port in the network namespace of a process."""
    return any(_in_table(f"/proc/{pid}/net/{name}", port) for name in ("tcp", "tcp6"))


def _in_table(path: str, port: int) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            rows = [line.split() for line in file.readlines()[1:]]
    except OSError:
        return False  # it has just ended, or the kernel has no IPv6
    return any(row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port for row in rows)
