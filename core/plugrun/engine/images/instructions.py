"""Dockerfile instructions applied to an image's config: ``commit -c`` and ``import -c``.

Only those that change the config are allowed. They are read as a Dockerfile's are.
"""

from __future__ import annotations

from plugrun.errors import DockerfileError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Config = dict[str, Any]

_ALLOWED = frozenset(
    ("CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER",
     "VOLUME", "WORKDIR")
)  # fmt: skip


def apply_instructions(config: Config, instructions: Iterable[str]) -> Config:
    """Return the config with these instructions carried out, one after another.

    ``config`` is the ``config`` of an image's document and stays as it is. Raise InvalidArgument,
    in Docker's words, on what is none.
    """
    changed = dict(config)
    given = "\n".join(instructions)
    return _applied(changed, given) if given.strip() else changed


def _applied(config: Config, given: str) -> Config:
    from plugrun.dockerfile.config import applied, environment
    from plugrun.dockerfile.lines import read_text
    from plugrun.dockerfile.parsing import parse_instruction
    from plugrun.dockerfile.substitution import Substitution

    try:
        text = read_text(given.encode("utf-8", "surrogateescape"), "--change")
    except DockerfileError as error:
        # Lines of a file that nobody wrote would not help.
        raise InvalidArgument(error.reason) from None
    keep_cmd = False
    for written in text.written:
        if written.keyword not in _ALLOWED:
            raise InvalidArgument(f"{written.word.lower()} is not a valid change command")
        instruction = parse_instruction(written, text.escape)
        substitution = Substitution(environment(config), text.escape)
        config = applied(config, substitution.instruction(instruction), keep_cmd=keep_cmd)
        keep_cmd = keep_cmd or written.keyword == "CMD"
    return config
