"""What a Python program gives, as words of a command line."""

import pytest
from plugrun.client.words import command_words, port_words, volume_words
from plugrun.errors import UsageError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"/tmp": "/x:ro", "data": "/y"}, ["--volume=/tmp:/x:ro", "--volume=data:/y"]),
        (["/tmp:/x:ro", "/y"], ["--volume=/tmp:/x:ro", "--volume=/y"]),
        ("/tmp:/x", ["--volume=/tmp:/x"]),
        ((), []),
    ],
)
def test_volumes_are_a_mapping_or_as_on_the_command_line(given, words):
    assert volume_words(given) == words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({80: 8080, "53/udp": None}, ["--publish=8080:80", "--publish=53/udp"]),
        ({80: ("127.0.0.1", 8080)}, ["--publish=127.0.0.1:8080:80"]),
        (["8080:80", 53], ["--publish=8080:80", "--publish=53"]),
        (80, ["--publish=80"]),
    ],
)
def test_ports_are_a_mapping_or_as_on_the_command_line(given, words):
    assert port_words(given) == words


@pytest.mark.parametrize("given", [True, 1.5, b"/x", [("127.0.0.1", 80)], [None]])
def test_what_is_neither_is_told(given):
    with pytest.raises(UsageError, match=r"invalid volumes .* is no text"):
        volume_words(given)
    with pytest.raises(UsageError, match=r"invalid ports .* is no text"):
        port_words(given)


def test_a_command_is_text_or_words():
    assert command_words("sh -c 'a b'") == ["sh", "-c", "a b"]
    assert command_words(("sleep", 5)) == ["sleep", "5"]


@pytest.mark.parametrize("given", [5, None, b"sh", {"sh": "-c"}, "sh 'a"])
def test_what_is_no_command_is_told(given):
    with pytest.raises(UsageError, match="invalid command"):
        command_words(given)
