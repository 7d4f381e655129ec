"""The work folder: where things are made that appear in the upper layer by a rename or a link.

It is ``work`` in the one that was given, as overlayfs has it, and empty but for the act itself;
what a killed server left in it is deleted when the next one starts.
"""

from __future__ import annotations

import errno
import os
import stat

_DEFAULT_ACL = "system.posix_acl_default"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Work:
    """An open work folder."""

    __slots__ = ("_count", "_stages", "fd")

    def __init__(self, path: str) -> None:
        outer = os.open(path, _FOLDER)
        try:
            try:
                os.mkdir("work", 0o700, dir_fd=outer)
            except FileExistsError:
                pass
            self.fd = os.open("work", _FOLDER, dir_fd=outer)
        finally:
            os.close(outer)
        self._count = 0
        self._stages: dict[int, bytes] = {}
        for name in os.listdir(self.fd):
            delete(self.fd, os.fsencode(name))

    def name(self) -> bytes:
        """Return a name that is free in the folder."""
        self._count += 1
        return b"#%x" % self._count

    def stage(self, like: int) -> int:
        """Make and open a folder here, in which a new entry inherits what it would in ``like``."""
        name = self.name()
        os.mkdir(name, 0o700, dir_fd=self.fd)
        fd = os.open(name, _FOLDER, dir_fd=self.fd)
        state = os.stat(like)
        if state.st_mode & stat.S_ISGID:
            os.chown(fd, -1, state.st_gid)
            os.chmod(fd, 0o2700)
        try:
            os.setxattr(fd, _DEFAULT_ACL, os.getxattr(like, _DEFAULT_ACL))
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.ENOTSUP):
                raise
        self._stages[fd] = name
        return fd

    def unstage(self, fd: int) -> None:
        """Delete such a folder with what is left in it."""
        os.close(fd)
        delete(self.fd, self._stages.pop(fd))

    def whiteout(self) -> bytes:
        """Make a whiteout here and return its name."""
        name = self.name()
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=self.fd)
        return name

    def put_whiteout(self, folder: int, name: bytes, is_folder: bool) -> None:
        """Replace an entry by a whiteout in one step."""
        mine = self.whiteout()
        try:
            if is_folder:
                from plugrun_storage_fuse.server.system import RENAME_EXCHANGE, rename2

                rename2(self.fd, mine, folder, name, RENAME_EXCHANGE)
            else:
                os.rename(mine, name, src_dir_fd=self.fd, dst_dir_fd=folder)
        except OSError:
            os.unlink(mine, dir_fd=self.fd)
            raise
        if is_folder:
            delete(self.fd, mine)

    def take_away(self, folder: int, name: bytes) -> None:
        """Delete a folder with whatever is in it, so that it disappears in one step."""
        mine = self.name()
        os.rename(name, mine, src_dir_fd=folder, dst_dir_fd=self.fd)
        delete(self.fd, mine)


def delete(folder: int, name: bytes) -> None:
    """Delete an entry and all beneath it, however deep; nothing is followed."""
    stack = [(os.dup(folder), [name])]
    try:
        while stack:
            fd, names = stack[-1]
            if not names:
                stack.pop()
                os.close(fd)
                if stack:
                    os.rmdir(stack[-1][1].pop(), dir_fd=stack[-1][0])
                continue
            try:
                os.unlink(names[-1], dir_fd=fd)
                names.pop()
            except IsADirectoryError:
                inner = os.open(names[-1], _FOLDER, dir_fd=fd)
                stack.append((inner, [os.fsencode(one) for one in os.listdir(inner)]))
    finally:
        for fd, _ in stack:
            os.close(fd)
