"""File systems in files, as layers: with loop devices, on this kernel and as on an older one."""

from __future__ import annotations

import glob
import os
import subprocess
import time

import pytest
from plugrun.errors import Corrupt
from plugrun.linux import imageoverlay, overlay
from plugrun.linux.images import open_image, open_layer
from plugrun.model.mount import Mount
from plugrun.testing.forked import in_child, mounted

pytestmark = pytest.mark.root

KIND = "ext4"  # its kernel driver wants a device


def image(folder, name, **files):
    """Make an image with these files; return its path."""
    content = f"{folder}/{name}"
    os.mkdir(content)
    for file, text in files.items():
        with open(f"{content}/{file}", "w") as made:
            made.write(text)
    path = f"{content}.img"
    subprocess.run(
        ["mke2fs", "-q", "-t", KIND, "-O", "^has_journal", "-d", content, path, "1m"], check=True
    )
    return path


def text_of(path):
    with open(path) as file:
        return file.read()


def devices(folder):
    """Return the loop devices that show what lies beneath a folder."""
    found = []
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        try:
            shown = text_of(path).strip()
        except OSError:
            continue  # it has just gone
        if shown.startswith(f"{folder}/"):
            found.append(shown)
    return found


def all_go(folder):
    """Wait until the kernel has taken down the devices: it does so behind the last close."""
    end = time.monotonic() + 60
    while found := devices(folder):
        assert time.monotonic() < end, found
    return True


def stack(folder):
    """Two images and a folder to write to; the mount of all."""
    lower = [image(folder, "near", shared="near", b="b"), image(folder, "far", shared="far", a="a")]
    for name in ("upper", "work", "place"):
        os.mkdir(f"{folder}/{name}")
    options = (
        overlay.folder_option("lowerdir", lower),
        overlay.folder_option("upperdir", [f"{folder}/upper"]),
        overlay.folder_option("workdir", [f"{folder}/work"]),
        "index=off",
    )
    return Mount("overlay", "overlay", options, images=KIND)


def live(root):
    with open(f"{root}/a", "a") as file:
        file.write("written")
    os.unlink(f"{root}/b")
    return sorted(set(os.listdir(root)) - {"lost+found"}), text_of(f"{root}/shared")


@pytest.mark.parametrize("way", ["detached", "beneath"])
def test_images_beneath_an_overlay(tmp_path, monkeypatch, way):
    if way == "beneath":  # as on a kernel that takes no layers from detached mounts
        monkeypatch.setattr(imageoverlay, "is_kernel", lambda *_: False)
    mount = stack(str(tmp_path))
    assert mounted((mount,), str(tmp_path / "place"), live) == (["a", "shared"], "near")
    assert text_of(tmp_path / "upper/a") == "awritten"
    assert all_go(str(tmp_path))


def test_one_image_by_itself(tmp_path):
    path = image(str(tmp_path), "one", file="text")
    (tmp_path / "place").mkdir()
    mount = Mount(KIND, path, ("ro", "nodev"), images=KIND)

    def look(root):
        assert devices(str(tmp_path)) == [path]
        with pytest.raises(OSError, match="Read-only"):
            os.mkdir(f"{root}/new")
        return text_of(f"{root}/file")

    assert mounted((mount,), str(tmp_path / "place"), look) == "text"
    assert all_go(str(tmp_path))


def test_a_layer_is_opened_as_what_it_is(tmp_path):
    path = image(str(tmp_path), "one", file="text")
    for layer in (path, str(tmp_path / "one")):
        fd = open_layer(layer, KIND)
        assert "file" in os.listdir(fd)
        os.close(fd)
    assert all_go(str(tmp_path))


def test_a_device_goes_with_a_process_that_was_killed(tmp_path):
    path = image(str(tmp_path), "one", file="text")

    def die():
        if not os.fork():
            open_image(path, KIND)
            os.kill(os.getpid(), 9)
        os.wait()

    in_child(die)
    assert all_go(str(tmp_path))


@pytest.mark.parametrize("harm", ["missing", "garbage", "empty", "fifo", "link"])
def test_a_damaged_image_is_named(tmp_path, harm):
    path = str(tmp_path / "image")
    if harm == "garbage":
        (tmp_path / "image").write_text("x" * 10_000)
    elif harm == "empty":
        (tmp_path / "image").touch()
    elif harm == "fifo":
        os.mkfifo(path)
    elif harm == "link":
        os.symlink(image(str(tmp_path), "one"), path)
    with pytest.raises(Corrupt, match=path) as caught:
        os.close(open_image(path, KIND))
    assert caught.value.hint
    assert all_go(str(tmp_path))
