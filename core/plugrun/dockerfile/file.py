"""A whole Dockerfile: stages, and the ARGs before the first of them."""

from __future__ import annotations

from plugrun.dockerfile.checks import file_warnings
from plugrun.dockerfile.directives import check_options
from plugrun.dockerfile.failures import located
from plugrun.dockerfile.instructions import Arg, Dockerfile, From, Instruction, Stage
from plugrun.dockerfile.lines import read_text
from plugrun.dockerfile.parsing import parse_instruction
from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.dockerfile.lines import Text, Written


def parse_dockerfile(data: bytes, name: str = "Dockerfile") -> Dockerfile:
    """Read a Dockerfile; raise DockerfileError, in Docker's words, on the first thing wrong."""
    text = read_text(data, name)
    try:
        check_options(text.check)
    except InvalidArgument as error:
        raise located(error, name, text.lines, 1, 1) from None
    arguments: list[Arg] = []
    heads: list[From] = []
    bodies: list[list[Instruction]] = []
    for written in text.written:
        instruction = _parsed(text, written, heads)
        if isinstance(instruction, From):
            heads.append(instruction)
            bodies.append([])
        elif heads:
            bodies[-1].append(instruction)
        elif isinstance(instruction, Arg):
            arguments.append(instruction)
        else:
            wrong = InvalidArgument(
                "no build stage in current context", hint="a Dockerfile begins with FROM"
            )
            raise located(wrong, name, text.lines, written.first, written.last)
    if not heads:
        raise InvalidArgument(f"{name}: dockerfile contains no stages to build")
    found = zip(heads, bodies, strict=True)
    stages = tuple(Stage(i, head, tuple(body)) for i, (head, body) in enumerate(found))
    return Dockerfile(
        name,
        text.lines,
        text.escape,
        text.syntax,
        text.check,
        tuple(arguments),
        stages,
        file_warnings(text, stages),
        text.checks,
    )


def _parsed(text: Text, written: Written, heads: list[From]) -> Instruction:
    try:
        return parse_instruction(written, text.escape)
    except InvalidArgument as error:
        inside = bool(heads) and written.keyword != "FROM"
        named = inside and (len(heads) > 1 or heads[-1].name)
        stage = stage_name(heads[-1].name, len(heads) - 1) if named else ""
        raise located(error, text.name, text.lines, written.first, written.last, stage) from None


def stage_name(name: str, index: int) -> str:
    """Return what a stage is called where it is shown: its name, or Docker's ``stage-0``."""
    return name or f"stage-{index}"
