"""``--chown`` and ``--chmod`` of COPY and ADD."""

from __future__ import annotations

from plugrun.errors import InvalidArgument
from plugrun.model.record import record

_OCTAL = frozenset("01234567")
_DIGITS = frozenset("0123456789")
# Who is meant, as a mask of the bits that are his.
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
# What a clause that names nobody leaves alone, as chmod(1) does.
_UMASK = 0o022


@record
class Owner:
    """``user[:group]``, each a name, a number in digits, or empty.

    Without a group a name brings its own from the image's passwd, and a number the same number.
    """

    user: str
    group: str

    @property
    def numeric(self) -> tuple[int, int] | None:
        """User and group if no file of the image need be read to know them."""
        group = self.group or self.user
        if not (_is_number(self.user) and _is_number(group)):
            return None
        return int(self.user), int(group)


def parse_chown(text: str) -> Owner:
    """Return what ``--chown`` says; raise InvalidArgument if it says nobody."""
    user, colon, group = text.partition(":")
    if not user and not group:
        raise InvalidArgument(f'invalid chown "{text}": write it as user or user:group')
    for one in (user, group):
        if _DIGITS.issuperset(one) and one and not _is_number(one):
            raise InvalidArgument(f'invalid chown "{text}": {one} is no user or group id')
    if ":" in group or (colon and not group and not user):
        raise InvalidArgument(f'invalid chown "{text}": write it as user or user:group')
    return Owner(user or "0", group)


def _is_number(text: str) -> bool:
    return bool(text) and _DIGITS.issuperset(text) and len(text) < 11 and int(text) < 2**32 - 1


@record
class Clause:
    """One ``[ugoa][+-=][rwxXst|ugo]``; ``who`` is a mask, ``all`` is nobody named."""

    who: int
    sign: str
    letters: str


@record
class Mode:
    """What ``--chmod`` says: an octal number, or clauses that change what was."""

    octal: int | None
    clauses: tuple[Clause, ...] = ()

    def applied(self, mode: int, is_folder: bool) -> int:
        """Return the permission bits, of twelve, of a file that had ``mode``."""
        if self.octal is not None:
            return self.octal
        mode &= 0o7777
        for clause in self.clauses:
            mode = _changed(clause, mode, is_folder)
        return mode


def parse_chmod(text: str) -> Mode:
    """Return what ``--chmod`` says, ``755`` or ``u=rwX,go=rX``; raise InvalidArgument."""
    if text and _DIGITS.issuperset(text):
        if not _OCTAL.issuperset(text) or len(text) > 20 or int(text, 8) > 0o7777:
            raise InvalidArgument(
                f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and "
                "07777"
            )
        return Mode(int(text, 8))
    clauses: list[Clause] = []
    for part in text.split(","):
        clauses += _clauses(part, text)
    return Mode(None, tuple(clauses))


def _clauses(part: str, text: str) -> list[Clause]:
    """Return the clauses of one part: ``u+x-w`` has two."""
    rest = part.lstrip("ugoa")
    who = 0
    for letter in part[: len(part) - len(rest)]:
        who |= _WHO[letter]
    found: list[Clause] = []
    while rest:
        sign, rest = rest[0], rest[1:]
        after = rest.lstrip("rwxXstugo")
        letters = rest[: len(rest) - len(after)]
        copied = [letter for letter in letters if letter in "ugo"]
        if sign not in "+-=" or (copied and len(letters) > 1):
            found = []
            break
        found.append(Clause(who, sign, letters))
        rest = after
    if not found:
        raise InvalidArgument(f"invalid chmod parameter: '{text}'. it is no mode of chmod(1)")
    return found


def _changed(clause: Clause, mode: int, is_folder: bool) -> int:
    who = clause.who or 0o7777
    bits = 0
    for letter in clause.letters:
        if letter in _SHIFTS:
            bits |= (mode >> _SHIFTS[letter] & 0o7) * 0o111
        elif letter != "X":
            bits |= _BITS[letter]
        elif is_folder or mode & 0o111:
            bits |= 0o111
    # Sticky belongs to nobody: it is set with `a`, `o` or no name.
    bits &= who
    if not clause.who:
        bits &= ~_UMASK
    if clause.sign == "+":
        return mode | bits
    if clause.sign == "-":
        return mode & ~bits
    kept = 0o6000 if is_folder else 0
    return (mode & (~who | kept) | bits) & 0o7777
