"""What ``ps`` calls a container's image: the name it was asked for by, while that still holds."""

from __future__ import annotations

from plugrun.engine.images.find import find_name
from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


class ImageNames:
    """Names of the images of a root, each looked up once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], bool] = {}

    def shown(self, container: Container, full: bool) -> str:
        """Return the name, or the image's ID if the name has gone or means another image now.

        A digest in the name is left out unless ``full``.
        """
        name, id = container.image_name, container.image
        if (name, id) not in self._known:
            self._known[name, id] = self._holds(name, id)
        if not self._known[name, id]:
            return id if full else id[7:19]
        if full:
            return name
        head, at, _ = name.partition("@")
        return id[7:19] if id[7:19] == name.removeprefix("sha256:")[:12] else head if at else name

    def _holds(self, name: str, id: str) -> bool:
        try:
            found = find_name(self._engine, name)
        except InvalidArgument:
            found = None
        if found is not None:
            return found.image == id
        return bool(name) and id[7:].startswith(name.removeprefix("sha256:"))
