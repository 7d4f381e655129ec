"""Registries: whether one answers, asked as a pull would ask, by way of mirrors and proxies."""

from __future__ import annotations

from plugrun.engine.doctor.checks import NOTE, OK, Check
from plugrun.errors import ImageNotFound, PlugrunError, Unauthorized
from plugrun.model.descriptor import host_platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from plugrun.engine.engine import Engine

_NOWHERE = "plugrun/doctor-asks:none"
_PURPOSE = "pull and push"


def check_registries(engine: Engine, hosts: Iterable[str]) -> Iterator[Check]:
    """Ask each for an image that nobody has: what counts is that there is an answer."""
    for host in hosts:
        try:
            found, remedy = _answer(engine, host), ""
        except PlugrunError as error:
            found, remedy = error.message, error.hint or "see to the network, or set HTTPS_PROXY"
        yield Check("registries", host, NOTE if remedy else OK, found, _PURPOSE, remedy)


def _answer(engine: Engine, host: str) -> str:
    transport = engine.open_transport(f"docker://{host}/{_NOWHERE}")
    try:
        transport.resolve(host_platform())
    except (ImageNotFound, Unauthorized):
        return "answers"
    finally:
        transport.close()
    return "answers"
