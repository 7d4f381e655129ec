"""The container of one RUN: the engine's own, without a record.

Nobody starts it again, lists it or keeps it, so the database never hears of it: what a killed
build leaves is found by its mark (``marks``) and by its task file.
"""

from __future__ import annotations

import os

from plugrun.engine.attaching.client import Wishes
from plugrun.engine.build.cachemounts import mounts_folder
from plugrun.engine.create import assemble_from
from plugrun.engine.discard import forget_locks, remove_folder
from plugrun.engine.etcfiles import write_etc_files
from plugrun.engine.fence.accountcache import image_accounts
from plugrun.engine.fence.accounts import identify
from plugrun.engine.fence.spec import runtime_spec
from plugrun.engine.images.manifests import parse_image_config
from plugrun.engine.plumbing import lay
from plugrun.engine.request import RunRequest
from plugrun.engine.starter import Starter
from plugrun.engine.stopwatch import Stopwatch
from plugrun.engine.taskfile import write_task_file
from plugrun.engine.tidy import release
from plugrun.linux.filesystem import make_private, write_whole
from plugrun.linux.mounting import MNT_DETACH, mount, umount
from plugrun.linux.signals import raw as signals
from plugrun.model.jsontext import dumps
from plugrun.model.record import record, replace
from plugrun.model.upkeep import LogConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.build.request import BuildRequest
    from plugrun.engine.build.state import StageState
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.mountpoint import MountPoint
    from plugrun.model.spec import RuntimeSpec

# BuildKit's, so that what a build writes down does not differ from one time to the next.
_HOSTNAME = "buildkitsandbox"


@record
class Command:
    """What is executed: who as, where, all of its environment, what is mounted for it alone.

    ``secret`` says that the environment must not come to a disk.
    """

    args: tuple[str, ...]
    user: str
    workdir: str
    env: tuple[str, ...]
    network: str
    mounts: tuple[MountPoint, ...] = ()
    secret: bool = False


def run_in_container(
    engine: Engine, request: BuildRequest, state: StageState, command: Command, key: str
) -> int:
    """Run a command in the active snapshot ``key``; return its exit code.

    Its output goes to descriptors 1 and 2 of this process, which must have no other threads. When
    it is interrupted the container is killed. Nothing but the snapshot is left.
    """
    container = _container(engine, request, command, key)
    # SQLite's locks do not survive the fork of the monitor.
    engine.close_metadata()
    folder = engine.container_folder(key)
    make_private(folder)
    if command.secret:
        # Seen in this mount namespace alone, which the monitor and the container come from.
        mount("tmpfs", folder, "tmpfs", 0, "mode=0700")
    plumbing = lay(terminal=False, interactive=False)
    wishes = Wishes(("stdout", "stderr"), proxy=False)
    starter = Starter(engine, Stopwatch(), plumbing, wishes=wishes)
    monitor = starter.monitor.monitor
    try:
        write_task_file(engine.task_folder(key), starter.monitor)
        engine.check_run_root()
        _write_bundle(engine, container, state)
        code = starter.start(container)
        os.waitpid(monitor, 0)
        return code
    except BaseException:
        # Nobody goes on making the container while it is taken away.
        os.kill(monitor, signals.SIGKILL)  # our child: its PID is its own until we wait
        os.waitpid(monitor, 0)
        release(engine, container)
        raise
    finally:
        if command.secret:
            umount(folder, MNT_DETACH)
        remove_folder(folder)
        remove_folder(engine.task_folder(key))
        forget_locks(engine, key)


def _container(engine: Engine, request: BuildRequest, command: Command, key: str) -> Container:
    settings = {"User": command.user, "WorkingDir": command.workdir}
    config = parse_image_config(dumps({"config": settings}).encode())
    wanted = RunRequest(
        image="",
        args=command.args,
        entrypoint=("",),
        env=command.env,
        mounts=command.mounts,
        hostname=_HOSTNAME,
        network=command.network,
        limits=request.limits,
        extra_hosts=request.extra_hosts,
        shm_size=request.shm_size,
        cgroup_parent=request.cgroup_parent,
        log=LogConfig("none"),
    )
    container = replace(assemble_from(engine, wanted, "", config), id=key)
    if container.uid_map:
        from plugrun.engine.build.marks import mark_ids
        from plugrun.engine.userns.deciding import reserve_ids

        return reserve_ids(engine, container, lambda one: mark_ids(engine, one))
    return container


def _write_bundle(engine: Engine, container: Container, state: StageState) -> None:
    folder = engine.container_folder(container.id)
    make_private(f"{folder}/rootfs")
    write_etc_files(container, folder)
    if container.uid_map:
        from plugrun.engine.userns.mounts import give_etc_files

        give_etc_files(container, folder)
    accounts = image_accounts(engine, engine.storage_of(container), state.top)
    spec = runtime_spec(container, identify(container.user, accounts), folder)
    if container.uid_map:
        _show_inside(engine, container, spec)
    if engine.backends.profile.hooks:
        engine.backends.adjust_spec(container, spec)
    write_whole(f"{folder}/config.json", dumps(spec).encode())


def _show_inside(engine: Engine, container: Container, spec: RuntimeSpec) -> None:
    """Let the container's root own what ``RUN --mount`` has of builds' own: secrets and caches.

    Files of the context and of stages show their owners as they are: nobody, inside.
    """
    from plugrun.engine.userns.deciding import ids_of
    from plugrun.model.idmap import ranges_in_spec

    ids = ids_of(container)
    assert ids is not None
    caches, bench = f"{mounts_folder(engine.root)}/", f"{engine.run_root}/build/"
    for one in spec["mounts"]:
        source = one.get("source", "")
        if source.startswith(caches) and not container.shifted:
            one["uidMappings"] = ranges_in_spec(ids.uids)
            one["gidMappings"] = ranges_in_spec(ids.gids)
        elif source.startswith(bench) and os.path.isfile(source):
            state = os.stat(source)
            if state.st_dev == os.stat(bench).st_dev:
                owner = ids.owner_outside(state.st_uid, state.st_gid)
                os.chown(source, *owner, follow_symlinks=False)
