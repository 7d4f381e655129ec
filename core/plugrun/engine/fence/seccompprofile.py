"""A seccomp profile from a file, in Docker's format or the runtime spec's, for one container.

Docker's adds ``archMap``, and ``includes`` and ``excludes`` by capability, architecture and
kernel (docs.docker.com/engine/security/seccomp; the runtime spec's config-linux.md, Seccomp).
"""

from __future__ import annotations

import os

from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_ACTIONS = frozenset(
    f"SCMP_ACT_{name}"
    for name in (
        *("KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG"),
        "NOTIFY",
    )
)
_OPERATORS = frozenset(
    f"SCMP_CMP_{name}" for name in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
)
# Go's names, which the profiles use, and the kernel's own of this machine.
_MACHINES = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
}
_PASSED = ("defaultErrnoRet", "flags", "listenerPath", "listenerMetadata")
_RULE_KEYS = ("action", "errnoRet", "args")


def check_profile(profile: Any) -> None:
    """Raise InvalidArgument unless this is a profile."""
    if not isinstance(profile, dict):
        raise _wrong("it is no JSON object")
    if profile.get("architectures") and profile.get("archMap"):
        raise _wrong("use either 'architectures' or 'archMap', not both")
    _check_action(profile.get("defaultAction"), "defaultAction")
    for key in ("syscalls", "archMap", "architectures"):
        if not isinstance(profile.get(key) or [], list):
            raise _wrong(f"{key} is no list")
    for rule in profile.get("syscalls") or []:
        _check_rule(rule)
    if not all(isinstance(item, dict) for item in profile.get("archMap") or []):
        raise _wrong("archMap has an entry that is no object")


def _check_rule(rule: Any) -> None:
    if not isinstance(rule, dict):
        raise _wrong("a rule is no object")
    if rule.get("name") and rule.get("names"):
        raise _wrong("use either 'name' or 'names' in a rule, not both")
    names = _names(rule)
    if not names or not all(isinstance(name, str) for name in names):
        raise _wrong("a rule has no names")
    _check_action(rule.get("action"), f"action of {names[0]}")
    for argument in rule.get("args") or []:
        if not isinstance(argument, dict) or argument.get("op") not in _OPERATORS:
            raise _wrong(f"an argument of {names[0]} has no operator that is known")
        numbers = [argument.get(key, 0) for key in ("index", "value", "valueTwo")]
        if not all(isinstance(n, int) and n >= 0 for n in numbers) or numbers[0] > 5:
            raise _wrong(f"an argument of {names[0]} is no number, or none of the six")
    for key in ("includes", "excludes"):
        if not isinstance(rule.get(key) or {}, dict):
            raise _wrong(f"{key} of {names[0]} is no object")


def _check_action(action: Any, what: str) -> None:
    if action not in _ACTIONS:
        raise _wrong(f"{what} is {action!r}, which is no action")


def _wrong(why: str) -> InvalidArgument:
    return InvalidArgument(f"loading seccomp profile failed: {why}")


def _names(rule: Mapping[str, Any]) -> list[Any]:
    found = rule.get("names") or ([rule["name"]] if rule.get("name") else [])
    return list(found) if isinstance(found, list) else []


def fitted(profile: Mapping[str, Any], capabilities: frozenset[str]) -> dict[str, Any]:
    """Return ``linux.seccomp`` for a bounding set, on this machine and kernel."""
    go_name, native = _MACHINES.get(os.uname().machine, ("", ""))
    found: dict[str, Any] = {"defaultAction": profile["defaultAction"]}
    found.update({key: profile[key] for key in _PASSED if profile.get(key)})
    found["architectures"] = _architectures(profile, native)
    rules = [r for r in profile.get("syscalls") or [] if _applies(r, capabilities, go_name)]
    found["syscalls"] = [
        {"names": _names(rule), **{key: rule[key] for key in _RULE_KEYS if rule.get(key)}}
        for rule in rules
    ]
    return found


def _architectures(profile: Mapping[str, Any], native: str) -> list[str]:
    if profile.get("architectures"):
        return list(profile["architectures"])
    for item in profile.get("archMap") or []:
        if item.get("architecture") == native:
            return [native, *(item.get("subArchitectures") or [])]
    return [native] if native else []


def _applies(rule: Mapping[str, Any], capabilities: frozenset[str], machine: str) -> bool:
    out, wanted = rule.get("excludes") or {}, rule.get("includes") or {}
    if machine in (out.get("arches") or ()) or capabilities & set(out.get("caps") or ()):
        return False
    if out.get("minKernel") and _kernel() >= _version(out["minKernel"]):
        return False
    if wanted.get("arches") and machine not in wanted["arches"]:
        return False
    if wanted.get("minKernel") and _kernel() < _version(wanted["minKernel"]):
        return False
    return capabilities >= set(wanted.get("caps") or ())


def _kernel() -> tuple[int, int]:
    return _version(os.uname().release)


def _version(text: str) -> tuple[int, int]:
    """Return the first two numbers of ``5.10.0-28``."""
    numbers = []
    for part in str(text).split(".")[:2]:
        digits = part[: next((i for i, c in enumerate(part) if not c.isdigit()), len(part))]
        numbers.append(int(digits or "0"))
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0)
