"""What ADD takes from a server's answer besides the file."""

from __future__ import annotations

import pytest
from plugrun.engine.build.addsteps import _seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Thu, 01 Jan 1970 00:20:34 GMT", 1234),
        ("Fri, 31 Dec 99999 23:59:59 GMT", -1),
        ("Fri, 31 Dec 2020 99999999999999999999:00:00 GMT", -1),
        ("Fri, 99999999999999 Dec 2020 1:00:00 GMT", -1),
        (f"Fri, 31 Dec {'9' * 5000} 23:59:59 GMT", -1),
        ("Thu, 1 Jan 1960 00:00:00 GMT", -1),
        ("soon", -1),
        ("", -1),
    ],
)
def test_a_time_is_one_that_a_file_can_have(text, seconds):
    assert _seconds(text) == seconds
