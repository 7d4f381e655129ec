"""The device fence of cgroup v2: an eBPF program that decides every access (bpf(2)).

The kernel calls it with struct bpf_cgroup_dev_ctx: access_type (the access in the upper half,
the kind in the lower), major, minor (include/uapi/linux/bpf.h). A result of 0 is EPERM.
"""

from __future__ import annotations

import ctypes
import os

from plugrun_isolation_ns import arch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROG_LOAD, _PROG_ATTACH = 5, 8
_PROG_TYPE_CGROUP_DEVICE = 15
_ATTACH_CGROUP_DEVICE = 6
_ALLOW_MULTI = 2

_KINDS = {"b": 1, "c": 2, "u": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}
_ALL = 7

# Registers: 1 the context, then 2 the kind, 3 the access, 4 the major and 5 the minor number.
_LOAD_WORD = 0x61
_AND_NUMBER, _SHIFT_RIGHT = 0x54, 0x74
_MOVE, _MOVE_NUMBER, _EXIT = 0xBC, 0xB4, 0x95
_UNLESS_EQUAL, _UNLESS_ZERO = 0x55, 0x55
_IF_EQUAL = 0x15


def _instruction(
    code: int, to: int = 0, source: int = 0, offset: int = 0, number: int = 0
) -> bytes:
    head = bytes((code, source << 4 | to)) + offset.to_bytes(2, "little", signed=True)
    return head + (number & 0xFFFFFFFF).to_bytes(4, "little")


def program(rules: list[dict[str, Any]]) -> bytes:
    """Return the program: the last rule that fits decides, and without one the answer is no."""
    code = [
        _instruction(_LOAD_WORD, 2, 1, 0),
        _instruction(_MOVE, 3, 2),
        _instruction(_AND_NUMBER, 2, number=0xFFFF),
        _instruction(_SHIFT_RIGHT, 3, number=16),
        _instruction(_LOAD_WORD, 4, 1, 4),
        _instruction(_LOAD_WORD, 5, 1, 8),
    ]
    for rule in reversed(rules):
        code += _rule(rule)
        if _is_total(rule):
            break
    else:
        code += _answer(allow=False)
    return b"".join(code)


def _is_total(rule: dict[str, Any]) -> bool:
    return not _conditions(rule) and _access(rule) == _ALL


def _answer(*, allow: bool) -> list[bytes]:
    return [_instruction(_MOVE_NUMBER, 0, number=int(allow)), _instruction(_EXIT)]


def _access(rule: dict[str, Any]) -> int:
    return sum(_ACCESS[letter] for letter in set(rule.get("access") or "rwm"))


def _conditions(rule: dict[str, Any]) -> list[tuple[int, int]]:
    """Return the registers that must have a value for the rule to fit."""
    wanted = []
    kind = rule.get("type") or "a"
    if kind != "a":
        wanted.append((2, _KINDS[kind]))
    for register, name in ((4, "major"), (5, "minor")):
        number = rule.get(name)
        if number is not None and number != -1:
            wanted.append((register, number))
    return wanted


def _rule(rule: dict[str, Any]) -> list[bytes]:
    answer = _answer(allow=bool(rule["allow"]))
    access = _access(rule)
    tests: list[tuple[str, int, int]] = [
        ("equal", register, number) for register, number in _conditions(rule)
    ]
    if access != _ALL:
        # To allow, the rule must cover all that is asked; to deny, any part of it.
        tests.append(("within", 3, access) if rule["allow"] else ("touches", 3, access))
    code: list[bytes] = []
    for kind, register, number in reversed(tests):
        behind = len(code) + len(answer)
        code = _test(kind, register, number, behind) + code
    return code + answer


def _test(kind: str, register: int, number: int, behind: int) -> list[bytes]:
    """Return a test that skips ``behind`` instructions if it fails."""
    if kind == "equal":
        return [_instruction(_UNLESS_EQUAL, register, offset=behind, number=number)]
    copy = _instruction(_MOVE, 1, register)
    if kind == "within":
        rest = _instruction(_AND_NUMBER, 1, number=_ALL & ~number)
        return [copy, rest, _instruction(_UNLESS_ZERO, 1, offset=behind, number=0)]
    part = _instruction(_AND_NUMBER, 1, number=number)
    return [copy, part, _instruction(_IF_EQUAL, 1, offset=behind, number=0)]


class _LoadAttr(ctypes.Structure):
    _fields_ = [
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_uint64),
        ("license", ctypes.c_uint64),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_uint64),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
    ]


def attach(folder: str, rules: list[dict[str, Any]]) -> None:
    """Load the program and attach it to a group; it lives as long as the group."""
    loaded = load(rules)
    group = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        attr = (ctypes.c_uint32 * 4)(group, loaded, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI)
        arch.call("bpf", _PROG_ATTACH, ctypes.byref(attr), ctypes.sizeof(attr))
    finally:
        os.close(group)
        os.close(loaded)


def load(rules: list[dict[str, Any]]) -> int:
    """Load the program into the kernel, whose verifier checks it; return its descriptor."""
    body = program(rules)
    code = ctypes.create_string_buffer(body, len(body))
    license_ = ctypes.create_string_buffer(b"Apache-2.0")
    attr = _LoadAttr(
        prog_type=_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt=len(body) // 8,
        insns=ctypes.addressof(code),
        license=ctypes.addressof(license_),
    )
    return arch.call("bpf", _PROG_LOAD, ctypes.byref(attr), ctypes.sizeof(attr))
