"""``info`` and ``version`` for people, in Docker's layout: lines that scripts look for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Document = Mapping[str, Any]

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def version_text(document: Document) -> str:
    """Return ``plugrun version``."""
    client, server = document["Client"], document["Server"]
    lines = ["Client:", *_version_lines(" ", client), _line(" Context:", client["Context"])]
    lines += ["", "Server:", " Engine:", *_version_lines("  ", server)]
    lines.append(_line("  Kernel version:", server["KernelVersion"]))
    lines.append(_line("  Experimental:", _word(server["Experimental"])))
    return "\n".join(lines) + "\n"


def _version_lines(indent: str, part: Document) -> list[str]:
    return [
        _line(f"{indent}Version:", part["Version"]),
        _line(f"{indent}API version:", part["ApiVersion"]),
        _line(f"{indent}Python version:", part["PythonVersion"]),
        _line(f"{indent}OS/Arch:", f"{part['Os']}/{part['Arch']}"),
    ]


def _line(label: str, value: str) -> str:
    """Return a line of ``version``: Docker's values begin at one column."""
    return f"{label:<19} {value}"


def info_text(document: Document) -> str:
    """Return ``plugrun info``."""
    client = document["ClientInfo"]
    lines = [
        "Client:",
        f" Version:    {client['Version']}",
        f" Context:    {client['Context']}",
        f" Debug Mode: {_word(client['Debug'])}",
        "",
        "Server:",
        *_counted(document),
        *_served(document),
        *_machine(document),
        *_own(document),
        f" Live Restore Enabled: {_word(document['LiveRestoreEnabled'])}",
    ]
    return "\n".join(lines) + "\n\n"


def _counted(document: Document) -> list[str]:
    return [
        f" Containers: {document['Containers']}",
        f"  Running: {document['ContainersRunning']}",
        f"  Paused: {document['ContainersPaused']}",
        f"  Stopped: {document['ContainersStopped']}",
        f" Images: {document['Images']}",
        f" Server Version: {document['ServerVersion']}",
    ]


def _served(document: Document) -> list[str]:
    plugins = document["Plugins"]
    return [
        f" Storage Driver: {document['Driver']}",
        *(f"  {key}: {value}" for key, value in document["DriverStatus"]),
        f" Logging Driver: {document['LoggingDriver']}",
        f" Cgroup Driver: {document['CgroupDriver']}",
        f" Cgroup Version: {document['CgroupVersion']}",
        " Plugins:",
        *(f"  {kind}: {' '.join(plugins[kind])}" for kind in ("Volume", "Network", "Log")),
        f" Runtimes: {' '.join(document['Runtimes'])}",
        f" Default Runtime: {document['DefaultRuntime']}",
        " Security Options:",
        *_security(document["SecurityOptions"]),
    ]


def _security(options: list[str]) -> list[str]:
    """Return ``name=seccomp,profile=default`` as a name with what belongs to it below."""
    lines = []
    for option in options:
        for part in option.split(","):
            key, _, value = part.partition("=")
            lines.append(f"  {value}" if key == "name" else f"   {key.capitalize()}: {value}")
    return lines


def _machine(document: Document) -> list[str]:
    return [
        f" Kernel Version: {document['KernelVersion']}",
        f" Operating System: {document['OperatingSystem']}",
        f" OSType: {document['OSType']}",
        f" Architecture: {document['Architecture']}",
        f" CPUs: {document['NCPU']}",
        f" Total Memory: {binary_size(document['MemTotal'])}",
        f" Name: {document['Name']}",
        f" ID: {document['ID']}",
        f" Docker Root Dir: {document['DockerRootDir']}",
        f" Debug Mode: {_word(document['Debug'])}",
        f" Experimental: {_word(document['ExperimentalBuild'])}",
    ]


def _own(document: Document) -> list[str]:
    """Return what Docker has no line for."""
    backends = document["Backends"]
    chosen = ((kind, backends[kind]) for kind in ("Storage", "Isolation", "Network"))
    return [
        f" Run Root: {document['RunRoot']}",
        f" Profile: {document['Profile']}",
        " Backends:",
        *(f"  {kind}: {one['name']} {one['version']} ({one['why']})" for kind, one in chosen),
        f"  Transport: {' '.join(backends['Transport'])}",
    ]


def binary_size(size: float) -> str:
    """Return a size with a factor of 1024 and four significant digits: ``23.54GiB``."""
    for unit in _BINARY:
        if size < 1024 or unit == _BINARY[-1]:
            break
        size /= 1024
    return f"{size:.4g}{unit}"


def _word(value: bool) -> str:
    return "true" if value else "false"
