"""From ``linux.seccomp`` (runtime-spec config-linux.md) to classic BPF (seccomp(2)).

The program branches on the architecture, then searches the call's number in a balanced tree
over ranges of numbers with the same fate: nine or so comparisons a call, where a chain of all
names would take hundreds.
"""

from __future__ import annotations

import errno

from plugrun.api import IsolationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # code, k, where to jump if true, if false: a distance or a label
    Instruction = tuple[int, int, "int | str", "int | str"]
    Condition = tuple[int, str, int, int]
    Rule = tuple[tuple[Condition, ...], int]

# include/uapi/linux/bpf_common.h, seccomp.h, audit.h
_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_IF_EQUAL, _IF_GREATER, _IF_AT_LEAST = 0x15, 0x25, 0x35
_OFFSET_NUMBER, _OFFSET_ARCH, _OFFSET_ARGS = 0, 4, 16
_X32_BIT = 0x40000000
_AUDIT = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7}
_FAMILY = {
    "x86_64": {"SCMP_ARCH_X86_64": "x86_64", "SCMP_ARCH_X86": "i386"},
    "aarch64": {"SCMP_ARCH_AARCH64": "aarch64"},
}

_KILL_PROCESS, _ERRNO = 0x80000000, 0x00050000
_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": _KILL_PROCESS,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": _ERRNO,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_WITH_DATA = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_WORDS = 0xFFFFFFFFFFFFFFFF
_UNKNOWN_CALL = _ERRNO | errno.ENOSYS
_LONGEST = 4096  # BPF_MAXINSNS


def compile_filter(profile: dict[str, Any], machine: str) -> bytes:
    """Return the program for this machine, as an array of struct sock_filter."""
    default = _action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    wanted = [
        name
        for word, name in _FAMILY[machine].items()
        if word in (profile.get("architectures") or ()) or name == machine
    ]
    code: list[Instruction] = [(_LOAD, _OFFSET_ARCH, 0, 0)]
    for name in wanted:
        body = _architecture(profile, name, default)
        code += [(_IF_EQUAL, _AUDIT[name], 1, 0), (_JUMP, len(body), 0, 0), *body]
    code.append((_RETURN, _KILL_PROCESS, 0, 0))
    if len(code) > _LONGEST:
        raise IsolationError(f"the seccomp profile needs {len(code)} instructions of {_LONGEST}")
    return b"".join(map(_pack, code))


def _pack(instruction: Instruction) -> bytes:
    code, k, yes, no = instruction
    assert isinstance(yes, int)
    assert isinstance(no, int)
    return code.to_bytes(2, "little") + bytes((yes, no)) + k.to_bytes(4, "little")


def _action(name: str, number: int | None) -> int:
    if name not in _ACTIONS:
        raise IsolationError(f"seccomp action {name} is not supported")
    data = (errno.EPERM if number is None else number) if name in _WITH_DATA else 0
    return _ACTIONS[name] | data & 0xFFFF


def table(name: str) -> dict[str, int]:
    """Return an architecture's system calls by name."""
    module = __import__(f"plugrun_isolation_ns.syscalls_{name}", fromlist=("RUNS",))
    numbers = {}
    number = 0
    for word in module.RUNS.split():
        if word.isdigit():
            number = int(word)
        else:
            numbers[word] = number
            number += 1
    return numbers


def _architecture(profile: dict[str, Any], name: str, default: int) -> list[Instruction]:
    numbers = table(name)
    rules = _rules(profile, numbers)
    unknown = _UNKNOWN_CALL if default & 0xFFFF0000 == _ERRNO else default
    assigned = set(numbers.values())
    fates: list[tuple[Rule, ...]] = []
    for number in range(max(assigned) + 1):
        known = number in assigned
        fates.append((*rules.get(number, ()), ((), default if known else unknown)))
    ranges = _ranges([_reachable(fate) for fate in fates], ((), unknown))
    code: list[Instruction] = [(_LOAD, _OFFSET_NUMBER, 0, 0)]
    if name == "x86_64":
        code += [(_IF_AT_LEAST, _X32_BIT, 0, 1), (_RETURN, _UNKNOWN_CALL, 0, 0)]
    return code + _tree(ranges)


def _rules(profile: dict[str, Any], numbers: dict[str, int]) -> dict[int, list[Rule]]:
    """Return what the profile says of each number, in its order."""
    found: dict[int, list[Rule]] = {}
    for entry in profile.get("syscalls") or ():
        action = _action(entry["action"], entry.get("errnoRet"))
        for conditions in _alternatives(entry.get("args") or ()):
            for name in entry["names"]:
                if name in numbers:
                    found.setdefault(numbers[name], []).append((conditions, action))
    return found


def _alternatives(args: Any) -> list[tuple[Condition, ...]]:
    """Conditions on different arguments must all hold; several on one are alternatives (runc)."""
    conditions = [
        (arg["index"], arg["op"], arg["value"] & _WORDS, arg.get("valueTwo", 0) & _WORDS)
        for arg in args
    ]
    if len({condition[0] for condition in conditions}) == len(conditions):
        return [tuple(conditions)]
    return [(condition,) for condition in conditions]


def _reachable(fate: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Cut what comes after a rule without conditions, and rules that change nothing."""
    kept: list[Rule] = []
    for rule in fate:
        kept.append(rule)
        if not rule[0]:
            break
    while len(kept) > 1 and kept[-2][1] == kept[-1][1]:
        del kept[-2]
    return tuple(kept)


def _ranges(fates: list[tuple[Rule, ...]], beyond: Rule) -> list[tuple[int, tuple[Rule, ...]]]:
    """Return where each run of equal fates begins."""
    ranges: list[tuple[int, tuple[Rule, ...]]] = []
    for number, fate in enumerate([*fates, (beyond,)]):
        if not ranges or ranges[-1][1] != fate:
            ranges.append((number, fate))
    return ranges


def _tree(ranges: list[tuple[int, tuple[Rule, ...]]]) -> list[Instruction]:
    """Return a binary search with the number in the accumulator; every leaf returns."""
    if len(ranges) == 1:
        return _leaf(ranges[0][1])
    middle = len(ranges) // 2
    low, high = _tree(ranges[:middle]), _tree(ranges[middle:])
    bound = ranges[middle][0]
    if len(low) < 256:
        return [(_IF_AT_LEAST, bound, len(low), 0), *low, *high]
    # A conditional jump reaches 255 instructions, an unconditional one any number.
    return [(_IF_AT_LEAST, bound, 0, 1), (_JUMP, len(low), 0, 0), *low, *high]


def _leaf(fate: tuple[Rule, ...]) -> list[Instruction]:
    code: list[Instruction] = []
    for conditions, action in fate:
        body: list[Instruction] = []
        for condition in conditions:
            body += _compare(*condition)
        body.append((_RETURN, action, 0, 0))
        code += _resolve(body)
    return code


def _resolve(body: list[Instruction]) -> list[Instruction]:
    """Replace the label ``fail`` by the distance to what comes after the rule."""
    end = len(body)
    resolved: list[Instruction] = []
    for place, (code, k, yes, no) in enumerate(body):
        distances = [end - place - 1 if to == "fail" else to for to in (yes, no)]
        resolved.append((code, k, distances[0], distances[1]))
    return resolved


def _compare(index: int, op: str, value: int, second: int) -> list[Instruction]:
    """Return a comparison of one 64-bit argument: it goes on if it holds, else to ``fail``."""
    if not 0 <= index <= 5:
        raise IsolationError(f"seccomp: a system call has no argument {index}")
    low = _OFFSET_ARGS + 8 * index  # little endian, as all machines here
    if op == "SCMP_CMP_MASKED_EQ":
        return _masked(low, value, second & value)
    if op not in _COMPARISONS:
        raise IsolationError(f"seccomp operator {op} is not supported")
    return _COMPARISONS[op](low, value >> 32, value & 0xFFFFFFFF)


def _masked(low: int, mask: int, value: int) -> list[Instruction]:
    return [
        (_LOAD, low + 4, 0, 0),
        (_AND, mask >> 32, 0, 0),
        (_IF_EQUAL, value >> 32, 0, "fail"),
        (_LOAD, low, 0, 0),
        (_AND, mask & 0xFFFFFFFF, 0, 0),
        (_IF_EQUAL, value & 0xFFFFFFFF, 0, "fail"),
    ]


def _equal(low: int, high_word: int, low_word: int) -> list[Instruction]:
    return [
        (_LOAD, low + 4, 0, 0),
        (_IF_EQUAL, high_word, 0, "fail"),
        (_LOAD, low, 0, 0),
        (_IF_EQUAL, low_word, 0, "fail"),
    ]


def _not_equal(low: int, high_word: int, low_word: int) -> list[Instruction]:
    return [
        (_LOAD, low + 4, 0, 0),
        (_IF_EQUAL, high_word, 0, 2),
        (_LOAD, low, 0, 0),
        (_IF_EQUAL, low_word, "fail", 0),
    ]


def _above(low: int, high_word: int, low_word: int, last: int) -> list[Instruction]:
    """Greater (or equal, as ``last`` is): the high word decides unless it is equal."""
    return [
        (_LOAD, low + 4, 0, 0),
        (_IF_GREATER, high_word, 3, 0),
        (_IF_EQUAL, high_word, 0, "fail"),
        (_LOAD, low, 0, 0),
        (last, low_word, 0, "fail"),
    ]


def _below(low: int, high_word: int, low_word: int, last: int) -> list[Instruction]:
    """Less (or equal, as ``last`` is): the opposite of _above."""
    return [
        (_LOAD, low + 4, 0, 0),
        (_IF_GREATER, high_word, "fail", 0),
        (_IF_EQUAL, high_word, 0, 2),
        (_LOAD, low, 0, 0),
        (last, low_word, "fail", 0),
    ]


_COMPARISONS: dict[str, Callable[[int, int, int], list[Instruction]]] = {
    "SCMP_CMP_EQ": _equal,
    "SCMP_CMP_NE": _not_equal,
    "SCMP_CMP_GT": lambda low, h, w: _above(low, h, w, _IF_GREATER),
    "SCMP_CMP_GE": lambda low, h, w: _above(low, h, w, _IF_AT_LEAST),
    "SCMP_CMP_LT": lambda low, h, w: _below(low, h, w, _IF_AT_LEAST),
    "SCMP_CMP_LE": lambda low, h, w: _below(low, h, w, _IF_GREATER),
}
