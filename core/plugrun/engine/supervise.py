"""The monitor: a process forked for one container, its parent from creation to clean-up."""

from __future__ import annotations

import os

from plugrun.engine.attaching.door import open_door
from plugrun.engine.begin import begin
from plugrun.engine.report import Reporter
from plugrun.engine.stopwatch import Stopwatch
from plugrun.engine.tidy import forget_task, tidy
from plugrun.errors import BackendUnavailable
from plugrun.linux.process import PR_SET_CHILD_SUBREAPER, prctl
from plugrun.linux.signals import raw as signals
from plugrun.model.container import container_from_json
from plugrun.model.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from plugrun.engine.engine import Engine
    from plugrun.engine.plumbing import Plumbing
    from plugrun.model.container import Container
    from plugrun.model.network import NetworkConfig
    from plugrun.monitor.plan import WatchPlan


class Supervision:
    """One container's monitor, in the forked child. ``serve`` does not return.

    Without ``plumbing`` it lays its own once it knows the container, and serves it detached.
    ``guest`` is the connection of whoever is attached from the beginning, or -1.
    """

    def __init__(
        self, engine: Engine, plumbing: Plumbing | None, report: int, orders: int, guest: int
    ) -> None:
        self._engine = engine
        self._given = plumbing
        self._reporter = Reporter(report)
        self._orders = orders
        self._guests = (guest,) if guest >= 0 else ()
        self._terminal = -1
        self._networks: tuple[NetworkConfig, ...] = ()

    def serve(self, *, detached: bool, networked: bool) -> None:
        """Start the container, watch it, clean up; end the process."""
        code = 1
        try:
            self._leave_caller(detached)
            self._preload(networked)
            self._container = self._await_order()
            self._clock = Stopwatch()
            plan = self._start(detached)
            if detached:
                self._become_lean(plan)
            self._preload_clean_up()
            from plugrun.monitor.end import watch_to_end

            code, late = watch_to_end(plan, self._reporter.lost, self._become_lean)
            self._clock.mark("run")
            self._clean_up(plan, code, late)
        except Exception as error:  # noqa: BLE001  (reported to the starter, which raises it)
            self._reporter.failed(error)
        finally:
            os._exit(code)

    def _leave_caller(self, detached: bool) -> None:
        """Be nobody's job: own session, default signals, and the container's orphans to reap."""
        signals.set_wakeup_fd(-1)
        for number in (signals.SIGINT, signals.SIGTERM, signals.SIGHUP, signals.SIGQUIT):
            signals.signal(number, signals.SIG_DFL)
        os.setsid()
        os.chdir("/")
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        if detached:
            from plugrun.linux.terminal import first_terminal

            source = first_terminal()
            if self._given is None and source >= 0:
                self._terminal = os.dup(source)  # for its size, once we know what to lay
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.close(null)

    def _preload(self, networked: bool) -> None:
        """Load what the start will need, while the command makes the container."""
        import _socket  # noqa: F401

        engine = self._engine
        try:
            engine.storage_named(engine.storage_choice().name)
            engine.isolation_named(engine.isolation_choice().name).preload()
            if networked:
                import plugrun.engine.networks.attaching  # noqa: F401

                engine.network_named(engine.network_choice().name)
        except BackendUnavailable:
            return  # a container that exists has its own, which may work

    def _preload_clean_up(self) -> None:
        """Load what the end will need, while the container runs."""
        import plugrun.engine.discard
        import plugrun.store.metadata  # noqa: F401

    def _await_order(self) -> Container:
        """Read which container to serve; end here if the command ends without saying so."""
        order = b""
        while not order.endswith(b"\n"):
            piece = os.read(self._orders, 65536)
            if not piece:
                os._exit(0)
            order += piece
        container, networks = loads(order)
        if networks:
            from plugrun.model.network import network_from_json

            self._networks = tuple([network_from_json(one) for one in networks])
        return container_from_json(container)

    def _start(self, detached: bool) -> WatchPlan:
        container, engine = self._container, self._engine
        plumbing = self._given or self._lay()
        try:
            door = open_door(engine, container.id)
            begun = begin(engine, container, plumbing, self._clock, None, self._networks)
        except Exception:
            self._take_back()
            raise
        # Loaded now, while the container's command begins.
        from plugrun.engine.watching import watch_plan

        lifeline = -1 if detached else self._orders
        guests = self._guests
        plan = watch_plan(
            engine, container, plumbing, begun, door=door, guests=guests, lifeline=lifeline
        )
        self._reporter.started(begun.task.pid, self._clock.stages, begun.warnings)
        return plan

    def _lay(self) -> Plumbing:
        from plugrun.engine.plumbing import lay

        container = self._container
        return lay(terminal=container.tty, interactive=container.open_stdin, size_of=self._terminal)

    def _take_back(self) -> None:
        """Leave nothing of a start that failed: whoever began it may be dead by now."""
        if self._container.auto_remove:
            from plugrun.engine.discard import discard

            discard(self._engine, self._container)
        else:
            forget_task(self._engine, self._container.id)

    def _become_lean(self, plan: WatchPlan) -> NoReturn:
        from plugrun.monitor.relaunch import become_lean

        self._reporter.close()
        become_lean(plan)

    def _clean_up(self, plan: WatchPlan, code: int, late: tuple[tuple[int, bytes], ...]) -> None:
        if self._container.restart.name != "no":
            self._follow_policy(plan)
        else:
            tidy(self._engine, self._container)
            self._clock.mark("clean up")
            if late and os.fork():
                # Others wait for this process, and must not wait for a reader's pleasure.
                os._exit(0)
        from plugrun.monitor.clients import show_late

        show_late(late, plan.lifeline)
        self._reporter.ended(code, self._clock.stages)

    def _follow_policy(self, plan: WatchPlan) -> None:
        """Go on as the clean-up program; return in a child, which sees the starter off."""
        if os.fork() == 0:
            return
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.execv(plan.cleanup[0], plan.cleanup)
