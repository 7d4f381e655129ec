"""``plugrun doctor``."""

from __future__ import annotations

import os

from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.config import load_settings
from plugrun.engine.doctor.checks import MISSING, NOTE, OK, Check
from plugrun.engine.doctor.doctor import Diagnosis, examine
from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.model.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from plugrun.plugins import PluginInfo

_DEFAULT_REGISTRY = "docker.io"
_BACKENDS = "backends (those with * are the profile's)"


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print what works here, and what to do about the rest; 1 if the profile does not work."""
    v = parsed.values
    settings = load_settings(options.config, options.profile, os.environ, os.getcwd())
    hosts = () if v["offline"] else (v["registry"] or (_DEFAULT_REGISTRY,))
    found = examine(open_engine(options), settings.profile, hosts)
    output.write(f"{dumps(_document(found))}\n" if v["json"] else "".join(_text(found)))
    return 1 if found.lacks else 0


def _text(found: Diagnosis) -> Iterator[str]:
    rows = [(_BACKENDS, *_backend(found, plugin)) for plugin in found.plugins]
    rows += [(c.area, c.state, c.name, c.found, c.purpose, c.remedy) for c in found.checks]
    width = max(len(name) for _, _, name, *_ in rows)
    area = ""
    for own, state, name, what, purpose, remedy in rows:
        if own != area:
            area = own
            yield f"{own}\n"
        yield f"  {state:7}  {name:{width}}  {what}\n"
        if state != OK:
            yield from _advice(purpose, remedy, " " * (width + 13))
    yield _verdict(found)


def _advice(purpose: str, remedy: str, margin: str) -> Iterator[str]:
    if purpose:
        yield f"{margin}for: {purpose}\n"
    if remedy:
        yield f"{margin}do: {remedy}\n"


def _backend(found: Diagnosis, plugin: PluginInfo) -> tuple[str, str, str, str, str]:
    used = (plugin.kind, plugin.name) in found.used
    state = OK if plugin.works else MISSING if used else NOTE
    told = ", ".join(f"{key} {value}" for key, value in plugin.details)
    name = f"{plugin.kind} {plugin.name}{' *' if used else ''}"
    return state, name, told if plugin.works else plugin.reason, "", plugin.remedy


def _verdict(found: Diagnosis) -> str:
    if found.lacks:
        return f"The profile {found.profile} does not work here: {'; '.join(found.lacks)}.\n"
    return f"The profile {found.profile} works here.\n"


def _document(found: Diagnosis) -> dict[str, Any]:
    return {
        "Profile": found.profile,
        "Works": not found.lacks,
        "Lacks": list(found.lacks),
        "Backends": [
            {
                "Kind": plugin.kind,
                "Name": plugin.name,
                "Version": plugin.version,
                "Distribution": plugin.distribution,
                "InProfile": (plugin.kind, plugin.name) in found.used,
                "Works": plugin.works,
                "Reason": plugin.reason,
                "Remedy": plugin.remedy,
                "Capabilities": list(plugin.capabilities),
                "Details": dict(plugin.details),
            }
            for plugin in found.plugins
        ],
        "Checks": [_fields(check) for check in found.checks],
    }


def _fields(check: Check) -> dict[str, str]:
    return {
        "Area": check.area,
        "Name": check.name,
        "State": check.state,
        "Found": check.found,
        "Purpose": check.purpose,
        "Remedy": check.remedy,
    }
