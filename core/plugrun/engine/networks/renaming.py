"""Let networks call a running container by its new name."""

from __future__ import annotations

from plugrun.engine.containers import is_running
from plugrun.engine.networks.attach import endpoint_of
from plugrun.engine.networks.find import is_kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


def rename_endpoints(engine: Engine, container: Container) -> None:
    """Tell the backends of a running container, which has its new name already."""
    if not is_running(engine, container.id):
        return
    for asked in container.endpoints:
        network = engine.metadata.networks.get(asked.network) if is_kept(asked.network) else None
        if network is not None:
            endpoint = endpoint_of(container, asked, network, "", is_gateway=False)
            engine.network_named(network.driver).rename(endpoint)
