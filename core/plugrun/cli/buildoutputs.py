"""``--output``, ``--push`` and ``--load``: what a build is to make, and where that goes."""

from __future__ import annotations

import os
import sys

from plugrun.cli.buildvalues import fields_of, is_true
from plugrun.engine.build.request import DOCKER, IMAGE, LOCAL, OCI, TAR, Output
from plugrun.errors import UsageError
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_REGISTRY = "registry"
_KINDS = (IMAGE, _REGISTRY, LOCAL, TAR, DOCKER, OCI)
# What BuildKit's exporters take and what is so here anyway, if the value is one of these.
_SO_ANYWAY = {
    "compression": ("uncompressed", "gzip"),
    "force-compression": ("false",),
    "oci-mediatypes": ("true", "false"),
    "platform-split": ("false",),
    "push-by-digest": ("false",),
    "registry.insecure": ("false",),
    "rewrite-timestamp": ("true",),
    "store": ("true",),
    "tar": ("true",),
    "unpack": ("true", "false"),
}


def outputs(v: Mapping[str, Any]) -> tuple[Output, ...]:
    """Return what ``--output`` and ``--push`` ask for; raise UsageError in Docker's words."""
    found = [_output(text) for text in v["output"]]
    if v["push"] and not found:
        found = [Output(IMAGE, push=True)]
    elif v["push"]:
        if not any(one.kind == IMAGE for one in found):
            raise UsageError("push and this --output cannot be used together: it is no image")
        found = [replace(one, push=True) if one.kind == IMAGE else one for one in found]
    for one in found:
        if one.push and not one.names and not v["tag"]:
            raise UsageError("tag is needed when pushing to registry: add -t NAME")
    return tuple(found)


def _output(text: str) -> Output:
    """Return ``type=KIND,dest=PATH``; a path alone is a folder, ``-`` a tar on standard output."""
    if "=" not in text:
        return Output(TAR, "-") if text == "-" else Output(LOCAL, os.path.abspath(text))
    fields = fields_of("output", text)
    kind, place = fields.pop("type", ""), fields.pop("dest", "")
    if kind not in _KINDS:
        raise UsageError(
            f'invalid argument "{text}" for "--output" flag: type is one of {", ".join(_KINDS)}'
        )
    names = tuple(filter(None, fields.pop("name", "").split(",")))
    push = is_true("output", text, fields.pop("push", "false")) or kind == _REGISTRY
    _refuse_unknown(text, fields)
    kind = IMAGE if kind == _REGISTRY else kind
    if kind in (LOCAL, TAR) and (names or push):
        raise UsageError(f'invalid argument "{text}" for "--output" flag: files have no name')
    if kind in (DOCKER, OCI) and push:
        raise UsageError(f'invalid argument "{text}" for "--output" flag: only images are pushed')
    return Output(kind, _place(kind, place), names, push)


def _place(kind: str, place: str) -> str:
    if kind == IMAGE and place:
        raise UsageError("dest is not for images: type=docker and type=oci make an archive")
    if kind == LOCAL and place in ("", "-"):
        raise UsageError('invalid argument for "--output" flag: dest is required for local output')
    if kind in (TAR, OCI) and not place:
        place = "-"
    if place == "-" and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("dest file is required for this exporter: this is a terminal")
    return place if place in ("", "-") else os.path.abspath(place)


def _refuse_unknown(text: str, fields: Mapping[str, str]) -> None:
    for key, value in fields.items():
        if value not in _SO_ANYWAY.get(key, ()):
            hint = "say --annotation KEY=VALUE" if key.startswith("annotation") else "leave it out"
            raise UsageError(
                f'invalid argument "{text}" for "--output" flag: {key}={value} is not supported',
                hint=hint,
            )
