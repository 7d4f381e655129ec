"""The instructions of a Dockerfile as records.

Source: docs.docker.com/reference/dockerfile. What stands in a record is as it was written, until
``scope.Scope.step`` has put the variables in.
"""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@record
class Instruction:
    """One instruction.

    ``word`` is the first word as it was written, ``text`` all of it on one line, for progress and
    history. ``first`` and ``last`` are its lines in the file, from 1, heredocs included.
    """

    KEYWORD = ""

    word: str
    text: str
    first: int
    last: int


@record
class InlineFile:
    """A file whose content stands in the Dockerfile; ``expand`` says that it may name variables."""

    name: str
    data: str
    expand: bool = True


@record
class Heredoc:
    """``<<NAME`` and the lines up to it; with ``chomp`` (``<<-``) tabs that begin a line go.

    ``data`` has those tabs still: a shell to which a heredoc is handed on takes them off itself.
    """

    name: str
    data: str
    expand: bool
    chomp: bool
    descriptor: int = 0


@record
class RunMount:
    """One ``RUN --mount``.

    ``kind`` is bind, cache, tmpfs, secret or ssh; ``origin`` the stage or image of ``from=``, or
    empty for the context. ``size`` is in bytes, 0 for no bound; ``mode`` is a file mode. ``env``
    is the variable a secret is put in: None for none, empty for one of the secret's name.
    """

    kind: str = "bind"
    origin: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = True
    size: int = 0
    id: str = ""
    sharing: str = ""
    required: bool = False
    env: str | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


@record
class Pair:
    """``KEY=VALUE``; not ``delimited`` is the older form, ``KEY VALUE``."""

    key: str
    value: str
    delimited: bool = True


@record
class ArgItem:
    """One name that ``ARG`` declares; ``value`` is None if it has no default."""

    name: str
    value: str | None = None


@record
class From(Instruction):
    """``FROM [--platform=P] BASE [AS NAME]``; ``name`` is in lower case, empty for none."""

    KEYWORD = "FROM"

    base: str
    name: str = ""
    platform: str = ""


@record
class CommandLine(Instruction):
    """What RUN, CMD and ENTRYPOINT share; with ``shell``, ``words`` is one text for the shell."""

    words: tuple[str, ...]
    shell: bool


@record
class Run(CommandLine):
    """``RUN``; ``flags`` are those of ``--mount`` as written, ``mounts`` what they come down to.

    ``mounts`` is empty until variables were put in: any of their values may name one.
    """

    KEYWORD = "RUN"

    heredocs: tuple[Heredoc, ...] = ()
    flags: tuple[str, ...] = ()
    mounts: tuple[RunMount, ...] = ()
    network: str = "default"
    security: str = "sandbox"


@record
class Cmd(CommandLine):
    """``CMD``."""

    KEYWORD = "CMD"


@record
class Entrypoint(CommandLine):
    """``ENTRYPOINT``."""

    KEYWORD = "ENTRYPOINT"


@record
class Transfer(Instruction):
    """What COPY and ADD share: files of the context, and ``contents`` of the Dockerfile itself."""

    sources: tuple[str, ...]
    contents: tuple[InlineFile, ...]
    destination: str
    chown: str = ""
    chmod: str = ""
    link: bool = False
    excludes: tuple[str, ...] = ()


@record
class Copy(Transfer):
    """``COPY``; ``origin`` is the stage or image of ``--from``."""

    KEYWORD = "COPY"

    origin: str = ""
    parents: bool = False


@record
class Add(Transfer):
    """``ADD``; what is None was not said."""

    KEYWORD = "ADD"

    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None


@record
class Workdir(Instruction):
    """``WORKDIR``."""

    KEYWORD = "WORKDIR"

    path: str


@record
class User(Instruction):
    """``USER``."""

    KEYWORD = "USER"

    user: str


@record
class Stopsignal(Instruction):
    """``STOPSIGNAL``."""

    KEYWORD = "STOPSIGNAL"

    signal: str


@record
class Volume(Instruction):
    """``VOLUME``."""

    KEYWORD = "VOLUME"

    paths: tuple[str, ...]


@record
class Expose(Instruction):
    """``EXPOSE``; ports as written, such as ``80``, ``53/udp`` or ``7000-7010``."""

    KEYWORD = "EXPOSE"

    ports: tuple[str, ...]


@record
class Env(Instruction):
    """``ENV``."""

    KEYWORD = "ENV"

    pairs: tuple[Pair, ...]


@record
class Label(Instruction):
    """``LABEL``."""

    KEYWORD = "LABEL"

    pairs: tuple[Pair, ...]


@record
class Arg(Instruction):
    """``ARG``."""

    KEYWORD = "ARG"

    items: tuple[ArgItem, ...]


@record
class Shell(Instruction):
    """``SHELL``, which is in JSON always."""

    KEYWORD = "SHELL"

    words: tuple[str, ...]


@record
class Healthcheck(Instruction):
    """``HEALTHCHECK``; ``config`` is the image config's object: ``Test``, ``Interval`` …, in ns."""

    KEYWORD = "HEALTHCHECK"

    config: Mapping[str, Any]


@record
class Onbuild(Instruction):
    """``ONBUILD``; ``expression`` is the trigger as the image config keeps it."""

    KEYWORD = "ONBUILD"

    expression: str


@record
class Maintainer(Instruction):
    """``MAINTAINER``."""

    KEYWORD = "MAINTAINER"

    name: str


@record
class Stage:
    """One ``FROM`` and the instructions up to the next; ``name`` is empty if it has none."""

    index: int
    head: From
    instructions: tuple[Instruction, ...]

    @property
    def name(self) -> str:
        """Its name, in lower case, or nothing."""
        return self.head.name


@record
class Warned:
    """One of Docker's build checks that found something; ``rule`` is its name there."""

    rule: str
    message: str
    line: int


@record
class Dockerfile:
    """A file that was read: ``arguments`` are the ARGs before the first FROM.

    ``lines`` is the source, for what is shown of an error. ``escape`` is ``\\`` or a backquote.
    ``syntax`` and ``check`` are those directives' values; ``checks`` has, by an instruction's
    first line, what a comment right above it says with ``check=``.
    """

    name: str
    lines: tuple[str, ...]
    escape: str
    syntax: str
    check: str
    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    warnings: tuple[Warned, ...]
    checks: Mapping[int, str] = {}
