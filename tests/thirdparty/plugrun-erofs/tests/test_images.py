"""The images themselves: held against the tree they are made of, and against erofs-utils."""

import os
import subprocess

import pytest
from plugrun.api import MISSING, STRAY, Mount
from plugrun.testing.forked import mounted
from plugrun.testing.storage.fixtures import commit_layer
from plugrun.testing.trees import facts, fill, write
from plugrun_erofs import layout
from plugrun_erofs.image import write_image
from plugrun_erofs.plugin import plugrun_open_storage


def many(root):
    """Make more names than a block of a folder holds, and a file of each size that matters."""
    for number in range(700):
        write(f"{root}/{number}" + "n" * (number % 250))
    for size in (1, 1023, 1024, 1025, 4095, 4096, 4097, 65536, 65537, 1 << 20):
        write(f"{root}/size-{size}", "s" * size)


def attributes(root):
    """Attributes of all sizes, beside content of all sizes."""
    for size in (0, 1, 3, 900, 3000):
        for content in (0, 500, 1000):
            path = f"{root}/{size}-{content}"
            write(path, "c" * content)
            os.setxattr(path, "user.a", b"x" * size)
            os.setxattr(path, "trusted.b", b"y" * (size % 7))


def holes(root):
    """Files that are mostly nothing: so large that their pieces are more than a block."""
    for name, size, places in (
        ("none", 1 << 20, ()),
        ("odd", 12_345_678, (0, 4095, 12_345_000)),
        ("large", 1 << 33, (1 << 20, (1 << 32) + 5, (1 << 33) - 7)),
    ):
        with open(f"{root}/{name}", "wb") as file:
            file.truncate(size)
            for place in places:
                file.seek(place)
                file.write(b"data")


def where_data_is(path):
    """Return the bytes of a sparse file that are not in holes, and where they are."""
    found = []
    with open(path, "rb", buffering=0) as file:
        size, end = os.fstat(file.fileno()).st_size, 0
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            data = os.pread(file.fileno(), end - start, start)
            at = [n for n in range(len(data)) if data[n] and not (n and data[n - 1])]
            found += [(start + n, data[n : n + 4]) for n in at]
    return size, found


@pytest.mark.parametrize("make", [fill, many, attributes, lambda root: None])
def test_the_kernel_and_fsck_read_what_was_written(tmp_path, make):
    tree, image, place = (str(tmp_path / name) for name in ("tree", "image", "place"))
    os.mkdir(tree)
    os.mkdir(place)
    make(tree)
    write_image(tree, image)
    mount = Mount("erofs", image, ("ro",), images="erofs")
    assert mounted((mount,), place, facts) == facts(tree)
    # It reads all content; but no path of more than PATH_MAX, which ``fill`` has.
    deep = ["--extract"] if make is not fill else []
    subprocess.run(["fsck.erofs", *deep, image], check=True, capture_output=True)


def test_holes_of_any_size(tmp_path):
    tree, image, place = (str(tmp_path / name) for name in ("tree", "image", "place"))
    os.mkdir(tree)
    os.mkdir(place)
    holes(tree)
    write_image(tree, image)
    assert os.stat(image).st_blocks * 512 < 4 << 20

    def look(root):
        return {name: where_data_is(f"{root}/{name}") for name in os.listdir(root)}

    mount = Mount("erofs", image, ("ro",), images="erofs")
    assert mounted((mount,), place, look) == look(tree)


def test_the_same_tree_gives_the_same_image(tmp_path):
    (tmp_path / "tree").mkdir()
    fill(str(tmp_path / "tree"))
    for name in ("one", "two"):
        write_image(str(tmp_path / "tree"), str(tmp_path / name))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_with_loop_devices(tmp_path):
    store = plugrun_open_storage(str(tmp_path / "state"), {"loop": True})
    assert store.probe().works
    commit_layer(store, "base", None, "a", "b")
    commit_layer(store, "top", "base", "b")
    store.prepare("box", "top")
    store.view("look", "base")
    (tmp_path / "place").mkdir()
    for key, device in (("box", "overlay"), ("look", "/dev/loop")):
        assert sorted(mounted(store.mounts(key), str(tmp_path / "place"), os.listdir)) == ["a", "b"]
        assert device in mounted(store.mounts(key), str(tmp_path / "place"), device_of)


def device_of(place):
    """Return what the kernel says is mounted there."""
    with open("/proc/self/mountinfo") as file:
        [line] = [line for line in file if line.split()[4] == place]
    shown = line.split(" - ")[1].split()
    number = line.split()[2]
    block = os.path.realpath(f"/sys/dev/block/{number}")
    return f"/dev/{os.path.basename(block)}" if shown[0] == "erofs" else shown[1]


@pytest.mark.parametrize("harm", ["cut", "changed", "not there"])
def test_check_tells_a_damaged_image(tmp_path, harm):
    store = plugrun_open_storage(str(tmp_path / "state"))
    commit_layer(store, "base", None, *(f"file-{n}" for n in range(50)))
    assert list(store.check()) == []
    store.view("look", "base")
    image = store.mounts("look")[0].source
    if harm == "cut":
        os.truncate(image, os.path.getsize(image) - layout.BLOCK)
    elif harm == "changed":
        with open(image, "r+b") as file:
            file.seek(layout.SUPER_OFFSET + 36)
            file.write(b"\xff")
    else:
        os.unlink(image)
    [fault] = store.check()
    assert (fault.kind, fault.key, fault.path) == (MISSING, "base", image)


def test_what_a_killed_commit_left_is_told_and_swept(tmp_path):
    store = plugrun_open_storage(str(tmp_path / "state"))
    commit_layer(store, "base", None, "file")
    store.prepare("box", None)
    box = os.path.dirname(store.layer_tree("box").path)
    store.view("look", "base")
    base = os.path.dirname(store.mounts("look")[0].source)
    write(f"{box}/image")  # killed before its record was renamed
    os.mkdir(f"{base}/tree")  # killed after
    assert {(f.kind, f.path) for f in store.check()} == {
        (STRAY, f"{box}/image"),
        (STRAY, f"{base}/tree"),
    }
    assert store.sweep() == 2
    assert list(store.check()) == []
    assert os.path.isdir(store.layer_tree("box").path)
