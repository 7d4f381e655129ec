"""A stage from instruction to instruction: variables, ARGs, and the image's config.

What ENV of one line sets counts from the next line on; ARGs of one line count at once. What a
later ENV or ARG sets wins over an earlier one, and a build argument over ARG's default.
"""

from __future__ import annotations

from plugrun.dockerfile.checks import ignored_sources, secret_name, wanted
from plugrun.dockerfile.config import applied, environment
from plugrun.dockerfile.created import created_by
from plugrun.dockerfile.failures import located
from plugrun.dockerfile.instructions import (
    Arg,
    ArgItem,
    Cmd,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Transfer,
    Warned,
    Workdir,
)
from plugrun.dockerfile.platforms import FOR_BUILDER, is_proxy, proxy_environment
from plugrun.dockerfile.ports import exposed
from plugrun.dockerfile.substitution import Substitution
from plugrun.errors import PlugrunError
from plugrun.model.record import record, replace
from plugrun.model.spelling import meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.dockerfile.planning import Plan, PlannedStage

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What speaks to the builder is declared with ARG, and is no variable of RUN.
_NO_VARIABLES = ("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE")
_ONCE = (Cmd, Entrypoint, Healthcheck)


@record
class Step:
    """An instruction with its variables put in, and the scope after it.

    ``created_by`` is its line in the image's history, as BuildKit writes it.
    """

    instruction: Instruction
    scope: Scope
    created_by: str
    warnings: tuple[Warned, ...]


@record
class Scope:
    """Where a stage stands.

    ``config`` is the image's ``config`` object so far, ``author`` its MAINTAINER; ``variables``
    what words may name: ENV and the ARGs that have a value; ``declared`` every ARG, in order.
    ``seen`` are the instructions of the stage that count once, with the line of the last.
    """

    plan: Plan
    stage: PlannedStage
    config: Mapping[str, Any]
    variables: Mapping[str, str]
    declared: tuple[ArgItem, ...] = ()
    author: str = ""
    workdir_set: bool = False
    seen: Mapping[str, int] = {}

    def step(self, instruction: Instruction) -> Step:
        """Carry out one instruction on the config; raise DockerfileError with its line."""
        try:
            return self._step(instruction)
        except PlugrunError as error:
            raise self.failure(error, instruction) from None

    def failure(self, error: PlugrunError, instruction: Instruction) -> PlugrunError:
        """Return an error with an instruction's place in the file, and the lines to show."""
        source, first, last = self.plan.dockerfile, instruction.first, instruction.last
        name = self.stage.name if len(self.plan.stages) > 1 or self.stage.head.name else ""
        return located(error, source.name, source.lines, first, last, name)

    def run_environment(self) -> tuple[str, ...]:
        """Return the environment of a RUN: ENV, the ARGs in scope, and proxies given."""
        proxies = proxy_environment(self.plan.build_args)
        found = {**proxies, **self.variables}
        return tuple(f"{name}={value}" for name, value in found.items())

    def cached_environment(self) -> tuple[str, ...]:
        """Return what a RUN's result depends on: its environment without undeclared proxies."""
        return tuple(f"{name}={value}" for name, value in self.variables.items())

    def _step(self, instruction: Instruction) -> Step:
        if isinstance(instruction, Arg):
            return self._arg(instruction)
        substitution = Substitution(self.variables, self.plan.dockerfile.escape)
        found = substitution.instruction(instruction)
        config = applied(self.config, found, keep_cmd="CMD" in self.seen)
        after = replace(self, config=config)
        if isinstance(found, Env):
            pairs = {pair.key: pair.value for pair in found.pairs}
            after = replace(after, variables={**self.variables, **pairs})
        if isinstance(found, Workdir):
            after = replace(after, workdir_set=True)
        if isinstance(found, Maintainer):
            after = replace(after, author=found.name)
        if isinstance(found, _ONCE):
            after = replace(after, seen={**self.seen, found.KEYWORD: found.first})
        warnings = [*self._undefined(substitution.unset, found), *self._unwise(found)]
        return self._done(found, after, warnings)

    def _done(self, found: Instruction, after: Scope, warnings: list[Warned]) -> Step:
        text = created_by(found, after.config, after.build_arguments())
        return Step(found, after, text, wanted(self.plan.dockerfile, warnings))

    def build_arguments(self) -> tuple[str, ...]:
        """Return the ARGs in scope as ``NAME=VALUE``, as history tells them of a RUN."""
        names = dict.fromkeys(item.name for item in self.declared)
        last = {item.name: item.value or "" for item in self.declared}
        return tuple(f"{name}={self.variables.get(name, last[name])}" for name in names)

    def _arg(self, arg: Arg) -> Step:
        after, items, warnings = self, [], []
        for item in arg.items:
            warnings += secret_name("ARG", item.name, arg.first)
            substitution = Substitution(after.variables, self.plan.dockerfile.escape)
            value = self._arg_value(item, substitution)
            warnings += after._undefined(substitution.unset, arg)
            items.append(ArgItem(item.name, value))
            after = replace(after, declared=(*after.declared, items[-1]))
            if value is not None and item.name not in _NO_VARIABLES:
                after = replace(after, variables={**after.variables, item.name: value})
        return self._done(replace(arg, items=tuple(items)), after, warnings)

    def _arg_value(self, item: ArgItem, substitution: Substitution) -> str | None:
        given = self.plan.build_args.get(item.name)
        if given is not None:
            return given
        if item.value is not None:
            return substitution.word(item.value)
        return self.plan.arguments.get(item.name)

    def _undefined(self, unset: set[str], instruction: Instruction) -> list[Warned]:
        found = []
        for name in sorted(unset - {item.name for item in self.declared} - {*_NO_VARIABLES}):
            near = meant(name, self.variables)
            said = f"Usage of undefined variable '${name}'"
            said += f" (did you mean ${near}?)" if near else ""
            found.append(Warned("UndefinedVar", said, instruction.first))
        return found

    def _unwise(self, found: Instruction) -> list[Warned]:
        """Return what Docker warns of in this instruction here."""
        line = found.first
        if isinstance(found, _ONCE):
            return self._once(found)
        if isinstance(found, Workdir) and not self.workdir_set and not found.path.startswith("/"):
            said = f'Relative workdir "{found.path}" can have unexpected results if the base image '
            return [Warned("WorkdirRelativePath", f"{said}changes", line)]
        if isinstance(found, (Env, Label)):
            return _pair_warnings(found)
        if isinstance(found, Transfer) and self.plan.ignored is not None:
            return ignored_sources(found, self.plan.ignored)
        if isinstance(found, Expose):
            return [one for port in found.ports for one in _port_warnings(port, line)]
        return []

    def _once(self, found: Instruction) -> list[Warned]:
        warnings = []
        if found.KEYWORD in self.seen:
            said = (
                f"Multiple {found.word} instructions should not be used in the same stage because "
                "only the last one will be used"
            )
            line = self.seen[found.KEYWORD]
            warnings.append(Warned("MultipleInstructionsDisallowed", said, line))
        if isinstance(found, (Cmd, Entrypoint)) and found.shell and not self.config.get("Shell"):
            said = (
                f"JSON arguments recommended for {found.word} to prevent unintended behavior "
                "related to OS signals"
            )
            warnings.append(Warned("JSONArgsRecommended", said, found.first))
        return warnings


def begin(plan: Plan, index: int, config: Mapping[str, Any]) -> Scope:
    """Return the scope of a stage on an image, whose ``config`` object is given; {} for scratch."""
    own = {key: value for key, value in config.items() if key != "OnBuild"}
    if "PATH" not in environment(own):
        own["Env"] = [*(own.get("Env") or ()), f"PATH={DEFAULT_PATH}"]
    return Scope(plan, plan.stages[index], own, environment(own))


def inherit(plan: Plan, index: int, below: Scope) -> Scope:
    """Return the scope of a stage on another one, whose scope at its end is given."""
    own = {key: value for key, value in below.config.items() if key != "OnBuild"}
    return Scope(
        plan,
        plan.stages[index],
        own,
        below.variables,
        below.declared,
        below.author,
        below.workdir_set,
    )


def not_consumed(plan: Plan) -> str:
    """Return Docker's warning of build arguments that nothing declares, or nothing."""
    declared = {item.name for arg in plan.dockerfile.arguments for item in arg.items}
    for index in plan.order:
        for one in plan.stages[index].instructions:
            declared.update(item.name for item in (one.items if isinstance(one, Arg) else ()))
    left = [
        name
        for name in sorted(plan.build_args)
        if name not in declared
        and name not in plan.arguments
        and not is_proxy(name)
        and not name.startswith(FOR_BUILDER)
    ]
    if not left:
        return ""
    return f"[Warning] One or more build-args [{' '.join(left)}] were not consumed"


def _pair_warnings(found: Env | Label) -> list[Warned]:
    warnings = []
    for pair in found.pairs:
        if not pair.delimited:
            said = f'"{found.word} key=value" should be used instead of legacy "{found.word} '
            warnings.append(Warned("LegacyKeyValueFormat", f'{said}key value" format', found.first))
        if isinstance(found, Env):
            warnings += secret_name("ENV", pair.key, found.first)
    return warnings


def _port_warnings(word: str, line: int) -> list[Warned]:
    found = exposed(word)
    warnings = []
    if not found.lower_case:
        said = f"Defined protocol '{word}' in EXPOSE instruction should be lowercase"
        warnings.append(Warned("ExposeProtoCasing", said, line))
    if found.mapped:
        said = (
            "EXPOSE instruction should not define an IP address or host-port mapping, found "
            f"'{word}'"
        )
        warnings.append(Warned("ExposeInvalidFormat", said, line))
    return warnings
