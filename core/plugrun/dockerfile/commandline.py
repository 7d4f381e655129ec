"""What ``RUN`` executes: the shell, its heredocs, or a script of its own."""

from __future__ import annotations

from plugrun.dockerfile.heredocs import chomped, opening
from plugrun.dockerfile.instructions import InlineFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.dockerfile.instructions import CommandLine, Run

DEFAULT_SHELL = ("/bin/sh", "-c")
# Where a heredoc that is a script is put for the time it runs.
SCRIPTS = "/dev/pipes"


def with_shell(line: CommandLine, shell: Sequence[str]) -> tuple[str, ...]:
    """Return what CMD or ENTRYPOINT puts in the image's config."""
    return (*(shell or DEFAULT_SHELL), *line.words) if line.shell and line.words else line.words


def run_command(run: Run, shell: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the argv of a RUN; ``shell`` is what SHELL set, or nothing.

    If ``run_script`` is a file, it must be at the path that this names, with mode 0755.
    """
    script = run_script(run)
    if script is not None:
        return (f"{SCRIPTS}/{script.name}",)
    if not run.shell:
        return run.words
    return (*(shell or DEFAULT_SHELL), _shell_text(run))


def run_script(run: Run) -> InlineFile | None:
    """Return the file of ``RUN <<NAME`` whose first line is ``#!``, which is executed itself."""
    data = _only_heredoc(run)
    if data is None or not data.startswith("#!"):
        return None
    return InlineFile(run.heredocs[0].name.replace("/", "_"), data, expand=False)


def _only_heredoc(run: Run) -> str | None:
    """Return the text of a heredoc that is all that a RUN has."""
    if not run.shell or not run.heredocs or not run.words or opening(run.words[0]) is None:
        return None
    first = run.heredocs[0]
    return chomped(first.data) if first.chomp else first.data


def _shell_text(run: Run) -> str:
    only = _only_heredoc(run)
    if only is not None:
        return only
    text = run.words[0] if run.words else ""
    return "".join((text, *(f"\n{one.data}{one.name}" for one in run.heredocs)))
