"""``rename``: another name for a container."""

from __future__ import annotations

from plugrun.engine.containers import find_container
from plugrun.engine.names import check_name
from plugrun.errors import AlreadyExists, InvalidArgument
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine


def rename(engine: Engine, text: str, name: str) -> None:
    """Give a container another name, running or not.

    Raise NoSuchContainer, AlreadyExists, and InvalidArgument for what is no name.
    """
    if not text or not name:
        raise InvalidArgument("Neither old nor new names may be empty")
    container = find_container(engine, text)
    new = name.removeprefix("/")
    if new == container.name:
        raise InvalidArgument("Renaming a container with the same name as its current name")
    try:
        check_name(new)
        engine.metadata.rename_container(container.id, new)
    except (InvalidArgument, AlreadyExists) as error:
        message = f"Error when allocating new name: {error.message}"
        raise type(error)(message, hint=error.hint) from None
    if container.endpoints:
        from plugrun.engine.networks.renaming import rename_endpoints

        rename_endpoints(engine, replace(container, name=new))
    attributes = {"name": new, "image": container.image_name, "oldName": f"/{container.name}"}
    engine.emit("container", "rename", container.id, attributes)
