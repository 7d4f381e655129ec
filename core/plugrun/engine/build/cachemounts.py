"""Folders that RUN steps keep between builds: ``--mount=type=cache``.

Each ID has a folder, and with ``sharing=private`` as many as are in use at once. Locks are held by
who runs the step, and by nobody once it was killed.
"""

from __future__ import annotations

import os

from plugrun.linux.filesystem import make_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.dockerfile.instructions import RunMount
    from plugrun.engine.engine import Engine
    from plugrun.store.locks import Lock

_MODE = 0o755


def mounts_folder(root: str) -> str:
    """Return where all of them lie."""
    return f"{root}/build/mounts"


class CacheFolder:
    """One folder for one step; ``is_new`` if nothing was ever kept in it.

    ``release`` lets others have it.
    """

    def __init__(self, engine: Engine, mount: RunMount, id: str) -> None:
        self._name = folder_name(id)
        self._engine = engine
        self._lock: Lock | None = None
        number = self._take(mount.sharing or "shared")
        folder = f"{mounts_folder(engine.root)}/{self._name}"
        self.path = f"{folder}/{number}/data"
        self.is_new = not os.path.isdir(self.path)
        if self.is_new:
            make_private(f"{folder}/{number}")
            _write_name(folder, id)
            self._make(mount)

    def _take(self, sharing: str) -> str:
        locks = self._engine.locks
        if sharing == "shared":
            # Nobody prunes it meanwhile.
            self._lock = locks.shared(use_lock(self._name))
            return "0"
        self._lock = locks.shared(use_lock(self._name))
        if sharing == "locked":
            self._turn: Lock | None = locks.exclusive(f"{use_lock(self._name)}-0")
            return "0"
        number = 1
        while (turn := locks.try_exclusive(f"{use_lock(self._name)}-{number}")) is None:
            number += 1
        self._turn = turn
        return str(number)

    def _make(self, mount: RunMount) -> None:
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            self.is_new = False
            return
        os.chown(self.path, mount.uid or 0, mount.gid or 0)
        os.chmod(self.path, _MODE if mount.mode is None else mount.mode)

    def release(self) -> None:
        """Let others have it."""
        for lock in (getattr(self, "_turn", None), self._lock):
            if lock is not None:
                lock.release()


def folder_name(id: str) -> str:
    """Return the name of an ID's folder."""
    from hashlib import sha256

    return sha256(id.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def use_lock(name: str) -> str:
    """Name the lock that who uses a folder shares."""
    return f"build-mount-{name}"


def _write_name(folder: str, id: str) -> None:
    """Write down what it is called, for who lists what is kept."""
    from plugrun.linux.filesystem import write_whole

    write_whole(f"{folder}/id", id.encode("utf-8", "surrogateescape"))
