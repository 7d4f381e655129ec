"""The process that ``exec`` is to run, and the list of those there are."""

from __future__ import annotations

from plugrun.api import PlugrunError, UsageError, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from plugrun_isolation_ns.oci.commandline import Line


def wanted_process(line: Line, own: dict[str, Any]) -> Any:
    """Return the ``process`` of the spec: the document's, or the container's with the options'."""
    from plugrun_isolation_ns.oci.verbs import read_document

    given = line.value("process")
    if given:
        if len(line.arguments) > 1:
            raise UsageError("exec: a command or --process, not both")
        return read_document(given)
    if len(line.arguments) < 2:
        raise UsageError("exec needs a command, or --process FILE")
    found = {**own, "args": list(line.arguments[1:]), "terminal": line.has("tty")}
    found.pop("consoleSize", None)
    found["cwd"] = line.value("cwd", own.get("cwd", "/"))
    found["env"] = [*(own.get("env") or []), *line.every("env")]
    if line.has("no-new-privs"):
        found["noNewPrivileges"] = True
    if line.value("apparmor"):
        found["apparmorProfile"] = line.value("apparmor")
    if line.value("process-label"):
        found["selinuxLabel"] = line.value("process-label")
    found["user"] = _user(line, own.get("user") or {"uid": 0, "gid": 0})
    found["capabilities"] = _capabilities(line.every("cap"), own.get("capabilities") or {})
    return found


def _user(line: Line, own: dict[str, Any]) -> dict[str, Any]:
    user = dict(own)
    text = line.value("user")
    if text:
        uid, _, gid = text.partition(":")
        user = {"uid": _number("user", uid), "gid": _number("user", gid or "0")}
    groups = [_number("additional-gids", text) for text in line.every("additional-gids")]
    if groups:
        user["additionalGids"] = [*(user.get("additionalGids") or []), *groups]
    return user


def _number(option: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32 - 1:
        raise UsageError(f"--{option}: not a number of a user or group: {text!r}")
    return int(text)


def _capabilities(added: Sequence[str], own: dict[str, Any]) -> dict[str, Any]:
    if not added:
        return own
    sets = {name: list(listed or []) for name, listed in own.items()}
    for name in ("bounding", "effective", "permitted", "ambient"):
        sets[name] = [*sets.get(name, []), *added]
    return sets


def print_processes(pids: Sequence[int], line: Line) -> int:
    """Print PIDs as JSON, or what ps(1) says of them."""
    wanted = line.value("format", "table")
    if wanted == "json":
        print(dumps(list(pids)))
        return 0
    if wanted != "table":
        raise UsageError(f"--format {wanted}: table or json")
    import subprocess

    options = list(line.arguments[1:]) or ["-ef"]
    try:
        done = subprocess.run(["ps", *options], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise PlugrunError("this machine has no ps", hint="use --format json") from None
    except subprocess.CalledProcessError as error:
        raise UsageError(error.stderr.strip()) from None
    _print_own(done.stdout.splitlines(), {str(pid) for pid in pids})
    return 0


def _print_own(rows: Sequence[str], pids: set[str]) -> None:
    titles = rows[0].split()
    if "PID" not in titles:
        raise UsageError("these options of ps print no PID")
    place = titles.index("PID")
    print(rows[0])
    for row in rows[1:]:
        words = row.split()
        if len(words) > place and words[place] in pids:
            print(row)
