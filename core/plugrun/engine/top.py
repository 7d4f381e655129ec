"""``top``: what the host's ps(1) says of a container's processes."""

from __future__ import annotations

from plugrun.engine.containers import find_running
from plugrun.errors import InvalidArgument, PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.engine.engine import Engine

DEFAULT = ("-ef",)
Rows = list[list[str]]


def top(engine: Engine, text: str, options: Sequence[str]) -> Rows:
    """Return titles and rows of a running container's processes.

    ``options`` are those of ps(1), which has to be asked for the column PID. Without ps on this
    machine the default columns come from /proc.
    """
    container, _ = find_running(engine, text)
    isolation = engine.isolation_named(container.isolation.name)
    pids = isolation.processes(container.id)
    rows = _listed(" ".join(options).split() or list(DEFAULT), pids)
    engine.emit_container("top", container)
    return rows


def _listed(options: list[str], pids: Sequence[int]) -> Rows:
    import subprocess

    chosen = "-q" + ",".join(map(str, pids))
    try:
        # Some options do not go together with -q: then all processes are listed, and chosen here.
        for words in ([*options, chosen], options):
            done = subprocess.run(
                ["ps", *words], capture_output=True, text=True, errors="replace", check=False
            )
            if done.returncode == 0:
                return rows_of(done.stdout, frozenset(pids))
    except FileNotFoundError:
        return _without_ps(options, pids)
    reason = done.stderr.strip().splitlines()
    raise InvalidArgument(f"ps: {reason[0] if reason else f'exit status {done.returncode}'}")


def _without_ps(options: list[str], pids: Sequence[int]) -> Rows:
    if options != list(DEFAULT):
        raise PlugrunError(
            'exec: "ps": executable file not found in $PATH',
            hint="install procps, or leave the options of ps out",
        )
    from plugrun.engine.processtable import full_listing

    return full_listing(pids)


def rows_of(output: str, pids: frozenset[int]) -> Rows:
    """Return the titles of what ps printed, and the rows of these processes.

    A row without a PID (a thread of ``-m``) belongs to the process before it. The last column
    takes the rest of the line.
    """
    lines = output.splitlines()
    titles = lines[0].split() if lines else []
    if "PID" not in titles:
        raise InvalidArgument("Couldn't find PID field in ps output")
    place = titles.index("PID")
    rows, ours = [titles], False
    for line in lines[1:]:
        fields = line.split(maxsplit=len(titles) - 1)
        if len(fields) <= place:
            continue
        pid = fields[place]
        if pid != "-":
            if not pid.isdigit():
                raise PlugrunError(f"Unexpected pid '{pid}' in ps output")
            ours = int(pid) in pids
        if ours:
            rows.append([*fields[:-1], " ".join(fields[-1].split())])
    return rows
