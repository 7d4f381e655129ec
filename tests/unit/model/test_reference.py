"""References by Docker's grammar, and addresses."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plugrun.errors import InvalidArgument
from plugrun.model.reference import parse_reference, split_address, without_tag

DIGEST = "sha256:" + "0123456789abcdef" * 4

# The grammar of distribution/reference, written down a second time as the expressions it is
# published in.
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9]*:[a-fA-F0-9:]*\])(?::[0-9]+)?"
_REST = rf"{_PART}(?:/{_PART})*(?::[\w][\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("debian", "docker.io/library/debian:latest"),
        ("debian:12", "docker.io/library/debian:12"),
        ("me/app", "docker.io/me/app:latest"),
        ("docker.io/debian", "docker.io/library/debian:latest"),
        ("index.docker.io/me/app", "docker.io/me/app:latest"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("quay.io/a/b/c:v1.0_x-y", "quay.io/a/b/c:v1.0_x-y"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("[2001:db8::1]/x", "[2001:db8::1]/x:latest"),
        ("127.0.0.1:5000/x", "127.0.0.1:5000/x:latest"),
        ("Registry/x", "Registry/x:latest"),
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}"),
        (f"debian:12@{DIGEST}", f"docker.io/library/debian:12@{DIGEST}"),
        ("a--b__cd_e/f.g", "docker.io/a--b__cd_e/f.g:latest"),
        ("x:5000", "docker.io/library/x:5000"),
    ],
)
def test_references_in_full(text, full):
    assert str(parse_reference(text)) == full


@pytest.mark.parametrize(
    "text",
    ["", ":", "@", "/", "a/", "/a", "a//b", "-a", "a-", "a..b", "a___b", "a._b", "a:", "a:-x",
     "a:.x", "a:" + "x" * 129, "a@", "a@sha256:12", "a@sha512:" + "0" * 128, f"a@{DIGEST.upper()}",
     f"@{DIGEST}", "a b", "a\n", "ä", "a:ä", "host.name/", "host.name:port/a", "host:/a", "-h.x/a",
     "h-.x/a", "[::1/a", "[::g]/a", "[]/a", "[::1]x/a", "[::1]:/a", "h.x:٣/a", "a:b:c", "a@b@c",
     "0" * 64, "x/" + "a" * 255, "a\0", "../a", "a/../b", "./a", "http://a/b"],
)  # fmt: skip
def test_what_is_no_reference(text):
    with pytest.raises(InvalidArgument):
        parse_reference(text)


def test_upper_case_is_said_to_be_the_reason():
    with pytest.raises(InvalidArgument, match="must be lowercase"):
        parse_reference("me/App")


def test_no_default_tag():
    assert str(parse_reference("debian", default_tag="")) == "docker.io/library/debian"


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("docker.io/library/debian", "debian:latest"),
        ("docker.io/me/app:1", "me/app:1"),
        ("docker.io/library/a/b", "library/a/b:latest"),
        ("quay.io/a", "quay.io/a:latest"),
        (f"docker.io/library/debian@{DIGEST}", f"debian@{DIGEST}"),
    ],
)
def test_familiar_is_what_docker_prints(text, familiar):
    assert parse_reference(text).familiar == familiar


def test_without_tag_is_the_repository():
    reference = without_tag(parse_reference(f"debian:12@{DIGEST}"))
    assert (str(reference), reference.name) == (reference.name, "docker.io/library/debian")


_WORDS = st.sampled_from(
    ["a", "b1", "library", "docker.io", "localhost", "A", "host.x", "x-y", "x__y", "x_", "-",
     ".", "..", "_", "__", ":", ":5000", ":latest", "/", "@", DIGEST, "[::1]", "[", "]", "0" * 64,
     "é"]
)  # fmt: skip
_TEXTS = st.lists(_WORDS, max_size=7).map("".join) | st.text("aA0.-_:/@[]", max_size=12)


def _is_reference(text):
    """Docker's rule: what comes before the first slash is a host only if it looks like one."""
    first, slash, rest = text.partition("/")
    marks = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not (slash and marks):
        bare_id = re.fullmatch("[0-9a-f]{64}", text)
        return bool(re.fullmatch(_REST, text, re.ASCII)) and not bare_id
    return bool(re.fullmatch(_HOST, first, re.ASCII) and re.fullmatch(_REST, rest, re.ASCII))


@settings(max_examples=1000)
@given(_TEXTS)
def test_the_parser_agrees_with_the_published_expressions(text):
    assume(len(text) < 240)  # the limit on length is tested above
    try:
        parse_reference(text)
        accepted = True
    except InvalidArgument:
        accepted = False
    assert accepted == _is_reference(text)


@given(_TEXTS)
def test_a_reference_in_full_means_itself(text):
    try:
        parsed = parse_reference(text)
    except InvalidArgument:
        return
    assert parse_reference(str(parsed)) == parsed
    assert parse_reference(parsed.familiar) == parsed


@given(st.text())
def test_nothing_else_is_raised(text):
    try:
        parse_reference(text)
    except InvalidArgument as error:
        assert error.message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("debian", ("docker", "debian")),
        ("debian:12", ("docker", "debian:12")),
        ("docker://debian:12", ("docker", "debian:12")),
        ("localhost:5000/x", ("docker", "localhost:5000/x")),
        ("host:sh,ls", ("host", "sh,ls")),
        ("host://sh", ("host", "sh")),
        ("host/sh-ls", ("docker", "host/sh-ls")),
        ("docker-archive:/a/b.tar", ("docker-archive", "/a/b.tar")),
        ("oci:folder:tag", ("oci", "folder:tag")),
        ("rootfs:/x", ("rootfs", "/x")),
        ("own-scheme://x", ("own-scheme", "x")),
        ("UPPER://x", ("docker", "UPPER://x")),
        ("", ("docker", "")),
        (":x", ("docker", ":x")),
    ],
)
def test_addresses_are_split(text, parts):
    assert split_address(text) == parts
