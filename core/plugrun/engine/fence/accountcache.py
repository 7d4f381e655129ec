"""The account files of each image, kept aside so that a start need not mount twice to read them.

A container begins as its image's tree, and that never changes under its ChainID.
"""

from __future__ import annotations

import os

from plugrun.engine.fence.accounts import Accounts, read_accounts
from plugrun.engine.files.peek import inside_tree
from plugrun.errors import NoSuchSnapshot
from plugrun.linux.filesystem import make_private, write_whole
from plugrun.model.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.interfaces.storage import Storage


def image_accounts(engine: Engine, storage: Storage, chain: str) -> Accounts:
    """Return the account files of the tree that a ChainID names; "" is the empty tree."""
    if not chain:
        return Accounts(b"", b"")
    path = f"{engine.root}/accounts/{chain.removeprefix('sha256:')}"
    try:
        with open(path, "rb") as file:
            return _decode(file.read())
    except (FileNotFoundError, ValueError):
        # Not there, or a power failure left it empty.
        found = _look(engine, storage, chain)
    make_private(f"{engine.root}/accounts")
    write_whole(path, found)
    return _decode(found)


def forget_accounts(engine: Engine, chain: str) -> None:
    """Drop what is kept of a tree that has been removed."""
    try:
        os.unlink(f"{engine.root}/accounts/{chain.removeprefix('sha256:')}")
    except FileNotFoundError:
        return


def _look(engine: Engine, storage: Storage, chain: str) -> bytes:
    """Read the files of a tree from a storage, or from another one that has it."""
    try:
        return _look_in(engine, storage, chain)
    except NoSuchSnapshot:
        from plugrun.engine.heal import stored_backends

        for other in stored_backends(engine):
            try:
                return _look_in(engine, other, chain)
            except NoSuchSnapshot:
                continue
        raise


def _look_in(engine: Engine, storage: Storage, chain: str) -> bytes:
    key = f"accounts-{os.getpid()}-{os.urandom(4).hex()}"
    storage.view(key, chain)
    try:
        return inside_tree(storage.mounts(key), f"{engine.run_root}/mnt", _encode)
    finally:
        storage.remove(key)


def _encode(root_fd: int) -> bytes:
    found = read_accounts(root_fd)
    return dumps(
        {"passwd": found.passwd.decode("latin-1"), "group": found.group.decode("latin-1")}
    ).encode()


def _decode(data: bytes) -> Accounts:
    found = loads(data)
    return Accounts(found["passwd"].encode("latin-1"), found["group"].encode("latin-1"))
