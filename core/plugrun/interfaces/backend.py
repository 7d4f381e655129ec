"""What all four kinds of backend have in common.

A backend is an object that a hook hands over (see ``plugrun.hookspecs``). It declares what it
can do as *capabilities*: plain words from the list in its interface's module. The core and the
contract suites look at capabilities, never at names. ``probe`` says whether it works on this
machine, without side effects that last.
"""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


@record
class Probe:
    """Whether a backend works here; if not, why, and what to do about it.

    ``details`` is what an author or a bug report wants to know: kernel features found, cgroup
    version, file system. ``watch`` are paths the answer hangs on, a device node say: it is kept
    until one of them appears, goes, or becomes another file.
    """

    works: bool
    reason: str = ""
    remedy: str = ""
    details: tuple[tuple[str, str], ...] = ()
    watch: tuple[str, ...] = ()


class Backend(Protocol):
    """Common to storage, isolation and network."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What this backend can do, in its interface's words."""

    def probe(self) -> Probe:
        """Find out whether it works on this machine; nothing it tries may outlast the call."""
