"""The size of each layer, kept when it is unpacked: the bytes of its files, the same everywhere.

A storage measures what a layer takes on this disk, which depends on the file system. ``SIZE`` is
of the image, so it is counted once and kept beside the layer, under its ChainID.
"""

from __future__ import annotations

import os

from plugrun.errors import NoSuchSnapshot
from plugrun.linux.filesystem import make_private, write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.engine.engine import Engine
    from plugrun.interfaces.storage import Storage


def keep_layer_size(engine: Engine, chain: str, size: int) -> None:
    """Write down how many bytes the files of a layer have; to be done before it is committed."""
    make_private(f"{engine.root}/sizes")
    write_whole(_path(engine, chain), str(size).encode())


def layer_size(engine: Engine, chain: str) -> int:
    """Return the bytes of a layer's files; what the storage measures if that was not kept."""
    try:
        with open(_path(engine, chain), "rb") as file:
            return int(file.read())
    except (FileNotFoundError, ValueError):
        # Older than this file, or a power failure left it empty.
        from plugrun.engine.heal import stored_backends

        return max((content_size(one, chain) for one in stored_backends(engine)), default=0)


def layers_size(engine: Engine, chain: Iterable[str]) -> int:
    """Return the size of several layers together."""
    return sum(layer_size(engine, one) for one in chain)


def forget_layer_size(engine: Engine, chain: str) -> None:
    """Drop what is kept of a layer that has been removed."""
    try:
        os.unlink(_path(engine, chain))
    except FileNotFoundError:
        return


def sized_layers(engine: Engine) -> list[str]:
    """Return the ChainIDs of the layers whose size is kept."""
    try:
        names = os.listdir(f"{engine.root}/sizes")
    except FileNotFoundError:
        return []
    return [f"sha256:{name}" for name in names if ".tmp-" not in name]


def content_size(storage: Storage, key: str) -> int:
    """Return the bytes of the files in a snapshot itself; 0 if there is none of this key."""
    try:
        found = storage.usage(key)
    except NoSuchSnapshot:
        return 0
    return found.bytes if found.content < 0 else found.content


def _path(engine: Engine, chain: str) -> str:
    return f"{engine.root}/sizes/{chain.removeprefix('sha256:')}"
