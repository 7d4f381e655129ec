"""The device fence of cgroup v2 decides as the rules say: a small eBPF machine runs it."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from plugrun_isolation_ns.cgroups.device_filter import program

KINDS = {"b": 1, "c": 2}
BITS = {"m": 1, "r": 2, "w": 4}


def decide(rules, kind: str, access: str, major: int, minor: int) -> bool:
    context = (sum(BITS[letter] for letter in access) << 16 | KINDS[kind], major, minor)
    body = program(rules)
    code = [struct.unpack_from("<BBhi", body, at) for at in range(0, len(body), 8)]
    registers = [0] * 6
    place = 0
    while True:
        kind_, both, offset, number = code[place]
        to, source = both & 15, both >> 4
        place += 1
        if kind_ == 0x95:
            return bool(registers[0])
        if kind_ == 0x61:
            registers[to] = context[offset // 4]
        elif kind_ == 0x54:
            registers[to] &= number
        elif kind_ == 0x74:
            registers[to] >>= number
        elif kind_ == 0xBC:
            registers[to] = registers[source]
        elif kind_ == 0xB4:
            registers[to] = number
        elif kind_ == 0x55:
            place += offset if registers[to] != number else 0
        else:
            assert kind_ == 0x15
            place += offset if registers[to] == number else 0


def meaning(rules, kind: str, access: str, major: int, minor: int) -> bool:
    asked = set(access)
    for rule in reversed(rules):
        covers = set(rule["access"])
        fits = rule["type"] in ("a", kind)
        fits = fits and rule["major"] in (-1, major) and rule["minor"] in (-1, minor)
        if fits and (asked <= covers if rule["allow"] else asked & covers):
            return bool(rule["allow"])
    return False


ACCESS = st.sets(st.sampled_from("rwm"), min_size=1).map("".join)
NUMBER = st.sampled_from([-1, 1, 2])
RULE = st.fixed_dictionaries(
    {
        "allow": st.booleans(),
        "type": st.sampled_from("abc"),
        "major": NUMBER,
        "minor": NUMBER,
        "access": ACCESS,
    }
)


@given(st.lists(RULE, max_size=5), st.sampled_from("bc"), ACCESS, NUMBER, NUMBER)
def test_the_last_rule_that_fits_decides(rules, kind, access, major, minor):
    major, minor = abs(major), abs(minor)
    expected = meaning(rules, kind, access, major, minor)
    assert decide(rules, kind, access, major, minor) == expected
