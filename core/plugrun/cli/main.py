"""The entrance: what stands before the command, then the command, then the exit code."""

from __future__ import annotations

import os

from plugrun.cli import failure, output
from plugrun.cli.dispatch import dispatch
from plugrun.cli.fastparse import ArgumentCount, FlagError, parse
from plugrun.cli.options import ROOT
from plugrun.engine.request import GlobalOptions
from plugrun.errors import PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from plugrun.cli.options import Parsed

_DEFAULTS = {"root": "/var/lib/plugrun", "run_root": "/run/plugrun", "config": "", "profile": ""}


def main(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code; nothing is raised."""
    try:
        code = _run(argv)
        output.flush()
    except KeyboardInterrupt:
        return failure.INTERRUPTED
    except BrokenPipeError:
        output.discard()
        return failure.BROKEN_PIPE
    except output.OutputError as error:
        output.discard()
        return failure.command_failure(error, "")
    return code


def _run(argv: Sequence[str]) -> int:
    if "_PLUGRUN_COMPLETE" in os.environ:
        return _complete(os.environ["_PLUGRUN_COMPLETE"])
    try:
        found = parse(ROOT, argv)
    except (FlagError, ArgumentCount) as error:
        return failure.usage_failure(error, ROOT, "")
    if found.help or not found.args:
        return _without_command(found.values["version"] if not found.help else False)
    if found.values["version"]:
        return _without_command(True)
    return _guarded(found, found.args)


def _complete(instruction: str) -> int:
    """Answer the script of a shell, which has put what it asks into the environment."""
    from plugrun.cli.completion.shells import answer

    return answer(instruction, lambda said: global_options(said, os.environ))


def _without_command(version: bool) -> int:
    if version:
        from plugrun import __version__

        output.line(f"plugrun version {__version__}")
        return 0
    from plugrun.cli.help import root_help

    output.write(root_help())
    return 0


def global_options(values: Mapping[str, Any], environ: Mapping[str, str]) -> GlobalOptions:
    """Return the options before the command; what is not said comes from the environment."""
    said = {
        name: values[name] or environ.get(f"PLUGRUN_{name.upper()}", "") or default
        for name, default in _DEFAULTS.items()
    }
    return GlobalOptions(
        root=os.path.abspath(said["root"]),
        run_root=os.path.abspath(said["run_root"]),
        config=os.path.abspath(said["config"]) if said["config"] else "",
        profile=said["profile"],
        debug=values["debug"],
    )


def _guarded(found: Parsed, words: tuple[str, ...]) -> int:
    """Dispatch; turn every error into its lines and its code."""
    options = global_options(found.values, os.environ)
    try:
        if found.rare:
            from plugrun.cli.daemonoptions import check_daemon_options

            check_daemon_options(found.values)
        return dispatch(options, words)
    except (BrokenPipeError, output.OutputError):
        raise
    except Exception as error:  # noqa: BLE001  (the last door: beyond it is a traceback)
        if options.debug:
            failure.show_traceback(error)
        path = words[0] if words[0] != "container" else " ".join(words[:2])
        if isinstance(error, OSError):
            error = failure.machine_error(error) or error
        if isinstance(error, PlugrunError):
            return failure.command_failure(error, path)
        return failure.internal_failure(error, path)
