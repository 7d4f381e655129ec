"""Overlays that mount(2) has no room or no words for, on this kernel and as on an older one."""

from __future__ import annotations

import os
import resource
import subprocess

import pytest
from plugrun.errors import CannotMount, Corrupt, NoSpace
from plugrun.linux import mounting, overlay, process
from plugrun.linux.attach import ReadyMounts
from plugrun.model.mount import Mount
from plugrun.testing.forked import in_child, mounted

pytestmark = pytest.mark.root


@pytest.fixture(params=["descriptors", "numbers"])
def way(request, monkeypatch):
    """Both ways to hand over the folders."""
    if request.param == "numbers":
        monkeypatch.setattr(overlay, "_made", lambda *_: -1)
    return request.param


def stack(root, count, *, upper=True):
    """Make layers with a file each and one that all have; return their mount."""
    for number in range(count):
        path = os.path.join(root, "l", f"{number:x}")
        os.makedirs(path)
        for name in (f"file-{number}", "shared"):
            with open(f"{path}/{name}", "w") as file:
                file.write(str(number))
    for name in ("upper", "work", "place"):
        os.makedirs(f"{root}/{name}")
    lower = [f"{root}/l/{number:x}" for number in range(count)]
    options = [overlay.folder_option("lowerdir", lower)]
    if upper:
        options.append(overlay.folder_option("upperdir", [f"{root}/upper"]))
        options.append(overlay.folder_option("workdir", [f"{root}/work"]))
    else:
        options.append("ro")
    return Mount("overlay", "overlay", (*options, "index=off"))


def look(root):
    with open(f"{root}/shared") as file:
        nearest = file.read()
    return nearest, len(os.listdir(root))


def write(root):
    with open(f"{root}/written", "w") as file:
        file.write("x")
    return look(root)


def long_root(tmp_path, size):
    """A path of about so many bytes."""
    path = str(tmp_path)
    while len(path) + 201 < size:
        path = f"{path}/{'n' * 200}"
    return path


@pytest.mark.parametrize("size", [0, 1000, 3000])
def test_500_layers_however_long_their_paths(tmp_path, way, size):
    root = long_root(tmp_path, size)
    mount = stack(root, 500)
    assert mounted([mount], f"{root}/place", write) == ("0", 502)
    assert os.listdir(f"{root}/upper") == ["written"]


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b", "a\\:b,\\,c\\", "a b\nc", "ünï"])
def test_any_character_in_a_path(tmp_path, way, name):
    root = str(tmp_path / name)
    mount = stack(root, 3)
    assert mounted([mount], f"{root}/place", write) == ("0", 5)
    assert os.listdir(f"{root}/upper") == ["written"]


def test_what_is_escaped_is_read_back():
    paths = ["/a:b", "/", "/a\\", "/,:\\,", "/plain"]
    name, _, value = overlay.folder_option("lowerdir", paths).partition("=")
    assert (name, overlay.folders_of(value)) == ("lowerdir", paths)


def test_escaped_as_mount_2_reads_it(tmp_path):
    """Another runtime may hand the options to the kernel as they are."""
    root = str(tmp_path / "a:b,c\\d")
    mount = stack(root, 2)

    def act():
        mounting.mount("overlay", f"{root}/place", "overlay", 0, ",".join(mount.options))
        return write(f"{root}/place")

    assert mounted([], root, lambda _: act()) == ("0", 4)


def test_without_a_writable_layer(tmp_path, way):
    mount = stack(str(tmp_path), 3, upper=False)

    def spoil(root):
        with pytest.raises(OSError, match="Read-only file system"):
            os.mkdir(f"{root}/new")
        return look(root)

    assert mounted([mount], f"{tmp_path}/place", spoil) == ("0", 4)


def test_flags_come_with_it(tmp_path, way):
    mount = stack(str(tmp_path), 2)
    mount = Mount("overlay", "overlay", ("nosuid", "nodev", "noexec", *mount.options))
    flags = mounted([mount], f"{tmp_path}/place", lambda root: os.statvfs(root).f_flag)
    assert flags & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC) == 0b1110
    assert not flags & os.ST_RDONLY


def test_no_descriptor_is_left_and_the_folder_is_the_same(tmp_path, way):
    mount = stack(str(tmp_path), 20)

    def act(root):
        before, where = os.listdir("/proc/self/fd"), os.getcwd()
        ReadyMounts([mount]).perform(root)
        return before == os.listdir("/proc/self/fd"), where == os.getcwd()

    assert mounted([], f"{tmp_path}/place", act) == (True, True)


def test_few_descriptors_are_enough_or_it_is_told(tmp_path, way):
    mount = stack(str(tmp_path), 100)

    def act():
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
        try:
            return mounted([mount], f"{tmp_path}/place", look)
        except AssertionError as error:
            return str(error)

    told = in_child(act)
    if way == "numbers":
        assert "needs more open files than are allowed" in told
    else:
        assert told == ("0", 101)


def refused(mounts, root, kind):
    """Return message and hint of the error that performing the mounts raises."""

    def act(place):
        try:
            ReadyMounts(mounts).perform(place)
        except kind as error:
            with open("/proc/self/mounts") as file:
                assert f" {place} " not in file.read()
            return error.message, error.hint
        raise AssertionError("it was mounted")

    return mounted([], f"{root}/place", act)


@pytest.mark.parametrize(
    ("folder", "word"), [("l/1", "layer"), ("upper", "writable layer"), ("work", "work folder")]
)
def test_a_folder_that_somebody_removed(tmp_path, way, folder, word):
    mount = stack(str(tmp_path), 3)
    os.rename(tmp_path / folder, tmp_path / "away")
    message, hint = refused([mount], tmp_path, Corrupt)
    assert message == f"the storage is damaged: the {word} {tmp_path}/{folder} is missing"
    assert "plugrun system check --repair" in hint


def test_a_file_in_the_place_of_a_layer(tmp_path, way):
    mount = stack(str(tmp_path), 3)
    os.rename(tmp_path / "l/2", tmp_path / "away")
    (tmp_path / "l/2").write_text("")
    message, _ = refused([mount], tmp_path, Corrupt)
    assert message.endswith(f"the layer {tmp_path}/l/2 is no folder")


def test_more_layers_than_the_kernel_takes(tmp_path):
    mount = stack(str(tmp_path), 501)
    message, _ = refused([mount], tmp_path, CannotMount)
    assert message == "the kernel refuses the overlay: too many lower directories, limit is 500"


def test_a_work_folder_elsewhere_in_the_kernel_s_own_words(tmp_path, way):
    mount = stack(str(tmp_path), 2)
    other = tmp_path / "other"
    other.mkdir()
    options = [o for o in mount.options if not o.startswith("workdir")]
    mount = Mount("overlay", "overlay", (*options, f"workdir={other}"))

    def act(place):
        mounting.mount("tmpfs", str(other), "tmpfs")
        try:
            ReadyMounts([mount]).perform(place)
        except CannotMount as error:
            return error.message
        raise AssertionError("it was mounted")

    message = mounted([], f"{tmp_path}/place", act)
    assert "workdir and upperdir must reside under the same mount" in message
    assert "nvalid argument" not in message


def test_a_work_folder_that_cannot_be_written(tmp_path, way):
    mount = stack(str(tmp_path), 2)
    subprocess.run(["chattr", "+i", tmp_path / "work"], check=True)
    try:
        message, hint = refused([mount], tmp_path, CannotMount)
    finally:
        subprocess.run(["chattr", "-i", tmp_path / "work"], check=True)
    assert message.startswith(f"the work folder {tmp_path}/work cannot be written")
    assert "chattr" in hint


def small(tmp_path, options, act):
    """Call ``act`` with a folder on a small tmpfs."""
    place = tmp_path / "small"
    place.mkdir()
    return mounted([Mount("tmpfs", "tmpfs", options)], str(place), act)


def fails_with(kind, mount, root):
    try:
        ReadyMounts([mount]).perform(f"{root}/place")
    except kind as error:
        return error.message
    raise AssertionError("it was mounted")


def test_a_full_file_system(tmp_path, way):
    def act(root):
        mount = stack(root, 2)
        for number in range(100):
            try:
                os.mkdir(f"{root}/fill-{number}")
            except OSError:
                break
        return fails_with(NoSpace, mount, root)

    assert small(tmp_path, ("nr_inodes=50",), act).endswith("/small/upper is full")


def test_a_file_system_that_became_read_only(tmp_path, way):
    def act(root):
        mount = stack(root, 2)
        mounting.mount("", root, "", mounting.MS_REMOUNT | mounting.MS_RDONLY)
        return fails_with(CannotMount, mount, root)

    message = small(tmp_path, (), act)
    assert message.endswith("/small/upper cannot be written: read-only file system")


def test_without_the_privilege_to_mount(tmp_path, way):
    mount = stack(str(tmp_path), 2)

    def act():
        process.unshare(process.CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
        return fails_with(CannotMount, mount, tmp_path)

    assert "this process may not mount" in in_child(act)
