"""``build``: a Dockerfile and its context made into an image."""

from __future__ import annotations

import sys
from time import monotonic

from plugrun.dockerfile.checks import shown, violations
from plugrun.dockerfile.file import parse_dockerfile
from plugrun.dockerfile.planning import SCRATCH, plan_build
from plugrun.dockerfile.scope import not_consumed
from plugrun.engine.build.agents import KeyAgents
from plugrun.engine.build.bases import base_image, scratch
from plugrun.engine.build.context import OpenContext
from plugrun.engine.build.request import DOCKER, IMAGE, LOCAL, OCI, TAR, Output
from plugrun.engine.build.result import make_result
from plugrun.engine.build.scheduling import Failure, Numbers, Schedule
from plugrun.engine.build.site import Site
from plugrun.engine.images.collect import collect_orphans
from plugrun.engine.images.events import emit_image
from plugrun.errors import InvalidArgument, PlugrunError
from plugrun.model.descriptor import host_platform
from plugrun.model.image import ImageName
from plugrun.model.record import record, replace
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import BinaryIO

    from plugrun.dockerfile.instructions import Warned
    from plugrun.dockerfile.planning import Plan
    from plugrun.engine.build.bases import Base
    from plugrun.engine.build.context import Opened
    from plugrun.engine.build.progress import BuildObserver
    from plugrun.engine.build.request import BuildRequest
    from plugrun.engine.build.stage import StageRun
    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver

_FILES = (LOCAL, TAR)
_PLAIN_NETWORKS = ("default", "none", "host")
_KINDS = {
    IMAGE: "image",
    DOCKER: "docker image format",
    OCI: "oci image format",
    LOCAL: "client directory",
    TAR: "client tarball",
}
_ARCHIVES = {DOCKER: "docker-archive", OCI: "oci-archive"}


@record
class Built:
    """An image's ID, and the names it was given; both are empty if only files were asked for."""

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

    Raise DockerfileError with file and line, BuildFailed at the first step that fails, and
    NoSuchNetwork for one that RUN is to have. Interrupted or killed at any moment it leaves what
    is whole, and the next build goes on from there. Several may be at work at once. This process
    has no threads: it is forked.
    """
    given = (*request.tags, *(name for one in request.outputs for name in one.names))
    names = [ImageName(one, "", "") for one in dict.fromkeys(map(_full, given))]
    if request.network not in _PLAIN_NETWORKS:
        from plugrun.engine.networks.find import find_network

        find_network(engine, request.network)
    with (
        engine.locks.shared("images"),
        OpenContext(engine, request) as opened,
        KeyAgents(engine, request.ssh_keys) as sockets,
    ):
        request = replace(request, sockets=(*request.sockets, *sockets))
        numbers = Numbers()
        plan, bases = _planned(engine, request, opened, observer, pulls, numbers)
        site = Site(engine, request, plan, opened.context)
        for index in plan.order:
            for reference in plan.stages[index].images:
                site.images[reference] = _image_of(site, index, reference, pulls).state
        if not request.no_cache:
            _borrow(site, observer, pulls, numbers)
        with Schedule(site, bases, observer, numbers) as schedule:
            try:
                run = schedule.run()
            except Failure as failure:
                raise BuildFailed(failure, _keep(site, failure)) from failure
        _refuse_violations(plan, schedule.warnings)
        for line in filter(None, (not_consumed(plan),)):
            observer.warning(line)
        image = _export(site, run, names, observer, numbers)
    if request.no_cache or request.no_cache_stages:
        # What the same steps came to before is found by nothing any more.
        collect_orphans(engine)
    return Built(image, tuple(name.name for name in names) if image else ())


def _full(name: str) -> str:
    return str(parse_reference(name))


def _borrow(
    site: Site, observer: BuildObserver, pulls: Callable[[], PullObserver], numbers: Numbers
) -> None:
    """Look into the images of ``--cache-from``; a build goes on without those it cannot have."""
    engine, request = site.engine, replace(site.request, pull=False)
    for reference in request.cache_from:
        from plugrun.engine.build.borrowing import Borrowed

        number = numbers.next()
        since = monotonic()
        observer.begin(number, f"importing cache from {reference}")
        site.borrowed = site.borrowed or Borrowed(engine)
        try:
            base = base_image(engine, request, reference, request.platform, pulls)
        except PlugrunError as error:
            observer.failed(number, monotonic() - since, error.message)
            continue
        image = engine.metadata.image(base.state.base)
        if image is None or not site.borrowed.take(image):
            observer.warning(
                f"{reference} brings no cache along: build it with --cache-to type=inline"
            )
        observer.done(number, monotonic() - since)


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
            ignored=opened.ignored,
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
    _refuse_violations(plan, plan.warnings)
    return plan, bases


def _refuse_violations(plan: Plan, warnings: Iterable[Warned]) -> None:
    """Obey ``# check=error=true``."""
    found = violations(plan.dockerfile, warnings)
    if found:
        raise InvalidArgument(found)


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
    since = monotonic()
    try:
        found = base_image(engine, request, stage.base, platform, pulls)
    except PlugrunError as error:
        observer.failed(number, monotonic() - since, error.message)
        raise plan.failure(error, index, stage.base) from error
    observer.done(number, monotonic() - since)
    return found


def _image_of(site: Site, index: int, reference: str, pulls: Callable[[], PullObserver]) -> Base:
    """Load an image that a stage takes files from."""
    request = site.request
    try:
        return base_image(site.engine, request, reference, request.platform, pulls)
    except PlugrunError as error:
        raise site.plan.failure(error, index, reference) from error


def _export(
    site: Site, run: StageRun, names: list[ImageName], observer: BuildObserver, numbers: Numbers
) -> str:
    """Make what was asked for; return the image's ID, or nothing if there is no image."""
    outputs = site.request.outputs or (Output(IMAGE),)
    site.have_unpacked(run.state)
    image = ""
    for output in outputs:
        number = numbers.next()
        observer.begin(number, f"exporting to {_KINDS[output.kind]}")
        since = monotonic()
        if output.kind in _FILES:
            _export_files(site, run, output)
        else:
            image = image or _image(site, run, names)
            _tell_image(image, names, number, observer)
            if output.place:
                _save(site, image, names, output)
            if output.push:
                _push(site, output, number, observer)
        observer.done(number, monotonic() - since)
    return image


def _export_files(site: Site, run: StageRun, output: Output) -> None:
    from plugrun.engine.build.exporting import export_folder, export_tar

    if output.kind == LOCAL:
        export_folder(site, run.state, output.place)
        return
    with _opened(output.place) as file:
        export_tar(site, run.state, file.fileno())


def _opened(place: str) -> BinaryIO:
    """Open what an archive is written to; ``-`` is standard output."""
    if place == "-" and sys.stdout is None:
        raise InvalidArgument("nothing can be written: standard output is closed")
    return open(1 if place == "-" else place, "wb", buffering=0, closefd=place != "-")


def _save(site: Site, image: str, names: list[ImageName], output: Output) -> None:
    from plugrun.engine.images.save import save

    wanted = [name.name for name in names] or [image]
    if ":" in output.place:
        raise InvalidArgument(f"{output.place} has a colon in it, which an archive's name may not")
    save(site.engine, wanted, f"{_ARCHIVES[output.kind]}:{output.place}")


def _push(site: Site, output: Output, number: int, observer: BuildObserver) -> None:
    """Send an image to where the names of an output lead, or else those of ``-t``."""
    from plugrun.engine.images.push import PushObserver, push

    for name in map(_full, output.names or site.request.tags):
        observer.output(number, f"pushing {name}\n".encode())
        push(site.engine, name, False, PushObserver())


def _image(site: Site, run: StageRun, names: list[ImageName]) -> str:
    state = run.state
    if site.request.squash:
        from plugrun.engine.build.exporting import squashed

        state = squashed(site, state, site.base_of(state))
        site.have_unpacked(state)
    image = make_result(site.engine, site.request, state, run.scope, names)
    for name in names:
        emit_image(site.engine, "tag", image, parse_reference(name.name).familiar)
    return image


def _tell_image(image: str, names: list[ImageName], number: int, observer: BuildObserver) -> None:
    observer.output(number, f"writing image {image}\n".encode())
    for name in names:
        observer.output(number, f"naming to {name.name}\n".encode())


def _keep(site: Site, failure: Failure) -> str:
    """Make an image of what a failed step left, if that was kept."""
    if failure.kept is None:
        return ""
    run = failure.stage
    state = run.state.with_layer(failure.kept)
    empty = not failure.kept.diff_id
    state = state.told("", "a step that failed # buildkit", empty=empty)
    return make_result(site.engine, site.request, state, run.scope, [])
