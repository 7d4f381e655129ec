"""The engine: one root, one profile, and what the verbs need of them.

Everything is opened when first used: a verb pays for what it touches.
"""

from __future__ import annotations

import os
import time

from plugrun.engine.eventlog import record_event
from plugrun.errors import NoSpace, NotRoot, PluginError
from plugrun.linux.filesystem import make_private
from plugrun.model.event import Event
from plugrun.store.locks import Locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.engine.request import GlobalOptions
    from plugrun.interfaces.isolation import Isolation
    from plugrun.interfaces.network import Network
    from plugrun.interfaces.registry import Registry
    from plugrun.interfaces.storage import Storage
    from plugrun.interfaces.transport import Transport
    from plugrun.launchindex import Backends
    from plugrun.model.container import BackendChoice, Container
    from plugrun.store.content import ContentStore
    from plugrun.store.metadata import Metadata


# Where a data root says which run root serves it (runroot.py).
RECORD = "run-root"


def open_engine(options: GlobalOptions) -> Engine:
    """Open the root that the options name; make it if it is not there.

    Raise NotRoot for an ordinary user: mounting and namespaces need root; Conflict if it is used
    with another run root, whose containers live.
    """
    if os.geteuid() != 0:
        raise NotRoot(
            "plugrun needs root: it mounts file systems and makes namespaces",
            hint="run it with sudo",
        )
    root = os.path.realpath(options.root)
    run_root = os.path.join(os.path.realpath(options.run_root), _tag(root))
    for folder in (root, run_root):
        if not os.path.isdir(folder):
            make_private(folder)
            _provide(folder, root)
    engine = Engine(options, root, run_root)
    engine.check_run_root()
    return engine


def open_configured(options: GlobalOptions) -> Engine:
    """Open an engine whose configuration is right: for verbs that may need no backend at all.

    ConfigError as of ``Engine.is_configured``, so that no command takes a profile in silence
    that there is not.
    """
    engine = open_engine(options)
    _ = engine.is_configured
    return engine


def _provide(folder: str, root: str) -> None:
    if folder == root:
        from plugrun.engine.reserve import keep

        keep(root)


def record_stamp(root: str) -> tuple[int, ...]:
    """Return what tells the file with the record of the run root from one that replaced it."""
    try:
        found = os.stat(f"{root}/{RECORD}")
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _tag(root: str) -> str:
    """Name a root's own folder under a shared run root."""
    import binascii

    return f"{binascii.crc32(os.fsencode(root)):08x}"


def _current_folder() -> str:
    """Return where ./plugrun.yaml would lie, also if that folder has been removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/proc/self/cwd"


class Engine:
    """The parts behind one root; ``root`` and ``run_root`` are this root's own folders."""

    def __init__(self, options: GlobalOptions, root: str, run_root: str) -> None:
        self.options = options
        self.root = root
        self.run_root = run_root
        self.may_use_reserve = False  # for what makes nothing that would fill it up
        self.locks = Locks(f"{run_root}/locks")
        self._stamp: tuple[int, ...] = ()
        self._backends: Backends | None = None
        self._metadata: Metadata | None = None
        self._content: ContentStore | None = None
        self._open: dict[tuple[str, str], Any] = {}

    def check_run_root(self) -> None:
        """Raise Conflict if this root is used with another run root, whose containers live.

        Whoever has written the first task file of a container asks again: another run root may
        have taken the root over since it was opened.
        """
        stamp = record_stamp(self.root)
        if stamp and stamp == self._stamp:
            return
        self._stamp = stamp
        own = self._record()
        if not stamp or self._recorded() != own:
            from plugrun.engine.runroot import take_over

            self._stamp = take_over(self, own)

    def _record(self) -> bytes:
        """Return what the record says if this root is used with this run root."""
        found = os.stat(self.root)
        own = f"{found.st_dev}:{found.st_ino}\0{self.root}\0{self.run_root}"
        return os.fsencode(own)

    def _recorded(self) -> bytes:
        try:
            fd = os.open(f"{self.root}/{RECORD}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        try:
            return os.read(fd, 2 * 4096 + 64)
        finally:
            os.close(fd)

    @property
    def backends(self) -> Backends:
        """The plugins, as the profile chooses them."""
        if self._backends is None:
            from plugrun.launchindex import open_backends

            options = self.options
            self._backends = open_backends(
                self.root,
                self.run_root,
                options.config,
                options.profile,
                os.environ,
                _current_folder(),
            )
        return self._backends

    @property
    def is_configured(self) -> bool:
        """Whether all backends of the profile can be loaded; ConfigError if there is no such
        profile, or the configuration is wrong."""
        try:
            _ = self.backends
        except PluginError:
            return False
        return True

    @property
    def metadata(self) -> Metadata:
        """Names, images and containers."""
        if self._metadata is None:
            self._metadata = self._open_metadata()
        return self._metadata

    def _open_metadata(self) -> Metadata:
        from plugrun.store.metadata import Metadata

        path = f"{self.root}/plugrun.db"
        try:
            return Metadata(path)
        except NoSpace:
            from plugrun.engine.reserve import give_up

            if not self.may_use_reserve or not give_up(self.root):
                raise
            return Metadata(path)

    def close_metadata(self) -> None:
        """Close the database, as must be before a fork: SQLite's locks do not survive one.

        It is opened again when it is used again.
        """
        if self._metadata is not None:
            self._metadata.close()
            self._metadata = None

    @property
    def content(self) -> ContentStore:
        """Blobs by digest."""
        if self._content is None:
            from plugrun.store.content import ContentStore

            self._content = ContentStore(self.root)
        return self._content

    # -- backends -------------------------------------------------------------------------

    def storage(self) -> Storage:
        """The profile's storage."""
        return self.storage_named(self.storage_choice().name)

    def storage_choice(self) -> BackendChoice:
        """Which storage the profile comes down to, and why."""
        return self.backends.choose("storage", f"{self.root}/storage")

    def choose_backends(self) -> None:
        """Come to all three choices; what that finds out is kept for the next command."""
        self.storage_choice(), self.isolation_choice(), self.network_choice()

    def isolation_choice(self) -> BackendChoice:
        """Which isolation the profile comes down to, and why."""
        return self.backends.choose("isolation", f"{self.run_root}/isolation")

    def network_choice(self) -> BackendChoice:
        """Which network the profile comes down to, and why."""
        return self.backends.choose("network", f"{self.run_root}/network")

    def storage_named(self, name: str) -> Storage:
        """One storage by name: a container keeps the one that made it."""
        found: Storage = self._backend("storage", name, f"{self.root}/storage/{name}")
        return found

    def storage_of(self, container: Container) -> Storage:
        """The storage that made a container; PluginError names it if it is not installed now."""
        choice = container.storage
        try:
            return self.storage_named(choice.name)
        except PluginError as error:
            owner = choice.distribution or f"plugrun-{choice.name}"
            raise PluginError(
                f'container {container.short_id} was made by the storage "{choice.name}" of '
                f"{owner} {choice.version}, which cannot be used now: {error.message}",
                hint=f"pip install {owner}; what the container wrote is kept until then",
            ) from error

    def isolation_named(self, name: str) -> Isolation:
        """One isolation by name."""
        found: Isolation = self._backend("isolation", name, f"{self.run_root}/isolation/{name}")
        return found

    def network_named(self, name: str) -> Network:
        """One network by name."""
        found: Network = self._backend("network", name, f"{self.run_root}/network/{name}")
        return found

    def open_transport(self, address: str) -> Transport:
        """The transport that takes this address."""
        return self.backends.open_transport(address)

    def open_registry(self, server: str) -> Registry:
        """The server of this name; nothing is the default one."""
        return self.backends.open_registry(server)

    def _backend(self, kind: str, name: str, folder: str) -> Any:
        key = (kind, name)
        if key not in self._open:
            self._open[key] = self.backends.open(kind, name, folder)
        return self._open[key]

    # -- places and events ----------------------------------------------------------------

    def container_folder(self, id: str) -> str:
        """Where a container's bundle, log and exit file lie."""
        return f"{self.root}/containers/{id}"

    def task_folder(self, id: str) -> str:
        """Where it is written down which processes serve a container; a reboot forgets it."""
        return f"{self.run_root}/containers/{id}"

    def emit(self, kind: str, action: str, id: str, attributes: Mapping[str, str]) -> None:
        """Record that something happened, and tell the profile's observers."""
        event = Event(kind, action, id, time.time_ns(), attributes)
        record_event(self.root, event)
        if self.backends.profile.hooks:
            self.backends.emit(event)

    def emit_container(
        self, action: str, container: Container, more: Mapping[str, str] | None = None
    ) -> None:
        """The same of a container: its labels, image and name, and ``more`` of the act."""
        attributes = {**dict(container.labels), "image": container.image_name}
        self.emit(
            "container",
            action,
            container.id,
            {**attributes, "name": container.name, **(more or {})},
        )
