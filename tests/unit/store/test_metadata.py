"""Names and records: reserved once, whatever races for them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from plugrun.errors import AlreadyExists, Conflict, Corrupt, NoSuchImage, NoSuchVolume, PlugrunError
from plugrun.model.container import BackendChoice, Container
from plugrun.model.fence import Limits
from plugrun.model.image import Image, ImageName
from plugrun.model.mountpoint import MountPoint
from plugrun.model.record import replace
from plugrun.store.database import open_database
from plugrun.store.locks import Locks
from plugrun.store.metadata import Metadata

IMAGE = Image("sha256:" + "a" * 64, "sha256:" + "b" * 64, 5, "", "linux/amd64", ("l",), ("c",))
CHOICE = BackendChoice("x", "1", "because")
CONTAINER = Container(
    id="1" * 64, name="one", created_ns=1, image=IMAGE.id, image_name="x", entrypoint=("a",),
    cmd=("b",), env=("K=v",), user="", working_dir="/", hostname="h", tty=False, open_stdin=False,
    auto_remove=False, detached=True, read_only=False, init=False, network="none",
    mounts=(MountPoint("bind", "/b", "/a", read_only=True),), limits=Limits(memory=7),
    labels=(("k", "v"),),
    stop_signal="SIGTERM", stop_timeout=10, profile="p", storage=CHOICE, isolation=CHOICE,
    net=CHOICE,
)  # fmt: skip


@pytest.fixture
def metadata(tmp_path):
    opened = Metadata(f"{tmp_path}/db")
    opened.add_image(IMAGE, [ImageName("docker.io/library/x:latest", IMAGE.id, "sha256:d")])
    yield opened
    opened.close()


def test_what_goes_in_comes_out(metadata):
    metadata.add_container(CONTAINER)
    assert metadata.container(CONTAINER.id) == CONTAINER
    assert metadata.container_named("one") == CONTAINER
    assert metadata.containers_by_prefix("111") == [CONTAINER]
    assert metadata.image(IMAGE.id) == IMAGE
    assert metadata.images_by_prefix("aaa") == [IMAGE]
    assert metadata.find_name("docker.io/library/x:latest").image == IMAGE.id


def test_only_root_reads_it(metadata, tmp_path):
    for name in os.listdir(tmp_path):
        assert os.stat(tmp_path / name).st_mode & 0o077 == 0, name


def test_a_name_is_taken_once(metadata):
    metadata.add_container(CONTAINER)
    with pytest.raises(AlreadyExists, match='"/one" is already in use'):
        metadata.add_container(replace(CONTAINER, id="2" * 64))
    metadata.remove_container(CONTAINER.id)
    metadata.add_container(replace(CONTAINER, id="2" * 64))


def test_images_in_use_stay(metadata):
    metadata.add_container(CONTAINER)
    with pytest.raises(Conflict):
        metadata.remove_image(IMAGE.id)
    metadata.remove_container(CONTAINER.id)
    metadata.remove_image(IMAGE.id)
    assert metadata.image_names() == []
    with pytest.raises(NoSuchImage):
        metadata.add_container(CONTAINER)


def test_a_name_moves(metadata):
    other = replace(IMAGE, id="sha256:" + "c" * 64)
    metadata.add_image(other, [ImageName("docker.io/library/x:latest", other.id, "")])
    assert metadata.find_name("docker.io/library/x:latest").image == other.id
    assert metadata.image_names(IMAGE.id) == []


def test_what_is_no_database_is_said_so(tmp_path):
    (tmp_path / "db").write_bytes(b"something else entirely, and long enough to be looked at" * 50)
    with pytest.raises(Corrupt, match="db"):
        Metadata(f"{tmp_path}/db")


def test_a_newer_schema_is_refused(metadata, tmp_path):
    metadata._db.execute("PRAGMA user_version=99")
    with pytest.raises(PlugrunError, match="schema 99"):
        Metadata(f"{tmp_path}/db")


def test_a_lock_is_released_by_death(tmp_path):
    program = (
        "import sys; from plugrun.store.locks import Locks; "
        f"held = Locks({str(tmp_path)!r}).exclusive('x')\n"
        "print('held', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        locks = Locks(str(tmp_path))
        assert locks.try_exclusive("x") is None
        holder.kill()
        locks.exclusive("x").release()
        holder.wait()


def test_shared_locks_share(tmp_path):
    locks = Locks(f"{tmp_path}/made")
    with locks.shared("x"), locks.shared("x"):
        assert locks.try_exclusive("x") is None


def test_many_may_be_the_first_to_open_it(tmp_path):
    program = (
        "import sys; from plugrun.store.metadata import Metadata\n"
        f"sys.stdin.read(1)\nfor n in range(20): Metadata(f'{tmp_path}/db{{n}}').close()\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) for _ in range(6)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.close()
    assert [process.wait(60) for process in started] == [0] * 6


def test_what_is_not_utf8_is_the_name_of_nothing(metadata):
    odd = os.fsdecode(b"caf\xe9")
    assert metadata.container(odd) is None
    assert metadata.container_named(odd) is None
    assert metadata.find_name(odd) is None
    assert metadata.name_of_address(odd) == ""
    assert metadata.volumes.get(odd) is None
    with pytest.raises(NoSuchVolume):
        metadata.volumes.remove(odd)


def test_a_path_longer_than_sqlite_takes(tmp_path):
    root = f"{tmp_path}/{'n' * 200}/{'n' * 200}/{'n' * 100}"
    os.makedirs(root)
    with pytest.raises(PlugrunError, match="a longer path than SQLite takes") as caught:
        open_database(f"{root}/plugrun.db")
    assert "a --root of at most 493 bytes" in caught.value.hint
