"""Values in Docker's forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.cli.envfile import environment, read_env_file
from plugrun.cli.values import (
    check_cpus,
    check_hostname,
    check_memory,
    check_name,
    parse_bytes,
    parse_cpus,
    parse_int,
)
from plugrun.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1024", 1024),
        ("10b", 10),
        ("1k", 1024),
        ("1K", 1024),
        ("512m", 512 << 20),
        ("1g", 1 << 30),
        ("1.5g", 3 << 29),
        (".5g", 1 << 29),
        ("1t", 1 << 40),
        ("1gb", 1 << 30),
        ("1GiB", 1 << 30),
        ("1 g", 1 << 30),
        ("1e3", 1000),
    ],
)
def test_sizes(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid size: ''"),
        ("-1", "invalid size: '-1'"),
        ("m", "invalid size: 'm'"),
        ("1xx", "invalid suffix: 'xx'"),
        ("1bb", "invalid suffix: 'bb'"),
        ("1mx", "invalid suffix: 'mx'"),
        ("1.5.2g", 'strconv.ParseFloat: parsing "1.5.2": invalid syntax'),
        ("9999999999t", "invalid size: '9999999999t'"),
    ],
)
def test_wrong_sizes(text, message):
    with pytest.raises(InvalidArgument) as raised:
        parse_bytes(text)
    assert raised.value.message == message


@given(st.integers(0, 2**40), st.sampled_from("kmg"))
def test_whole_sizes_are_exact(number, unit):
    number //= 2**20
    assert parse_bytes(f"{number}{unit}") == number << {"k": 10, "m": 20, "g": 30}[unit]


@given(st.text(max_size=6))
def test_any_text_is_a_size_or_refused(text):
    try:
        assert parse_bytes(text) >= 0
    except InvalidArgument:
        pass


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("1", 10**9),
        ("1.5", 1_500_000_000),
        ("0.01", 10**7),
        (".5", 5 * 10**8),
        ("2.", 2 * 10**9),
        ("-1", -(10**9)),
        ("0", 0),
        ("1.500000000000", 1_500_000_000),
    ],
)
def test_cpus(text, nano):
    assert parse_cpus(text) == nano


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1x", "failed to parse 1x as a rational number"),
        ("", "failed to parse  as a rational number"),
        (".", "failed to parse . as a rational number"),
        ("1.12345678901", "value is too precise"),
    ],
)
def test_wrong_cpus(text, message):
    with pytest.raises(InvalidArgument) as raised:
        parse_cpus(text)
    assert raised.value.message == message


@pytest.mark.parametrize("nano", [10**7 - 1, 4 * 10**9 + 1, -1])
def test_cpus_beyond_the_machine(nano):
    with pytest.raises(InvalidArgument) as raised:
        check_cpus(nano, 4)
    assert raised.value.message == (
        "Range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"
    )
    assert check_cpus(4 * 10**9, 4) == 4 * 10**9


def test_a_memory_limit_is_none_or_six_megabytes():
    assert check_memory(0) == 0
    assert check_memory(6 << 20) == 6 << 20
    with pytest.raises(InvalidArgument, match="Minimum memory limit allowed is 6MB"):
        check_memory((6 << 20) - 1)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("-5", -5),
        ("+5", 5),
        ("0x10", 16),
        ("010", 8),
        ("0o17", 15),
        ("0b11", 3),
        ("0", 0),
    ],
)
def test_integers_as_go_reads_them(text, number):
    assert parse_int(text) == number


@pytest.mark.parametrize("text", ["", "a", "1.0", " 1", "--1", "0x", "08", "\u0661", "1_0"])
def test_no_integers(text):
    with pytest.raises(InvalidArgument, match="invalid syntax"):
        parse_int(text)


def test_an_integer_out_of_range():
    with pytest.raises(InvalidArgument, match="value out of range"):
        parse_int("99999999999999999999")


def test_names():
    assert check_name("/web") == "web"
    assert check_name("a.b_c-1") == "a.b_c-1"
    for name in ("a", "a b", "-ab", "ä1", "a/b", ""):
        with pytest.raises(InvalidArgument) as raised:
            check_name(name)
        assert raised.value.message == (
            f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )


def test_hostnames():
    for name in ("box", "a.b.c", "a-1", "x" * 64):
        assert check_hostname(name) == name
    for name in ("a b", "-a", "a..b", "x" * 65, "a\nb"):
        with pytest.raises(InvalidArgument, match="invalid hostname format"):
            check_hostname(name)


def test_env_files(tmp_path):
    path = tmp_path / "env"
    path.write_bytes(
        b"\xef\xbb\xbf# comment\n\nA=1\r\n  B=two words \nC='kept'\nHOME\nNOT_SET_HERE\nD=\nE=x=y"
    )
    assert read_env_file(str(path), {"HOME": "/root"}) == (
        "A=1",
        "B=two words ",
        "C='kept'",
        "HOME=/root",
        "D=",
        "E=x=y",
    )
    assert environment((str(path),), ("A=2",))[-1] == "A=2"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"A B=1\n", "variable 'A B' contains whitespaces"),
        (b"=1\n", "no variable name on line '=1'"),
        (b"a\xff=1\n", "invalid utf8 bytes at line 1"),
    ],
)
def test_wrong_env_files(tmp_path, content, message):
    path = tmp_path / "env"
    path.write_bytes(content)
    with pytest.raises(InvalidArgument) as raised:
        read_env_file(str(path), {})
    assert raised.value.message == f"invalid env file ({path}): {message}"


def test_a_missing_env_file():
    with pytest.raises(InvalidArgument, match="open /nonexistent: no such file or directory"):
        read_env_file("/nonexistent", {})
