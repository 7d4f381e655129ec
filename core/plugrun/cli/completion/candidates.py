"""What the value of an option, or an argument of a command, can be."""

from __future__ import annotations

from plugrun.cli.completion.objects import containers, images, networks, storages, volumes
from plugrun.cli.options import FLAG, Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from plugrun.engine.request import GlobalOptions

    Here = Callable[[], GlobalOptions]

_ON_RUNNING = frozenset(("attach", "exec", "kill", "pause", "stop", "top", "stats"))
_ON_STOPPED = frozenset(("migrate", "start"))
_STORAGES = frozenset(("from", "to"))

# Values of options that are one of a few words.
_WORDS = {
    "format": ("json", "table"),
    "log-driver": ("json-file", "none"),
    "progress": ("auto", "plain", "tty", "json"),
    "pull": ("always", "missing", "never"),
    "restart": ("no", "on-failure", "always", "unless-stopped"),
    "type": ("container", "image", "network", "volume"),
}


def values(option: Option, here: Here) -> Iterable[str]:
    """Return what the value of an option can be; ``here`` says where containers are kept."""
    if option.kind == FLAG:
        return ("true", "false")
    if option.name == "network":
        return networks(here())
    if option.name in ("volumes-from", "link"):
        return containers(here(), "")
    if option.name in _STORAGES:
        return storages(here())
    return _WORDS.get(option.name, ())


def arguments(table: Command, args: Sequence[str], here: Here) -> Iterable[str]:
    """Return names of what the usage of a command says that the argument after ``args`` is."""
    kind = _kind(table.usage, len(args))
    name = table.name.rpartition(" ")[2]
    state = "running" if name in _ON_RUNNING else "stopped" if name in _ON_STOPPED else ""
    found: list[str] = []
    if kind in ("SRC", "DEST"):
        found += images(here())
    if "CONTAINER" in kind or "NAME|ID" in kind:
        found += containers(here(), state)
    if "IMAGE" in kind or "REPOSITORY" in kind or "NAME|ID" in kind:
        found += images(here())
    if "VOLUME" in kind:
        found += volumes(here())
    if "NETWORK" in kind:
        found += networks(here())
    if "SHELL" in kind:
        found += ("bash", "zsh", "fish")
    return [name for name in found if name not in args]


def _kind(usage: str, number: int) -> str:
    """Return the word of a usage line for the argument of a number; the last may repeat."""
    words = [word for word in usage.split() if word != "[OPTIONS]"]
    if number < len(words):
        return words[number]
    return words[-1] if words and words[-1].endswith("...]") else ""
