"""What ``run`` and ``create`` do alike, before there is a container and after it."""

from __future__ import annotations

import os

from plugrun.errors import InvalidArgument, NoSuchImage, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.engine.request import RunRequest
    from plugrun.model.container import Container
    from plugrun.model.image import Image


def check_request(request: RunRequest) -> None:
    """Refuse what does not fit together, or not here."""
    if request.cidfile and os.path.exists(request.cidfile):
        raise UsageError(
            f"container ID file found, make sure the other container isn't running or delete "
            f"{request.cidfile}"
        )
    folder = os.path.dirname(os.path.abspath(request.cidfile))
    if request.cidfile and not os.path.isdir(folder):
        raise UsageError(
            f"failed to create the container ID file: {request.cidfile}: {folder} is no folder"
        )
    if request.pull not in ("missing", "always", "never"):
        raise InvalidArgument(
            f'invalid pull option: "{request.pull}": must be one of "always", "missing" or "never"'
        )


def attached_streams(request: RunRequest) -> tuple[str, ...]:
    """Return the streams that the maker of a container attaches to, by Docker's rule."""
    if request.detach:
        return ()
    if request.attach:
        return request.attach
    return ("stdin", "stdout", "stderr") if request.interactive else ("stdout", "stderr")


def local_image(
    engine: Engine, request: RunRequest, observer_factory: Callable[[], PullObserver]
) -> Image:
    """Return the image a request names; pull it by the request's rule."""
    from plugrun.engine.images.find import find_image

    if request.pull != "always":
        try:
            image = find_image(engine, request.image)
            if request.platform is None or image.platform == str(request.platform):
                return image
        except NoSuchImage:
            if request.pull == "never":
                raise
    from plugrun.engine.images.pull import pull

    observer = observer_factory()
    if request.pull == "missing":
        observer.missing(request.image)
    pulled = pull(engine, request.image, request.platform, observer)
    found = engine.metadata.image(pulled.image)
    if found is None:
        raise NoSuchImage(f"No such image: {request.image}", hint="it was removed just now")
    return found


def write_cidfile(request: RunRequest, container: Container) -> None:
    """Write the ID where it is wanted; a file that is there is not overwritten."""
    if request.cid_fd >= 0:
        os.write(request.cid_fd, f"{container.id}\n".encode())
    if request.cidfile:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(request.cidfile, flags, 0o644)
        os.write(fd, container.id.encode())
        os.close(fd)
