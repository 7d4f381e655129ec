"""The resolved profile as YAML, for ``plugrun config show``."""

from __future__ import annotations

from typing import Any

import yaml

from plugrun.config import Settings
from plugrun.model.profile import HOOKS, KINDS, USERNS


def show(settings: Settings, origin: bool) -> str:
    """Return a document that, as a configuration file, gives the same profile again."""
    name = settings.profile.name
    lines = [(f"profile: {_text(name)}", ""), ("profiles:", ""), (f"  {_text(name)}:", "")]
    for key in (*KINDS, HOOKS):
        names = _text(list(settings.profile.names(key)))
        lines.append((f"    {key}: {names}", settings.origins.get(key, "built-in")))
    if settings.profile.userns:
        value = _text(settings.profile.userns)
        lines.append((f"    {USERNS}: {value}", settings.origins.get(USERNS, "built-in")))
    lines += _options(settings)
    if not origin:
        return "".join(f"{line}\n" for line, _ in lines)
    width = max(len(line) for line, place in lines if place)
    return "".join(f"{line:{width}}  # {where}".rstrip(" #") + "\n" for line, where in lines)


def _options(settings: Settings) -> list[tuple[str, str]]:
    lines = []
    for kind, backends in sorted(settings.profile.options.items()):
        lines.append((f"      {kind}:", ""))
        for backend, options in sorted(backends.items()):
            lines.append((f"        {_text(backend)}:", ""))
            for key, value in sorted(options.items()):
                where = settings.origins.get(f"options.{kind}.{backend}.{key}", "default")
                lines.append((f"          {_text(key)}: {_text(value)}", where))
    return [("    options:", ""), *lines] if lines else []


def _text(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("...\n").rstrip("\n")
