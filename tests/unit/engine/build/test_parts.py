"""Parts of a build that stand alone: the cache's file, keys, states, stubs, owners, progress."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sqlite3
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from plugrun.cli.buildprogress import build_view, shown
from plugrun.engine.build.borrowing import FIELD, Borrowed
from plugrun.engine.build.copying import make_folders
from plugrun.engine.build.kept import _size
from plugrun.engine.build.keys import step_key
from plugrun.engine.build.marks import mark, mark_ids, marked_ids, unmark
from plugrun.engine.build.owners import owner_of
from plugrun.engine.build.state import Outcome, StageState, chain_over
from plugrun.engine.build.stubs import missing_places, remove_stubs
from plugrun.engine.fence.accounts import Accounts
from plugrun.engine.images.manifests import chain_ids
from plugrun.engine.userns import auto
from plugrun.errors import InvalidArgument
from plugrun.interfaces.storage import WHITEOUT_OVERLAYFS, LayerTree
from plugrun.model.descriptor import Platform
from plugrun.model.record import replace
from plugrun.model.times import rfc3339, rfc3339_ns
from plugrun.store.buildcache import BuildCache, Entry, held

LINUX = Platform("linux", "amd64")
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def entry(key: str, used: int = 0) -> Entry:
    return Entry(key, "run", ONE, 3, (ONE,), (TWO,), 1, used, 1, "RUN true")


def test_the_cache_keeps_entries(tmp_path: Path) -> None:
    root = str(tmp_path)
    assert held(root).chains == frozenset()
    with BuildCache(root) as cache:
        cache.put(entry("new", 5))
        cache.put(entry("old", 2))
        assert cache.find("new") == entry("new", 5)
        assert cache.find("none") is None
        cache.use(["old"])
    with BuildCache(root) as cache:
        assert [one.key for one in cache.all()] == ["new", "old"]
        assert cache.all()[1].uses == 2
    assert held(root).chains == {ONE}
    assert held(root).blobs == {TWO}
    with BuildCache(root) as cache:
        cache.remove(["new", "old"])
    assert held(root).blobs == frozenset()


def test_a_damaged_cache_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "build/cache.db"
    path.parent.mkdir()
    path.write_bytes(b"no database " * 100)
    with BuildCache(str(tmp_path)) as cache:
        cache.put(entry("new"))
        assert len(cache.all()) == 1


def test_a_cache_of_another_schema_is_begun_anew(tmp_path: Path) -> None:
    with BuildCache(str(tmp_path)) as cache:
        cache.put(entry("new"))
    with BuildCache(str(tmp_path)) as cache:
        assert len(cache.all()) == 1
    with contextlib.closing(sqlite3.connect(tmp_path / "build/cache.db")) as other:
        other.execute("ALTER TABLE steps ADD COLUMN more TEXT")
    with BuildCache(str(tmp_path)) as cache:
        assert cache.all() == []


def test_what_is_no_text_can_be_described(tmp_path: Path) -> None:
    with BuildCache(str(tmp_path)) as cache:
        cache.put(replace(entry("new"), description="COPY \udcff /"))
        assert [one.description for one in cache.all()] == ["COPY ? /"]


def test_a_size_is_told_while_a_build_is_at_work(tmp_path: Path) -> None:
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            (tmp_path / "a/b").mkdir(parents=True)
            (tmp_path / "a/b/c").write_bytes(b"x")
            shutil.rmtree(tmp_path / "a")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert all(_size(str(tmp_path)) <= 1 for _ in range(3000))
    finally:
        over.set()
        thread.join()


def test_folders_are_made_where_symlinks_lead(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("../../there/../elsewhere")
    (tmp_path / "loop").symlink_to("/loop")
    (tmp_path / "file").write_text("x")
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    try:
        os.close(make_folders(root, "/link/a", (0, 0)))
        for path in ("/loop/a", "/file/a", "/file"):
            with pytest.raises(InvalidArgument):
                make_folders(root, path, (0, 0))
    finally:
        os.close(root)
    assert (tmp_path / "elsewhere/a").is_dir()


def test_a_key_tells_states_and_parts_apart() -> None:
    state = StageState("", LINUX)
    higher = state.with_layer(Outcome(ONE, 0, 0))
    keys = {
        step_key("run", state, -1, ["a"]),
        step_key("copy", state, -1, ["a"]),
        step_key("run", higher, -1, ["a"]),
        step_key("run", state, 0, ["a"]),
        step_key("run", state, -1, ["a", ""]),
        step_key("run", state, -1, "a"),
        step_key("run", replace(state, platform=Platform("linux", "arm64")), -1, ["a"]),
    }
    assert len(keys) == 7


def test_layers_stand_on_each_other() -> None:
    state = StageState("", LINUX).with_layer(Outcome(ONE, 0, 0)).with_layer(Outcome(TWO, 0, 0))
    assert state.chain == chain_ids((ONE, TWO))
    assert state.with_layer(Outcome("", 0, 0)) is state
    assert chain_over("", ONE) == ONE


@pytest.mark.parametrize("ns", [0, 1, 10**9, 1_700_000_000_123_000_000])
def test_times(ns: int) -> None:
    assert rfc3339_ns(rfc3339(ns)) == ns
    assert rfc3339(10**9) == "1970-01-01T00:00:01Z"


def test_stubs_go_and_what_was_there_stays(tmp_path: Path) -> None:
    upper, lower = tmp_path / "upper", tmp_path / "lower"
    for path in (upper, lower / "etc", lower / "run", lower / "var"):
        path.mkdir(parents=True)
    (lower / "etc/hosts").touch()
    (lower / "var/run").symlink_to("/run")
    os.utime(lower / "run", (5, 5))
    tree = LayerTree(str(upper), WHITEOUT_OVERLAYFS, (str(lower),))
    targets = ("/dev", "/etc/hosts", "/etc/hostname", "/var/run/a/b", "/made")
    stubs = missing_places(tree, targets)
    assert [one.path for one in stubs] == ["dev", "etc/hostname", "run/a", "run/a/b", "made"]
    for path in ("dev", "etc", "run/a/b", "made"):
        (upper / path).mkdir(parents=True)
    (upper / "etc/hostname").touch()
    (upper / "made/something").touch()
    remove_stubs(tree, stubs)
    assert sorted(str(p.relative_to(upper)) for p in upper.rglob("*")) == [
        *("etc", "made", "made/something", "run")
    ]
    assert (upper / "run").stat().st_mtime == 5


def test_owners_are_the_images_own() -> None:
    accounts = Accounts(b"app:x:12:34::/:/bin/sh\n", b"web:x:56:\n12:x:78:\n")
    assert owner_of("app", lambda: accounts) == (12, 34)
    assert owner_of("app:web", lambda: accounts) == (12, 56)
    assert owner_of("7", lambda: accounts) == (7, 7)
    assert owner_of("7:web", lambda: accounts) == (7, 56)
    with pytest.raises(InvalidArgument, match="unable to find user nobody"):
        owner_of("nobody", lambda: accounts)


def test_progress_line_by_line() -> None:
    stream = io.StringIO()
    view = build_view(stream, "plain")
    view.begin(1, "[1/2] RUN make")
    view.output(1, b"half")
    view.output(1, b" a line\nold\rnew\nrest")
    view.done(1, 1.25)
    view.begin(2, "[2/2] RUN true")
    view.cached(2)
    lines = stream.getvalue().splitlines()
    assert [line.split(" ", 2)[-1] if ". " in line else line for line in lines]
    assert lines[0] == "#1 [1/2] RUN make"
    assert [line.rpartition(" ")[2] for line in lines[1:4]] == ["line", "new", "rest"]
    assert lines[4] == "#1 DONE 1.2s"
    assert "#2 CACHED" in lines


def test_progress_as_json() -> None:
    stream = io.StringIO()
    view = build_view(stream, "json")
    view.begin(1, "RUN")
    view.output(1, b"\xff\n")
    view.failed(1, 0.5, "why")
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [one["event"] for one in told] == ["begin", "output", "failed"]
    assert told[2] == {"step": 1, "event": "failed", "seconds": 0.5, "message": "why"}


def test_a_line_is_what_is_seen_of_it() -> None:
    assert shown(b"10%\r20%\rdone\r") == "done"


@pytest.mark.parametrize(
    "found",
    [
        7,
        {"a": 1},
        [[["k"], "sha256:" + "0" * 64, 1]],
        [[["k"], 5, 1], [["k"], ["x"], 1]],
        [["k", "", 1], [[7], "", 1], [["k"], "", -1], [["k"], "", True], [["k"], "", 10**30], []],
    ],
)
def test_what_an_image_says_of_its_cache_is_read_with_care(found: object) -> None:
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}

    def read(_: str) -> bytes:
        return json.dumps({**config, FIELD: found}).encode()

    engine: Any = SimpleNamespace(content=SimpleNamespace(read=read))
    borrowed = Borrowed(engine)
    image: Any = SimpleNamespace(id="", chain=(), layers=())
    assert borrowed.take(image) == 0
    assert borrowed.find("k") is None


def test_ids_of_a_step_are_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subids = tmp_path / "subids"
    subids.write_text(f"{auto.AUTO_USER}:100000:196608\n")
    monkeypatch.setattr(auto, "SUBUID", str(subids))
    monkeypatch.setattr(auto, "SUBGID", str(subids))
    metadata = SimpleNamespace(containers=list)
    engine: Any = SimpleNamespace(root=str(tmp_path), metadata=metadata)
    mark(engine, "another")
    for id, start in (("one", 100000), ("two", 165536)):
        ids = auto.free_range(engine, 65536)
        assert (ids.uids[0].outside, ids.gids[0].outside) == (start, start)
        step: Any = SimpleNamespace(id=id, uid_map=ids.uid_rows, gid_map=ids.gid_rows)
        mark_ids(engine, step)
    assert len(list(marked_ids(engine))) == 2
    unmark(engine, "one")
    assert auto.free_range(engine, 65536).uids[0].outside == 100000
