"""One act on several objects: what fails does not keep the rest from being done."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.failure import describe
from plugrun.errors import PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def each(
    names: Iterable[str],
    act: Callable[[str], str],
    forgiven: tuple[type[PlugrunError], ...] = (),
) -> int:
    """Act on each name and print what the act returns; print the errors at the end.

    Return 1 if there are errors, apart from forgiven ones, which are printed all the same.
    """
    failed = []
    for name in names:
        try:
            said = act(name)
        except forgiven as error:
            output.error(describe(error))
        except PlugrunError as error:
            failed.append(describe(error))
        else:
            if said:
                output.line(said)
    for text in failed:
        output.error(text)
    return 1 if failed else 0
