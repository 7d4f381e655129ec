"""From an instruction's words to its record; what it must have and may have is checked here."""

from __future__ import annotations

from plugrun.dockerfile.characters import SPACES, split_blanks
from plugrun.dockerfile.flags import BOOL, TEXT, TEXTS, Flags
from plugrun.dockerfile.healthcheck import healthcheck
from plugrun.dockerfile.heredocs import chomped, opening
from plugrun.dockerfile.instructions import (
    Add,
    Arg,
    ArgItem,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    InlineFile,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Pair,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from plugrun.dockerfile.mounts import mount_origin
from plugrun.dockerfile.splitting import json_words, split_words
from plugrun.errors import InvalidArgument
from plugrun.model.spelling import meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from plugrun.dockerfile.lines import Written

_TRANSFER = {"chown": TEXT, "chmod": TEXT, "link": BOOL, "exclude": TEXTS}
_ADD = {**_TRANSFER, "checksum": TEXT, "keep-git-dir": BOOL, "unpack": BOOL}
_COPY = {**_TRANSFER, "from": TEXT, "parents": BOOL}
_RUN = {"mount": TEXTS, "network": TEXT, "security": TEXT}
_NETWORKS = ("default", "none", "host")
_SECURITY = ("sandbox", "insecure")
_STAGE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


def parse_instruction(written: Written, escape: str) -> Instruction:
    """Return the record of an instruction; raise InvalidArgument, in Docker's words."""
    parse = _PARSERS.get(written.keyword)
    if parse is None:
        raise InvalidArgument(f"unknown instruction: {written.word}{_nearest(written.word)}")
    return parse(written, escape)


def _nearest(word: str) -> str:
    found = meant(word.upper(), _PARSERS)
    if not found:
        return ""
    return f" (did you mean {found.lower() if word == word.lower() else found}?)"


def _place(written: Written) -> dict[str, Any]:
    return {
        "word": written.word,
        "text": written.text,
        "first": written.first,
        "last": written.last,
    }


def _flagless(written: Written) -> None:
    Flags(written.flags, {})


def _one(written: Written) -> str:
    if not written.rest:
        raise InvalidArgument(f"{written.keyword} requires exactly one argument")
    _flagless(written)
    return written.rest


def _from(written: Written, _: str) -> From:
    words = split_blanks(written.rest) if written.rest else []
    name = ""
    if len(words) == 3 and words[1].upper() == "AS":
        name = words[2].lower()
        if not ("a" <= name[0] <= "z" and _STAGE_LETTERS.issuperset(name)):
            raise InvalidArgument(
                f'invalid name for build stage: "{words[2]}", name can\'t start with a number or '
                "contain symbols"
            )
    elif len(words) != 1:
        raise InvalidArgument("FROM requires either one or three arguments")
    flags = Flags(written.flags, {"platform": TEXT})
    return From(**_place(written), base=words[0], name=name, platform=flags.text("platform"))


def _run(written: Written, _: str) -> Run:
    flags = Flags(written.flags, _RUN)
    words, shell = _command_words(written)
    network, security = flags.text("network", "default"), flags.text("security", "sandbox")
    mounts = flags.texts("mount")
    for mount in mounts:
        mount_origin(mount)
    if network not in _NETWORKS:
        raise InvalidArgument(f'invalid network mode "{network}"')
    if security not in _SECURITY:
        raise InvalidArgument(f'security "{security}" is not valid')
    return Run(
        **_place(written),
        words=words,
        shell=shell,
        heredocs=written.heredocs,
        flags=mounts,
        network=network,
        security=security,
    )


def _command_words(written: Written) -> tuple[tuple[str, ...], bool]:
    """Return the words of the JSON form, or the text for the shell."""
    words = json_words(written.rest)
    if words is not None:
        return words, False
    return ((written.rest,) if written.rest else ()), True


def _cmd(written: Written, _: str) -> Cmd:
    _flagless(written)
    words, shell = _command_words(written)
    return Cmd(**_place(written), words=words, shell=shell)


def _entrypoint(written: Written, _: str) -> Entrypoint:
    _flagless(written)
    words, shell = _command_words(written)
    return Entrypoint(**_place(written), words=words, shell=shell)


def _transfer(written: Written) -> dict[str, Any]:
    found = json_words(written.rest)
    words = found if found is not None else tuple(split_blanks(written.rest))
    if len(words) < 2:
        raise InvalidArgument(
            f"{written.keyword} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )
    *sources, destination = words
    if opening(destination) is not None:
        raise InvalidArgument(f"{written.keyword} cannot accept a heredoc as a destination")
    openings = [(source, opening(source)) for source in sources]
    data = {heredoc.name: heredoc.data for heredoc in written.heredocs}
    contents = [
        InlineFile(one.name, _chomped(data.get(one.name, ""), one.chomp), one.expand)
        for _, one in openings
        if one is not None
    ]
    return {
        **_place(written),
        "sources": tuple(source for source, one in openings if one is None),
        "contents": tuple(contents),
        "destination": destination,
    }


def _chomped(data: str, chomp: bool) -> str:
    return chomped(data) if chomp else data


def _transfer_flags(flags: Flags) -> dict[str, Any]:
    return {
        "chown": flags.text("chown"),
        "chmod": flags.text("chmod"),
        "link": flags.maybe("link") or False,
        "excludes": flags.texts("exclude"),
    }


def _copy(written: Written, _: str) -> Copy:
    words = _transfer(written)
    flags = Flags(written.flags, _COPY)
    return Copy(
        **words,
        **_transfer_flags(flags),
        origin=flags.text("from"),
        parents=flags.maybe("parents") or False,
    )


def _add(written: Written, _: str) -> Add:
    words = _transfer(written)
    flags = Flags(written.flags, _ADD)
    return Add(
        **words,
        **_transfer_flags(flags),
        checksum=flags.text("checksum"),
        keep_git_dir=flags.maybe("keep-git-dir"),
        unpack=flags.maybe("unpack"),
    )


def _pairs(written: Written, escape: str) -> tuple[Pair, ...]:
    name = written.keyword
    _flagless(written)
    words = split_words(written.rest, escape)
    if not words:
        raise InvalidArgument(f"{name} requires at least one argument")
    if "=" not in words[0]:
        key, *value = split_blanks(written.rest, 2)
        if not value:
            raise InvalidArgument(f"{name} must have two arguments")
        return (Pair(key, value[0], delimited=False),)
    pairs = []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise InvalidArgument(
                f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value'
            )
        if not key:
            raise InvalidArgument(f"{name} names can not be blank")
        pairs.append(Pair(key, text))
    return tuple(pairs)


def _env(written: Written, escape: str) -> Env:
    return Env(**_place(written), pairs=_pairs(written, escape))


def _label(written: Written, escape: str) -> Label:
    return Label(**_place(written), pairs=_pairs(written, escape))


def _arg(written: Written, escape: str) -> Arg:
    words = split_words(written.rest, escape)
    if not words:
        raise InvalidArgument("ARG requires at least one argument")
    items = []
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise InvalidArgument("ARG names can not be blank")
        items.append(ArgItem(name, value if equals else None))
    return Arg(**_place(written), items=tuple(items))


def _workdir(written: Written, _: str) -> Workdir:
    return Workdir(**_place(written), path=_one(written))


def _user(written: Written, _: str) -> User:
    return User(**_place(written), user=_one(written))


def _stopsignal(written: Written, _: str) -> Stopsignal:
    return Stopsignal(**_place(written), signal=_one(written))


def _maintainer(written: Written, _: str) -> Maintainer:
    return Maintainer(**_place(written), name=_one(written))


def _volume(written: Written, _: str) -> Volume:
    found = json_words(written.rest)
    words = found if found is not None else tuple(split_blanks(written.rest))
    if not written.rest or not words:
        raise InvalidArgument("VOLUME requires at least one argument")
    _flagless(written)
    paths = tuple(word.strip(SPACES) for word in words)
    if not all(paths):
        raise InvalidArgument("VOLUME specified can not be an empty string")
    return Volume(**_place(written), paths=paths)


def _expose(written: Written, _: str) -> Expose:
    if not written.rest:
        raise InvalidArgument("EXPOSE requires at least one argument")
    _flagless(written)
    return Expose(**_place(written), ports=tuple(sorted(split_blanks(written.rest))))


def _shell(written: Written, _: str) -> Shell:
    _flagless(written)
    words = json_words(written.rest)
    if not written.rest or words == ():
        raise InvalidArgument("SHELL requires at least one argument")
    if words is None:
        raise InvalidArgument("SHELL requires the arguments to be in JSON form")
    return Shell(**_place(written), words=words)


def _healthcheck(written: Written, _: str) -> Healthcheck:
    return Healthcheck(**_place(written), config=healthcheck(written.flags, written.rest))


def _onbuild(written: Written, _: str) -> Onbuild:
    if not written.rest:
        raise InvalidArgument("ONBUILD requires at least one argument")
    _flagless(written)
    trigger = split_blanks(written.rest, 2)[0].upper()
    if trigger == "ONBUILD":
        raise InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in ("MAINTAINER", "FROM"):
        raise InvalidArgument(f"{trigger} isn't allowed as an ONBUILD trigger")
    parts = [f"\n{heredoc.data}{heredoc.name}" for heredoc in written.heredocs]
    return Onbuild(**_place(written), expression="".join((written.rest, *parts)))


_PARSERS: dict[str, Callable[[Written, str], Instruction]] = {
    "ADD": _add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
