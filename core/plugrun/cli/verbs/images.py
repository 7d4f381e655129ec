"""``plugrun images``."""

from __future__ import annotations

import time

from plugrun.cli import output
from plugrun.cli.imagesfilter import ImagesFilter, images_filter
from plugrun.cli.listing import needs, render
from plugrun.cli.views import DIGESTS_TABLE, IMAGES_HEADERS, IMAGES_RAW, IMAGES_TABLE, image_row
from plugrun.engine.engine import open_configured
from plugrun.model.reference import parse_reference
from plugrun.model.times import rfc3339_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.cli.options import Parsed
    from plugrun.engine.engine import Engine
    from plugrun.engine.request import GlobalOptions
    from plugrun.model.image import Image, ImageName
    from plugrun.model.reference import Reference


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """List images by their names, newest first."""
    v = parsed.values
    engine = open_configured(options)
    wanted = images_filter(engine, v["filter"], "".join(parsed.args))
    digests = v["digests"] or needs(v["format"], "Digest")
    now = time.time_ns()
    rows = [
        image_row(image, *_parts(reference), digest if digests else "", v["no_trunc"], now)
        for image, reference, digest in _listed(engine, wanted, digests)
    ]
    if v["quiet"] and v["format"] in ("", "table"):
        output.write("".join(f"{row['ID']}\n" for row in rows))
        return 0
    form = v["format"]
    if v["digests"] and form.startswith("table ") and not needs(form, "Digest"):
        form += "\t{{.Digest}}"
    raw = "image_id: {{.ID}}" if v["quiet"] else IMAGES_RAW
    table = DIGESTS_TABLE if v["digests"] else IMAGES_TABLE
    output.write(render(form, table, IMAGES_HEADERS, rows, raw, "imageContext"))
    return 0


def _listed(
    engine: Engine, wanted: ImagesFilter, digests: bool
) -> Iterator[tuple[Image, Reference | None, str]]:
    """Yield each image with each of its names, or once without."""
    by_image: dict[str, list[ImageName]] = {}
    for name in engine.metadata.image_names():
        by_image.setdefault(name.image, []).append(name)
    images = engine.metadata.images()
    for image in sorted(images, key=lambda image: rfc3339_ns(image.created), reverse=True):
        names = by_image.get(image.id, [])
        if not wanted.passes(engine, image, bool(names)):
            continue
        for reference, digest in _references(names, digests):
            if wanted.names(reference):
                yield image, reference, digest
        if not names and wanted.names(None):
            yield image, None, ""


def _references(names: list[ImageName], digests: bool) -> list[tuple[Reference, str]]:
    """Return an image's names; one by digest counts only where its repository has no tag."""
    found = [(parse_reference(name.name, default_tag=""), name.digest) for name in names]
    tagged = {reference.name for reference, _ in found if reference.tag}
    shown = [pair for pair in found if pair[0].tag or pair[0].name not in tagged]
    if digests:
        return shown
    return list({(r.name, r.tag): (r, digest) for r, digest in shown}.values())


def _parts(reference: Reference | None) -> tuple[str, str]:
    return ("", "") if reference is None else (reference.familiar_name, reference.tag)
