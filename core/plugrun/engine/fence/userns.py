"""A container's user namespace in its runtime spec, and what the spec then has to say otherwise.

Sources: config-linux.md of the runtime spec, "User namespace mappings"; config.md, "mounts" (binds
with mappings of their own, 1.1); user_namespaces(7).
"""

from __future__ import annotations

from plugrun.engine.userns.deciding import ids_of
from plugrun.engine.volumes.folders import has_options
from plugrun.model.idmap import outside, ranges_in_spec
from plugrun.model.mountpoint import VOLUME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.container import Container
    from plugrun.model.idmap import IdMap
    from plugrun.model.spec import RuntimeSpec

_PING = "net.ipv4.ping_group_range"
_TTY_GROUP = 5


def put_into_user_namespace(spec: RuntimeSpec, container: Container) -> None:
    """Give a spec the container's mapping; its other namespaces stand there already."""
    ids = ids_of(container)
    if ids is None:
        return
    linux = spec["linux"]
    linux["namespaces"].append({"type": "user"})
    linux["uidMappings"] = ranges_in_spec(ids.uids)
    linux["gidMappings"] = ranges_in_spec(ids.gids)
    _let_ping(spec, ids)
    _mounts(spec, container, ids)


def _let_ping(spec: RuntimeSpec, ids: IdMap) -> None:
    """Docker's sysctl names groups that this namespace does not have: the kernel wants its own."""
    values = spec["linux"]["sysctl"]
    if _PING in values:
        values[_PING] = f"0 {ids.gids[0].count - 1}"


def _mounts(spec: RuntimeSpec, container: Container, ids: IdMap) -> None:
    volumes = {
        point.target
        for point in container.mounts
        # What a volume with options mounts is not plugrun's: it shows its owners as they are.
        if point.kind == VOLUME and not has_options(point.source) and not container.shifted
    }
    for mount in spec["mounts"]:
        if mount["destination"] in volumes:
            mount["uidMappings"] = ranges_in_spec(ids.uids)
            mount["gidMappings"] = ranges_in_spec(ids.gids)
        elif mount.get("type") == "devpts" and outside(ids.gids, _TTY_GROUP) < 0:
            mount["options"] = [o for o in mount["options"] if o != f"gid={_TTY_GROUP}"]
        elif mount.get("type") == "mqueue" and container.namespaces.ipc == "host":
            # It can only be mounted by who owns the IPC namespace: mq_overview(7).
            mount.update({"type": "bind", "source": "/dev/mqueue", "options": ["bind", "rprivate"]})
