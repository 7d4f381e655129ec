"""An archive unpacked into a folder: what came as a context, or what ADD unpacks."""

from __future__ import annotations

import os

from plugrun.engine.images.importing import plain_pieces
from plugrun.layers.filecopy import write_data
from plugrun.layers.tarstream import TarStream
from plugrun.layers.treeplace import Placer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plugrun.engine.engine import Engine
    from plugrun.layers.entry import Entry


def unpack_archive(
    engine: Engine,
    pieces: Iterator[bytes],
    folder: int,
    *,
    path: str = "",
    root: int = -1,
    change: Callable[[Entry], None] | None = None,
) -> None:
    """Unpack a tar stream, compressed or not, into a folder; ``change`` sees each entry before.

    What is in the way of an entry is removed, as by Docker: a folder with all in it by a file, and
    what is none by a folder.

    Nothing is written outside of the folder; with a ``root``, beneath which the folder lies at
    ``path``, symlinks of that tree are followed within it. Raise Corrupt, HostileArchive.
    """
    stream = TarStream(plain_pieces(engine, pieces))
    with Placer(folder, os.fsencode(path), root, replaces=True) as placer:
        while (entry := stream.next()) is not None:
            if change is not None:
                change(entry)
            placer.put(entry, _from_stream(stream, entry))


def _from_stream(stream: TarStream, entry: Entry) -> Callable[[int], None]:
    return lambda target: write_data(stream, target, entry)
