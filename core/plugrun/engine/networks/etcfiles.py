"""hosts and resolv.conf of a container that is on networks, as they gave it addresses and names.

The files are mounted in the container: they are changed in place. hosts is written anew at each
start; while the container runs only the lines of networks that come and go are touched.
resolv.conf is left alone once somebody has changed it.
"""

from __future__ import annotations

from plugrun.engine.etcfiles import (
    hosts_file,
    name_servers,
    resolv_conf,
    usual_resolv,
    without_loopback,
    write_file,
)
from plugrun.engine.networks.links import legacy_links
from plugrun.linux.addresses import version
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.networks.attached import AttachedTask
    from plugrun.model.container import Container

# Docker's, for a machine whose resolvers are all on its own loopback.
_LAST_RESORT = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"

_LARGEST = 1 << 20  # bytes; a hosts that is as large is left alone


def own_resolvers(container: Container) -> tuple[str, ...]:
    """Return who knows all names that are no container's: ``--dns``, or the host's resolvers.

    Those on the host's loopback are among them: a name server of a network asks from the host.
    """
    asked = container.dns or name_servers(usual_resolv())
    return tuple([one for one in asked if version(one.partition("%")[0])])


def write_names(engine: Engine, container: Container, attached: AttachedTask) -> AttachedTask:
    """Write both files for a container that is about to start; return what to remember."""
    folder = engine.container_folder(container.id)
    gateways = [way for one in attached.endpoints for way in one.attachment.gateways]
    gateway = next((way for way in gateways if ":" not in way), "")
    hosts = hosts_file(container, gateway, later=False)
    hosts += legacy_links(engine, container, attached)
    write_file(f"{folder}/hosts", hosts + own_lines(container, attached.addresses))
    text = resolv_text(container, attached)
    write_file(f"{folder}/resolv.conf", text)
    return replace(attached, resolv=text)


def rewrite_names(
    engine: Engine, container: Container, before: AttachedTask, now: AttachedTask
) -> AttachedTask:
    """Follow a network that came or went while the container runs; return what to remember."""
    folder = engine.container_folder(container.id)
    gone = set(before.addresses) - set(now.addresses)
    new = [address for address in now.addresses if address not in before.addresses]
    hosts = _present(f"{folder}/hosts")
    if len(hosts) < _LARGEST:
        lines = hosts.decode("utf-8", "surrogateescape").splitlines()
        kept = [line for line in lines if (line.split() or [""])[0] not in gone]
        text = "".join([f"{line}\n" for line in kept])
        write_file(f"{folder}/hosts", text + own_lines(container, tuple(new)))
    if _present(f"{folder}/resolv.conf") != before.resolv.encode("utf-8", "surrogateescape"):
        return now
    text = resolv_text(container, now)
    write_file(f"{folder}/resolv.conf", text)
    return replace(now, resolv=text)


def _present(path: str) -> bytes:
    """Return what a file says, but no more than that: containers write what they like."""
    with open(path, "rb") as file:
        return file.read(_LARGEST)


def own_lines(container: Container, addresses: tuple[str, ...]) -> str:
    """Return the lines of hosts that name the container itself."""
    names = container.hostname
    if container.domainname:
        names = f"{names}.{container.domainname} {names}"
    return "".join(f"{address}\t{names}\n" for address in addresses)


def resolv_text(container: Container, attached: AttachedTask) -> str:
    """Return resolv.conf(5): a network's own name server if there is one, else the host's."""
    usual = usual_resolv()
    if attached.resolvers:
        options = container.dns_options or _options(usual)
        if not any(one.startswith("ndots:") for one in options):
            options = (*options, "ndots:0")
        inner = replace(container, dns=attached.resolvers, dns_options=options)
        return resolv_conf(usual, inner)
    text = without_loopback(usual)
    if not name_servers(text) and not container.dns and attached.addresses:
        text += _LAST_RESORT
    return resolv_conf(text, container) if _is_asked(container) else text


def _options(resolv: str) -> tuple[str, ...]:
    """Return the options of resolv.conf(5): those of the last line that has any."""
    found = [line.split()[1:] for line in resolv.splitlines() if line.split()[:1] == ["options"]]
    return tuple(found[-1]) if found else ()


def _is_asked(container: Container) -> bool:
    return bool(container.dns or container.dns_search or container.dns_options)
