"""Which user namespace a container gets: what it asks for, or else what its profile says.

Docker's rules for ``userns-remap`` and ``--userns``; see docs/userns.md.
"""

from __future__ import annotations

from plugrun.engine.userns.subids import OF_REMAP, SUBGID, SUBUID, ranges_of
from plugrun.errors import BackendUnavailable, Conflict, InvalidArgument
from plugrun.interfaces.isolation import USER_NAMESPACES
from plugrun.interfaces.storage import IDMAPPED
from plugrun.model.idmap import IdMap, IdRange
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container

HOST = "host"
DEFAULT = "default"
REMAP = "remap"
AUTO = "auto"
# The users whose IDs are taken where none is named: Docker's, and podman's for ``auto``.
REMAP_USER = "dockremap"
AUTO_USER = "containers"
AUTO_SIZE = 65536
_LONGEST = 2**32 - 1
_LOCK = "userns"


def mode_of(engine: Engine, container: Container) -> str:
    """Return what is to be done in the words of a profile: empty is nothing."""
    given = container.namespaces.user
    by_profile = engine.backends.profile.userns
    if given == REMAP:
        given = "" if by_profile not in ("", HOST) else DEFAULT
    mode = given.removeprefix(f"{REMAP}:") or by_profile
    return "" if mode == HOST else mode


def with_ids(engine: Engine, container: Container) -> Container:
    """Return a container that is about to be made with its mapping, if it is to have one.

    Raise InvalidArgument or Conflict for what does not go together, in Docker's words, and
    BackendUnavailable where the isolation cannot do it.
    """
    ids = _decide(engine, container)
    if ids is None:
        return container
    shifted = not can_be_shown(engine, container, ids)
    return replace(container, uid_map=ids.uid_rows, gid_map=ids.gid_rows, shifted=shifted)


def reserve_ids(
    engine: Engine, container: Container, record: Callable[[Container], Container]
) -> Container:
    """Record a container with a mapping; IDs that are to be its alone are nobody else's then."""
    if not is_auto(mode_of(engine, container)) or _joined(engine, container) is not None:
        return record(container)
    with engine.locks.exclusive(_LOCK):
        return record(with_ids(engine, container))


def _decide(engine: Engine, container: Container) -> IdMap | None:
    mode = mode_of(engine, container)
    other = _joined(engine, container)
    if other is not None:
        return _same_as(other, container)
    if not mode:
        return None
    _refuse_host(container)
    _check_isolation(engine, container)
    if is_auto(mode):
        from plugrun.engine.userns.auto import free_range

        return free_range(engine, _size(mode))
    return _of_user(mode)


def is_auto(mode: str) -> bool:
    """Whether each container is to get IDs of its own."""
    return mode == AUTO or mode.startswith(f"{AUTO}:")


def _size(mode: str) -> int:
    _, colon, option = mode.partition(":")
    key, _, value = option.partition("=")
    if not colon:
        return AUTO_SIZE
    if key != "size" or not value.isdecimal() or not 0 < int(value) <= _LONGEST:
        raise InvalidArgument(f"--userns {mode}: not auto:size=NUMBER")
    return int(value)


def _refuse_host(container: Container) -> None:
    """Refuse what a user namespace leaves of the host, as Docker does."""
    hint = "add --userns=host"
    if container.security.privileged:
        raise InvalidArgument(
            "privileged mode is incompatible with user namespaces.  You must run the container in "
            "the host namespace when running privileged mode",
            hint=hint,
        )
    if container.network == HOST:
        raise InvalidArgument(
            "cannot share the host's network namespace when user namespaces are enabled", hint=hint
        )
    if container.namespaces.pid == HOST:
        raise InvalidArgument(
            "cannot share the host PID namespace when user namespaces are enabled", hint=hint
        )


def _check_isolation(engine: Engine, container: Container) -> None:
    isolation = container.isolation.name
    if USER_NAMESPACES not in engine.isolation_named(isolation).capabilities:
        raise BackendUnavailable(
            f"isolation {isolation} makes no user namespaces",
            hint="run it with --userns=host, or with a profile whose isolation can",
        )


def can_be_shown(engine: Engine, container: Container, ids: IdMap) -> bool:
    """Whether this machine can show the storage's files with other owners than those on disk."""
    from plugrun.linux.idmap import can_map

    if IDMAPPED not in engine.storage_of(container).capabilities:
        return False
    return can_map(f"{engine.root}/storage/{container.storage.name}", ids)


def _joined(engine: Engine, container: Container) -> Container | None:
    """Return the container whose namespaces are shared: its user namespace is shared with them."""
    from plugrun.engine.fence.joining import joined

    for mode in (container.namespaces.pid, container.namespaces.ipc, container.network):
        if joined(mode):
            return engine.metadata.container(joined(mode))
    return None


def _same_as(other: Container, container: Container) -> IdMap | None:
    ids = ids_of(other)
    wanted = container.namespaces.user
    if (wanted == HOST and ids) or (wanted not in ("", HOST) and not ids):
        raise Conflict(
            f"container {other.name} has another user namespace, and who shares its other "
            "namespaces shares that",
            hint="leave --userns away",
        )
    return ids


def _of_user(mode: str) -> IdMap:
    """Return the mapping of Docker's ``userns-remap``: ``default`` or ``USER[:GROUP]``."""
    if mode == DEFAULT:
        names = (REMAP_USER,)
        return IdMap(ranges_of(SUBUID, names, OF_REMAP), ranges_of(SUBGID, names, OF_REMAP))
    user, _, group = mode.partition(":")
    group = group or user
    if not user:
        raise InvalidArgument(f"--userns {REMAP}:{mode}: names no user")
    return IdMap(
        ranges_of(SUBUID, _names(user, group=False)), ranges_of(SUBGID, _names(group, group=True))
    )


def _names(name: str, *, group: bool) -> list[str]:
    """Return a user or group by name and by number, whichever the files have."""
    import grp
    import pwd

    try:
        if name.isdecimal():
            number = int(name)
            named = grp.getgrgid(number).gr_name if group else pwd.getpwuid(number).pw_name
            return [named, name]
        number = grp.getgrnam(name).gr_gid if group else pwd.getpwnam(name).pw_uid
        return [name, str(number)]
    except (KeyError, OverflowError):
        return [name]  # the files may know a name that is no account


def ids_of(container: Container) -> IdMap | None:
    """Return a container's mapping as its record has it; None if it has none."""
    if not container.uid_map:
        return None
    return IdMap(
        tuple(IdRange(*row) for row in container.uid_map),
        tuple(IdRange(*row) for row in container.gid_map),
    )
