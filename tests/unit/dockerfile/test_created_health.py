"""The history of HEALTHCHECK, in the words that BuildKit has for it."""

from plugrun.dockerfile.created import _health


def test_a_check_is_quoted_as_go_does():
    config = {"Test": ["CMD-SHELL", 'a "b"'], "Interval": 90 * 10**9, "Retries": 3}
    assert _health(config) == r"""&{["CMD-SHELL" "a \"b\""] "1m30s" "0s" "0s" "0s" '\x03'}"""


def test_parts_of_a_second():
    assert '"500ms"' in _health({"Test": ["NONE"], "Timeout": 5 * 10**8})
    assert '"1h0m1.5s"' in _health({"Test": ["NONE"], "Timeout": 3601_500_000_000})
