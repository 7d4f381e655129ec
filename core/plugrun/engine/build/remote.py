"""Contexts from elsewhere: an archive or a Dockerfile from the web, a repository of Git's."""

from __future__ import annotations

import os

from plugrun.dockerfile.context import GIT
from plugrun.errors import NotFound, PlugrunError, Unreachable
from plugrun.linux.beneath import open_in_root
from plugrun.linux.descendants import run_bounded
from plugrun.model.record import record
from plugrun.web.addresses import without_logins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.dockerfile.context import Context

# A hook of Git's that builds has variables that lead every git to the hook's own repository.
_LOCAL = frozenset(
    (
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    )
)
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
        return Fetched(None, clone(wanted, f"{temporary}/files").folder)
    from plugrun.engine.images.webfile import web_pieces

    return Fetched(web_pieces(wanted.address))


@record
class Cloned:
    """``folder`` is what is wanted of a repository at ``commit``."""

    folder: str
    commit: str


def clone(wanted: Context, folder: str, *, keep_git: bool = False) -> Cloned:
    """Check out one commit into a new folder.

    Nothing of Git's stays, but for ``.git`` with ``keep_git``. Raise Unreachable, NotFound.
    """
    os.mkdir(folder, 0o700)
    _git(folder, "init", "-q")
    _git(folder, "checkout", "-q", "--detach", _fetched(folder, wanted.address, wanted.ref))
    if os.path.exists(f"{folder}/.gitmodules"):
        _fetch_submodules(folder, wanted.address)
    commit = _git(folder, "rev-parse", "HEAD").decode("ascii").strip()
    if not keep_git:
        _remove_git(folder)
    return Cloned(_within(folder, wanted.folder) if wanted.folder else folder, commit)


def _fetch_submodules(folder: str, address: str) -> None:
    """Fetch what .gitmodules names; a relative URL there is one on the repository's own server."""
    _git(folder, "config", "remote.origin.url", address)
    _git(folder, "submodule", "-q", "update", "--init", "--recursive", "--depth=1")
    # The address may have a password in it, and .git may be kept.
    _git(folder, "config", "--remove-section", "remote.origin")


def _fetched(folder: str, address: str, ref: str) -> str:
    """Fetch what a ref names, a branch, tag or commit; return what to check out.

    What is told when nothing helps is why the first way failed: the others are for servers that
    cannot do it.
    """
    wanted = ref or _DEFAULT
    try:
        _git(folder, "fetch", "-q", "--depth=1", "--no-tags", address, wanted)
    except Unreachable as error:
        if _fetches(folder, address, wanted):
            return "FETCH_HEAD"
        if _has_commit(folder, address, wanted):
            return wanted
        raise error from None
    return "FETCH_HEAD"


def _has_commit(folder: str, address: str, ref: str) -> bool:
    """Fetch every branch and say whether a commit is there that is no tip: few servers give it."""
    everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
    return _fetches(folder, address, *everything) and _succeeds(
        folder, "rev-parse", "-q", "--verify", f"{ref}^{{commit}}"
    )


def _fetches(folder: str, address: str, *refs: str) -> bool:
    return _succeeds(folder, "fetch", "-q", address, *refs)


def _succeeds(folder: str, *words: str) -> bool:
    try:
        _git(folder, *words)
    except Unreachable:
        return False
    return True


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


def _outside() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _LOCAL}


def _git(folder: str, *words: str) -> bytes:
    hooks = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.file.allow=never")
    try:
        # A server may keep it waiting for ever, also when nobody is there any more who asked.
        done = run_bounded(["git", "-C", folder, *hooks, *words], {**_outside(), **_QUIET})
    except FileNotFoundError:
        raise PlugrunError("git is not installed", hint="install it, or clone it by hand") from None
    if done.returncode:
        said = without_logins(done.stderr.decode("utf-8", "replace").strip())
        raise Unreachable(f"failed to fetch the repository: git {words[0]}: {said}")
    return done.stdout
