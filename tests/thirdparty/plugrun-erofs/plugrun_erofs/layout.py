"""What EROFS looks like on disk, as far as it is written here (Documentation/filesystems/erofs.rst,
fs/erofs/erofs_fs.h).

Blocks of 4096 bytes. The superblock lies at byte 1024; blocks of content follow, then the metadata:
inodes with their attributes and what is stored inline. An inode's number is its place there, in
steps of 32 bytes.
"""

from __future__ import annotations

import functools
import os
import stat
import struct

BLOCK = 4096
SLOT = 32
MAGIC = 0xE0F5E1E2
SUPER_OFFSET = 1024
INODE_SIZE = 64
NO_BLOCK = 0xFFFFFFFF

# Where an inode's content lies.
PLAIN, INLINE, CHUNKS = 0, 2, 4
MOST_CHUNK_BITS = 31

_CHECKED, _TIMES = 1, 2  # compatible features: a checksum, times of each file
_CHUNKED = 4  # a feature that a reader must know

_SUPER = struct.Struct("<IIIBBHQQIIII16s16sIHHHBBIQB23x")
_INODE = struct.Struct("<HHHHQIIIIqII16x")
_DIRENT = struct.Struct("<QHBx")
_XATTR = struct.Struct("<BBH")
_XATTR_HEADER = bytes(12)

_TYPES = {
    stat.S_IFREG: 1,
    stat.S_IFDIR: 2,
    stat.S_IFCHR: 3,
    stat.S_IFBLK: 4,
    stat.S_IFIFO: 5,
    stat.S_IFSOCK: 6,
    stat.S_IFLNK: 7,
}
# The names of attributes without what these numbers stand for; the longest first.
_PREFIXES = (
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"trusted.", 4),
    (b"security.", 6),
    (b"user.", 1),
)


def blocks_of(size):
    """Return how many blocks so many bytes take."""
    return -(-size // BLOCK)


def superblock(*, root, inodes, blocks, metadata, identity, chunked):
    """Return block 0. ``root`` is the root's number, ``metadata`` the block where numbers begin."""

    def made(checksum):
        return bytes(SUPER_OFFSET) + _SUPER.pack(
            *(MAGIC, checksum, _CHECKED | _TIMES, BLOCK.bit_length() - 1, 0, root, inodes),
            *(0, 0, blocks, metadata, 0, identity, b"", _CHUNKED if chunked else 0),
            *(0, 0, 0, 0, 0, 0, 0, 0),
        ).ljust(BLOCK - SUPER_OFFSET, b"\0")

    return made(_crc32c(made(0)[SUPER_OFFSET:]))


def superblock_fault(block, size):
    """Return what is wrong with an image of ``size`` bytes and this first block, or nothing."""
    if len(block) < BLOCK:
        return "it is too short"
    magic, checksum, *_, blocks = _SUPER.unpack_from(block, SUPER_OFFSET)[:10]
    if magic != MAGIC:
        return "it does not begin as an EROFS image does"
    raw = bytearray(block[SUPER_OFFSET:])
    raw[4:8] = bytes(4)
    if checksum != _crc32c(raw):
        return "its superblock has another checksum"
    if size < blocks * BLOCK:
        return f"it has {size} bytes of {blocks * BLOCK}"
    return ""


def inode(state, *, number, layout, size, where, links, xattrs):
    """Return an inode; ``where`` is a block, a device's number or the form of chunks."""
    seconds, nanoseconds = divmod(state.st_mtime_ns, 10**9)
    count = (len(xattrs) - len(_XATTR_HEADER)) // 4 + 1 if xattrs else 0
    owner = (state.st_uid, state.st_gid)
    form = 1 | layout << 1  # the extended form: owners of 32 bits, times of its own
    return _INODE.pack(
        *(form, count, state.st_mode, 0, size, where, number, *owner, seconds, nanoseconds, links)
    )


def device_number(state):
    """Return a device's number as the kernel encodes it (new_encode_dev)."""
    major, minor = os.major(state.st_rdev), os.minor(state.st_rdev)
    return minor & 0xFF | major << 8 | (minor & ~0xFF) << 12


def xattr_area(xattrs):
    """Return what stands behind an inode for these (name, value) pairs."""
    if not xattrs:
        return b""
    found = [_XATTR_HEADER]
    for name, value in xattrs:
        index, rest = _short(name)
        entry = _XATTR.pack(len(rest), index, len(value)) + rest + value
        found.append(entry.ljust(-(-len(entry) // 4) * 4, b"\0"))
    return b"".join(found)


def _short(name):
    for prefix, index in _PREFIXES:
        if name.startswith(prefix):
            return index, name[len(prefix) :]
    raise ValueError(name)


def is_storable(name):
    """Whether EROFS has a place for an attribute of this name."""
    return any(name.startswith(prefix) for prefix, _ in _PREFIXES)


def split_names(names):
    """Deal sorted names out to the blocks of a folder."""
    found, room = [[]], BLOCK
    for name in names:
        needed = _DIRENT.size + len(name)
        if needed > room:
            found.append([])
            room = BLOCK
        found[-1].append(name)
        room -= needed
    return found


def folder_size(blocks):
    """Return the size of a folder with these blocks of names."""
    last = sum(_DIRENT.size + len(name) for name in blocks[-1])
    return (len(blocks) - 1) * BLOCK + last


def folder_content(blocks, entries):
    """Return a folder's content; ``entries`` has the inode's number and the mode of each name."""
    found = []
    for names in blocks:
        at = _DIRENT.size * len(names)
        heads = []
        for name in names:
            number, mode = entries[name]
            heads.append(_DIRENT.pack(number, at, _TYPES[stat.S_IFMT(mode)]))
            at += len(name)
        found.append((b"".join(heads) + b"".join(names)).ljust(BLOCK, b"\0"))
    return b"".join(found)[: folder_size(blocks)]


@functools.cache
def _crc32c_table():
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


def _crc32c(data):
    """Return the Castagnoli checksum as the kernel has it: not inverted at the end."""
    table, crc = _crc32c_table(), 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc
