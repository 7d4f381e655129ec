"""A container's files as a directory descriptor, whether it runs or not.

Everything is to be reached from that descriptor with openat2(2) or O_NOFOLLOW: the tree is the
container's, and a running one changes it meanwhile (CVE-2018-15664). Nothing of the tree is
executed or loaded (CVE-2019-14271). When the descriptor is closed, or this process dies, nothing
stays mounted.
"""

from __future__ import annotations

import errno
import os
import time

from plugrun.engine.fence.spec import INIT_PATH
from plugrun.engine.taskfile import read_task_file, watch_lock
from plugrun.errors import Conflict, NoSuchContainer, PlugrunError
from plugrun.interfaces.storage import MOUNTLESS
from plugrun.linux.alive import start_time
from plugrun.linux.attach import ReadyMounts
from plugrun.linux.beneath import make_beneath, open_in_root
from plugrun.linux.filesystem import make_private
from plugrun.linux.mounting import MS_BIND, MS_REC, MS_REMOUNT, mount, parse_options
from plugrun.linux.othermounts import in_new_mounts, open_root_of
from plugrun.model.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.engine.engine import Engine
    from plugrun.engine.taskfile import TaskFile
    from plugrun.interfaces.storage import Storage
    from plugrun.model.container import Container
    from plugrun.model.idmap import IdMap
    from plugrun.model.mount import Mount
    from plugrun.model.spec import SpecMount
    from plugrun.store.locks import Lock

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NOBODY_SERVES = (errno.ENOTCONN, errno.ECONNABORTED)  # what such a mount gives: fuse(4)
_PATIENCE = 10.0  # seconds a start or an end may take while it is neither running nor stopped
_PAUSE = 0.01


def rootfs(engine: Engine, container: Container) -> OpenTree:
    """Return a container's whole tree, volumes and what else is mounted in it included.

    Of a container that does not run, its binds and volumes are mounted beside, as they will be at
    its start; it does not start before the tree is closed. To be used with ``with``, which gives
    the descriptor. Raise PlugrunError if it cannot be mounted.
    """
    return _ContainerTree(engine, container, bare=False)


def bare_rootfs(engine: Engine, container: Container, *, alone: bool = False) -> OpenTree:
    """Return a container's own tree, without anything mounted in it; like ``rootfs`` otherwise.

    ``alone`` is for who holds ``stand_alone``.
    """
    return _ContainerTree(engine, container, bare=True, alone=alone)


def stand_alone(engine: Engine, id: str) -> Lock:
    """Wait until no other command is at a stopped container's own files, and keep them from it.

    Who waited looks at the container's record again: it may be of another storage now.
    """
    import fcntl

    from plugrun.store.locks import Lock

    try:
        fd = os.open(engine.container_folder(id), _FOLDER)
    except FileNotFoundError:
        return Lock(-1)  # damaged: it neither starts nor moves, but what it wrote can be read
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except BaseException:
        os.close(fd)
        raise
    return Lock(fd)


def snapshot_tree(engine: Engine, storage: Storage, chain: str) -> OpenTree:
    """Return the tree of a committed image, ``chain`` being its top ChainID; not to be written."""
    return _ImageTree(engine, storage, chain)


def active_tree(engine: Engine, storage: Storage, key: str) -> OpenTree:
    """Return the tree of an active snapshot, to be written by the one who made it."""
    return _ActiveTree(engine, storage, key)


class OpenTree:
    """A tree for the length of a ``with``, which gives a descriptor of its root folder.

    With ``ids``, known from then on, its owners are those outside of that user namespace.
    """

    def __init__(self) -> None:
        self._fds: list[int] = []
        self.ids: IdMap | None = None

    def __enter__(self) -> int:
        try:
            self._open()
        except BaseException as error:
            self.__exit__(type(error), error)
            raise
        return self._fds[0]

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        while self._fds:
            os.close(self._fds.pop())
        self._let_go()
        if isinstance(error, OSError) and error.errno in _NOBODY_SERVES:
            raise PlugrunError(
                "the program that serves this file system has ended",
                hint="stop or restart the container; what was written is kept",
            ) from error

    def _open(self) -> None:
        raise NotImplementedError

    def _let_go(self) -> None:
        """What is to be given back when nothing is open any more."""

    def _mount(self, engine: Engine, mounts: Sequence[Mount], extra: Sequence[SpecMount]) -> None:
        place = f"{engine.run_root}/mnt"
        make_private(place)

        def work() -> int:
            ready.perform(place)
            root = os.open(place, _FOLDER)
            try:
                for one in extra:
                    _mount_inside(root, one)
            except BaseException:
                os.close(root)
                raise
            return root

        try:
            with ReadyMounts(mounts) as ready:
                self._fds += in_new_mounts(work)
        except OSError as error:
            where = f" {os.fsdecode(error.filename)}" if error.filename else ""
            raise PlugrunError(f"cannot mount{where}: {error.strerror}") from error


class _ContainerTree(OpenTree):
    def __init__(
        self, engine: Engine, container: Container, *, bare: bool, alone: bool = False
    ) -> None:
        super().__init__()
        self._engine = engine
        self._container = container
        self._bare = bare
        self._is_alone = alone
        self._lock: Lock | None = None
        self._turn: Lock | None = None

    def _open(self) -> None:
        """Take whichever of the two it is; a start or an end may be under way."""
        limit = time.monotonic() + _PATIENCE
        while not self._open_running() and not self._open_stopped():
            if time.monotonic() > limit:
                raise Conflict(
                    f"container {self._container.short_id} neither runs nor stands still"
                )
            time.sleep(_PAUSE)

    def _task(self) -> TaskFile | None:
        task = read_task_file(self._engine.task_folder(self._container.id))
        return task if task is not None and task.running else None

    def _open_running(self) -> bool:
        task = self._task()
        if task is None:
            return False
        try:
            proc = os.open(f"/proc/{task.pid}", _FOLDER)
        except FileNotFoundError:
            return False
        try:
            # The folder stands for this process alone, also when its PID comes round again.
            if start_time(task.pid) != task.started:
                return False
            namespace = os.open("ns/mnt", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
        except (FileNotFoundError, ProcessLookupError):
            return False
        finally:
            os.close(proc)
        try:
            if self._container.uid_map and self._bare and self._is_plain_folder():
                self._mount_bare()
                self._show_ids(self._container.shifted)
                return True
            self._fds.append(open_root_of(namespace, bare=self._bare))
        finally:
            os.close(namespace)
        self._show_ids(bool(self._container.uid_map))
        return True

    def _is_plain_folder(self) -> bool:
        """Whether a running container's files can be mounted once more, with owners as on disk."""
        return MOUNTLESS in self._engine.storage_of(self._container).capabilities

    def _mount_bare(self) -> None:
        storage = self._engine.storage_of(self._container)
        self._mount(self._engine, storage.mounts(self._container.id), ())

    def _show_ids(self, wanted: bool) -> None:
        if wanted:
            from plugrun.engine.userns.deciding import ids_of

            self.ids = ids_of(self._container)

    def _open_stopped(self) -> bool:
        self._lock = self._engine.locks.try_shared(watch_lock(self._container.id))
        if self._lock is None:
            return False
        if self._task() is not None:
            # Its monitor was killed, or it began after it was looked for.
            self._let_go()
            return False
        self._alone()
        if self._bare:
            self._mount_bare()
            self._show_ids(self._container.shifted)
            return True
        mounts = self._engine.storage_of(self._container).mounts(self._container.id)
        if self._container.uid_map:
            from plugrun.engine.userns.mounts import seen_inside

            mounts = seen_inside(self._container, mounts)
        self._mount(self._engine, mounts, self._binds())
        self._show_ids(bool(self._container.uid_map))
        return True

    def _alone(self) -> None:
        """Wait until no other command has it mounted: overlayfs wants each upper folder once."""
        if self._is_alone:
            return
        self._turn = stand_alone(self._engine, self._container.id)
        now = self._engine.metadata.container(self._container.id)
        if now is None:
            raise NoSuchContainer(f"No such container: {self._container.name}")
        self._container = now

    def _binds(self) -> list[SpecMount]:
        """What the runtime spec will bind into it, as Docker does for a container at rest."""
        with open(f"{self._engine.container_folder(self._container.id)}/config.json", "rb") as file:
            mounts: list[SpecMount] = loads(file.read())["mounts"]
        kept = [m for m in mounts if {"bind", "rbind"}.intersection(m.get("options", ()))]
        return [m for m in kept if m["destination"] != INIT_PATH]

    def _let_go(self) -> None:
        if self._turn is not None:
            self._turn.release()
            self._turn = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class _ImageTree(OpenTree):
    def __init__(self, engine: Engine, storage: Storage, chain: str) -> None:
        super().__init__()
        self._engine = engine
        self._storage = storage
        self._chain = chain
        self._key = ""
        self._lock: Lock | None = None

    def _open(self) -> None:
        # Or the next command would take the view for one that a killed command left.
        self._lock = self._engine.locks.shared("images")
        key = f"tree-{os.getpid()}-{os.urandom(4).hex()}"
        self._storage.view(key, self._chain)
        self._key = key
        self._mount(self._engine, self._storage.mounts(key), ())

    def _let_go(self) -> None:
        if self._key:
            self._storage.remove(self._key)
            self._key = ""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class _ActiveTree(OpenTree):
    def __init__(self, engine: Engine, storage: Storage, key: str) -> None:
        super().__init__()
        self._engine = engine
        self._storage = storage
        self._key = key

    def _open(self) -> None:
        self._mount(self._engine, self._storage.mounts(self._key), ())

    def _let_go(self) -> None:
        """The snapshot stays its maker's."""


def _mount_inside(root: int, one: SpecMount) -> None:
    """Bind something where a process inside would see the destination; made if it is missing."""
    source, destination = one["source"], one["destination"]
    is_folder = os.path.isdir(source)
    try:
        place = open_in_root(root, destination, os.O_PATH)
    except FileNotFoundError:
        make_beneath(root, destination, folder=is_folder)
        place = open_in_root(root, destination, os.O_PATH)
    try:
        path = f"/proc/thread-self/fd/{place}"
        flags, _, _, _ = parse_options(one["options"])
        if one.get("uidMappings"):
            from plugrun.engine.userns.mounts import bind_inside

            bind_inside(one, place)
        else:
            mount(source, path, "", flags & (MS_BIND | MS_REC))
    finally:
        os.close(place)
    rest = flags & ~(MS_BIND | MS_REC)
    if rest:
        # Opened anew: the descriptor from before is of what lies beneath the mount.
        mounted = open_in_root(root, destination, os.O_PATH)
        try:
            path = f"/proc/thread-self/fd/{mounted}"
            mount("", path, "", rest | MS_BIND | MS_REMOUNT)
        finally:
            os.close(mounted)
