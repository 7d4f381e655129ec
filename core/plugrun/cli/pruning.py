"""What ``container prune``, ``image prune`` and ``system prune`` share: prompt, filters, report."""

from __future__ import annotations

import sys

from plugrun.cli import output
from plugrun.cli.filters import pruned_labels_fit, read_filters, read_until
from plugrun.cli.imagesfilter import image_labels
from plugrun.cli.units import human_size
from plugrun.model.times import rfc3339_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from plugrun.cli.filters import Filters
    from plugrun.engine.engine import Engine
    from plugrun.engine.prune import Pruned
    from plugrun.model.container import Container
    from plugrun.model.image import Image

KNOWN = frozenset(("label", "label!", "until"))


def confirmed(warning: str) -> bool:
    """Ask whether to go on, and return whether the answer was yes."""
    output.write(f"{warning}\nAre you sure you want to continue? [y/N] ")
    output.flush()
    answer = sys.stdin.readline() if sys.stdin is not None else ""
    return answer.strip().lower() == "y"


def prune_filters(texts: Iterable[str], known: frozenset[str] = KNOWN) -> Filters:
    """Return the filters of a prune; raise InvalidArgument, in Docker's words."""
    return read_filters(texts, known)


def wanted_containers(filters: Filters) -> Callable[[Container], bool]:
    """Return whether filters let a container go."""
    until = read_until(filters)

    def wanted(container: Container) -> bool:
        young = until is not None and container.created_ns > until
        return not young and pruned_labels_fit(filters, dict(container.labels))

    return wanted


def wanted_images(engine: Engine, filters: Filters) -> Callable[[Image], bool]:
    """Return whether filters let an image go."""
    until = read_until(filters)
    labelled = "label" in filters or "label!" in filters

    def wanted(image: Image) -> bool:
        if until is not None and rfc3339_ns(image.created) > until:
            return False
        return not labelled or pruned_labels_fit(filters, image_labels(engine, image))

    return wanted


def report(*parts: tuple[str, Pruned]) -> None:
    """Print what went under its headings, and how much that was."""
    for heading, pruned in parts:
        if pruned.lines:
            output.write("\n".join((f"Deleted {heading}:", *pruned.lines)) + "\n\n")
    reclaimed = sum(pruned.reclaimed for _, pruned in parts)
    output.write(f"Total reclaimed space: {human_size(reclaimed, 4)}\n")
