"""The ``plugrun-oci`` command: one call, one verb, one exit code."""

from __future__ import annotations

import os
import sys
import time

from plugrun.api import NoSuchContainer, NotRoot, PlugrunError

from plugrun_isolation_ns.oci.commandline import Line, help_text, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT = "/run/plugrun-oci"


def main(words: Sequence[str] | None = None) -> int:
    """Run one command of an OCI runtime; return its exit code."""
    _open_standard_streams()
    given: Line | None = None
    try:
        given, line = parse(sys.argv[1:] if words is None else words)
        return _call(given, line)
    except PlugrunError as error:
        _tell(given, error)
        if given is not None and given.has("debug"):
            raise
        return 1
    except BrokenPipeError:
        os._exit(141)  # as SIGPIPE would end it: whoever read the output has seen enough
    except OSError as error:
        reason = error.strerror or str(error)
        where = f"{error.filename}: " if error.filename else ""
        _tell(given, PlugrunError(f"{where}{reason}"))
        if given is not None and given.has("debug"):
            raise
        return 1


def _open_standard_streams() -> None:
    """Let nothing of ours become 0, 1 or 2: they are the container's."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open("/dev/null", os.O_RDWR)  # the lowest that is free: this one
            os.set_inheritable(fd, True)


def _call(given: Line, line: Line) -> int:
    if given.has("version"):
        return _print_version()
    if not line.command or given.has("help"):
        print(help_text())
        return 0
    if line.has("help"):
        print(help_text(line.command))
        return 0
    if line.command == "features":
        from plugrun_isolation_ns.oci.features import print_features

        return print_features()
    return _on_a_container(given, line)


def _on_a_container(given: Line, line: Line) -> int:
    from plugrun_isolation_ns.oci import verbs

    if os.geteuid() != 0:
        raise NotRoot("plugrun-oci makes containers as root only", hint="run it with sudo")
    if given.has("systemd-cgroup"):
        raise PlugrunError(
            "--systemd-cgroup is not supported",
            hint="use the engine's cgroupfs driver (podman: --cgroup-manager cgroupfs)",
        )
    runtime = verbs.Runtime(given.value("root", _ROOT))
    try:
        return int(getattr(runtime, line.command)(line))
    except NoSuchContainer as error:
        if line.command == "delete" and line.has("force"):
            return 0
        raise NoSuchContainer(f"{error.message}: container does not exist") from None


def _print_version() -> int:
    from importlib.metadata import version

    from plugrun_isolation_ns.hooks import SPEC_VERSION

    print(f"plugrun-oci version {version('plugrun')}\nspec: {SPEC_VERSION}")
    return 0


def _tell(given: Line | None, error: PlugrunError) -> None:
    """Write an error to the standard error, and to the log as the caller wants it."""
    text = error.message + (f" ({error.hint})" if error.hint else "")
    print(f"plugrun-oci: {text}", file=sys.stderr)
    path = given.value("log") if given is not None else ""
    if not path or given is None:
        return
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if given.value("log-format", "text") == "json":
        import json

        entry = json.dumps({"level": "error", "msg": text, "time": now})
    else:
        entry = f'time="{now}" level=error msg="{text}"'
    try:
        with open(path, "a", encoding="utf-8") as log:
            log.write(entry + "\n")
    except OSError as failure:
        print(f"plugrun-oci: {path}: {failure.strerror}", file=sys.stderr)
