"""Contexts from elsewhere: an archive or a Dockerfile from the web, a repository of Git's."""

from __future__ import annotations

import os

from plugrun.dockerfile.context import GIT
from plugrun.errors import NotFound, PlugrunError, Unreachable
from plugrun.linux.beneath import open_in_root
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.dockerfile.context import Context

# Git asks nobody, runs no program of the repository's, and reads no settings but its own.
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_ALLOW_PROTOCOL": "https:http:git:ssh",
}
_DEFAULT = "HEAD"


@record
class Fetched:
    """What came: bytes that are an archive or a Dockerfile, or a folder."""

    stream: Iterator[bytes] | None
    folder: str = ""


def fetch_context(wanted: Context, temporary: str) -> Fetched:
    """Fetch a context; a repository goes into the folder ``temporary``.

    Raise Unreachable, TransportError, NotFound for a branch or folder that is not there.
    """
    if wanted.kind == GIT:
        return Fetched(None, clone(wanted, f"{temporary}/files"))
    from plugrun.engine.images.webfile import web_pieces

    return Fetched(web_pieces(wanted.address))


def clone(wanted: Context, folder: str, *, keep_git: bool = False) -> str:
    """Check out one commit into a new folder; return the folder that is wanted of it.

    Nothing of Git's stays, but for ``.git`` with ``keep_git``. Raise Unreachable, NotFound.
    """
    os.mkdir(folder, 0o700)
    _git(folder, "init", "-q")
    ref = wanted.ref or _DEFAULT
    try:
        _git(folder, "fetch", "-q", "--depth=1", "--no-tags", wanted.address, ref)
        _git(folder, "checkout", "-q", "--detach", "FETCH_HEAD")
    except PlugrunError:
        # A commit that is no tip of a branch is given by few servers.
        _git(folder, "fetch", "-q", wanted.address, "+refs/heads/*:refs/remotes/origin/*")
        _git(folder, "checkout", "-q", "--detach", ref)
    if os.path.exists(f"{folder}/.gitmodules"):
        _git(folder, "submodule", "-q", "update", "--init", "--recursive", "--depth=1")
    if not keep_git:
        _remove_git(folder)
    return _within(folder, wanted.folder) if wanted.folder else folder


def _within(folder: str, path: str) -> str:
    """Return a folder of the repository, which could be a symlink to anywhere."""
    root = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = open_in_root(root, path, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        raise NotFound(f"the repository has no folder {path}") from None
    finally:
        os.close(root)
    try:
        return os.readlink(f"/proc/self/fd/{found}")
    finally:
        os.close(found)


def _remove_git(folder: str) -> None:
    from plugrun.layers.removal import remove_tree

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove_tree(b".git", fd)
    finally:
        os.close(fd)


def _git(folder: str, *words: str) -> None:
    import subprocess

    hooks = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.file.allow=never")
    try:
        done = subprocess.run(
            ["git", "-C", folder, *hooks, *words],
            env={**os.environ, **_QUIET},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise PlugrunError("git is not installed", hint="install it, or clone it by hand") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise Unreachable(f"failed to fetch the repository: git {words[0]}: {said}")
