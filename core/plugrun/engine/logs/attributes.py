"""What each line of a log carries with it: ``--log-opt labels=``, ``env=``, ``tag=``."""

from __future__ import annotations

import re

from plugrun.errors import InvalidArgument
from plugrun.model.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugrun.model.container import Container

_FAILED = "failed to initialize logging driver: "


def log_attrs(container: Container, options: Mapping[str, str]) -> str:
    """Return the attributes that options ask for as a JSON object; empty if there are none."""
    labels = dict(container.labels)
    env = dict(item.partition("=")[::2] for item in container.env)
    found = {
        **_chosen(labels, options.get("labels", ""), options.get("labels-regex", "")),
        **_chosen(env, options.get("env", ""), options.get("env-regex", "")),
    }
    if options.get("tag"):
        found["tag"] = _tag(container, options["tag"])
    return dumps(found, sort_keys=True) if found else ""


def _chosen(values: Mapping[str, str], names: str, pattern: str) -> dict[str, str]:
    found = {name: values[name] for name in names.split(",") if name in values}
    if pattern:
        try:
            fits = re.compile(pattern)
        except re.error as error:
            raise InvalidArgument(f"{_FAILED}error parsing regexp: {error.msg}") from None
        found.update({name: value for name, value in values.items() if fits.search(name)})
    return found


def _tag(container: Container, template: str) -> str:
    """Fill in Docker's markup for tags: fields between double braces, and nothing else."""
    fields = {
        "ID": container.short_id,
        "FullID": container.id,
        "Name": container.name,
        "ImageID": container.image.removeprefix("sha256:")[:12],
        "ImageFullID": container.image,
        "ImageName": container.image_name,
        "DaemonName": "plugrun",
        "Command": " ".join(container.args),
    }
    text, opening, rest = template.partition("{{")
    while opening:
        name, closing, rest = rest.partition("}}")
        if not closing:
            raise InvalidArgument(f"{_FAILED}template: log-tag:1: unclosed action")
        name = name.strip()
        if name.removeprefix(".") not in fields or not name.startswith("."):
            raise InvalidArgument(
                f'{_FAILED}template: log-tag:1:2: executing "log-tag" at <{name}>: can\'t evaluate '
                f"field {name.removeprefix('.')} in type *logger.Info",
                hint=f"the fields are {', '.join(f'.{field}' for field in fields)}",
            )
        more, opening, rest = rest.partition("{{")
        text += fields[name.removeprefix(".")] + more
    return text
