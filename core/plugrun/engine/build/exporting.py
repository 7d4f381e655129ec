"""What ``--output`` makes of a stage's files, beside or instead of an image."""

from __future__ import annotations

import os

from plugrun.engine.build.state import Outcome
from plugrun.engine.build.steptree import Writer
from plugrun.engine.files.rootfs import snapshot_tree
from plugrun.engine.images.layersizes import keep_layer_size
from plugrun.layers.archive import archive_tree
from plugrun.layers.filecopy import copy_data
from plugrun.layers.tarsink import TarSink
from plugrun.layers.treechanges import tree_changes
from plugrun.layers.treeplace import Placer
from plugrun.layers.treeread import Reader, Walk
from plugrun.linux.filesystem import unlink
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.build.site import Site
    from plugrun.engine.build.state import StageState
    from plugrun.layers.entry import Entry

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def export_folder(site: Site, state: StageState, target: str) -> None:
    """Put all files of a state into a folder; what lies there under their names is replaced.

    Owners and modes are kept, and nothing outside of the folder is reached. Raise Conflict where
    a folder were to replace a file, or the other way round.
    """
    os.makedirs(target, 0o755, exist_ok=True)
    folder = os.open(target, _FOLDER)
    try:
        if not state.top:
            return
        with snapshot_tree(site.engine, site.engine.storage(), state.top) as root:
            _copy(root, folder, target)
    finally:
        os.close(folder)


def _copy(root: int, folder: int, target: str) -> None:
    reader = Reader()
    with Placer(folder, os.fsencode(target)) as placer:
        for node in Walk(root):
            found = reader.read(node, node.path)
            if found is None:
                continue
            entry, data = found
            try:
                placer.put(entry, _data(data, entry))
            finally:
                if data >= 0:
                    os.close(data)


def _data(data: int, entry: Entry) -> Callable[[int], None]:
    return lambda target: copy_data(data, target, entry)


def export_tar(site: Site, state: StageState, fd: int) -> None:
    """Write all files of a state as a tar stream."""
    sink = TarSink(fd)
    if not state.top:
        sink.finish()
        return
    with snapshot_tree(site.engine, site.engine.storage(), state.top) as root:
        archive_tree(root, sink)


def squashed(site: Site, state: StageState, below: StageState) -> StageState:
    """Return a state whose layers over the base image are one; its history says so.

    The layer is committed when the image is: it is unpacked from its blob.
    """
    if len(state.chain) - len(below.chain) < 2:
        return state
    outcome = _merged(site, state, below)
    merged = replace(
        state, chain=below.chain, diff_ids=below.diff_ids, blobs=below.blobs
    ).with_layer(outcome)
    history = tuple({**line, "empty_layer": True} for line in state.history)
    said = f"merge {state.top} to {below.top or 'scratch'}"
    last = {"created": "", "comment": said, **({} if outcome.diff_id else {"empty_layer": True})}
    return replace(merged, history=(*history, last))


def _merged(site: Site, state: StageState, below: StageState) -> Outcome:
    """Write what differs between two states as one layer."""
    engine, storage = site.engine, site.engine.storage()
    fd, path = engine.content.begin()
    try:
        try:
            writer = Writer(fd)
            with snapshot_tree(engine, storage, state.top) as now:
                if below.top:
                    with snapshot_tree(engine, storage, below.top) as before:
                        writer.write(tree_changes(before, now))
                else:
                    writer.write(tree_changes(-1, now))
        finally:
            os.close(fd)
        if writer.is_empty:
            unlink(path)
            return Outcome("", 0, 0)
        engine.content.received_as(writer.digest, path)
    except BaseException:
        unlink(path)  # it may be in its place already
        raise
    engine.content.publish(writer.digest)
    outcome = Outcome(writer.digest, writer.size, 0)
    keep_layer_size(engine, below.with_layer(outcome).top, writer.size)
    return outcome
