"""Which stages a build needs, in which order, and what each stands on.

A stage may stand on another (FROM), copy from one (COPY --from) or mount one (RUN --mount=from=).
ONBUILD triggers of what it stands on come first in it, and may name stages as well.
"""

from __future__ import annotations

from plugrun.dockerfile.checks import wanted
from plugrun.dockerfile.failures import located
from plugrun.dockerfile.file import stage_name
from plugrun.dockerfile.instructions import Copy, From, Instruction, Onbuild, Run, Warned
from plugrun.dockerfile.lines import read_text
from plugrun.dockerfile.mounts import mount_origin
from plugrun.dockerfile.parsing import parse_instruction
from plugrun.dockerfile.platforms import platform_arguments
from plugrun.dockerfile.words import Rules, expand
from plugrun.errors import InvalidArgument
from plugrun.model.descriptor import host_platform, parse_platform
from plugrun.model.record import record, replace
from plugrun.model.reference import parse_reference
from plugrun.model.spelling import did_you_mean, meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from plugrun.dockerfile.instructions import Arg, Dockerfile, Stage
    from plugrun.dockerfile.patterns import Matcher
    from plugrun.errors import DockerfileError, PlugrunError
    from plugrun.model.descriptor import Platform

SCRATCH = "scratch"


@record
class PlannedStage:
    """One stage with its names resolved.

    ``base`` is an image's reference or ``scratch``, or empty if ``base_stage`` is the index of
    the stage it stands on. ``platform`` is None for the target's. ``needs`` are the stages it
    stands on or takes from; ``images`` the references it takes files from. ``triggers`` counts
    the ``instructions`` in front that are ONBUILD triggers.
    """

    index: int
    name: str
    head: From
    base: str
    base_stage: int | None
    platform: Platform | None
    instructions: tuple[Instruction, ...]
    needs: tuple[int, ...]
    images: tuple[str, ...]
    triggers: int = 0


@record
class Plan:
    """What to build: ``order`` are the stages needed, each after those it needs.

    ``arguments`` is the global scope: predefined ARGs and those before the first FROM.
    ``ignored`` is what of the context ``.dockerignore`` leaves out, to warn of it.
    """

    dockerfile: Dockerfile
    stages: tuple[PlannedStage, ...]
    target: int
    order: tuple[int, ...]
    arguments: Mapping[str, str]
    build_args: Mapping[str, str]
    warnings: tuple[Warned, ...]
    ignored: Matcher | None = None

    def origin(self, name: str) -> int | str:
        """Return the stage that COPY's ``--from`` names, or the name again: it is an image's."""
        found = _stage_named(self.stages, name, numbers=True)
        return name if found is None else found

    def failure(self, error: PlugrunError, index: int, image: str) -> DockerfileError:
        """Return an error about an image with the place of what a stage needs it for."""
        stage = self.stages[index]
        instruction = stage.head if image == stage.base else _user(self.stages, index, image)
        return _failure(self.dockerfile, error, instruction, stage.name)

    def mount_origin(self, name: str) -> int | str:
        """Return the stage that a mount's ``from=`` names, or the name again."""
        found = _stage_named(self.stages, name, numbers=False)
        return name if found is None else found


def plan_build(
    dockerfile: Dockerfile,
    *,
    target: str = "",
    build_args: Mapping[str, str] | None = None,
    platform: Platform | None = None,
    triggers: Mapping[int, Sequence[str]] | None = None,
    ignored: Matcher | None = None,
) -> Plan:
    """Plan a build up to ``target``, a stage's name or number, or the last one.

    ``triggers`` are the ``OnBuild`` of images that stages stand on, by the stages' indexes. They
    are known when the images are: plan, load them, and plan again if one has any. Raise
    DockerfileError, in Docker's words, on a name or a circle that cannot be resolved.
    """
    given = dict(build_args or {})
    wanted_platform = platform or host_platform()
    target_name = target or dockerfile.stages[-1].name
    found = platform_arguments(wanted_platform, host_platform(), target_name, given)
    arguments = _global_arguments(dockerfile, found, given)
    predefined = platform_arguments(wanted_platform, host_platform(), target_name, {})
    warnings = [*dockerfile.warnings, *_default_warnings(dockerfile, predefined)]
    stages: list[PlannedStage] = []
    for stage in dockerfile.stages:
        stages.append(_placed(dockerfile, stage, stages, arguments, warnings))
    wanted_stage = _target(stages, target)
    stages = [_with_triggers(dockerfile, one, stages, triggers or {}) for one in stages]
    stages = [_with_needs(dockerfile, one, stages) for one in stages]
    _check_circles(dockerfile, stages)
    order = _order(dockerfile, stages, wanted_stage)
    return Plan(
        dockerfile,
        tuple(stages),
        wanted_stage,
        order,
        arguments,
        given,
        wanted(dockerfile, warnings),
        ignored,
    )


def _global_arguments(
    dockerfile: Dockerfile, predefined: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    found = dict(predefined)
    for instruction in dockerfile.arguments:
        for item in instruction.items:
            value = given.get(item.name)
            if value is None and item.value is not None:
                value = _global_value(dockerfile, instruction, item.value, found)
            if value is not None:
                found[item.name] = value
    return found


def _default_warnings(dockerfile: Dockerfile, predefined: Mapping[str, str]) -> list[Warned]:
    """Warn of a FROM that names no image unless build arguments are given."""
    found = []
    try:
        arguments = _global_arguments(dockerfile, predefined, {})
        for stage in dockerfile.stages:
            base = stage.head.base
            word = expand(base, arguments, Rules(dockerfile.escape)).text
            if "$" in base and not _is_reference(word):
                said = f"Default value for ARG {base} results in empty or invalid base image name"
                found.append(Warned("InvalidDefaultArgInFrom", said, stage.head.first))
    except InvalidArgument:
        # What is wrong without build arguments may be right with those that were given.
        return found
    return found


def _is_reference(text: str) -> bool:
    try:
        parse_reference(text)
    except InvalidArgument:
        return False
    return True


def _global_value(
    dockerfile: Dockerfile, instruction: Arg, value: str, known: Mapping[str, str]
) -> str:
    try:
        return expand(value, known, Rules(dockerfile.escape)).text
    except InvalidArgument as error:
        raise _failure(dockerfile, error, instruction) from None


def _failure(
    dockerfile: Dockerfile, error: PlugrunError, instruction: Instruction, stage: str = ""
) -> DockerfileError:
    first, last, stages = instruction.first, instruction.last, dockerfile.stages
    # The only stage need not be told apart, unless it has a name.
    told = stage if len(stages) > 1 or stages[0].name else ""
    return located(error, dockerfile.name, dockerfile.lines, first, last, told)


def _placed(
    dockerfile: Dockerfile,
    stage: Stage,
    before: Sequence[PlannedStage],
    arguments: Mapping[str, str],
    warnings: list[Warned],
) -> PlannedStage:
    """Resolve what one FROM says; stages after it cannot be meant."""
    name = stage_name(stage.name, stage.index)
    try:
        base = _from_word(dockerfile, stage.head, stage.head.base, arguments, warnings)
        if not base:
            raise InvalidArgument(f"base name ({stage.head.base}) should not be blank")
        platform = _platform(dockerfile, stage.head, arguments, warnings)
    except InvalidArgument as error:
        raise _failure(dockerfile, error, stage.head, name) from None
    base_stage = _stage_named(before, base, numbers=False)
    return PlannedStage(
        stage.index,
        name,
        stage.head,
        base if base_stage is None else "",
        base_stage,
        platform,
        stage.instructions,
        (),
        (),
    )


def _from_word(
    dockerfile: Dockerfile,
    head: From,
    word: str,
    arguments: Mapping[str, str],
    warnings: list[Warned],
) -> str:
    found = expand(word, arguments, Rules(dockerfile.escape))
    declared = {item.name for one in dockerfile.arguments for item in one.items}
    for name in sorted(found.unset - declared):
        said = (
            f"FROM argument '{name}' is not declared{did_you_mean(name, (*arguments, *declared))}"
        )
        warnings.append(Warned("UndefinedArgInFrom", said, head.first))
    return found.text


def _platform(
    dockerfile: Dockerfile, head: From, arguments: Mapping[str, str], warnings: list[Warned]
) -> Platform | None:
    if not head.platform:
        return None
    word = _from_word(dockerfile, head, head.platform, arguments, warnings)
    nearest = _nearest_variable(dockerfile, head.platform, arguments)
    if not word:
        raise InvalidArgument(f"empty platform value from expression {head.platform}{nearest}")
    if head.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
        said = (
            f"Setting platform to predefined {head.platform} in FROM is redundant as this is the "
            "default behavior"
        )
        warnings.append(Warned("RedundantTargetPlatform", said, head.first))
    try:
        platform = parse_platform(word)
    except InvalidArgument as error:
        raise InvalidArgument(
            f"failed to parse platform {head.platform}: {error.message}{nearest}", hint=error.hint
        ) from None
    constant = "$" not in head.platform
    if constant and platform.os not in head.name and platform.architecture not in head.name:
        said = f'FROM --platform flag should not use constant value "{word}"'
        warnings.append(Warned("FromPlatformFlagConstDisallowed", said, head.first))
    return platform


def _nearest_variable(dockerfile: Dockerfile, word: str, arguments: Mapping[str, str]) -> str:
    unset = sorted(expand(word, arguments, Rules(dockerfile.escape)).unset)
    return next((did_you_mean(one, arguments) for one in unset if meant(one, arguments)), "")


def _stage_named(stages: Sequence[PlannedStage], name: str, *, numbers: bool) -> int | None:
    """Return the index of the last stage of this name; with ``numbers``, or of this number."""
    found = [one.index for one in stages if one.head.name and one.head.name == name.lower()]
    if found:
        return found[-1]
    if numbers and name.isascii() and name.isdigit() and len(name) < 9:
        index = int(name)
        if index >= len(stages):
            raise InvalidArgument(f"invalid from flag value {name}: invalid stage index {name}")
        return index
    return None


def _target(stages: Sequence[PlannedStage], target: str) -> int:
    if not target:
        return len(stages) - 1
    try:
        found = _stage_named(stages, target, numbers=True)
    except InvalidArgument:
        found = None
    if found is None:
        near = did_you_mean(target.lower(), [one.name for one in stages])
        raise InvalidArgument(f'target stage "{target}" could not be found{near}')
    return found


def _with_triggers(
    dockerfile: Dockerfile,
    stage: PlannedStage,
    stages: Sequence[PlannedStage],
    triggers: Mapping[int, Sequence[str]],
) -> PlannedStage:
    expressions = list(triggers.get(stage.index, ()))
    if stage.base_stage is not None:
        below = stages[stage.base_stage].instructions
        expressions += [one.expression for one in below if isinstance(one, Onbuild)]
    if not expressions:
        return stage
    try:
        found = [_trigger(expression, stage.head) for expression in expressions]
    except InvalidArgument as error:
        raise _failure(dockerfile, InvalidArgument(error.message), stage.head, stage.name) from None
    return replace(stage, instructions=(*found, *stage.instructions), triggers=len(found))


def _trigger(expression: str, head: From) -> Instruction:
    """Return a trigger's instruction; its lines are those of the FROM that fires it."""
    text = read_text(expression.encode("utf-8", "surrogateescape"), "ONBUILD trigger")
    if len(text.written) != 1:
        raise InvalidArgument("onbuild trigger should be a single expression")
    written = replace(text.written[0], first=head.first, last=head.last)
    return parse_instruction(written, text.escape)


def _with_needs(
    dockerfile: Dockerfile, stage: PlannedStage, stages: Sequence[PlannedStage]
) -> PlannedStage:
    needs = [] if stage.base_stage is None else [stage.base_stage]
    images: list[str] = []
    for instruction in stage.instructions:
        try:
            for found in _origins(instruction, stages):
                if isinstance(found, int):
                    needs.append(found)
                else:
                    images.append(found)
        except InvalidArgument as error:
            raise _failure(dockerfile, error, instruction, stage.name) from None
    return replace(stage, needs=tuple(dict.fromkeys(needs)), images=tuple(dict.fromkeys(images)))


def _origins(instruction: Instruction, stages: Sequence[PlannedStage]) -> list[int | str]:
    """Return the stages and images that one instruction takes files from."""
    if isinstance(instruction, Copy) and instruction.origin:
        origin = instruction.origin
        if expand(origin, {}).text != origin:
            raise InvalidArgument(
                "variable expansion is not supported for --from, define a new stage with FROM "
                "using ARG from global scope as a workaround"
            )
        stage = _stage_named(stages, origin, numbers=True)
        return [origin if stage is None else stage]
    if isinstance(instruction, Run):
        origins = [origin for origin in map(mount_origin, instruction.flags) if origin]
        named = [(_stage_named(stages, one, numbers=False), one) for one in origins]
        return [one if stage is None else stage for stage, one in named]
    return []


def _check_circles(dockerfile: Dockerfile, stages: Sequence[PlannedStage]) -> None:
    done: set[int] = set()
    for stage in stages:
        _visit(dockerfile, stages, stage.index, done)


def _visit(
    dockerfile: Dockerfile, stages: Sequence[PlannedStage], start: int, done: set[int]
) -> None:
    """Go down from one stage, without recursion: a file may have thousands."""
    path: list[tuple[int, list[int]]] = [(start, list(stages[start].needs))]
    while path:
        index, left = path[-1]
        if not left or index in done:
            done.add(index)
            path.pop()
            continue
        below = left.pop()
        if any(below == one for one, _ in path):
            error = InvalidArgument(f"circular dependency detected on stage: {stages[start].name}")
            raise _failure(dockerfile, error, _user(stages, index, below), stages[index].name)
        if below not in done:
            path.append((below, list(stages[below].needs)))


def _user(stages: Sequence[PlannedStage], index: int, below: int | str) -> Instruction:
    """Return the instruction of a stage that needs another one, or an image."""
    for instruction in stages[index].instructions:
        if below in _origins(instruction, stages):
            return instruction
    return stages[index].head


def _order(dockerfile: Dockerfile, stages: Sequence[PlannedStage], target: int) -> tuple[int, ...]:
    """Return the stages needed for one, as they stand in the file: none needs a later one."""
    reached, left = {target}, [target]
    while left:
        index = left.pop()
        for below in stages[index].needs:
            if below > index:
                _refuse_later(dockerfile, stages, index, below)
            if below not in reached:
                reached.add(below)
                left.append(below)
    return tuple(sorted(reached))


def _refuse_later(
    dockerfile: Dockerfile, stages: Sequence[PlannedStage], index: int, below: int
) -> None:
    instruction, name = _user(stages, index, below), stages[index].name
    said = (
        f'cannot copy from stage "{stages[below].name}", it needs to be defined before current '
        f'stage "{name}"'
    )
    if isinstance(instruction, Run):
        said = (
            f'cannot mount from stage "{stages[below].name}", stage needs to be defined before '
            "current command"
        )
    raise _failure(dockerfile, InvalidArgument(said), instruction, name)
