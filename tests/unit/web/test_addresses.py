"""What a message shows of an address: never a password, wherever it stands."""

from __future__ import annotations

import pytest
from plugrun.web.addresses import shown_url, without_logins


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a/b.tar", "https://example.org/a/b.tar"),
        ("https://example.org:8443/a", "https://example.org:8443/a"),
        ("https://[::1]:8443/a@b", "https://[::1]:8443/a@b"),
        ("https://example.org/@scope/a@1", "https://example.org/@scope/a@1"),
        ("https://example.org/a?token=secret#secret", "https://example.org/a"),
        ("https://me:secret@example.org/a", "https://example.org/a"),
        ("https://me:sec@ret@example.org/a", "https://example.org/a"),
        ("https://me:sec/ret@example.org/a", "https://example.org/a"),
        ("https://me:sec?ret@example.org/a", "https://example.org/a"),
        ("https://me:sec#ret@example.org/a", "https://example.org/a"),
        ("https://me:sec\\ret@example.org/a", "https://example.org/a"),
        ("https://me:se://ret@example.org/a", "https://example.org/a"),
        ("https://me:secret@[::", "https://[::"),
        ("https://me:secret@example.org:port/", "https://example.org:port/"),
        ("me:secret@example.org/a", "example.org/a"),
        ("?secret", ""),
        ("", ""),
    ],
)
def test_an_address(url, shown):
    assert shown_url(url) == shown


def test_it_is_not_endless():
    assert len(shown_url("https://example.org/" + "x" * 100_000)) < 600


def test_somebody_elses_words():
    words = "fatal: unable to access 'https://me:secret@example.org/x.git/': no host"
    assert without_logins(words) == "fatal: unable to access 'https://example.org/x.git/': no host"
