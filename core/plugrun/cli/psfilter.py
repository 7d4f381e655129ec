"""``ps --filter``: which containers are listed."""

from __future__ import annotations

from plugrun.cli.filters import labels_fit, read_bool, read_filters
from plugrun.engine.containers import find_container
from plugrun.engine.images.find import find_image
from plugrun.engine.inspect.network import published_ports
from plugrun.engine.networks.attached import read_attached
from plugrun.engine.networks.find import fixed_id
from plugrun.engine.networks.ports import exposed
from plugrun.errors import InvalidArgument, NoSuchImage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container, Status

    Passes = Callable[[Container, Status], bool]

KNOWN = frozenset(
    (
        *("ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation"),
        *("label", "name", "network", "publish", "since", "status", "volume"),
    )
)
_STATES = ("created", "restarting", "running", "removing", "paused", "exited", "dead")
_HEALTH = ("starting", "healthy", "unhealthy", "none")


def containers_filter(engine: Engine, texts: Iterable[str]) -> Passes:
    """Return whether a container passes ``KEY=VALUE`` filters.

    As in Docker one of the values of a key must fit, but all labels; and every key must.
    """
    filters = read_filters(texts, KNOWN)
    tests: list[Passes] = []
    for key, values in filters.items():
        tests.append(_test(engine, key, values))
    if read_bool(filters, "is-task"):
        tests.append(lambda container, status: False)
    return lambda container, status: all(test(container, status) for test in tests)


def _test(engine: Engine, key: str, values: tuple[str, ...]) -> Passes:
    if key in ("name", "id"):
        return _by_pattern(key, values)
    if key in ("before", "since"):
        return _by_age(engine, key, values)
    if key in ("publish", "expose"):
        return _by_port(engine, key, values)
    if key == "ancestor":
        images = _descendants(engine, values)
        return lambda c, s: c.image in images
    if key == "exited":
        codes = {_number(value) for value in values}
        return lambda c, s: s.state == "exited" and s.exit_code in codes
    if key == "status":
        _check("status", values, _STATES)
        return lambda c, s: s.state in values
    if key == "health":
        if not set(values) <= set(_HEALTH):
            raise InvalidArgument(f"Unrecognised filter value for health: {values[0]}")
        return lambda c, s: (s.health or "none") in values
    if key == "label":
        return lambda c, s: labels_fit(dict(c.labels), values)
    if key == "network":
        return _by_network(values)
    if key == "volume":
        return lambda c, s: any({p.volume or p.source, p.target} & set(values) for p in c.mounts)
    return lambda c, s: True


def _check(key: str, values: Iterable[str], known: tuple[str, ...]) -> None:
    for value in values:
        if value not in known:
            hint = f"one of {', '.join(known)}"
            raise InvalidArgument(f"Invalid filter '{key}={value}'", hint=hint)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(f'strconv.Atoi: parsing "{text}": invalid syntax') from None


def _by_pattern(key: str, values: tuple[str, ...]) -> Passes:
    """Patterns that are none fit nothing. Docker's names begin with a slash, and a pattern may
    count on it or not."""
    import re

    patterns = []
    for value in values:
        try:
            patterns.append(re.compile(value))
        except re.error:
            continue
    if key == "id":
        return lambda c, s: any(pattern.match(c.id) for pattern in patterns)
    return lambda c, s: any(p.search(c.name) or p.search(f"/{c.name}") for p in patterns)


def _by_age(engine: Engine, key: str, values: tuple[str, ...]) -> Passes:
    found = [find_container(engine, value) for value in values]
    if key == "before":
        latest = max(one.created_ns for one in found)
        return lambda c, s: c.created_ns < latest
    earliest = min(one.created_ns for one in found)
    return lambda c, s: c.created_ns > earliest


def _descendants(engine: Engine, values: tuple[str, ...]) -> set[str]:
    """Return the IDs of images, and of those that were made on top of them."""
    found: set[str] = set()
    for value in values:
        try:
            ancestor = find_image(engine, value)
        except (NoSuchImage, InvalidArgument):
            continue
        found.add(ancestor.id)
        base = ancestor.chain
        for image in engine.metadata.images():
            if base and len(image.chain) > len(base) and image.chain[: len(base)] == base:
                found.add(image.id)
    return found


def _by_network(values: tuple[str, ...]) -> Passes:
    """Names of networks, or full IDs."""

    def passes(container: Container, status: Status) -> bool:
        on = {text for one in container.endpoints for text in (one.name, one.network)}
        return not (on or {container.network, fixed_id(container.network)}).isdisjoint(values)

    return passes


def _by_port(engine: Engine, key: str, values: tuple[str, ...]) -> Passes:
    """``80``, ``80/udp``, ``80-90/tcp``; of those published, the number outside."""
    wanted = {port for value in values for port in _ports(key, value)}
    if key == "publish":
        return lambda c, s: not wanted.isdisjoint(_published(engine, c, s))
    return lambda c, s: not wanted.isdisjoint(_exposed(c))


def _exposed(container: Container) -> list[str]:
    found = [one for text in container.exposed_ports for one in exposed(text)]
    return [f"{port}/{protocol}" for port, protocol in found]


def _published(engine: Engine, container: Container, status: Status) -> list[str]:
    on_networks = status.running and container.endpoints
    attached = read_attached(engine, container.id) if on_networks else None
    ports = published_ports(attached) if attached else ()
    return [f"{port.host_port}/{port.protocol}" for port in ports]


def _ports(key: str, text: str) -> list[str]:
    span, _, protocol = text.partition("/")
    first, dash, last = span.partition("-")
    low = _port(key, text, first)
    high = _port(key, text, last) if dash else low
    return [f"{port}/{protocol or 'tcp'}" for port in range(low, high + 1)]


def _port(key: str, whole: str, text: str) -> int:
    why = "value out of range" if text.isascii() and text.isdigit() else "invalid syntax"
    if why == "value out of range" and int(text) < 1 << 16:
        return int(text)
    raise InvalidArgument(
        f'error while looking up for {key} {whole}: strconv.ParseUint: parsing "{text}": {why}'
    )
