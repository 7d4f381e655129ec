"""A container's files as a descriptor: running, stopped, and nothing left behind."""

from __future__ import annotations

import os
import threading

import pytest
from plugrun.engine.containers import find_container
from plugrun.engine.engine import Engine, open_engine
from plugrun.engine.files.rootfs import bare_rootfs, rootfs, snapshot_tree
from plugrun.engine.images.find import find_image
from plugrun.engine.request import GlobalOptions
from plugrun.model.container import Container

from .conftest import HOST_IMAGE, Plugrun, traces


@pytest.fixture
def engine(plugrun: Plugrun) -> Engine:
    return open_engine(GlobalOptions(plugrun.root, plugrun.run_root, plugrun.config))


def made(plugrun: Plugrun, engine: Engine, *args: str) -> Container:
    return find_container(engine, plugrun.out("run", "-d", *args).splitlines()[-1])


def names_at(fd: int, path: str) -> list[str]:
    folder = os.open(path, os.O_RDONLY, dir_fd=fd)
    try:
        return os.listdir(folder)
    finally:
        os.close(folder)


def text_at(fd: int, path: str) -> str:
    with open(os.open(path, os.O_RDONLY, dir_fd=fd), encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("runs", [True, False])
def test_volumes_belong_to_the_whole_tree_only(
    plugrun: Plugrun, engine: Engine, tmp_path, runs: bool
) -> None:
    (tmp_path / "inside").write_text("bound")
    script = "echo own >/own; echo to-be-hidden >/hidden; exec sleep 600"
    container = made(plugrun, engine, "-v", f"{tmp_path}:/vol:ro", HOST_IMAGE, "sh", "-c", script)
    plugrun("exec", container.id, "sh", "-c", "while [ ! -e /hidden ]; do :; done")
    if not runs:
        plugrun("kill", container.id)
        plugrun("wait", container.id)
    with rootfs(engine, container) as fd:
        assert text_at(fd, "own") == "own\n"
        assert text_at(fd, "vol/inside") == "bound"
        assert text_at(fd, "etc/hostname") == container.id[:12] + "\n"
        with pytest.raises(OSError, match="Read-only"):
            os.mkdir("vol/new", dir_fd=fd)
        os.mkdir("made", dir_fd=fd)
        assert ("version" in names_at(fd, "proc")) == runs
    with bare_rootfs(engine, container) as fd:
        assert text_at(fd, "own") == "own\n"
        assert names_at(fd, "vol") == []
        assert names_at(fd, "proc") == []
        assert os.stat("made", dir_fd=fd).st_mode & 0o777 == 0o755
    if not runs:
        assert traces(plugrun.root) == []


def test_a_mount_point_stays_beneath_the_root(plugrun: Plugrun, engine: Engine, tmp_path) -> None:
    """A symlink of the container's in the way of a volume leads within the container."""
    (tmp_path / "inside").write_text("bound")
    outside = tmp_path / "outside"
    outside.mkdir()
    container = made(plugrun, engine, "-v", f"{tmp_path}:/way/vol", HOST_IMAGE, "true")
    plugrun("wait", container.id)
    with bare_rootfs(engine, container) as fd:
        os.rmdir("way/vol", dir_fd=fd)
        os.rmdir("way", dir_fd=fd)
        os.symlink(str(outside), "way", dir_fd=fd)
        os.makedirs(f"/proc/self/fd/{fd}{outside}")
    with rootfs(engine, container) as fd:
        assert text_at(fd, f".{outside}/vol/inside") == "bound"
    assert list(outside.iterdir()) == []


def test_an_image_tree_is_a_view_that_goes(plugrun: Plugrun, engine: Engine) -> None:
    plugrun("run", "--rm", HOST_IMAGE, "true")
    image = find_image(engine, HOST_IMAGE)
    storage = engine.storage()
    before = [s.key for s in storage.walk()]
    with snapshot_tree(engine, storage, image.chain[-1]) as fd:
        assert "bin" in os.listdir(fd)
        with pytest.raises(OSError, match="Read-only"):
            os.mkdir("new", dir_fd=fd)
    assert [s.key for s in storage.walk()] == before
    assert traces(plugrun.root) == []


def test_many_threads_at_once_keep_their_own_place(plugrun: Plugrun, engine: Engine) -> None:
    container = made(plugrun, engine, HOST_IMAGE, "true")
    plugrun("wait", container.id)
    here, faults = os.getcwd(), []

    def look() -> None:
        own = open_engine(engine.options)
        for _ in range(5):
            with bare_rootfs(own, container) as fd:
                if "bin" not in os.listdir(fd) or os.getcwd() != here:
                    faults.append(os.listdir(fd))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
