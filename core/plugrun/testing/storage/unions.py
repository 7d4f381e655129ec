"""A union beside a plain folder: random acts, results and trees compared.

``PLUGRUN_EXAMPLES=5000 pytest …`` draws that many, other ones each time.
"""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from plugrun.interfaces.storage import PACKED, POSIX_UNION, WHITEOUT_UNLINK, LayerTree, Storage
from plugrun.testing.forked import in_child, mounted
from plugrun.testing.storage.acts import Act, Result, perform
from plugrun.testing.storage.beginnings import BEGINNINGS, LINKED, LayerWriter
from plugrun.testing.storage.fixtures import StorageFixtures
from plugrun.testing.storage.randomacts import draw_lives
from plugrun.testing.storage.treesight import Sight, sight

_EXAMPLES = 60
_PATIENCE = 60  # seconds for one life; a file system that hangs is a failure too
_SHRINKING = 30  # seconds spent on finding a shorter list that fails

Lives = Sequence[Sequence[Act]]


class UnionContract(StorageFixtures):
    """What is mounted behaves as a plain folder of the same file system does."""

    def test_a_union_is_as_a_plain_folder(
        self, storage: Storage, root_path: str, tmp_path: Any
    ) -> None:
        place = tmp_path / "union"
        place.mkdir()
        both = Both(storage, f"{root_path}-plain", str(place))
        wanted = os.environ.get("PLUGRUN_EXAMPLES")

        @settings(
            max_examples=int(wanted or _EXAMPLES),
            derandomize=wanted is None,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.sampled_from(_beginnings(both)), st.integers(0, 1 << 64))
        def check(beginning: str, seed: int) -> None:
            both.check(beginning, both.drawn(beginning, seed))

        check()


def _beginnings(both: Both) -> list[str]:
    return [*BEGINNINGS, *(LINKED if both.is_posix else ())][::-1]


class Both:
    """A storage and a plain folder that go through the same."""

    def __init__(self, storage: Storage, plain: str, place: str) -> None:
        self.is_posix = POSIX_UNION in storage.capabilities
        self._is_packed = PACKED in storage.capabilities
        self._storage = storage
        self._plain = plain
        self._place = place
        self._told: dict[str, str] = {}
        self._count = 0

    def drawn(self, beginning: str, seed: int) -> Lives:
        """Draw acts that fit a beginning."""
        self._write_plain(beginning)
        lives = in_child(lambda: _drawing(self._plain, seed))
        return lives if self.is_posix else [*map(_copied_up_first, lives)]

    def check(self, beginning: str, lives: Lives) -> None:
        """Fail with what differs after acts, and with the fewest acts found that show it."""
        asked = repr((beginning, lives))
        if asked not in self._told:  # hypothesis asks again for what has failed
            self._told[asked] = self._judge(beginning, lives)
        if self._told[asked]:
            raise AssertionError(self._told[asked])

    def _judge(self, beginning: str, lives: Lives) -> str:
        difference = self.difference(beginning, lives)
        if difference:
            beginning, lives = self._fewest(beginning, lives)
            difference = self.difference(beginning, lives) or f"once only: {difference}"
            difference = f"{difference}\n\n{_as_python(beginning, lives)}"
        return difference

    def difference(self, beginning: str, lives: Lives) -> str:
        """Return what differs first, or nothing."""
        top = self._committed(beginning)
        self._write_plain(beginning)
        key = self._new_key("box")
        self._storage.prepare(key, top)
        own = [key]
        try:
            for number, acts in enumerate(lives):
                if number == 2 and not self.is_posix and _has_links(self._plain):
                    break  # the next snapshot would part them
                if number == 2:  # the second life sees the same snapshot mounted again
                    key = self._go_on(key, own)
                found = self._live(key, acts)
                if found:
                    return f"in life {number}: {found}"
            return self._seen_again(key, own)
        finally:
            for each in reversed(own):
                self._storage.remove(each)

    def _live(self, key: str, acts: Sequence[Act]) -> str:
        results, tree = mounted(self._storage.mounts(key), self._place, _living(acts, ()))
        skipped = self._refused(acts, results)
        wanted, plain = in_child(lambda: _living(acts, skipped)(self._plain))
        for number, (act, got, want) in enumerate(zip(acts, results, wanted, strict=True)):
            if got != want and number not in skipped:
                return f"act {number}, {act}: the union gives {got}, a plain folder {want}"
        return _compare(tree, plain)

    def _refused(self, acts: Sequence[Act], results: Sequence[Result]) -> list[int]:
        """Return the acts that the storage may refuse, by what it says it can do."""
        refused: list[int] = []
        for number, ((name, *values), result) in enumerate(zip(acts, results, strict=True)):
            is_acl = name.endswith("xattr") and str(values[1]).startswith("system.posix_acl")
            if (not self.is_posix and result == "EXDEV") or (
                self._is_packed and is_acl and result == "ENOTSUP"
            ):
                refused.append(number)
        return refused

    def _seen_again(self, key: str, own: list[str]) -> str:
        """Commit, and compare through a view."""
        plain = in_child(lambda: _looking(self._plain))
        name, view = self._new_key("done"), self._new_key("view")
        self._storage.commit(name, key)
        own[own.index(key)] = name
        self._storage.view(view, name)
        own.append(view)
        seen = mounted(self._storage.mounts(view), self._place, _looking)
        if found := _compare(seen, plain):
            return f"in a view of what was committed: {found}"
        return ""

    def _go_on(self, key: str, own: list[str]) -> str:
        """Commit, and have a new snapshot of it."""
        name, new = self._new_key("done"), self._new_key("box")
        self._storage.commit(name, key)
        own[own.index(key)] = name
        self._storage.prepare(new, name)
        own.append(new)
        return new

    def _new_key(self, what: str) -> str:
        self._count += 1
        return f"{what}-{self._count}"

    def _committed(self, beginning: str) -> str | None:
        """Return the top of a beginning's layers; they are made once."""
        parent = None
        for write in _layers(beginning):
            name = f"{parent or ''}{write.__name__}"
            if not any(found.key == name for found in self._storage.walk()):
                self._storage.prepare("unpack", parent)
                write(LayerWriter(self._storage.layer_tree("unpack")))
                self._storage.commit(name, "unpack")
            parent = name
        return parent

    def _write_plain(self, beginning: str) -> None:
        if os.path.exists(self._plain):
            shutil.rmtree(self._plain)
        os.mkdir(self._plain)
        os.chmod(self._plain, 0o755)
        for write in _layers(beginning):
            write(LayerWriter(LayerTree(self._plain, WHITEOUT_UNLINK)))

    def _fewest(self, beginning: str, lives: Lives) -> tuple[str, Lives]:
        """Leave out acts as long as something differs."""
        end = time.monotonic() + _SHRINKING
        shrunk = True
        while shrunk:
            shrunk = False
            for fewer in _fewer(lives):
                if time.monotonic() > end:
                    return beginning, lives
                if self.difference(beginning, fewer):
                    lives, shrunk = fewer, True
                    break
        for simpler in ("nothing", "one layer"):
            if self.difference(simpler, lives):
                return simpler, lives
        return beginning, lives


def _layers(beginning: str) -> tuple[Callable[[LayerWriter], None], ...]:
    return (BEGINNINGS | LINKED)[beginning]


def _living(
    acts: Sequence[Act], skipped: Sequence[int]
) -> Callable[[str], tuple[list[Result], Sight]]:
    """Return what does acts in a folder and looks at it then; the caller is a child."""

    def live(root: str) -> tuple[list[Result], Sight]:
        signal.alarm(_PATIENCE)
        os.chroot(root)
        os.chdir("/")
        if acts:
            os.utime(".")  # the time of a snapshot's own top is its own
        return perform(acts, skipped), sight()

    return live


def _looking(root: str) -> Sight:
    signal.alarm(_PATIENCE)
    os.chroot(root)
    os.chdir("/")
    return sight()


def _drawing(root: str, seed: int) -> Lives:
    signal.alarm(_PATIENCE)
    os.chroot(root)
    os.chdir("/")
    return draw_lives(seed)


def _copied_up_first(acts: Sequence[Act]) -> list[Act]:
    """Leave nothing to a descriptor that was opened to read a file, or to change a folder.

    A union of several file systems may give such a descriptor the lower layer's file for good.
    """
    kept: list[Act] = []
    folders = set()
    for act in acts:
        name, *values = act
        if name == "open":
            slot, path, flags, mode = values
            folders.discard(slot)
            if flags & os.O_DIRECTORY:
                folders.add(slot)
            elif flags & os.O_ACCMODE == os.O_RDONLY:
                act = ("open", slot, path, flags & ~os.O_PATH | os.O_RDWR, mode)  # noqa: PLW2901
        if name not in ("fchmod", "fchown", "futime", "fsetxattr") or values[0] not in folders:
            kept.append(act)
    return kept


def _has_links(root: str) -> bool:
    return any(
        os.lstat(f"{folder}/{name}").st_nlink > 1
        for folder, _, files in os.walk(root)
        for name in files
    )


def _compare(union: Sight, plain: Sight) -> str:
    for path in sorted(union.keys() | plain.keys()):
        if union.get(path) != plain.get(path):
            got, want = union.get(path), plain.get(path)
            return f"{path!r} is {got} in the union, {want} in a plain folder"
    return ""


def _fewer(lives: Lives) -> Iterator[Lives]:
    """Yield shorter lists: without a life, without a half, a quarter … of its acts."""
    for number, acts in enumerate(lives):
        before, after = list(lives[:number]), list(lives[number + 1 :])
        if len(lives) > 1:
            yield [*before, *after]
        size = len(acts)
        while size > 1:
            size = (size + 1) // 2
            for start in range(0, len(acts), size):
                yield [*before, [*acts[:start], *acts[start + size :]], *after]


def _as_python(beginning: str, lives: Lives) -> str:
    """Return a test to be pasted into a subclass of the suite."""
    lines = ["def test_found(self, storage, root_path, tmp_path):"]
    lines.append('    both = Both(storage, f"{root_path}-plain", str(tmp_path))')
    lines.append(f"    both.check({beginning!r}, [")
    for acts in lives:
        lines += ["        [", *(f"            {act!r}," for act in acts), "        ],"]
    return "\n".join([*lines, "    ])"])
