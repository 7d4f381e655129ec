"""plugrun: a container engine whose storage, isolation, transport and network are plugins.

``from plugrun import Engine`` is for Python programs (docs/python.md).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.client.caller import CommandFailed as CommandFailed
    from plugrun.client.caller import Result as Result
    from plugrun.client.caller import TimedOut as TimedOut
    from plugrun.client.container import Container as Container
    from plugrun.client.container import NotReady as NotReady
    from plugrun.client.engine import Engine as Engine
    from plugrun.client.image import Image as Image
    from plugrun.errors import PlugrunError as PlugrunError

__version__ = "0.1.0"

# Loaded when asked for: the command loads this package at every start.
_HOMES = {
    "CommandFailed": "plugrun.client.caller",
    "Result": "plugrun.client.caller",
    "TimedOut": "plugrun.client.caller",
    "Container": "plugrun.client.container",
    "NotReady": "plugrun.client.container",
    "Engine": "plugrun.client.engine",
    "Image": "plugrun.client.image",
    "PlugrunError": "plugrun.errors",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(__import__(_HOMES[name], fromlist=(name,)), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
