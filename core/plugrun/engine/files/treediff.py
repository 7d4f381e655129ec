"""What a container changed in its image's tree."""

from __future__ import annotations

from plugrun.engine.fence.spec import INIT_PATH
from plugrun.engine.files.rootfs import bare_rootfs, snapshot_tree, stand_alone
from plugrun.errors import NoSuchContainer
from plugrun.interfaces.storage import CHANGE_TIMES, INDEPENDENT_LAYERS
from plugrun.layers.changes import ADDED, Change, told
from plugrun.layers.layerchanges import layer_changes
from plugrun.layers.marks import are_kept_apart
from plugrun.layers.treechanges import NEVER, tree_changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container

# Where something is mounted in every container: isolation makes these where an image lacks them.
# Docker has them in a layer of their own that is in no image.
_MOUNT_POINTS = frozenset(
    path.encode()
    for path in (
        *("dev", "dev/console", "dev/mqueue", "dev/pts", "dev/shm", "proc", "sys"),
        *("sys/fs", "sys/fs/cgroup", "etc", "etc/hostname", "etc/hosts", "etc/resolv.conf"),
        INIT_PATH[1:],
    )
)


def diff(engine: Engine, container: Container) -> list[tuple[str, str]]:
    """Return what differs from the image, as Docker tells it: A, C or D, and the path."""
    found = []
    for change in told(container_changes(engine, container), all_files=False):
        path = change.path.decode("utf-8", "surrogateescape")
        found.append((change.kind, f"/{path}"))
    return found


def container_changes(engine: Engine, container: Container) -> Iterator[Change]:
    """Yield all changes of a container's tree, empty mount points left out."""
    yield from _own(all_changes(engine, container))


def all_changes(engine: Engine, container: Container) -> Iterator[Change]:
    """Yield all changes of a container's tree; nobody moves it to another storage meanwhile."""
    with stand_alone(engine, container.id):
        now = engine.metadata.container(container.id)
        if now is None:
            raise NoSuchContainer(f"No such container: {container.name}")
        yield from changes_alone(engine, now)


def changes_alone(engine: Engine, container: Container) -> Iterator[Change]:
    """Yield all changes of a container's tree, to who holds ``stand_alone``.

    Read from the layer itself where the storage has layers apart; then nothing is mounted.
    """
    storage = engine.storage_of(container)
    if container.shifted:
        yield from _shifted_changes(engine, container)
        return
    if INDEPENDENT_LAYERS in storage.capabilities:
        tree = storage.layer_tree(container.id)
        if are_kept_apart(tree.whiteouts):
            yield from layer_changes(tree)
            return
    snapshot = storage.stat(container.id)
    since = snapshot.created_ns if CHANGE_TIMES in storage.capabilities else NEVER
    with bare_rootfs(engine, container, alone=True) as now:
        if snapshot.parent is None:
            yield from tree_changes(-1, now)
            return
        with snapshot_tree(engine, storage, snapshot.parent) as before:
            yield from tree_changes(before, now, since)


def _shifted_changes(engine: Engine, container: Container) -> Iterator[Change]:
    """Compare with the image's tree, whose owners are those inside; every file has been touched."""
    storage = engine.storage_of(container)
    parent = storage.stat(container.id).parent
    tree = bare_rootfs(engine, container, alone=True)
    with tree as now:
        if parent is None:
            yield from tree_changes(-1, now, NEVER, tree.ids)
            return
        with snapshot_tree(engine, storage, parent) as before:
            yield from tree_changes(before, now, NEVER, tree.ids)


def _own(changes: Iterable[Change]) -> Iterator[Change]:
    for change in changes:
        if change.kind == ADDED and change.path in _MOUNT_POINTS and change.node is not None:
            if not change.is_folder and not change.node.state.st_size:
                continue
            change.quiet = change.is_folder
        yield change
