"""``plugrun images``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fnmatch import fnmatchcase

from plugrun.cli import output
from plugrun.cli.listing import render
from plugrun.cli.options import Parsed
from plugrun.cli.views import (
    DIGESTS_TABLE,
    IMAGES_HEADERS,
    IMAGES_TABLE,
    image_row,
    rfc3339_ns,
)
from plugrun.engine.engine import Engine
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.model.image import Image
from plugrun.model.reference import Reference, parse_reference


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """List images by their names, newest first."""
    v = parsed.values
    engine = open_healed(options)
    heal_storage(engine)
    now = time.time_ns()
    rows = [
        image_row(image, *_parts(reference), digest, v["no_trunc"], now)
        for image, reference, digest in _named(engine)
        if not parsed.args or _matches(reference, parsed.args[0])
    ]
    if v["quiet"] and not v["format"]:
        output.write("".join(f"{row['ID']}\n" for row in rows))
    else:
        table = DIGESTS_TABLE if v["digests"] else IMAGES_TABLE
        output.write(render(v["format"], table, IMAGES_HEADERS, rows))
    return 0


def _named(engine: Engine) -> Iterator[tuple[Image, Reference | None, str]]:
    """Yield each image with each of its names, or once without."""
    images = engine.metadata.images()
    for image in sorted(images, key=lambda image: rfc3339_ns(image.created), reverse=True):
        names = engine.metadata.image_names(image.id)
        for name in names:
            yield image, parse_reference(name.name, default_tag=""), name.digest
        if not names:
            yield image, None, ""


def _parts(reference: Reference | None) -> tuple[str, str]:
    return ("", "") if reference is None else (reference.familiar_name, reference.tag)


def _matches(reference: Reference | None, pattern: str) -> bool:
    """Whether ``REPOSITORY[:TAG]`` means this name; both may have wildcards."""
    if reference is None:
        return False
    forms = {reference.familiar_name, reference.name}
    wanted = {*forms, *(f"{form}:{reference.tag}" for form in forms)}
    return any(fnmatchcase(form, pattern) for form in wanted)
