"""The steps that change files: what each depends on, and how it is done."""

from __future__ import annotations

import os

from plugrun.dockerfile.commandline import run_command, run_script
from plugrun.dockerfile.instructions import Add, Run, Workdir
from plugrun.engine.build.keys import step_key
from plugrun.errors import InvalidArgument, PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from plugrun.engine.build.runmounts import RunMounts
    from plugrun.engine.build.site import Site
    from plugrun.engine.build.stage import Pending
    from plugrun.engine.build.state import Outcome, StageState
    from plugrun.engine.build.steptree import StepTree
    from plugrun.model.mountpoint import MountPoint

    class Doing(Protocol):
        """One step. ``with`` it: what it fetched to be done goes then."""

        kind: str

        def __enter__(self) -> object:
            """Begin."""

        def __exit__(self, *_: object) -> None:
            """Remove what was fetched."""

        def keys(self) -> tuple[str, ...]:
            """Return the keys that need nothing but what is at hand."""

        def late_keys(self) -> tuple[str, ...]:
            """Return those for which trees of stages are read."""

        def do(self, tree: StepTree) -> None:
            """Change the tree."""


class CommandFailed(PlugrunError):
    """A RUN ended with another code than 0; ``kept`` are its files, if they were to be kept."""

    kept: Outcome | None = None


def step_of(site: Site, state: StageState, pending: Pending) -> Doing:
    """Return the step that an instruction is."""
    if isinstance(pending.instruction, Run):
        return RunStep(site, state, pending)
    if isinstance(pending.instruction, Workdir):
        return WorkdirStep(site, state, pending)
    if isinstance(pending.instruction, Add):
        from plugrun.engine.build.addsteps import AddStep

        return AddStep(site, state, pending)
    from plugrun.engine.build.copysteps import CopyStep

    return CopyStep(site, state, pending)


class Step:
    """A step that fetches nothing."""

    def __enter__(self) -> Step:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to remove."""

    def late_keys(self) -> tuple[str, ...]:
        """Return no keys: all is known without reading a stage."""
        return ()


class WorkdirStep(Step):
    """``WORKDIR``: a folder that is made if it is missing, root's as with Docker."""

    kind = "workdir"

    def __init__(self, site: Site, state: StageState, pending: Pending) -> None:
        self._path = pending.after.config.get("WorkingDir") or "/"
        self._key = step_key(self.kind, state, site.request.epoch, self._path)

    def keys(self) -> tuple[str, ...]:
        """Return the keys that need nothing but what is at hand."""
        return (self._key,)

    def do(self, tree: StepTree) -> None:
        """Change the tree."""
        from plugrun.engine.build.copying import make_folders

        with tree.mounted() as root:
            os.close(make_folders(root, self._path, (0, 0)))


class RunStep(Step):
    """``RUN``: a command in a container of the engine's own."""

    kind = "run"

    def __init__(self, site: Site, state: StageState, pending: Pending) -> None:
        instruction = pending.instruction
        assert isinstance(instruction, Run)
        if instruction.security != "sandbox":
            raise InvalidArgument(
                f"RUN --security={instruction.security} is not allowed",
                hint="every RUN has the fence of a container",
            )
        self._site = site
        self._state = state
        scope = pending.before
        self._args = run_command(instruction, scope.config.get("Shell") or ())
        self._env = scope.run_environment()
        self._seen_env = scope.cached_environment()
        self._user = scope.config.get("User") or ""
        self._workdir = scope.config.get("WorkingDir") or ""
        self._network = _network(instruction.network, site.request.network)
        self._mounts = _mounts(site, instruction, self._workdir)

    def keys(self) -> tuple[str, ...]:
        """Return the keys that need nothing but what is at hand."""
        return (
            step_key(
                self.kind,
                self._state,
                self._site.request.epoch,
                list(self._args),
                list(self._seen_env),
                self._user,
                self._workdir,
                self._network,
                list(self._site.request.extra_hosts),
                self._mounts.key() if self._mounts is not None else [],
            ),
        )

    def do(self, tree: StepTree) -> None:
        """Change the tree."""
        if self._mounts is None:
            self._run_in(tree, (), ())
            return
        with self._mounts.mounted() as mounted:
            self._run_in(tree, mounted.points, mounted.env)

    def _run_in(self, tree: StepTree, points: tuple[MountPoint, ...], env: tuple[str, ...]) -> None:
        from plugrun.engine.build.container import Command, run_in_container
        from plugrun.engine.build.stubs import ALWAYS, missing_places, remove_stubs

        targets = (point.target for point in points if not point.target.startswith("/dev/"))
        stubs = missing_places(tree.layer_tree(), (*ALWAYS, *targets))
        command = Command(
            self._args,
            self._user,
            self._workdir,
            (*self._env, *env),
            self._network,
            points,
            secret=self._mounts is not None and self._mounts.keeps_secrets,
        )
        site = self._site
        code = run_in_container(site.engine, site.request, self._state, command, tree.key)
        remove_stubs(tree.layer_tree(), stubs)
        if code:
            shown = " ".join(self._args)
            raise CommandFailed(f"The command '{shown}' returned a non-zero code: {code}")


def _mounts(site: Site, run: Run, workdir: str) -> RunMounts | None:
    script = run_script(run) if run.heredocs else None
    if not run.mounts and script is None:
        return None
    from plugrun.engine.build.runmounts import RunMounts

    return RunMounts(site, run.mounts, script, workdir)


def _network(own: str, given: str) -> str:
    """RUN --network goes over the build's own."""
    return given if own in ("", "default") else own
