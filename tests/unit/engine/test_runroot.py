"""Which run root serves a data root, and when another one may."""

from __future__ import annotations

import os
import shutil

import pytest
from plugrun.engine.engine import RECORD, Engine, open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.engine.taskfile import TaskFile, served_by, write_task_file
from plugrun.errors import Conflict

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="plugrun needs root")
# A PID that came round again.
DEAD = TaskFile(os.getpid(), 1, os.getpid(), 1)


@pytest.fixture
def opened(tmp_path):
    def opened(run_root: str, root: str = "data") -> Engine:
        return open_engine(GlobalOptions(f"{tmp_path}/{root}", f"{tmp_path}/{run_root}", "", ""))

    return opened


def serve(engine: Engine) -> None:
    write_task_file(engine.task_folder("a" * 64), served_by(os.getpid()))


def record(engine: Engine) -> list[str]:
    with open(f"{engine.root}/{RECORD}", encoding="utf-8") as file:
        return file.read().split("\0")


def test_the_first_run_root_is_recorded(opened):
    engine = opened("one")
    assert record(engine)[1:] == [engine.root, engine.run_root]
    assert os.stat(f"{engine.root}/{RECORD}").st_mode & 0o777 == 0o600


def test_another_is_refused_while_a_container_lives(opened, tmp_path):
    one = opened("one")
    serve(one)
    with pytest.raises(Conflict) as caught:
        opened("two")
    assert f"{tmp_path}/data" in caught.value.message
    assert f"whose containers live ({'a' * 12})" in caught.value.message
    assert f"use --run-root {tmp_path}/one, or stop" in caught.value.hint
    assert record(opened("one")) == record(one)


def test_another_is_refused_while_a_command_is_at_work(opened):
    with opened("one").locks.shared("images"), pytest.raises(Conflict, match="commands are at"):
        opened("two")
    opened("two")


def test_who_is_refused_leaves_nothing_behind(opened):
    one = opened("one")
    serve(one)
    before = sorted(os.listdir(one.root))
    with pytest.raises(Conflict):
        opened("two")
    assert sorted(os.listdir(one.root)) == before


@pytest.mark.parametrize("left", ["nothing", "task", "no folder"])
def test_another_takes_over_when_nothing_lives(opened, left):
    one = opened("one")
    if left == "task":
        write_task_file(one.task_folder("a" * 64), DEAD)
    elif left == "no folder":
        shutil.rmtree(one.run_root)
    two = opened("two")
    assert record(two)[2] == two.run_root
    serve(two)
    with pytest.raises(Conflict):
        opened("one")


def test_what_was_killed_in_the_other_run_root_is_freed(opened):
    one = opened("one")
    write_task_file(one.task_folder("a" * 64), DEAD)
    opened("two")
    assert not os.path.exists(one.task_folder("a" * 64))


def test_a_copy_is_a_root_of_its_own(opened, tmp_path):
    one = opened("one")
    serve(one)
    shutil.copytree(one.root, f"{tmp_path}/copy")
    copy = opened("two", "copy")
    assert record(copy)[1:] == [copy.root, copy.run_root]
    opened("one")


def test_a_root_that_was_moved_is_the_same(opened, tmp_path):
    one = opened("one")
    serve(one)
    os.rename(one.root, f"{tmp_path}/moved")
    with pytest.raises(Conflict) as caught:
        opened("one", "moved")
    assert f"--root {tmp_path}/data --run-root {tmp_path}/one" in caught.value.hint
    shutil.rmtree(one.task_folder("a" * 64))
    assert record(opened("one", "moved"))[1] == f"{tmp_path}/moved"


def test_who_has_lost_the_root_since_it_was_opened_finds_out(opened):
    one = opened("one")
    two = opened("two")
    serve(two)
    with pytest.raises(Conflict):
        one.check_run_root()
    two.check_run_root()


def test_of_two_that_begin_at_once_the_one_who_asks_first_wins(opened):
    one = opened("one")
    two = opened("two")
    serve(one)
    serve(two)
    two.check_run_root()
    with pytest.raises(Conflict):
        one.check_run_root()
    two.check_run_root()


@pytest.mark.parametrize("mark", [b"", b"?", b"nonsense", b"?a\0b\0c"])
def test_a_record_of_nothing_is_replaced(opened, mark):
    one = opened("one")
    with open(f"{one.root}/{RECORD}", "wb") as file:
        file.write(mark)
    two = opened("two")
    assert record(two)[2] == two.run_root


def test_one_that_was_killed_while_it_judged_does_not_hide_the_record(opened):
    one = opened("one")
    serve(one)
    with open(f"{one.root}/{RECORD}", "r+b") as file:
        said = file.read()
        file.seek(0)
        file.write(b"?" + said)
    with pytest.raises(Conflict):
        opened("two")
    assert record(opened("one"))[2] == one.run_root
