"""Digests, descriptors and platforms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.errors import InvalidArgument
from plugrun.model.descriptor import (
    Descriptor,
    Platform,
    host_platform,
    normal_platform,
    parse_digest,
    parse_platform,
    platform_order,
)

DIGEST = "sha256:" + "0123456789abcdef" * 4


def test_a_digest_is_itself():
    assert parse_digest(DIGEST) == DIGEST


@pytest.mark.parametrize(
    "text",
    ["", "sha256:", DIGEST[:-1], DIGEST + "0", DIGEST.upper(), "sha512:" + "0" * 64,
     "sha256:" + "../" * 21 + "x", DIGEST[:-1] + "\n", DIGEST[:-1] + "٣", None, 7, DIGEST.encode()],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidArgument):
        parse_digest(text)


@given(st.text())
def test_no_digest_could_be_another_file_name(text):
    try:
        parse_digest(text)
    except InvalidArgument:
        return
    assert "/" not in text


@pytest.mark.parametrize("size", [-1, True, 1.0, "1", None])
def test_a_size_is_a_number_of_bytes(size):
    with pytest.raises(InvalidArgument):
        Descriptor("x", DIGEST, size)


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("amd64", Platform("linux", "amd64")),
        ("x86_64", Platform("linux", "amd64")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/arm64/v8", Platform("linux", "arm64")),
        ("arm", Platform("linux", "arm", "v7")),
        ("linux/arm/v6", Platform("linux", "arm", "v6")),
        ("linux/arm/6", Platform("linux", "arm", "v6")),
        ("armhf", Platform("linux", "arm", "v7")),
        ("armel", Platform("linux", "arm", "v6")),
        ("Windows/AMD64", Platform("windows", "amd64")),
        ("linux/amd64/v3", Platform("linux", "amd64", "v3")),
        ("linux", host_platform()),
        ("freebsd", Platform("freebsd", host_platform().architecture)),
    ],
)
def test_platforms(text, platform):
    assert parse_platform(text) == platform


@pytest.mark.parametrize(
    "text", ["", "/", "linux/", "/amd64", "a/b/c/d", "linux/am d64", "a b", "bogus"]
)
def test_what_is_no_platform(text):
    with pytest.raises(InvalidArgument):
        parse_platform(text)


@given(st.text())
def test_a_platform_means_itself(text):
    try:
        platform = parse_platform(text)
    except InvalidArgument:
        return
    assert parse_platform(str(platform)) == platform


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        ("linux/arm/v7", ["v7", "v6", "v5"]),
        ("linux/arm/v6", ["v6", "v5"]),
        ("linux/arm/v5", ["v5"]),
        ("linux/arm/v8", ["v8", "v7", "v6", "v5"]),
        ("linux/arm64", [""]),
        ("linux/amd64", [""]),
    ],
)
def test_what_runs_where(wanted, order):
    assert [platform.variant for platform in platform_order(parse_platform(wanted))] == order


@pytest.mark.parametrize("variant", ["v99999999999", "v4", "vx", "v", "v²"])
def test_an_odd_variant_neither_breaks_nor_takes_for_ever(variant):
    order = platform_order(Platform("linux", "arm", variant))
    assert len(order) < 100


def test_an_index_spells_them_as_this_project_compares_them():
    assert normal_platform("linux", "arm64", "v8") == parse_platform("linux/arm64")
    assert normal_platform("linux", "arm", "") == parse_platform("linux/arm/v7")
    assert normal_platform("linux", "x86_64", "") == parse_platform("amd64")


def test_the_host_is_in_its_own_order():
    assert host_platform() in platform_order(host_platform())
