"""One tree of errors; each class carries its exit code and its HTTP status.

A message names what failed, on what and why; ``hint`` says what to do about it. Exit codes are
Docker's: 125 for the engine's own failure in ``run``, 126 for a command that cannot be executed,
127 for one that is missing, 1 elsewhere.
"""

from __future__ import annotations

# What to do about anything damaged in the data root.
REPAIR = "plugrun system check --repair puts right what can be"


class PlugrunError(Exception):
    """The root of all errors a user may see without a traceback."""

    exit_code = 1
    http_status = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PlugrunError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = 125
    http_status = 400


class NotATerminal(UsageError):
    """A terminal was asked for, and standard input is none; Docker's code for it is 1."""

    exit_code = 1


class Detached(PlugrunError):
    """The user left what was attached running; Docker's code for it is 1."""


class OutputLost(PlugrunError):
    """Whoever read a container's output has gone; the container has not."""


class ConfigError(PlugrunError):
    """A configuration file is wrong; the message has file and line."""

    exit_code = 125
    http_status = 500


class NotRoot(PlugrunError):
    """The act needs privileges this process lacks."""

    exit_code = 125
    http_status = 403


class InvalidArgument(PlugrunError):
    """A value from outside is not of its form: a reference, digest, size, name, platform."""

    http_status = 400


class DockerfileError(InvalidArgument):
    """A Dockerfile is wrong, or cannot be carried out; the message names file, line and stage.

    ``reason`` is the message without them. ``excerpt`` shows the lines, with an arrow at those
    that are meant (``first`` to ``last``).
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        reason: str = "",
        file: str = "",
        first: int = 0,
        last: int = 0,
        stage: str = "",
        excerpt: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason or message
        self.file = file
        self.first = first
        self.last = last
        self.stage = stage
        self.excerpt = excerpt


class NotFound(PlugrunError):
    """A named object does not exist."""

    http_status = 404


class NoSuchContainer(NotFound):
    """No container has this name or ID."""


class NoSuchImage(NotFound):
    """No image here has this name or ID."""


class NoSuchVolume(NotFound):
    """No volume has this name."""


class NoSuchNetwork(NotFound):
    """No network has this name or ID."""


class NoSuchSnapshot(NotFound):
    """The storage holds no snapshot of this key."""


class LogNotKept(PlugrunError):
    """The container's log driver keeps nothing that could be read."""

    http_status = 501


class Conflict(PlugrunError):
    """The object's state, or another object, forbids this."""

    http_status = 409


class CannotAttach(Conflict):
    """The container does not run, or not now, so that nobody can be attached to it."""


class AlreadyExists(Conflict):
    """The name or key is taken."""


class NoAddress(Conflict):
    """A network has no free address left, or the host no free subnet."""


class Corrupt(PlugrunError):
    """Bytes do not have the digest, size or form they must have."""


class DigestMismatch(Corrupt):
    """Content's digest or size is not what its descriptor says."""


class HostileArchive(Corrupt):
    """A layer or archive has an entry that no honest tool writes; nothing was written outside."""


class NoSpace(PlugrunError):
    """The file system is full; what was half-written has been removed."""

    http_status = 507


class TransportError(PlugrunError):
    """An image source failed."""

    http_status = 502


class Unreachable(TransportError):
    """The source cannot be reached, or broke off."""

    http_status = 503


class Unauthorized(TransportError):
    """The source wants other credentials, or denies the act."""

    http_status = 401


class ImageNotFound(TransportError):
    """The source has no such image, tag or digest."""

    http_status = 404


class NoMatchingPlatform(ImageNotFound):
    """The image exists, for other platforms."""


class PluginError(PlugrunError):
    """A plugin is missing, broken or does not fit; the message names its distribution."""

    exit_code = 125


class BackendUnavailable(PlugrunError):
    """The backend does not work on this machine: the reason is the message, the remedy the hint.

    The only error on which a profile's ordered list goes on to its next backend.
    """

    exit_code = 125
    http_status = 501


class CannotMount(PlugrunError):
    """The kernel refused what a storage's snapshot is seen through; nothing is mounted."""


class IsolationError(PlugrunError):
    """The container could not be made as its spec asks."""


class CommandNotExecutable(IsolationError):
    """The command exists in the container and cannot be executed."""

    exit_code = 126
    http_status = 400


class CommandNotFound(IsolationError):
    """The command does not exist in the container."""

    exit_code = 127
    http_status = 400


class Interrupted(PlugrunError):
    """The user ended the command (Ctrl-C)."""

    exit_code = 130
