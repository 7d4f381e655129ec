"""This process's own program, kept from being overwritten by those who may look at processes.

A process that enters a container is seen in there by whoever has CAP_SYS_PTRACE, with a link to the
host's interpreter in /proc/PID/exe. A descriptor of that can be opened for writing later, when
nothing runs the program any more (CVE-2019-5736), unless it was executed from a read-only mount.
"""

from __future__ import annotations

import os
import sys

from plugrun.linux import mountfd, mounting

OWN = "/proc/self/exe"


def execute_read_only() -> None:
    """Execute this program anew, with the same words, from a mount of its own that is read-only.

    Return if that is so already. What this process holds open must be close-on-exec, and nothing
    may have been done yet that cannot be done twice.
    """
    if os.statvfs(OWN).f_flag & os.ST_RDONLY:
        return
    mount = mountfd.clone_tree(mountfd.AT_FDCWD, OWN)
    mountfd.set_attributes(mount, mounting.MS_RDONLY)
    os.execve(mount, [sys.executable, *sys.orig_argv[1:]], os.environ)
