"""``images --filter`` and its argument: which images are listed, and by which of their names."""

from __future__ import annotations

from plugrun.cli.filters import labels_fit, read_bool, read_filters, read_until
from plugrun.engine.images.find import find_image
from plugrun.errors import InvalidArgument
from plugrun.model.jsontext import loads
from plugrun.model.record import record
from plugrun.model.times import rfc3339_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.cli.filters import Filters
    from plugrun.engine.engine import Engine
    from plugrun.model.image import Image
    from plugrun.model.reference import Reference

KNOWN = frozenset(("before", "dangling", "label", "reference", "since", "until"))


@record
class ImagesFilter:
    """What an image must be: ``dangling`` None is either; times are nanoseconds, exclusive."""

    dangling: bool | None
    before: int | None
    since: int | None
    labels: tuple[str, ...]
    patterns: tuple[str, ...]

    def passes(self, engine: Engine, image: Image, has_names: bool) -> bool:
        """Whether an image is listed, whatever its names."""
        if self.dangling is not None and self.dangling == has_names:
            return False
        created = rfc3339_ns(image.created)
        if self.before is not None and created >= self.before:
            return False
        if self.since is not None and created <= self.since:
            return False
        return not self.labels or labels_fit(image_labels(engine, image), self.labels)

    def names(self, reference: Reference | None) -> bool:
        """Whether an image is listed by one of its names; None is that it has none."""
        if not self.patterns:
            return True
        return reference is not None and any(fits(reference, text) for text in self.patterns)


def images_filter(engine: Engine, texts: Iterable[str], pattern: str) -> ImagesFilter:
    """Return what ``--filter`` and the argument ask for; raise InvalidArgument, NoSuchImage."""
    filters = read_filters(texts, KNOWN)
    before = [*_times(engine, filters, "before"), *_until(filters)]
    since = _times(engine, filters, "since")
    return ImagesFilter(
        dangling=read_bool(filters, "dangling"),
        before=min(before, default=None),
        since=max(since, default=None),
        labels=filters.get("label", ()),
        patterns=(*filters.get("reference", ()), *([pattern] if pattern else [])),
    )


def _times(engine: Engine, filters: Filters, key: str) -> list[int]:
    return [rfc3339_ns(find_image(engine, text).created) for text in filters.get(key, ())]


def _until(filters: Filters) -> list[int]:
    until = read_until(filters)
    return [] if until is None else [until]


def image_labels(engine: Engine, image: Image) -> dict[str, str]:
    """Return an image's labels, out of its config."""
    config = loads(engine.content.read(image.id)).get("config")
    found = config.get("Labels") if isinstance(config, dict) else None
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def fits(reference: Reference, pattern: str) -> bool:
    """Whether a name fits ``REPOSITORY[:TAG]``, by the rules of Go's path.Match."""
    for name in (reference.familiar_name, reference.name):
        forms = (name, f"{name}:{reference.tag}", f"{name}@{reference.digest}")
        if any(_match(form, pattern) for form in forms):
            return True
    return False


def _match(text: str, pattern: str) -> bool:
    if not frozenset("*?[\\").intersection(pattern):
        return text == pattern
    from fnmatch import fnmatchcase

    # No wildcard stands for a slash: part by part.
    parts, wanted = text.split("/"), pattern.replace("[^", "[!").split("/")
    if "[" in pattern and "]" not in pattern:
        raise InvalidArgument(f"syntax error in pattern: {pattern}")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
