"""The kernel's FUSE protocol as structs and numbers (include/uapi/linux/fuse.h, 7.31 to 7.45).

Native byte order without padding: the protocol pads by itself. Times are signed here, since the
kernel hands on seconds before 1970.
"""

from __future__ import annotations

from struct import Struct

MAJOR = 7
MINOR = 45
OLDEST_MINOR = 31  # Linux 5.4
ROOT_ID = 1
FOREVER = 1 << 30  # seconds

LOOKUP = 1
FORGET = 2
GETATTR = 3
SETATTR = 4
READLINK = 5
SYMLINK = 6
MKNOD = 8
MKDIR = 9
UNLINK = 10
RMDIR = 11
RENAME = 12
LINK = 13
OPEN = 14
READ = 15
WRITE = 16
STATFS = 17
RELEASE = 18
FSYNC = 20
SETXATTR = 21
GETXATTR = 22
LISTXATTR = 23
REMOVEXATTR = 24
INIT = 26
READDIR = 28
FSYNCDIR = 30
CREATE = 35
INTERRUPT = 36
DESTROY = 38
IOCTL = 39
BATCH_FORGET = 42
FALLOCATE = 43
READDIRPLUS = 44
RENAME2 = 45
LSEEK = 46
COPY_FILE_RANGE = 47
TMPFILE = 51

# INIT: what both sides can do.
ASYNC_READ = 1 << 0
ATOMIC_O_TRUNC = 1 << 3
BIG_WRITES = 1 << 5
DONT_MASK = 1 << 6
DO_READDIRPLUS = 1 << 13
READDIRPLUS_AUTO = 1 << 14
ASYNC_DIO = 1 << 15
PARALLEL_DIROPS = 1 << 18
POSIX_ACL = 1 << 20
MAX_PAGES = 1 << 22
CACHE_SYMLINKS = 1 << 23
NO_OPENDIR_SUPPORT = 1 << 24
HANDLE_KILLPRIV_V2 = 1 << 28
SETXATTR_EXT = 1 << 29
INIT_EXT = 1 << 30
PASSTHROUGH = 1 << 37
ALLOW_IDMAP = 1 << 40

# SETATTR: which fields count.
FATTR_MODE = 1 << 0
FATTR_UID = 1 << 1
FATTR_GID = 1 << 2
FATTR_SIZE = 1 << 3
FATTR_ATIME = 1 << 4
FATTR_MTIME = 1 << 5
FATTR_FH = 1 << 6
FATTR_ATIME_NOW = 1 << 7
FATTR_MTIME_NOW = 1 << 8
FATTR_KILL_SUIDGID = 1 << 11

FOPEN_KEEP_CACHE = 1 << 1
FOPEN_PASSTHROUGH = 1 << 7
OPEN_KILL_SUIDGID = 1 << 0
WRITE_KILL_SUIDGID = 1 << 2
SETXATTR_ACL_KILL_SGID = 1 << 0
GETATTR_FH = 1 << 0
FSYNC_FDATASYNC = 1 << 0

IN_HEADER = Struct("=IIQQIIIHH")  # length opcode unique node uid gid pid extensions -
OUT_HEADER = Struct("=IiQ")  # length -errno unique

_ATTR = "QQQqqqIIIIIIIIII"
ATTR_OUT = Struct("=QII" + _ATTR)  # valid, nsec, -
ENTRY_OUT = Struct("=QQQQII" + _ATTR)  # node generation entry-valid attr-valid nsec nsec
INIT_IN = Struct("=IIIII")  # major minor readahead flags flags2; before 7.36 without the last
INIT_OUT = Struct("=IIIIHHIIHHIIH22x")
OPEN_IN = Struct("=II")
OPEN_OUT = Struct("=QIi")  # handle flags backing
CREATE_IN = Struct("=IIII")  # flags mode umask open-flags
MKNOD_IN = Struct("=IIII")  # mode rdev umask -
MKDIR_IN = Struct("=II")  # mode umask
RENAME_IN = Struct("=Q")
RENAME2_IN = Struct("=QII")
LINK_IN = Struct("=Q")
GETATTR_IN = Struct("=IIQ")
SETATTR_IN = Struct("=IIQQQqqqIIIIIIII")
READ_IN = Struct("=QQIIQII")  # handle offset size ...
WRITE_IN = Struct("=QQIIQII")  # handle offset size flags ...
WRITE_OUT = Struct("=II")
RELEASE_IN = Struct("=QIIQ")
FSYNC_IN = Struct("=QII")
FALLOCATE_IN = Struct("=QQQII")
LSEEK_IN = Struct("=QQII")
LSEEK_OUT = Struct("=Q")
COPY_IN = Struct("=QQQQQQQ")  # handle offset node-out handle-out offset-out length flags
SETXATTR_IN = Struct("=II")
SETXATTR_EXT_IN = Struct("=IIII")  # size flags more-flags -
GETXATTR_IN = Struct("=II")
GETXATTR_OUT = Struct("=II")
STATFS_OUT = Struct("=QQQQQIIII24x")
FORGET_IN = Struct("=Q")
BATCH_FORGET_IN = Struct("=II")
FORGET_ONE = Struct("=QQ")
DIRENT = Struct("=QQII")  # ino offset length type; the name follows, padded to 8

# ioctls of /dev/fuse, for files that the kernel reads and writes without asking.
BACKING_MAP = Struct("=iIQ")
BACKING_ID = Struct("=I")
BACKING_OPEN = 0x4010E501
BACKING_CLOSE = 0x4004E502


def encode_dev(device: int) -> int:
    """Return a device number as the kernel packs it into 32 bits (include/linux/kdev_t.h)."""
    major = (device >> 8) & 0xFFF
    minor = (device & 0xFF) | ((device >> 12) & 0xFFF00)
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)


def decode_dev(packed: int) -> int:
    """Return the device number of ``encode_dev`` as mknod(2) takes it."""
    import os

    return os.makedev((packed >> 8) & 0xFFF, (packed & 0xFF) | ((packed >> 12) & 0xFFF00))
