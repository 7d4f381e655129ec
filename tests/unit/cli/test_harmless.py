"""What messages quote gives no orders to a terminal."""

import pytest
from plugrun.cli.output import harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain: ü€", "plain: ü€"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\x00", "a\\x0db\\x00"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("half \ud800 and byte \udcff", "half \\ud800 and byte \udcff"),
    ],
)
def test_control_characters_are_spelled_out(text, shown):
    assert harmless(text) == shown
