"""Compiled filters decide as the profile says: a small BPF machine runs them."""

from __future__ import annotations

import errno
import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plugrun.engine.fence.seccomp import default_seccomp
from plugrun.errors import IsolationError
from plugrun_isolation_ns import seccomp
from plugrun_isolation_ns.seccomp_compiler import compile_filter, table

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x50000
AUDIT = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}
ENOSYS, EPERM = ERRNO | errno.ENOSYS, ERRNO | errno.EPERM
WORDS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**32, 2**32 - 1, 2**64 - 1]))


def decide(program: bytes, arch: str, number: int, *args: int) -> int:
    data = struct.pack("<iIQ6Q", number, AUDIT[arch], 0, *args, *[0] * (6 - len(args)))
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    place = accumulator = 0
    while True:
        kind, yes, no, k = code[place]
        place += 1
        if kind == 0x06:
            return k
        if kind == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif kind == 0x54:
            accumulator &= k
        elif kind == 0x05:
            place += k
        else:
            tests = {0x15: accumulator == k, 0x25: accumulator > k, 0x35: accumulator >= k}
            place += yes if tests[kind] else no


def one_rule(op: str, value: int, second: int = 0) -> bytes:
    args = [{"index": 2, "op": f"SCMP_CMP_{op}", "value": value, "valueTwo": second}]
    rule = {"names": ["mmap"], "action": "SCMP_ACT_ALLOW", "args": args}
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}
    return compile_filter(profile, "x86_64")


MEANING = {
    "EQ": lambda x, v, w: x == v,
    "NE": lambda x, v, w: x != v,
    "LT": lambda x, v, w: x < v,
    "LE": lambda x, v, w: x <= v,
    "GT": lambda x, v, w: x > v,
    "GE": lambda x, v, w: x >= v,
    "MASKED_EQ": lambda x, v, w: x & v == w & v,
}


@pytest.mark.parametrize("op", sorted(MEANING))
@settings(max_examples=200, deadline=None)
@given(value=WORDS, second=WORDS, argument=WORDS)
def test_comparisons(op, value, second, argument):
    program = one_rule(op, value, second)
    for x in (argument, value, second, value ^ 1, value ^ 2**40):
        expected = ALLOW if MEANING[op](x, value, second) else EPERM
        assert decide(program, "x86_64", 9, 7, 7, x) == expected


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_number_of_the_default_profile(machine, monkeypatch):
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("", "", "", "", machine)))
    profile = default_seccomp(frozenset())
    program = compile_filter(profile, machine)
    allowed = set(profile["syscalls"][0]["names"])
    for arch in {"x86_64": ("x86_64", "i386"), "aarch64": ("aarch64",)}[machine]:
        names = {number: name for name, number in table(arch).items()}
        judged = {"socket", "personality", "clone", "clone3"}
        for number in range(600):
            name = names.get(number)
            if name in judged:
                continue
            expected = ENOSYS if name is None else ALLOW if name in allowed else EPERM
            assert decide(program, arch, number) == expected, (arch, number, name)
        assert decide(program, arch, names_to(names, "clone3")) == ENOSYS
        assert decide(program, arch, names_to(names, "clone"), 17) == ALLOW
        assert decide(program, arch, names_to(names, "clone"), 0x10000000) == EPERM
        for family, expected in ((2, ALLOW), (38, EPERM), (39, ALLOW), (40, EPERM), (41, ALLOW)):
            assert decide(program, arch, names_to(names, "socket"), family) == expected
        for persona, expected in ((0, ALLOW), (0x40000, EPERM), (0xFFFFFFFF, ALLOW)):
            assert decide(program, arch, names_to(names, "personality"), persona) == expected


def names_to(names: dict[int, str], wanted: str) -> int:
    return next(number for number, name in names.items() if name == wanted)


def test_other_architectures_die_and_x32_is_unknown():
    program = compile_filter(default_seccomp(frozenset()), "x86_64")
    assert decide(program, "arm", 1) == KILL
    assert decide(program, "x86_64", 0x40000000 | 1) == ENOSYS
    assert decide(program, "x86_64", -1) == ENOSYS


def test_capabilities_open_calls():
    numbers = table("x86_64")
    for capability, call in (("CAP_SYS_ADMIN", "mount"), ("CAP_SYS_TIME", "settimeofday")):
        without = compile_filter(default_seccomp(frozenset()), "x86_64")
        having = compile_filter(default_seccomp(frozenset((capability,))), "x86_64")
        assert decide(without, "x86_64", numbers[call]) == EPERM
        assert decide(having, "x86_64", numbers[call]) == ALLOW
    assert decide(having, "x86_64", numbers["keyctl"]) == EPERM


def test_a_deny_list():
    rule = {"names": ["mount", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    program = compile_filter(profile, "x86_64")
    assert decide(program, "x86_64", 165) == ERRNO | 13
    assert decide(program, "x86_64", 166) == decide(program, "x86_64", 5000) == ALLOW


def test_several_conditions_on_one_argument_are_alternatives():
    args = [{"index": 0, "op": "SCMP_CMP_EQ", "value": value} for value in (1, 2)]
    rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": args}
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}
    program = compile_filter(profile, "x86_64")
    assert [decide(program, "x86_64", 0, value) for value in range(4)] == [
        EPERM,
        ALLOW,
        ALLOW,
        EPERM,
    ]


def test_refuses_what_it_does_not_know():
    for profile in (
        {"defaultAction": "SCMP_ACT_NOTIFY"},
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [
                {
                    "names": ["read"],
                    "action": "SCMP_ACT_KILL",
                    "args": [{"index": 0, "op": "SCMP_CMP_ODD", "value": 1}],
                }
            ],
        },
    ):
        with pytest.raises(IsolationError):
            compile_filter(profile, "x86_64")


def test_the_cache_is_read(tmp_path):
    profile = default_seccomp(frozenset())
    first = seccomp.program(profile, str(tmp_path / "cache"))
    (file,) = (tmp_path / "cache").iterdir()
    assert file.read_bytes() == first
    other = first[8:]
    file.write_bytes(other)
    assert seccomp.program(profile, str(tmp_path / "cache")) == other
    assert seccomp.program(None, "") == b""


@pytest.mark.parametrize("size", [0, 7, 8, 800])
def test_a_damaged_cache_is_not_believed(tmp_path, size):
    profile = default_seccomp(frozenset())
    first = seccomp.program(profile, str(tmp_path / "cache"))
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(first[:size])
    assert seccomp.program(profile, str(tmp_path / "cache")) == first
    assert file.read_bytes() == first


def test_the_tables_agree_with_this_kernels_headers():
    header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
    if not os.path.exists(header):
        pytest.skip("no headers here: install linux-libc-dev")
    numbers = table("x86_64")
    with open(header, encoding="utf-8") as stream:
        for line in stream:
            words = line.split()
            if len(words) == 3 and words[1].startswith("__NR_"):
                assert numbers[words[1][5:]] == int(words[2])
