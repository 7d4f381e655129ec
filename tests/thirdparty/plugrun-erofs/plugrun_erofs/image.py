"""A folder made into an EROFS image.

Content is written first, as the tree is walked, block after block; where the file system shares
blocks (xfs, btrfs) it costs no copy. What is known of each file is kept in memory, and written when
all have their place. The tree is trusted not to change meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat

from plugrun.api import Conflict, open_deep

from plugrun_erofs import layout
from plugrun_erofs.layout import BLOCK, CHUNKS, INLINE, INODE_SIZE, NO_BLOCK, PLAIN, SLOT

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_INLINE = 1024  # bytes of a file that lie beside its inode
_MOST_CHUNKS = 1 << 16  # of a file with holes
_SMALL = 1 << 16
_PIECE = 1 << 20
_NO_RANGES = (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ETXTBSY, errno.EPERM)
# What overlayfs notes for itself in the folder that it writes to, and means nothing elsewhere.
_NOTES = tuple(b"trusted.overlay." + word for word in (b"origin", b"impure", b"nlink", b"uuid"))


class _File:
    """One inode: ``tail`` is what stands behind it, ``where`` as ``layout.inode`` takes it."""

    __slots__ = ("entries", "layout", "links", "names", "number", "size", "slot", "state", "tail",
                 "where", "xattrs")  # fmt: skip

    def __init__(self, state, number):
        self.state = state
        self.number = number
        self.links = 1
        self.layout, self.size, self.where, self.tail = PLAIN, 0, 0, b""
        self.xattrs = b""
        self.slot = 0
        self.names, self.entries = [], {}

    @property
    def header(self):
        """How much comes before the tail."""
        return INODE_SIZE + len(self.xattrs)


def write_image(folder, path):
    """Write the image of a folder into the new file ``path``, and sync it.

    Raise OSError, and Conflict for an attribute that EROFS has no place for.
    """
    image = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        top = os.open(folder, _FOLDER)
        try:
            _Writer(image, top, folder).run()
        finally:
            os.close(top)
        os.fsync(image)
    finally:
        os.close(image)


class _Writer:
    def __init__(self, image, top, path):
        self._image = image
        self._top = top
        self._path = path
        self._block = 1  # the next that is free; 0 is the superblock's
        self._files = []
        self._linked = {}
        self._is_chunked = False

    def run(self):
        """Write everything, the superblock last: until then it is no image."""
        root = self._new(os.fstat(self._top), self._top, b".")
        root.entries[b".."] = root
        pending = [("", root)]
        while pending:
            inside, file = pending.pop()
            pending += self._fill(inside, file)
        for file in self._files:
            if file.names:
                self._place_folder(file)
        metadata = self._place()
        self._write_metadata(metadata)

    # -- what there is ----------------------------------------------------------------------

    def _new(self, state, folder, name):
        file = _File(state, len(self._files) + 1)
        file.xattrs = layout.xattr_area(self._xattrs(b"/proc/self/fd/%d/%b" % (folder, name)))
        self._files.append(file)
        return file

    def _xattrs(self, path):
        found = []
        for text in os.listxattr(path, follow_symlinks=False):
            name = os.fsencode(text)
            if name.startswith(_NOTES):
                continue
            if not layout.is_storable(name):
                raise Conflict(
                    f"EROFS has no place for the attribute {text} of a file beneath {self._path}",
                    hint=f"remove it: setfattr -x {text} FILE",
                )
            found.append((name, os.getxattr(path, text, follow_symlinks=False)))
        return sorted(found)

    def _fill(self, inside, parent):
        """Take in what is in one folder; return the folders in it."""
        folders = []
        fd = open_deep(self._top, inside)
        try:
            for text in os.listdir(fd):
                name = os.fsencode(text)
                file = self._entry(fd, name)
                parent.entries[name] = file
                if stat.S_ISDIR(file.state.st_mode):
                    file.entries[b".."] = parent
                    parent.links += 1
                    folders.append((f"{inside}/{text}" if inside else text, file))
        finally:
            os.close(fd)
        parent.entries[b"."] = parent
        parent.links += 1
        parent.names = layout.split_names(sorted(parent.entries))
        parent.size = layout.folder_size(parent.names)
        return folders

    def _entry(self, folder, name):
        state = os.stat(name, dir_fd=folder, follow_symlinks=False)
        is_folder = stat.S_ISDIR(state.st_mode)
        key = (state.st_dev, state.st_ino)
        if not is_folder and state.st_nlink > 1 and key in self._linked:
            known = self._linked[key]
            known.links += 1
            return known
        file = self._new(state, folder, name)
        if not is_folder and state.st_nlink > 1:
            self._linked[key] = file
        if stat.S_ISREG(state.st_mode):
            self._take_content(file, folder, name)
        elif stat.S_ISLNK(state.st_mode):
            self._take_bytes(file, os.readlink(name, dir_fd=folder))
        elif stat.S_ISCHR(state.st_mode) or stat.S_ISBLK(state.st_mode):
            file.where = layout.device_number(state)
        return file

    def _take_bytes(self, file, data):
        """Let a file have this content: beside its inode where that is short."""
        file.size = len(data)
        if len(data) <= _MOST_INLINE and file.header + len(data) <= BLOCK:
            file.layout, file.where, file.tail = INLINE, NO_BLOCK, data
            return
        file.where = self._reserve(len(data))
        self._write(data, file.where * BLOCK)

    def _take_content(self, file, folder, name):
        size = file.state.st_size
        if not size:
            file.where = NO_BLOCK
            return
        fd = os.open(name, _READ, dir_fd=folder)
        try:
            if file.state.st_blocks * 512 < size:
                self._take_chunks(file, fd)
            elif size <= _SMALL:
                data = os.read(fd, size)
                self._take_bytes(file, data if len(data) == size else _all_of(fd, data, size))
            else:
                file.size = size
                file.where = self._reserve(size)
                self._copy(fd, 0, file.where * BLOCK, size)
        finally:
            os.close(fd)

    def _take_chunks(self, file, fd):
        """Let a file have its holes: pieces of one size, each of which is somewhere or nowhere."""
        size = file.state.st_size
        bits = 0
        while -(-size // (BLOCK << bits)) > _MOST_CHUNKS and bits < layout.MOST_CHUNK_BITS:
            bits += 1
        chunk = BLOCK << bits
        places = [NO_BLOCK] * -(-size // chunk)
        for start, end in _extents(fd, size):
            for number in range(start // chunk, -(-end // chunk)):
                if places[number] == NO_BLOCK:
                    places[number] = self._reserve(min(chunk, size - number * chunk))
            self._copy_chunks(fd, start, end, chunk, places)
        file.size, file.layout, file.where = size, CHUNKS, bits
        file.tail = b"".join(place.to_bytes(4, "little") for place in places)
        self._is_chunked = True

    def _copy_chunks(self, fd, start, end, chunk, places):
        while start < end:
            number, offset = divmod(start, chunk)
            count = min(end - start, chunk - offset)
            self._copy(fd, start, places[number] * BLOCK + offset, count)
            start += count

    # -- where it goes ----------------------------------------------------------------------

    def _reserve(self, size):
        first = self._block
        self._block += layout.blocks_of(size)
        return first

    def _place_folder(self, file):
        if file.size <= BLOCK - file.header:
            # Its entries come when all have numbers.
            file.layout, file.where, file.tail = INLINE, NO_BLOCK, bytes(file.size)
        else:
            file.where = self._reserve(file.size)

    def _place(self):
        """Give every inode its number; return how much metadata there is."""
        at = 0
        for file in self._files:
            whole = file.header + (len(file.tail) if file.layout == INLINE else 0)
            # What is inline must lie in one block, and an inode is read faster so.
            in_one = whole if file.layout == INLINE else INODE_SIZE
            if at % BLOCK + in_one > BLOCK:
                at = layout.blocks_of(at) * BLOCK
            file.slot = at // SLOT
            at += file.header + len(file.tail)
            at = -(-at // SLOT) * SLOT
        return at

    def _write_metadata(self, size):
        first = self._reserve(size)
        metadata = bytearray(layout.blocks_of(size) * BLOCK)
        for file in self._files:
            if file.names:
                self._write_folder(file)
            record = layout.inode(
                file.state, number=file.number, layout=file.layout, size=file.size,
                where=file.where, links=file.links, xattrs=file.xattrs,
            )  # fmt: skip
            at = file.slot * SLOT
            whole = record + file.xattrs + file.tail
            metadata[at : at + len(whole)] = whole
        self._write(metadata, first * BLOCK)
        os.ftruncate(self._image, self._block * BLOCK)
        self._write(
            layout.superblock(
                root=self._files[0].slot, inodes=len(self._files), blocks=self._block,
                metadata=first, identity=hashlib.sha256(metadata).digest()[:16],
                chunked=self._is_chunked,
            ),
            0,
        )  # fmt: skip

    def _write_folder(self, file):
        known = {name: (one.slot, one.state.st_mode) for name, one in file.entries.items()}
        content = layout.folder_content(file.names, known)
        if file.layout == INLINE:
            file.tail = content
        else:
            self._write(content, file.where * BLOCK)

    def _write(self, data, offset):
        rest = memoryview(data)
        while rest:
            count = os.pwrite(self._image, rest, offset)
            rest, offset = rest[count:], offset + count

    def _copy(self, fd, start, target, count):
        """Copy by the kernel where it can."""
        try:
            while count:
                done = os.copy_file_range(fd, self._image, count, start, target)
                if not done:
                    break
                start, target, count = start + done, target + done, count - done
        except OSError as error:
            if error.errno not in _NO_RANGES:
                raise
        while count:
            piece = os.pread(fd, min(count, _PIECE), start)
            if not piece:
                raise OSError(errno.EIO, f"a file beneath {self._path} became shorter")
            self._write(piece, target)
            start, target, count = start + len(piece), target + len(piece), count - len(piece)


def _all_of(fd, data, size):
    while len(data) < size:
        piece = os.read(fd, size - len(data))
        if not piece:
            raise OSError(errno.EIO, "a file became shorter while it was read")
        data += piece
    return data


def _extents(fd, size):
    """Yield where a file has data (lseek(2), SEEK_DATA)."""
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        yield start, end
