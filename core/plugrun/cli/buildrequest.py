"""The words of ``build`` as a request."""

from __future__ import annotations

import os

from plugrun.cli.buildoutputs import outputs
from plugrun.cli.buildvalues import agents, cache_image, fields_of, is_inline, refuse_absent
from plugrun.cli.rarevalues import parse_host, parse_ulimit
from plugrun.cli.requests import platform
from plugrun.cli.values import check_memory
from plugrun.engine.build.request import LARGEST_SECRET, BuildRequest, Secret
from plugrun.errors import InvalidArgument, PlugrunError, UsageError
from plugrun.model.container import DEFAULT_SHM_SIZE
from plugrun.model.fence import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from plugrun.cli.options import Parsed

    T = TypeVar("T")

_EPOCH = "SOURCE_DATE_EPOCH"


def build_request(parsed: Parsed) -> BuildRequest:
    """Return what ``build`` asks; raise UsageError or InvalidArgument in Docker's words."""
    v = parsed.values
    refuse_absent(v)
    arguments = _arguments(v["build_arg"])
    sockets, keys = agents(v["ssh"])
    return BuildRequest(
        context=parsed.args[0],
        file=v["file"],
        tags=v["tag"],
        build_args=arguments,
        target=v["target"],
        labels=tuple(_pair(text) for text in v["label"]),
        no_cache=v["no_cache"],
        no_cache_stages=tuple(name.lower() for name in v["no_cache_filter"]),
        pull=v["pull"],
        platform=platform(v["platform"]),
        network=_network(v["network"]),
        extra_hosts=tuple(_converted("add-host", text, parse_host) for text in v["add_host"]),
        shm_size=v["shm_size"] or DEFAULT_SHM_SIZE,
        limits=_limits(v),
        cgroup_parent=v["cgroup_parent"],
        secrets=_secrets(v["secret"]),
        sockets=sockets,
        ssh_keys=keys,
        squash=v["squash"],
        outputs=outputs(v),
        cache_from=tuple(filter(None, map(cache_image, v["cache_from"]))),
        inline_cache=is_inline(v, dict(arguments)),
        annotations=tuple(_annotation(text) for text in v["annotation"]),
        keep_failed=v["keep_failed"],
        epoch=_epoch(dict(arguments)),
    )


def _arguments(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return build arguments; a name alone takes the caller's value, if there is one."""
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not name:
            raise UsageError(f'invalid argument "{text}" for "--build-arg" flag: it has no name')
        if equals or name in os.environ:
            found.append((name, value if equals else os.environ[name]))
    return tuple(found)


def _epoch(arguments: Mapping[str, str]) -> int:
    """Return SOURCE_DATE_EPOCH in seconds, of a build argument or this process's environment."""
    text = arguments.get(_EPOCH, os.environ.get(_EPOCH, ""))
    if not text:
        return -1
    if not (text.isascii() and text.isdigit()) or len(text) > 11:
        raise InvalidArgument(f"{_EPOCH} is {text[:100]!r}, not a number of seconds")
    return int(text)


def _network(name: str) -> str:
    if name.startswith("container:"):
        raise InvalidArgument(
            f"--network {name}: a build does not share a container's network",
            hint="name a network, or one of default, none and host",
        )
    return name or "default"


def _limits(v: Mapping[str, Any]) -> Limits:
    return Limits(
        memory=check_memory(v["memory"]),
        cpu_shares=v["cpu_shares"],
        cpu_period=v["cpu_period"],
        cpu_quota=v["cpu_quota"],
        cpuset_cpus=v["cpuset_cpus"],
        cpuset_mems=v["cpuset_mems"],
        ulimits=tuple(_converted("ulimit", text, parse_ulimit) for text in v["ulimit"]),
    )


def _converted(name: str, text: str, convert: Callable[[str], T]) -> T:
    try:
        return convert(text)
    except PlugrunError as error:
        raise UsageError(
            f'invalid argument "{text}" for "--{name}" flag: {error.message}', hint=error.hint
        ) from None


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _secrets(texts: tuple[str, ...]) -> tuple[Secret, ...]:
    """Return ``id=NAME[,src=FILE|,env=VARIABLE]``; without either the ID is the variable's name
    if there is one of it, else the file's.
    """
    found = []
    for text in texts:
        fields = fields_of("secret", text)
        unknown = set(fields) - {"id", "src", "source", "env", "type"}
        if unknown or not fields.get("id"):
            raise UsageError(
                f'invalid argument "{text}" for "--secret" flag: write it as id=NAME,src=FILE'
            )
        id = fields["id"]
        path, variable = fields.get("src") or fields.get("source", ""), fields.get("env", "")
        if fields.get("type") == "env" and not variable:
            path, variable = "", path or id
        if not path and not variable:
            path, variable = ("", id) if id in os.environ else (id, "")
        if path:
            _check_secret(text, path)
        found.append(Secret(id, os.path.abspath(path) if path else "", variable))
    return tuple(found)


def _check_secret(text: str, path: str) -> None:
    """Refuse a file that is not there now, before anything is built, as Docker does."""
    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise InvalidArgument(
            f"could not parse secrets: [{text}]: failed to stat {path}: {error.strerror}",
            hint="write it as id=NAME,src=FILE or id=NAME,env=VARIABLE",
        ) from None
    if size > LARGEST_SECRET:
        raise InvalidArgument(f"could not parse secrets: [{text}]: {path} has more than 500 kB")


def _annotation(text: str) -> tuple[str, str]:
    """Return ``[manifest:]KEY=VALUE``; there is nothing else here that could bear one."""
    key, equals, value = text.partition("=")
    level, colon, name = key.partition(":")
    if colon and level in ("index", "index-descriptor", "manifest-descriptor"):
        raise InvalidArgument(f"--annotation {text}: an image of one platform has no {level}")
    key = name if colon and level == "manifest" else key
    if not equals or not key:
        raise InvalidArgument(f"invalid annotation {text!r}: write it as KEY=VALUE")
    return key, value
