"""The hot path's way to backends: what configuration and plugins came to, kept in one small file.

YAML, entry points and pluggy's checks cost 100 ms; their outcome changes when a file or a
distribution does. ``<run_root>/index/`` keeps it as marshal data, keyed on all it was made from.
On a hit only the chosen backends are imported, and their hook functions are called directly with
the arguments they take, as pluggy would. On a miss ``plugrun.plugins.indexing`` makes it anew
through ``plugrun.config`` and ``plugrun.plugins``, which remain the truth. ``rescan`` drops it.
"""

from __future__ import annotations

import binascii
import marshal
import os
import sys
import time

from plugrun import __version__
from plugrun.config import candidates
from plugrun.model.profile import HOOKS, STORAGE, TRANSPORT, Profile
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.config import Candidate
    from plugrun.errors import PlugrunError
    from plugrun.interfaces.backend import Probe
    from plugrun.interfaces.registry import Registry
    from plugrun.interfaces.transport import Transport
    from plugrun.model.container import BackendChoice, Container
    from plugrun.model.event import Event
    from plugrun.model.spec import RuntimeSpec

_FORMAT = 2
# A file system's clock ticks this slowly: what changed less long ago may change again unseen.
_TICK_NS = 50_000_000


@record
class Installed:
    """A plugin as the index knows it: checked, its options complete, not yet imported.

    ``hooks`` maps each hook function it has to the arguments that function takes.
    """

    kind: str
    name: str
    module: str
    attribute: str
    distribution: str
    version: str
    hooks: Mapping[str, tuple[str, ...]]
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return f'{self.kind} plugin "{self.name}" of {self.distribution} {self.version}'

    def call(self, hook: str, values: Mapping[str, Any]) -> Any:
        """Call one hook function with those of ``values`` it takes; None if it has none."""
        if hook not in self.hooks:
            return None
        function = getattr(self._target(), hook)
        return function(*[values[name] for name in self.hooks[hook]])

    def _target(self) -> Any:
        try:
            target: Any = __import__(self.module, fromlist=("",))
            for name in self.attribute.split(".") if self.attribute else ():
                target = getattr(target, name)
        except Exception as error:
            from plugrun.errors import PluginError

            raise PluginError(
                f"the {self} cannot be loaded from {self.module}: {type(error).__name__}: {error}",
                hint=f"pip install --upgrade {self.distribution}",
            ) from error
        return target


class Backends:
    """The backends of one profile, opened when asked for.

    Storage, isolation and network are opened by name in a folder of their own: ``choose`` gives
    the name the profile comes down to here, a container's record the one that made it.
    """

    def __init__(self, index: _Index) -> None:
        self._index = index
        self._opened: dict[tuple[str, str], Any] = {}
        self._loud: set[str] = set()

    @property
    def profile(self) -> Profile:
        """The profile these backends are of."""
        return self._index.profile

    def choose(self, kind: str, folder: str) -> BackendChoice:
        """Say which backend of a kind the profile comes down to here, and why.

        The first of the profile's list that works with its state in ``folder/NAME``; what was
        found is kept until something it depends on changes. If none works, BackendUnavailable has
        the reason and the remedy of each.
        """
        from plugrun.model.container import BackendChoice

        device = _device(folder)
        kept = self._index.choice(kind, folder, device)
        if kept is None:
            kept, watch = self._try_in_order(kind, folder)
            self._index.keep_choice(kind, folder, device, kept, watch)
        name, why = kept
        plugin = self._index.installed(kind, name)
        return BackendChoice(name, plugin.version, why, plugin.distribution)

    def chosen(self, kind: str, name: str, why: str) -> BackendChoice:
        """Return a choice that was made by hand; PluginError if it is not installed."""
        from plugrun.model.container import BackendChoice

        plugin = self._index.installed(kind, name)
        return BackendChoice(name, plugin.version, why, plugin.distribution)

    def open(self, kind: str, name: str, folder: str) -> Any:
        """Open a backend by name with its state in ``folder``, whatever the profile says.

        A name that is not installed is a PluginError; it tells the distribution that had it, if
        that is known.
        """
        backend = self._opened.get((kind, folder))
        if backend is None:
            plugin = self._index.installed(kind, name)
            backend = self._opened[kind, folder] = _open(plugin, folder)
        return backend

    def open_transport(self, address: str) -> Transport:
        """Ask the profile's transports in order; UsageError if the address is nobody's."""
        names = self.profile.names(TRANSPORT)
        for name in names:
            plugin = self._index.installed(TRANSPORT, name)
            values = {"address": address, "options": plugin.options}
            found: Transport | None = plugin.call("plugrun_open_transport", values)
            if found is not None:
                return found
        from plugrun.errors import UsageError

        raise UsageError(
            f'no transport of profile "{self.profile.name}" knows the address "{address}"',
            hint=f"asked: {', '.join(names)}; plugrun plugins lists what is installed",
        )

    def open_registry(self, server: str) -> Registry:
        """Ask the profile's transports in order for a server; UsageError if none knows any."""
        for name in self.profile.names(TRANSPORT):
            plugin = self._index.installed(TRANSPORT, name)
            values = {"server": server, "options": plugin.options}
            found: Registry | None = plugin.call("plugrun_open_registry", values)
            if found is not None:
                return found
        from plugrun.errors import UsageError

        raise UsageError(f'no transport of profile "{self.profile.name}" speaks to registries')

    def hooks(self) -> tuple[Installed, ...]:
        """Return the profile's hook plugins, in its order."""
        return tuple(self._index.installed(HOOKS, name) for name in self.profile.names(HOOKS))

    def adjust_spec(self, container: Container, spec: RuntimeSpec) -> None:
        """Let each hook plugin change the spec, in order; a failure is a PluginError naming it."""
        for plugin in self.hooks():
            try:
                values = {"container": container, "spec": spec, "options": plugin.options}
                plugin.call("plugrun_adjust_spec", values)
            except Exception as error:
                from plugrun.errors import PluginError

                raise PluginError(
                    f"the {plugin} stopped the start: {type(error).__name__}: {error}",
                    hint=getattr(error, "hint", ""),
                ) from error

    def emit(self, event: Event) -> None:
        """Tell each hook plugin; a failure is told on stderr, once a plugin, and harms nothing."""
        for plugin in self.hooks():
            try:
                plugin.call("plugrun_event", {"event": event, "options": plugin.options})
            except Exception as error:  # noqa: BLE001  (a third party's code must not stop ours)
                if plugin.name not in self._loud:
                    self._loud.add(plugin.name)
                    fault = f"{type(error).__name__}: {error}"
                    sys.stderr.write(f"plugrun: the {plugin} failed on an event: {fault}\n")

    def _try_in_order(self, kind: str, folder: str) -> tuple[tuple[str, str], tuple[str, ...]]:
        """Return the choice, and the paths that it hangs on."""
        names = self.profile.names(kind)
        failed: list[tuple[str, str, str]] = []
        watch: tuple[str, ...] = ()
        for name in names:
            probe = self._try(kind, name, f"{folder}/{name}")
            watch += probe.watch
            if probe.works:
                if failed:
                    _tell_fallback(kind, name, failed)
                return (name, self._why(names, failed)), watch
            failed.append((name, probe.reason or "it does not say why", probe.remedy))
        raise _none_works(kind, failed)

    def _try(self, kind: str, name: str, folder: str) -> Probe:
        """Open and probe."""
        from plugrun.errors import BackendUnavailable

        try:
            found: Probe = self.open(kind, name, folder).probe()
        except BackendUnavailable as error:
            from plugrun.interfaces.backend import Probe

            return Probe(False, error.message, error.hint)
        return found

    def _why(self, names: tuple[str, ...], failed: list[tuple[str, str, str]]) -> str:
        if len(names) == 1:
            return f'named by profile "{self.profile.name}"'
        reasons = "; ".join(f"{name}: {reason}" for name, reason, _ in failed)
        why = f"first of [{', '.join(names)}] that works here"
        return f"{why} ({reasons})" if reasons else why


def _open(plugin: Installed, folder: str) -> Any:
    place = "root" if plugin.kind == STORAGE else "state"
    values = {place: folder, "options": plugin.options}
    backend = plugin.call(f"plugrun_open_{plugin.kind}", values)
    if backend is None:
        from plugrun.errors import PluginError

        raise PluginError(f"the {plugin} handed over nothing")
    return backend


def _tell_fallback(kind: str, name: str, failed: list[tuple[str, str, str]]) -> None:
    """Say once, when it is chosen, that it is not what the profile wants most."""
    reasons = "; ".join(f"{other} does not work here: {reason}" for other, reason, _ in failed)
    sys.stderr.write(f"plugrun: {kind} falls back to {name}: {reasons}\n")


def _none_works(kind: str, failed: list[tuple[str, str, str]]) -> PlugrunError:
    from plugrun.errors import BackendUnavailable

    if len(failed) == 1:
        name, reason, remedy = failed[0]
        return BackendUnavailable(f'{kind} "{name}" does not work here: {reason}', hint=remedy)
    reasons = "; ".join(f"{name}: {reason}" for name, reason, _ in failed)
    remedies = "; ".join(f"{name}: {remedy}" for name, _, remedy in failed if remedy)
    return BackendUnavailable(f"no {kind} of the profile works here: {reasons}", hint=remedies)


def _device(folder: str) -> int:
    try:
        return os.stat(folder).st_dev
    except FileNotFoundError:
        os.makedirs(folder, 0o700, exist_ok=True)
        return os.stat(folder).st_dev


class _Index:
    """The file's contents, and how to get what it lacks."""

    def __init__(self, run_root: str, request: _Request) -> None:
        self.run_root = run_root
        self._request = request
        self._key = request.key()
        self._path = f"{run_root}/index/{request.file_name()}"
        self._content = self._read() or self._build()
        self.profile = Profile(*self._content["profile"])

    def _read(self) -> dict[str, Any] | None:
        content = _load(self._path)
        if content is None or content.get("key") != self._key:
            return None
        fresh = all(_stamp(path) == stamp for path, stamp in content["watch"])
        return content if fresh else None

    def _build(self) -> dict[str, Any]:
        from plugrun.plugins.indexing import build

        content = build(self._request, _load(self._path))
        content["key"] = self._key
        self._content = content
        self._write()
        return content

    def _write(self) -> None:
        """Keep the content, unless its sources changed within a tick or nobody may write here."""
        stamps = [stamp for _, stamp in (*self._key[-2], *self._key[-1], *self._content["watch"])]
        now = time.time_ns()
        if any(stamp and 0 <= now - stamp[0] < _TICK_NS for stamp in stamps):
            return
        from plugrun.linux.filesystem import write_whole

        try:
            os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
            write_whole(self._path, marshal.dumps(self._content))
        except OSError:
            return  # the index saves time and is never needed: no permission, no space

    def installed(self, kind: str, name: str) -> Installed:
        """Return a plugin by name, whether the profile names it or not."""
        entry = self._content["plugins"].get((kind, name))
        if entry is None:
            from plugrun.plugins.indexing import look_up

            known = self._content["known"].get((kind, name), "")
            entry, watch = look_up(self._request, kind, name, known)
            self._content["plugins"][kind, name] = entry
            self._content["watch"] += watch
            self._write()
        return Installed(kind, name, *entry)

    def choice(self, kind: str, folder: str, device: int) -> tuple[str, str] | None:
        """Return what was chosen before, unless something it hangs on is not as it was."""
        name, why, watch = self._content["choices"].get((kind, folder, device), ("", "", ()))
        if not name or any(_identity(path) != found for path, found in watch):
            return None
        return name, why

    def keep_choice(
        self,
        kind: str,
        folder: str,
        device: int,
        choice: tuple[str, str],
        watch: tuple[str, ...],
    ) -> None:
        stamps = tuple((path, _identity(path)) for path in watch)
        self._content["choices"][kind, folder, device] = (*choice, stamps)
        self._write()


@record
class _Request:
    """What a command asks for, and the state of everything the answer depends on."""

    config: str
    profile: str
    environ: Mapping[str, str]
    cwd: str
    files: tuple[Candidate, ...]
    global_root: str

    def key(self) -> tuple[Any, ...]:
        folders = [os.path.join(self.cwd, p) for p in sys.path]
        return (
            _FORMAT,
            __version__,
            sys.version,
            sys.executable,
            os.uname().release,  # what was probed
            self.profile or self.environ.get("PLUGRUN_PROFILE", ""),
            self.environ.get("SUDO_UID", ""),
            tuple((file.path, file.mark) for file in self.files if file.mark),
            tuple((folder, _stamp(folder)) for folder in folders),
        )

    def file_name(self) -> str:
        named = (
            self.global_root,
            sys.executable,
            self.profile or self.environ.get("PLUGRUN_PROFILE", ""),
            tuple(file.path for file in self.files if file.mark),
        )
        return f"{binascii.crc32(marshal.dumps(named)):08x}"


def _stamp(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_ino, found.st_size)


def _identity(path: str) -> tuple[int, ...]:
    """Return which file it is, whatever it holds; nothing if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return (found.st_mode, found.st_rdev, found.st_dev, found.st_ino)


def _load(path: str) -> dict[str, Any] | None:
    """Read an index file; None if there is none, it is damaged, or its folder is not ours."""
    try:
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        if os.path.islink(os.path.dirname(path)):
            raise _refuse(path) from None
        return None
    try:
        _check_folder(folder, path)
        fd = os.open(os.path.basename(path), os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return None
    finally:
        os.close(folder)
    try:
        content = marshal.loads(os.read(fd, os.fstat(fd).st_size))  # noqa: S302  (our own folder)
    except (ValueError, EOFError, TypeError):
        return None
    finally:
        os.close(fd)
    return content if isinstance(content, dict) else None


def _check_folder(folder: int, path: str) -> None:
    found = os.fstat(folder)
    if found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022:
        return
    raise _refuse(path)


def _refuse(path: str) -> PlugrunError:
    from plugrun.errors import ConfigError

    return ConfigError(
        f"{os.path.dirname(path)}: not used, because others than root may write to it",
        hint="look at what it holds, then remove it; plugrun makes it anew",
    )


def open_backends(
    global_root: str,
    run_root: str,
    config: str,
    profile: str,
    environ: Mapping[str, str],
    cwd: str,
) -> Backends:
    """Resolve the configuration and return the profile's backends, none of them opened yet.

    ConfigError and PluginError are those of ``load_settings`` and ``plugins.load``.
    """
    files = candidates(config, environ, cwd)
    request = _Request(config, profile, environ, cwd, files, global_root)
    return Backends(_Index(run_root, request))


def rescan(run_root: str) -> None:
    """Drop all that is kept; the next command makes it anew."""
    folder = f"{run_root}/index"
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        os.unlink(f"{folder}/{name}")
