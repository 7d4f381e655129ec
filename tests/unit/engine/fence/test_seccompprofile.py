"""Seccomp profiles from files: Docker's format, the spec's, and what is neither."""

import os

import pytest
from plugrun.engine.fence.seccompprofile import check_profile, fitted
from plugrun.errors import InvalidArgument

MACHINE = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}
GO_NAME, NATIVE = MACHINE[os.uname().machine]


def profile(*rules, **more):
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": list(rules), **more}


def rule(**more):
    return {"names": ["mount"], "action": "SCMP_ACT_ALLOW", **more}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([], "it is no JSON object"),
        ({}, "defaultAction is None, which is no action"),
        ({"defaultAction": "ALLOW"}, "defaultAction is 'ALLOW', which is no action"),
        (profile(architectures=["a"], archMap=[{}]),
         "use either 'architectures' or 'archMap', not both"),
        (profile(archMap={}, architectures="x"), "architectures is no list"),
        (profile("x"), "a rule is no object"),
        (profile({"action": "SCMP_ACT_ALLOW"}), "a rule has no names"),
        (profile(rule(names="mount")), "a rule has no names"),
        (profile(rule(name="x")), "use either 'name' or 'names' in a rule, not both"),
        (profile(rule(action="x")), "action of mount is 'x', which is no action"),
        (profile(rule(args=[{"op": "x"}])), "an argument of mount has no operator that is known"),
        (profile(rule(args=[{"op": "SCMP_CMP_EQ", "index": 6}])),
         "an argument of mount is no number, or none of the six"),
        (profile(rule(includes=[1])), "includes of mount is no object"),
    ],
)  # fmt: skip
def test_what_is_no_profile(document, why):
    with pytest.raises(InvalidArgument) as raised:
        check_profile(document)
    assert raised.value.message == f"loading seccomp profile failed: {why}"


def test_the_runtime_specs_format_passes_as_it_is():
    given = profile(rule(args=[{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]), defaultErrnoRet=38,
                    architectures=["SCMP_ARCH_X86"])  # fmt: skip
    check_profile(given)
    assert fitted(given, frozenset()) == given


def test_dockers_format_is_fitted():
    sub = ["SCMP_ARCH_X86"]
    given = profile(
        {"name": "old", "action": "SCMP_ACT_ALLOW"},
        archMap=[
            {"architecture": "SCMP_ARCH_S390X", "subArchitectures": ["SCMP_ARCH_S390"]},
            {"architecture": NATIVE, "subArchitectures": sub},
        ],
    )
    check_profile(given)
    found = fitted(given, frozenset())
    assert found["architectures"] == [NATIVE, *sub]
    assert found["syscalls"] == [{"names": ["old"], "action": "SCMP_ACT_ALLOW"}]


@pytest.mark.parametrize(
    ("conditions", "applies"),
    [
        ({}, True),
        ({"includes": {"caps": ["CAP_A"]}}, True),
        ({"includes": {"caps": ["CAP_A", "CAP_B"]}}, False),
        ({"excludes": {"caps": ["CAP_A", "CAP_B"]}}, False),
        ({"excludes": {"caps": ["CAP_B"]}}, True),
        ({"includes": {"arches": [GO_NAME]}}, True),
        ({"includes": {"arches": ["s390x"]}}, False),
        ({"excludes": {"arches": [GO_NAME]}}, False),
        ({"includes": {"minKernel": "4.8"}}, True),
        ({"includes": {"minKernel": "400.8"}}, False),
        ({"excludes": {"minKernel": "4.8"}}, False),
    ],
)
def test_conditions(conditions, applies):
    found = fitted(profile(rule(**conditions)), frozenset(("CAP_A",)))
    assert bool(found["syscalls"]) == applies
