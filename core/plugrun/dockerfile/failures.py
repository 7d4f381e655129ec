"""What is wrong with a Dockerfile, with its line, and the lines around it as Docker shows them."""

from __future__ import annotations

from plugrun.errors import DockerfileError, PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_RULE = "-" * 20


def located(
    error: PlugrunError, name: str, lines: Sequence[str], first: int, last: int, stage: str = ""
) -> DockerfileError:
    """Return an error that names the file, the line and the stage, and shows the lines.

    An error that has its place already stays as it is.
    """
    if isinstance(error, DockerfileError) and error.first:
        return error
    where = f"{name}:{first}" + (f" (stage {stage})" if stage else "")
    return DockerfileError(
        f"{where}: {error.message}",
        hint=error.hint,
        reason=error.message,
        file=name,
        first=first,
        last=last,
        stage=stage,
        excerpt=excerpt(name, lines, first, last),
    )


def excerpt(name: str, lines: Sequence[str], first: int, last: int) -> str:
    """Return the lines with an arrow at those from ``first`` to ``last``, as BuildKit does."""
    first, last = max(1, first), max(1, first, last)
    around = 2 if first == last else 1
    shown = range(max(1, first - around), min(len(lines), last + around) + 1)
    body = [
        f" {number:3} | {'>>>' if first <= number <= last else '   '} {lines[number - 1]}".rstrip()
        for number in shown
    ]
    return "\n".join((f"{name}:{first}", _RULE, *body, _RULE))
