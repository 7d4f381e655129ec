"""Snapshots as stacks of EROFS images, put together by the kernel's overlayfs.

An active snapshot writes into the folder ``l/ID/tree``. A commit makes that into ``l/ID/image``:
beside, without the lock; then two renames, of image and record, are the act. What has an image is
read from the image. A commit that was killed may leave both: ``sweep`` removes the image of an
active snapshot and the tree of a committed one. Active snapshots that others stand on are trees.
"""

from __future__ import annotations

import errno
import os

from plugrun.api import (
    ACTIVE,
    COMMITTED,
    IDMAPPED,
    INDEPENDENT_LAYERS,
    MISSING,
    PACKED,
    STRAY,
    Conflict,
    Corrupt,
    Fault,
    LayerStack,
    Mount,
    NoSpace,
    Usage,
    is_kernel,
    overlay,
)

# An upper folder holds whole files, whiteouts and opaque marks only, as image layers need it.
_FEATURES = ("index=off", "metacopy=off", "redirect_dir=off")
_REPAIR = "plugrun system check --repair puts right what can be"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class ErofsStorage(LayerStack):
    """Layers as images, and a folder for what a container writes."""

    images = "erofs"
    most_lower = 500  # OVL_MAX_STACK in fs/overlayfs/ovl_entry.h

    def __init__(self, root, loop=False):
        super().__init__(root)
        self._image_options = ("loop",) if loop else ()
        # That kernel's EROFS can be shown with other owners.
        shown = (IDMAPPED,) if is_kernel(6, 0) else ()
        self.capabilities = frozenset((INDEPENDENT_LAYERS, PACKED, *shown))
        self._ready = {}  # images on their way, by ID

    def probe(self):
        """Make a trial image and mount it beneath an overlay, in a child with its own mounts."""
        from plugrun_erofs.trial import probe

        return probe(self)

    # -- where things lie -------------------------------------------------------------------

    def folder(self, id):
        """Return where an active snapshot's files lie."""
        return f"{self.root}/l/{id}/tree"

    def image(self, id):
        """Return where a committed snapshot's image lies."""
        return f"{self.root}/l/{id}/image"

    def layer(self, id):
        """Return the image, or the tree of a layer that is not committed yet."""
        image = self.image(id)
        if os.path.lexists(image):
            return image
        tree = self.folder(id)
        return tree if os.path.isdir(tree) else image

    def union(self, lower, upper, work):
        """Return the overlay of layers, nearest first; read-only without an upper one."""
        options = (overlay.folder_option("lowerdir", lower), *_FEATURES, *self._image_options)
        if not upper:
            return Mount("overlay", "overlay", ("ro", *options), images=self.images)
        writable = overlay.folder_option("upperdir", (upper,))
        aside = overlay.folder_option("workdir", (work,))
        return Mount("overlay", "overlay", (*options, writable, aside), images=self.images)

    def alone(self, layer):
        """Return the mount of one layer."""
        return Mount(self.images, layer, ("ro", *self._image_options), images=self.images)

    # -- from folder to image ---------------------------------------------------------------

    def commit(self, name, key):
        """Make the image, then rename it and the record; then the tree goes."""
        found = self.active(key)
        self.refuse_commit(name, found)
        self._ready[found.id] = aside = self._write_image(found)
        try:
            super().commit(name, key)
        except BaseException:
            self.discard(aside)
            raise
        finally:
            del self._ready[found.id]
        self.discard(self.folder(found.id))

    def before_commit(self, found):
        """Put the image where it counts as soon as the record says committed."""
        os.rename(self._ready[found.id], self.image(found.id))

    def _write_image(self, found):
        from plugrun_erofs.image import write_image

        aside = f"{self.root}/t/image-{found.id}-{os.urandom(4).hex()}"
        try:
            write_image(self.folder(found.id), aside)
        except BaseException as error:
            self.discard(aside)
            if isinstance(error, OSError) and error.errno in _FULL:
                raise NoSpace(
                    f"no room for the image of snapshot {found.key} in {self.root}",
                    hint="free some space (plugrun system prune), or use another --root",
                ) from error
            if isinstance(error, FileNotFoundError):
                raise Corrupt(
                    f"the storage is damaged: the files of snapshot {found.key} are missing "
                    f"({self.folder(found.id)})",
                    hint=_REPAIR,
                ) from error
            raise
        return aside

    def mend(self, name, key):
        """Put an image of ``key``'s tree where that of ``name`` is or should be."""
        self._refuse_mend(name, key)
        aside = self._write_image(self.active(key))
        try:
            with self.records.locked():
                old = self._refuse_mend(name, key)
                self._make_place(f"{self.root}/l/{old.id}")
                os.rename(aside, self.image(old.id))
        except BaseException:
            self.discard(aside)
            raise
        self.remove(key)

    def _refuse_mend(self, name, key):
        old, new = self.found(name), self.active(key)
        if old.kind != COMMITTED or old.lower != new.lower:
            raise Conflict(f"snapshot {key} cannot be put in the place of {name}")
        return old

    def _make_place(self, folder):
        if os.path.lexists(folder) and not os.path.isdir(folder):
            os.unlink(folder)
        os.makedirs(folder, 0o700, exist_ok=True)
        image = f"{folder}/image"
        if os.path.isdir(image) and not os.path.islink(image):
            self.discard(image)

    # -- what it is like --------------------------------------------------------------------

    def usage(self, key):
        """Measure the tree, or the image."""
        found = self.found(key)
        if found.kind == ACTIVE:
            return super().usage(key)
        if not found.id:
            return Usage(0, 0, 0)
        fault = self._image_fault(found.id)
        if fault:
            raise Corrupt(
                f"the storage is damaged: {self.image(found.id)}, "
                f"the image of snapshot {key}: {fault}",
                hint=_REPAIR,
            )
        return Usage(os.stat(self.image(found.id)).st_blocks * 512, 1)

    def check(self):
        """As beneath, and every image is looked at."""
        told = set()
        for fault in super().check():
            told.add(fault.path)
            yield fault
        for record in self._readable_records():
            if not record.id or f"{self.root}/l/{record.id}" in told:
                continue
            yield from self._faults(record)

    def _faults(self, record):
        tree, image = self.folder(record.id), self.image(record.id)
        left = "a killed command left it half-made"
        if record.kind == ACTIVE:
            if not os.path.isdir(tree):
                yield Fault(MISSING, record.key, tree, "the files of this snapshot are gone")
            if os.path.lexists(image):
                yield Fault(STRAY, "", image, left)
            return
        fault = self._image_fault(record.id)
        if fault:
            yield Fault(MISSING, record.key, image, f"the image of this snapshot: {fault}")
        if os.path.lexists(tree):
            yield Fault(STRAY, "", tree, left)

    def _image_fault(self, id):
        from plugrun_erofs.layout import BLOCK, superblock_fault

        try:
            fd = os.open(self.image(id), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            return (error.strerror or "unreadable").lower()
        try:
            return superblock_fault(os.pread(fd, BLOCK, 0), os.fstat(fd).st_size)
        except OSError as error:
            return (error.strerror or "unreadable").lower()
        finally:
            os.close(fd)

    def sweep(self):
        """As beneath, and of what has a tree and an image, the one that does not count goes."""
        count = super().sweep()
        for record in self._readable_records():
            if not record.id:
                continue
            spare = self.image(record.id) if record.kind == ACTIVE else self.folder(record.id)
            if os.path.lexists(spare):
                self.discard(spare)
                count += 1
        return count

    def _readable_records(self):
        return list(self.records.all(readable=True))
