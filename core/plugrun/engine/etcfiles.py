"""hosts, hostname and resolv.conf: the files every container has of its own."""

from __future__ import annotations

import os

from plugrun.errors import InvalidArgument
from plugrun.model.network import HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.container import Container

_GATEWAY = "host-gateway"
_RESOLV = "/etc/resolv.conf"
_HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def check_printable(what: str, text: str) -> None:
    """Refuse line feeds and the like in what becomes part of a line of hosts or resolv.conf."""
    if not text.isprintable():
        raise InvalidArgument(f"invalid {what}: {text!r}")


def write_etc_files(container: Container, folder: str) -> None:
    """Write the three files into the container's folder.

    On the host's network they are the host's; elsewhere resolvers on loopback are left out,
    since loopback is the container's own there. What networks have to say of names is added when
    the container is on them.
    """
    host = container.network == HOST
    resolv = _host_file(_RESOLV) if host else without_loopback(usual_resolv())
    if container.dns or container.dns_search or container.dns_options:
        resolv = resolv_conf(resolv, container)
    gateway = "127.0.0.1" if host else ""
    hosts = hosts_file(container, gateway, later=bool(container.endpoints))
    write_file(f"{folder}/hosts", hosts)
    write_file(f"{folder}/hostname", container.hostname + "\n")
    write_file(f"{folder}/resolv.conf", resolv)


def hosts_file(container: Container, gateway: str, *, later: bool) -> str:
    """Return hosts(5): loopback, or on the host's network the host's; and ``--add-host``.

    ``gateway`` is the address that stands for the host. If it is known only ``later`` its lines
    are left out; else InvalidArgument if there is none.
    """
    text = (_host_file("/etc/hosts") if container.network == HOST else "") or _HOSTS
    if container.extra_hosts:
        text += extra_hosts(container.extra_hosts, gateway, later=later)
    return text


def extra_hosts(names: tuple[str, ...], gateway: str, *, later: bool) -> str:
    """Return the lines of ``--add-host``; InvalidArgument if ``host-gateway`` has no address."""
    lines = ""
    for item in names:
        name, _, address = item.partition(":")
        if address == _GATEWAY and not gateway:
            if later:
                continue
            raise InvalidArgument(
                "unable to derive the IP value for host-gateway",
                hint="use --network host, or name the address",
            )
        lines += f"{gateway if address == _GATEWAY else address}\t{name}\n"
    return lines


def usual_resolv() -> str:
    """Return the host's resolv.conf; systemd-resolved's own list where that one only names it.

    (systemd-resolved.service(8): the stub at 127.0.0.53 stands in for the list.)
    """
    text = _host_file(_RESOLV)
    if name_servers(text) == ("127.0.0.53",):
        return _host_file("/run/systemd/resolve/resolv.conf") or text
    return text


def name_servers(resolv: str) -> tuple[str, ...]:
    """Return the addresses that resolv.conf(5) names."""
    words = [line.split() for line in resolv.splitlines()]
    return tuple([line[1] for line in words if len(line) > 1 and line[0] == "nameserver"])


def resolv_conf(usual: str, container: Container) -> str:
    """Return resolv.conf(5) with what was given in the place of what is usual."""
    found: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    for line in usual.splitlines():
        key, *values = line.split() or [""]
        if key in found:
            found[key] = [*found[key], *values] if key == "nameserver" else values
    servers = container.dns or found["nameserver"]
    search = [name for name in container.dns_search or found["search"] if name != "."]
    options = container.dns_options or found["options"]
    lines = [f"search {' '.join(search)}"] if search else []
    lines += [f"nameserver {server}" for server in servers]
    lines += [f"options {' '.join(options)}"] if options else []
    return "".join(f"{line}\n" for line in lines)


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


def write_file(path: str, text: str) -> None:
    """Write one of the files where it is, for containers have it mounted."""
    # 0644 whatever the umask: every user inside the container reads them.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(fd, 0o644)
        os.write(fd, text.encode("utf-8", "surrogateescape"))
    finally:
        os.close(fd)
