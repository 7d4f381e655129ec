"""The programs of iptables: what the kernel has, read at once, and changed at once.

``iptables-restore`` changes a whole table or nothing of it, and ``iptables-save`` shows all tables
that there are without making one, which listing a table would.
"""

from __future__ import annotations

import os

from plugrun.api import BackendUnavailable, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Rules = Mapping[tuple[str, str], list[str]]  # of table and chain

_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin")
_MODULES = (
    "modprobe -a ip_tables iptable_raw iptable_nat iptable_filter "
    "xt_conntrack xt_addrtype xt_devgroup xt_MASQUERADE"
)


@record
class Programs:
    """What reads and what changes the rules of one family."""

    save: str
    restore: str

    @property
    def name(self) -> str:
        """What users call the two."""
        return os.path.basename(self.save).removesuffix("-save")


def find_programs(*, v6: bool) -> Programs | None:
    """Return the programs of a family, or None.

    Where there are two, the older one, which does without nf_tables, is ``-legacy``.
    """
    head = "ip6tables" if v6 else "iptables"
    for name in (f"{head}-legacy", head):
        for folder in _FOLDERS:
            found = Programs(f"{folder}/{name}-save", f"{folder}/{name}-restore")
            if os.access(found.save, os.X_OK) and os.access(found.restore, os.X_OK):
                return found
    return None


def saved(programs: Programs) -> dict[tuple[str, str], list[str]]:
    """Return the rules of each chain that there is, as the program words them."""
    found: dict[tuple[str, str], list[str]] = {}
    table = ""
    for line in _run(programs.save, ()).splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            found[table, line[1:].partition(" ")[0]] = []
        elif line.startswith("-A "):
            found[table, line.split(" ", 2)[1]].append(line)
    return found


def restore(programs: Programs, tables: Mapping[str, Iterable[str]]) -> None:
    """Have the lines done, table by table; what they do not name stays. All of a table, or none.

    BackendUnavailable, with the program's words, if it refuses.
    """
    text = ""
    for table, lines in tables.items():
        text += "".join([f"*{table}\n", *[f"{line}\n" for line in lines], "COMMIT\n"])
    _run(programs.restore, ("--noflush", "--wait"), text)


def _run(program: str, words: tuple[str, ...], text: str = "") -> str:
    import subprocess

    done = subprocess.run(
        [program, *words], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        why = said[0] if said else f"exit code {done.returncode}"
        raise BackendUnavailable(f"{program}: {why}", hint=_MODULES)
    return done.stdout
