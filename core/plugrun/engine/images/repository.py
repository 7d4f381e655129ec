"""A repository as others see it: its tags, what refers to its images, and deletion there."""

from __future__ import annotations

from plugrun.errors import InvalidArgument
from plugrun.interfaces.transport import REPOSITORY
from plugrun.model.descriptor import host_platform
from plugrun.model.reference import parse_reference, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.engine.engine import Engine
    from plugrun.interfaces.transport import Referrer, Repository


def tags(engine: Engine, text: str) -> Sequence[str]:
    """Return the tags of a repository; nothing is fetched but their list."""
    repository = _open(engine, text)
    try:
        return repository.tags()
    finally:
        repository.close()


def referrers(engine: Engine, text: str, artifact_type: str) -> Sequence[Referrer]:
    """Return what refers to an image by tag or digest; of an index, to the index."""
    reference = parse_reference(split_address(text)[1])
    repository = _open(engine, text)
    try:
        digest = reference.digest or repository.resolve(host_platform()).descriptor.digest
        return repository.referrers(digest, artifact_type)
    finally:
        repository.close()


def delete(engine: Engine, text: str) -> str:
    """Delete one tag, or an image by its digest; return its name.

    Raise InvalidArgument if the name has neither: nobody deletes ``latest`` by leaving it out.
    """
    reference = parse_reference(split_address(text)[1], default_tag="")
    if not reference.tag and not reference.digest:
        raise InvalidArgument(f"{text} names neither a tag nor a digest to delete")
    repository = _open(engine, text)
    try:
        repository.delete(reference.digest or reference.tag)
    finally:
        repository.close()
    return str(reference)


def _open(engine: Engine, text: str) -> Repository:
    transport: Repository = engine.open_transport(text)  # type: ignore[assignment]
    if REPOSITORY not in transport.capabilities:
        transport.close()
        raise InvalidArgument(f"{text} is no registry's name")
    return transport
