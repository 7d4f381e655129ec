"""``build``: a Dockerfile and its context made into an image."""

from __future__ import annotations

from plugrun.dockerfile.checks import shown
from plugrun.dockerfile.file import parse_dockerfile
from plugrun.dockerfile.planning import SCRATCH, plan_build
from plugrun.dockerfile.scope import not_consumed
from plugrun.engine.build.bases import base_image, scratch
from plugrun.engine.build.context import OpenContext
from plugrun.engine.build.result import make_result
from plugrun.engine.build.scheduling import Failure, Numbers, Schedule
from plugrun.engine.build.site import Site
from plugrun.engine.images.events import emit_image
from plugrun.model.descriptor import host_platform
from plugrun.model.image import ImageName
from plugrun.model.record import record
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from plugrun.dockerfile.planning import Plan
    from plugrun.engine.build.bases import Base
    from plugrun.engine.build.context import Opened
    from plugrun.engine.build.progress import BuildObserver
    from plugrun.engine.build.request import BuildRequest
    from plugrun.engine.build.stage import StageRun
    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver


@record
class Built:
    """An image's ID and the names it was given; ``kept`` is that of a failed step's files."""

    image: str
    names: tuple[str, ...]


class BuildFailed(Exception):
    """A step failed; ``kept`` is the ID of an image of its files, empty unless they were wanted."""

    def __init__(self, failure: Failure, kept: str) -> None:
        super().__init__(failure.message)
        self.error = failure.error
        self.kept = kept


def build(
    engine: Engine,
    request: BuildRequest,
    observer: BuildObserver,
    pulls: Callable[[], PullObserver],
) -> Built:
    """Build an image and name it.

    Raise DockerfileError with file and line, BuildFailed at the first step that fails. Interrupted
    or killed at any moment it leaves what is whole, and the next build goes on from there. Several
    may be at work at once. This process has no threads: it is forked.
    """
    names = [ImageName(str(parse_reference(tag)), "", "") for tag in request.tags]
    with engine.locks.shared("images"), OpenContext(engine, request) as opened:
        numbers = Numbers()
        plan, bases = _planned(engine, request, opened, observer, pulls, numbers)
        site = Site(engine, request, plan, opened.context)
        for index in plan.order:
            for reference in plan.stages[index].images:
                found = base_image(engine, request, reference, request.platform, pulls)
                site.images[reference] = found.state
        with Schedule(site, bases, observer, numbers) as schedule:
            try:
                run = schedule.run()
            except Failure as failure:
                raise BuildFailed(failure, _keep(site, failure)) from failure
        for line in filter(None, (not_consumed(plan),)):
            observer.warning(line)
        image = _export(site, run, names, observer, numbers)
    return Built(image, tuple(name.name for name in names))


def _planned(
    engine: Engine,
    request: BuildRequest,
    opened: Opened,
    observer: BuildObserver,
    pulls: Callable[[], PullObserver],
    numbers: Numbers,
) -> tuple[Plan, Mapping[int, Base]]:
    """Read the Dockerfile and load what its stages stand on."""
    number = numbers.next()
    observer.begin(number, f"[internal] load build definition from {opened.name}")
    source = parse_dockerfile(opened.dockerfile, opened.name)
    observer.done(number, 0.0)
    arguments = dict(request.build_args)
    triggers: dict[int, list[str]] = {}
    bases: dict[int, Base] = {}
    while True:
        plan = plan_build(
            source,
            target=request.target,
            build_args=arguments,
            platform=request.platform,
            triggers=triggers,
        )
        before = dict(triggers)
        for index in plan.order:
            if index not in bases and plan.stages[index].base_stage is None:
                bases[index] = _base(engine, request, plan, index, observer, pulls, numbers)
                if bases[index].config.get("OnBuild"):
                    triggers[index] = list(bases[index].config["OnBuild"])
        if triggers == before:
            break
    for warning in plan.warnings:
        observer.warning(shown(warning))
    return plan, bases


def _base(
    engine: Engine,
    request: BuildRequest,
    plan: Plan,
    index: int,
    observer: BuildObserver,
    pulls: Callable[[], PullObserver],
    numbers: Numbers,
) -> Base:
    stage = plan.stages[index]
    platform = stage.platform or request.platform
    if stage.base == SCRATCH:
        return scratch(platform or host_platform())
    number = numbers.next()
    several = len(plan.order) > 1 or stage.head.name
    observer.begin(number, f"[{stage.name + ' ' if several else ''}1] FROM {stage.base}")
    found = base_image(engine, request, stage.base, platform, pulls)
    observer.done(number, 0.0)
    return found


def _export(
    site: Site, run: StageRun, names: list[ImageName], observer: BuildObserver, numbers: Numbers
) -> str:
    number = numbers.next()
    observer.begin(number, "exporting to image")
    site.have_unpacked(run.state)
    image = make_result(site.engine, site.request, run.state, run.scope, names)
    observer.output(number, f"writing image {image}\n".encode())
    for name in names:
        familiar = parse_reference(name.name).familiar
        observer.output(number, f"naming to {name.name}\n".encode())
        emit_image(site.engine, "tag", image, familiar)
    observer.done(number, 0.0)
    return image


def _keep(site: Site, failure: Failure) -> str:
    """Make an image of what a failed step left, if that was kept."""
    if failure.kept is None:
        return ""
    run = failure.stage
    state = run.state.with_layer(failure.kept)
    empty = not failure.kept.diff_id
    state = state.told("", "a step that failed # buildkit", empty=empty)
    return make_result(site.engine, site.request, state, run.scope, [])
