"""``storage migrate``: from one storage to another and back, and nothing is lost on the way."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess

import pytest
from plugrun.engine.containers import find_container
from plugrun.engine.engine import open_engine
from plugrun.engine.files.rootfs import bare_rootfs
from plugrun.engine.request import GlobalOptions
from plugrun.testing.trees import facts

from tests.e2e.changing import CHANGES, signalled_at
from tests.e2e.conftest import HOST_IMAGE, PATIENCE
from tests.e2e.storages.conftest import snapshots
from tests.e2e.storages.others import QUIET

NAMED = "host/sh-cat-ls-sleep-id-env-mount-touch-dd-kill-true-chmod-mkdir-stat-head-mknod:latest"
_MOMENT = 1_234_567_890_123_456_789


def seen(tool, name, act=facts):
    """Call a function on the tree of a container that does not run."""
    engine = open_engine(GlobalOptions(tool.root, tool.run_root, tool.config))
    try:
        with bare_rootfs(engine, find_container(engine, name)) as root:
            top = os.fstat(root)
            found = act(f"/proc/self/fd/{root}/.")
            return found, (top.st_mode, top.st_uid, top.st_mtime_ns)
    finally:
        engine.close_metadata()


def change(root):
    """Do to a container's tree all that may be done to one."""
    os.unlink(f"{root}/srv/kept")
    shutil.rmtree(f"{root}/etc/more")
    os.mkdir(f"{root}/etc/more")
    with open(f"{root}/etc/more/new", "w", encoding="utf-8") as file:
        file.write("new")
    os.mkdir(f"{root}/made", 0o1777)
    with open(f"{root}/made/setuid", "wb") as file:
        file.write(b"#!" * 50)
        os.fchown(file.fileno(), 1000, 7)
        os.fchmod(file.fileno(), 0o6755)
    os.setxattr(f"{root}/made/setuid", "user.binary", bytes(range(256)))
    os.link(f"{root}/made/setuid", f"{root}/made/linked")
    os.mknod(f"{root}/made/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(f"{root}/made/fifo", 0o640)
    os.symlink("/nowhere", f"{root}/made/link")
    with open(f"{root}/made/{'n' * 255}", "wb") as file:
        file.truncate(1 << 24)
        file.seek(1 << 23)
        file.write(b"in the middle")
    os.mkdir(f"{root}/made/ünï-日本")
    _sockets(root)
    os.utime(f"{root}/made/fifo", ns=(_MOMENT, _MOMENT))
    os.utime(f"{root}/usr", ns=(_MOMENT, _MOMENT))  # touched, and nothing more
    os.setxattr(root, "user.top", b"x")
    os.chmod(root, 0o750)
    os.utime(root, ns=(_MOMENT, _MOMENT))


def _sockets(root):
    """One in a new folder, and one in the place of a file of the image."""
    os.unlink(f"{root}/etc/inhabited/file")
    for place in ("made/socket", "etc/inhabited/file"):
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(f"{root}/{place}")
    os.chown(f"{root}/made/socket", 5, 6)


@pytest.fixture
def changed(several, stacked):
    """A container on overlay that was changed in every way."""
    script = "mkdir -p /etc/inhabited; echo x >/etc/inhabited/file"
    several("run", "--name", "below", *QUIET, stacked, "sh", "-c", script)
    several("commit", "below", "changed:base")
    several("rm", "below")
    several("create", "--name", "changed", "changed:base", "true")
    seen(several, "changed", change)
    return seen(several, "changed")


def driver(tool, name):
    return tool.inspect(name)["Driver"]


def test_there_and_back(several, other, changed):
    told = several.out("diff", "changed")
    for source, target in (("overlay", other.profile), (other.profile, "overlay")):
        done = several("storage", "migrate", "--to", target, "changed")
        assert done.stdout == "changed\n"
        assert f"Moving container changed from {source} to {target}" in done.stderr
        assert driver(several, "changed") == target
        assert seen(several, "changed") == changed
        assert several.out("diff", "changed") == told
        assert not os.listdir(f"{several.root}/storage/{source}/a")
    assert several("start", "-a", "changed").returncode == 0


def test_the_record_says_why(several, other):
    several("create", "--name", "moved", HOST_IMAGE, "true")
    other("storage", "migrate", "moved")  # to the profile's own
    why = "moved here from overlay by storage migrate"
    found = other.inspect("moved")["Plugrun"]["Storage"]
    assert (found["Name"], found["Why"]) == (other.profile, why)


def test_a_running_one_stays(several, other):
    several("run", "-d", "--name", "runs", *QUIET, HOST_IMAGE, "sleep", "100")
    several("create", "--name", "still", HOST_IMAGE, "true")
    for more in ((), ("--dry-run",)):
        refused = other("storage", "migrate", *more, "runs", code=1)
        assert refused.stdout == "" and "oving" not in refused.stderr
        assert refused.stderr.startswith("Error: container runs is running: only a stopped one")
    done = other("storage", "migrate", "--all", code=1)
    assert "container runs is running: only a stopped one can be moved" in done.stderr
    assert "hint: plugrun stop runs" in done.stderr
    assert done.stdout.split() == ["still", NAMED]
    assert f"Image {NAMED} stays in overlay too: used by container runs\n" in done.stderr
    assert [driver(several, name) for name in ("runs", "still")] == ["overlay", other.profile]
    several("rm", "-f", "runs", "still")


def test_it_waits_for_what_another_command_writes(several, other, changed, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(name * 100000)
    making = ["tar", "-C", str(tmp_path), "-c", "one", "two"]
    tar = subprocess.run(making, capture_output=True, check=True, text=True).stdout
    with several.start("cp", "-", "changed:/srv", stdin=subprocess.PIPE) as writing:
        writing.stdin.write(tar[:200000])  # more than a pipe takes: the container's tree is open
        writing.stdin.flush()
        with several.start("storage", "migrate", "--to", other.profile, "changed") as moving:
            with pytest.raises(subprocess.TimeoutExpired):
                moving.wait(1)
            writing.communicate(tar[200000:])
            assert writing.returncode == 0
            moving.communicate()
    assert moving.returncode == 0
    assert driver(several, "changed") == other.profile
    several("cp", "changed:/srv/two", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "two" * 100000


def test_all_leaves_nothing_behind(several, other, stacked):
    several("pull", "-q", stacked)
    several("create", "--name", "one", stacked, "cat", "/srv/kept")
    several("create", "--name", "two", stacked, "cat", "/srv/kept")
    other("storage", "migrate", "-q", "--all")
    assert snapshots(several, "overlay") == set()
    assert other("start", "-a", "one").stdout == "kept\n"
    assert other.out("storage", "ls", "-q") == other.profile
    other("rm", "one", "two")


def test_an_image_that_a_container_uses_stays_too(several, other, stacked):
    several("create", "--name", "user", stacked, "cat", "/srv/kept")
    before = snapshots(several, "overlay")
    several("storage", "migrate", "--to", other.profile, stacked)
    assert snapshots(several, "overlay") == before
    assert other.out("run", "--rm", "-q", *QUIET, stacked, "cat", "/srv/kept") == "kept"
    assert several("start", "-a", "user").stdout == "kept\n"


def test_images_that_share_layers_part(several, other, stacked):
    several("run", "--name", "c1", *QUIET, stacked, "sh", "-c", "echo more >/more")
    several("commit", "c1", "child:1")
    several("rm", "c1")
    done = several("storage", "migrate", "--to", other.profile, "child:1")
    assert f"A part of image child:1 stays in overlay too: used by image {stacked}\n" in done.stderr
    assert several("run", "--rm", *QUIET, stacked, "cat", "/srv/kept").stderr == ""
    assert other("run", "--rm", *QUIET, "child:1", "cat", "/more").stderr == ""


def test_dry_run_changes_nothing(several, other):
    several("create", "--name", "still", HOST_IMAGE, "true")
    said = several.out("storage", "migrate", "--dry-run", "--all", "--to", other.profile)
    first, second = said.splitlines()
    assert first.startswith(f"Would move container still from overlay to {other.profile} (")
    assert second.startswith(f"Would move image {NAMED} from overlay to {other.profile} (")
    assert driver(several, "still") == "overlay"
    assert snapshots(several, other.profile) == set()
    nothing = several.out("storage", "migrate", "--dry-run", "--all", "--from", other.profile)
    assert nothing == ""


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "name containers and images to move, or say --all: one of the two"),
        (("--all", "x"), "not both"),
        (("nobody",), "No such container or image: nobody"),
        (("--to", "nowhere", "--all"), 'no storage plugin "nowhere" is installed'),
    ],
)
def test_what_it_refuses(several, args, says):
    failed = several("storage", "migrate", *args, code=None)
    assert failed.returncode != 0
    assert says in failed.stderr


def test_a_name_that_no_layer_can_hold_stays(several, other):
    script = "echo precious >/.wh.precious"
    several("run", "--name", "odd", *QUIET, HOST_IMAGE, "sh", "-c", script)
    failed = several("storage", "migrate", "--to", other.profile, "odd", code=1)
    assert "because of /.wh.precious: in a layer that name would be a deletion" in failed.stderr
    assert several.inspect("odd")["Driver"] == "overlay"
    assert not os.listdir(f"{several.root}/storage/{other.profile}/a")


def test_a_device_that_would_be_a_deletion_is_named(several):
    cow = several.of("cow")
    cow("create", "--name", "odd", HOST_IMAGE, "true")
    place = cow.inspect("odd")["GraphDriver"]["Data"]["UpperDir"]
    os.mknod(f"{place}/mark", stat.S_IFCHR | 0o600, os.makedev(0, 0))
    failed = cow("storage", "migrate", "--to", "overlay", "odd", code=1)
    assert "because of /mark: in a layer that device would be a deletion" in failed.stderr
    assert "rename or remove that file" in failed.stderr
    failed = cow("commit", "odd", "odd:1", code=1)
    assert "cannot be committed because of /mark: in a layer that device (0:0)" in failed.stderr
    assert "hint: remove it in the container" in failed.stderr
    os.unlink(f"{place}/mark")
    cow("commit", "odd", "odd:1")


ACTS = (*CHANGES, "os.link", "os.chmod")


def test_killed_at_any_moment_it_is_here_or_there(several, other, changed):
    """The tree is whole in one of the two, and nothing of the other is left after a sweep."""
    places = ["overlay", other.profile]
    limit, step = 1, 7
    while True:
        here = driver(several, "changed")
        target = places[1 - places.index(here)]
        words = (*several.argv[1:], "storage", "migrate", "-q", "--to", target, "changed")
        done = subprocess.run(
            signalled_at(limit, words, ACTS),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        assert seen(several, "changed") == changed
        assert driver(several, "changed") in (here, target)
        if done.returncode == 0:
            break
        limit += step
    assert limit > step
    engine = open_engine(GlobalOptions(several.root, several.run_root, several.config))
    from plugrun.engine.heal import heal_storage

    heal_storage(engine)
    engine.close_metadata()
    for name in places:
        found = os.listdir(f"{several.root}/storage/{name}/a")
        assert len(found) == (name == driver(several, "changed")), found
