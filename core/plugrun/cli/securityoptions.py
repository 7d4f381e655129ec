"""What a command line says about namespaces, capabilities, devices and ``--security-opt``."""

from __future__ import annotations

from plugrun.cli.values import parse_bool
from plugrun.errors import InvalidArgument, UsageError
from plugrun.model.fence import DeviceMapping, Namespaces, Security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_IPC = ("", "none", "private", "shareable", "host")
_LARGEST_PROFILE = 4 << 20


def namespaces(v: Mapping[str, Any]) -> Namespaces:
    """Return the namespaces asked for; UsageError for a mode that is none."""
    if v["pid"] not in ("", "host") and not _joins(v["pid"]):
        raise UsageError("--pid: invalid PID mode")
    if v["uts"] not in ("", "host"):
        raise UsageError("--uts: invalid UTS mode")
    if v["userns"].partition(":")[0] not in ("", "host", "remap", "auto"):
        raise UsageError(
            "--userns: invalid USER mode",
            hint="there are host, remap, remap:USER[:GROUP], auto and auto:size=NUMBER",
        )
    if v["cgroupns"] not in ("", "host", "private"):
        raise UsageError("--cgroupns: invalid CGROUP mode")
    ipc = v["ipc"] or ""
    if ipc not in _IPC and not _joins(ipc):
        raise InvalidArgument(f"Invalid IPC mode: {ipc}")
    return Namespaces(pid=v["pid"], ipc=ipc, uts=v["uts"], user=v["userns"], cgroup=v["cgroupns"])


def _joins(mode: str) -> bool:
    return mode.startswith("container:") and mode != "container:"


def security(v: Mapping[str, Any]) -> Security:
    """Return what goes beyond Docker's defaults or falls short of them."""
    from plugrun.engine.fence.capabilities import named

    if not -1000 <= v["oom_score_adj"] <= 1000:
        raise InvalidArgument(
            f"Invalid value {v['oom_score_adj']}, range for oom score adj is [-1000, 1000]"
        )
    return Security(
        privileged=v["privileged"],
        cap_add=named(v["cap_add"], "CapAdd"),
        cap_drop=named(v["cap_drop"], "CapDrop"),
        devices=tuple(_device(text) for text in v["device"]),
        device_rules=v["device_cgroup_rule"],
        sysctls=tuple(dict(v["sysctl"]).items()),
        oom_score_adj=v["oom_score_adj"],
        **_options(v["security_opt"]),
    )


def _device(text: str) -> DeviceMapping:
    parts = text.split(":")
    if len(parts) > 3:
        raise UsageError(f"bad format for path: {text}")
    source, target, access = parts[0], parts[0], "rwm"
    if len(parts) == 3:
        target, access = parts[1], parts[2]
        if not _is_access(access):
            raise UsageError(f"bad mode specified: {access}")
    elif len(parts) == 2 and _is_access(parts[1]):
        access = parts[1]
    elif len(parts) == 2:
        target = parts[1]
    for path in (target or source, source):
        if not path.startswith("/"):
            raise UsageError(f"{path} is not an absolute path")
    return DeviceMapping(source, target or source, access)


def _is_access(text: str) -> bool:
    """Whether these are letters of ``rwm``, each at most once."""
    return bool(text) and frozenset("rwm").issuperset(text) and len(set(text)) == len(text)


def _options(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of Security that ``--security-opt`` sets."""
    fields: dict[str, Any] = {"options": ()}
    for text in texts:
        key, value = _split(text)
        shown = text
        if key == "no-new-privileges":
            fields["no_new_privileges"] = text == key or _boolean(text, value)
        elif key == "writable-cgroups":
            fields["writable_cgroups"] = _boolean(text, value)
        elif key == "seccomp":
            fields["seccomp"] = _seccomp(value)
            if fields["seccomp"] not in ("", "unconfined"):
                shown = f"seccomp={fields['seccomp']}"
        elif key == "systempaths":
            if value != "unconfined":
                raise _invalid(text)
            fields["unmasked"] = True
            continue  # Docker shows it as what it does: no masked paths
        else:
            _check_label(key, value, text)
        fields["options"] += (shown,)
    return fields


def _split(text: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found:
        key, found, value = text.partition(":")
    if not value and key != "no-new-privileges":
        raise UsageError(f'Invalid --security-opt: "{text}"')
    return key, value


def _boolean(text: str, value: str) -> bool:
    try:
        return parse_bool(value)
    except InvalidArgument:
        raise _invalid(text) from None


def _check_label(key: str, value: str, text: str) -> None:
    """Accept what says that a module is not to confine the container: none does here."""
    if key == "apparmor":
        if value == "unconfined":
            return
        raise InvalidArgument(
            f"AppArmor profiles are not supported: {value}", hint="leave it out, or say unconfined"
        )
    if key == "label":
        if value == "disable":
            return
        raise InvalidArgument(
            f"SELinux labels are not supported: {value}", hint="leave it out, or say label=disable"
        )
    raise _invalid(text)


def _invalid(text: str) -> InvalidArgument:
    return InvalidArgument(
        f'invalid --security-opt 2: "{text}"',
        hint="there are no-new-privileges, seccomp, systempaths, writable-cgroups, apparmor, label",
    )


def _seccomp(value: str) -> str:
    """Return empty for the default profile, ``unconfined``, or a file's profile on one line."""
    if value in ("unconfined", "builtin"):
        return "" if value == "builtin" else value
    import json

    try:
        with open(value, "rb") as file:
            text = file.read(_LARGEST_PROFILE)
    except OSError as error:
        why = (error.strerror or "unreadable").lower()
        raise UsageError(f"opening seccomp profile ({value}) failed: open {value}: {why}") from None
    try:
        profile = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"compacting json for seccomp profile ({value}) failed: {error}") from None
    from plugrun.engine.fence.seccompprofile import check_profile

    check_profile(profile)
    return json.dumps(profile, separators=(",", ":"))
