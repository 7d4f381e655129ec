"""hosts, hostname and resolv.conf: the files every container has of its own."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.container import Container

_HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def write_etc_files(container: Container, folder: str) -> None:
    """Write the three files into the container's folder.

    On the host's network they are the host's; elsewhere resolvers on loopback are left out,
    since loopback is the container's own there.
    """
    host = container.network == "host"
    hosts = _host_file("/etc/hosts") if host else _HOSTS
    resolv = _host_file("/etc/resolv.conf")
    _write(f"{folder}/hosts", hosts or _HOSTS)
    _write(f"{folder}/hostname", container.hostname + "\n")
    _write(f"{folder}/resolv.conf", resolv if host else without_loopback(resolv))


def without_loopback(resolv: str) -> str:
    """Drop the ``nameserver`` lines that name 127.0.0.0/8 or ::1."""
    kept = []
    for line in resolv.splitlines():
        words = line.split()
        local = len(words) > 1 and words[0] == "nameserver" and _is_loopback(words[1])
        if not local:
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address.partition("%")[0] == "::1"


def _host_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    # 0644 whatever the umask: every user inside the container reads them.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(fd, 0o644)
        os.write(fd, text.encode("utf-8", "surrogateescape"))
    finally:
        os.close(fd)
