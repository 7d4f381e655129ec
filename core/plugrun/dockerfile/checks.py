"""Docker's build checks: what is allowed, and likely not meant.

Source: docs.docker.com/reference/build-checks. Those that need variables' values are found when
the step is reached (``scope``). ``# check=skip=RULE,…`` leaves some out.
"""

from __future__ import annotations

import posixpath

from plugrun.dockerfile.context import PATH, context_kind
from plugrun.dockerfile.directives import check_options
from plugrun.dockerfile.instructions import Add, Copy, Maintainer, Warned
from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from plugrun.dockerfile.instructions import Dockerfile, Instruction, Stage, Transfer
    from plugrun.dockerfile.lines import Text
    from plugrun.dockerfile.patterns import Matcher

_RESERVED = ("context", "scratch")
_SECRET = frozenset(
    ("apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret",
     "token")
)  # fmt: skip
_OPEN = frozenset(("public", "file", "version"))


def shown(warned: Warned) -> str:
    """Return a warning as Docker prints it."""
    return f"{warned.rule}: {warned.message} (line {warned.line})"


def wanted(dockerfile: Dockerfile, warnings: Iterable[Warned]) -> tuple[Warned, ...]:
    """Return each warning once, without those that the file's ``# check=skip=`` leaves out."""
    return _wanted(dockerfile, warnings)


def _wanted(source: Dockerfile | Text, warnings: Iterable[Warned]) -> tuple[Warned, ...]:
    everywhere = check_options(source.check).skipped
    return tuple(
        dict.fromkeys(
            one
            for one in warnings
            if everywhere.union(_skipped(source, one)).isdisjoint((one.rule, "all"))
        )
    )


def _skipped(source: Dockerfile | Text, warned: Warned) -> frozenset[str]:
    """Return the checks that a comment above the instruction leaves out; a wrong one does not."""
    try:
        return check_options(source.checks.get(warned.line, "")).skipped
    except InvalidArgument:
        return frozenset()


def violations(dockerfile: Dockerfile, warnings: Iterable[Warned]) -> str:
    """Return Docker's error for ``# check=error=true`` if there are warnings, or nothing."""
    found = dict.fromkeys(warned.rule for warned in wanted(dockerfile, warnings))
    if not found or not check_options(dockerfile.check).error:
        return ""
    return f"lint violation found for rules: {', '.join(found)}"


def file_warnings(text: Text, stages: Sequence[Stage]) -> tuple[Warned, ...]:
    """Return what the text alone tells."""
    found = [Warned("NoEmptyContinuation", "Empty continuation line", line) for line in text.gaps]
    for stage in stages:
        found += _stage_warnings(stage)
    found += _names(stages)
    found += _casing(stages)
    return _wanted(text, found)


def _stage_warnings(stage: Stage) -> list[Warned]:
    head, found = stage.head, []
    words = head.text.split()
    if head.name:
        keyword, name = words[-2], words[-1]
        if name != name.lower():
            said = f"Stage name '{name}' should be lowercase"
            found.append(Warned("StageNameCasing", said, head.first))
        if _consistent(head.word) and not _same_case(head.word, keyword):
            said = f"'{keyword}' and '{head.word}' keywords' casing do not match"
            found.append(Warned("FromAsCasing", said, head.first))
    for instruction in stage.instructions:
        if isinstance(instruction, Maintainer):
            said = "Maintainer instruction is deprecated in favor of using label"
            found.append(Warned("MaintainerDeprecated", said, instruction.first))
    return found


def _names(stages: Sequence[Stage]) -> list[Warned]:
    found, seen = [], set()
    for stage in stages:
        name, line = stage.name, stage.head.first
        if name in _RESERVED:
            said = f'Stage name should not use the same name as reserved stage "{name}"'
            found.append(Warned("ReservedStageName", said, line))
        if name and name in seen:
            said = f'Duplicate stage name "{name}", stage names should be unique'
            found.append(Warned("DuplicateStageName", said, line))
        seen.add(name)
    return found


def _casing(stages: Sequence[Stage]) -> list[Warned]:
    """Find instructions that are not in capitals, or not in small letters, as most are."""
    every: list[Instruction] = []
    for stage in stages:
        every += (stage.head, *stage.instructions)
    lower = sum(one.word == one.word.lower() for one in every)
    upper = sum(one.word == one.word.upper() for one in every)
    kind = "lowercase" if lower > upper else "uppercase"
    return [
        Warned(
            "ConsistentInstructionCasing",
            f"Command '{one.word}' should match the case of the command majority ({kind})",
            one.first,
        )
        for one in every
        if one.word != (one.word.lower() if lower > upper else one.word.upper())
    ]


def _consistent(word: str) -> bool:
    return word in (word.lower(), word.upper())


def _same_case(word: str, other: str) -> bool:
    return other == (other.lower() if word == word.lower() else other.upper())


def secret_name(keyword: str, name: str, line: int) -> list[Warned]:
    """Warn of an ARG or ENV whose name says that it is secret: it stays in the image."""
    parts = name.lower().split("_")
    if _SECRET.isdisjoint(parts) or not _OPEN.isdisjoint(parts):
        return []
    said = f'Do not use ARG or ENV instructions for sensitive data ({keyword} "{name}")'
    return [Warned("SecretsUsedInArgOrEnv", said, line)]


def ignored_sources(transfer: Transfer, ignored: Matcher) -> list[Warned]:
    """Warn of sources that ``.dockerignore`` keeps out; with a ``!`` in it nobody knows."""
    of_context = isinstance(transfer, Add) or (isinstance(transfer, Copy) and not transfer.origin)
    if not of_context or ignored.has_exceptions:
        return []
    word = "Add" if isinstance(transfer, Add) else "Copy"
    found = []
    for source in transfer.sources:
        path = posixpath.normpath(posixpath.join("/", source)).strip("/")
        if context_kind(source).kind != PATH:
            continue
        if ignored.excluded(path) if path else ignored.leaves_nothing:
            said = f'Attempting to {word} file "{path or "."}" that is excluded by .dockerignore'
            found.append(Warned("CopyIgnoredFile", said, transfer.first))
    return found
