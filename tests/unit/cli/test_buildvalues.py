"""Values of ``build``'s options that stand in CSV."""

from __future__ import annotations

import pytest
from plugrun.cli.buildvalues import fields_of
from plugrun.errors import UsageError


def test_fields_may_be_quoted() -> None:
    assert fields_of("output", '"dest=/a,b",Type=tar') == {"dest": "/a,b", "type": "tar"}


@pytest.mark.parametrize(
    "text", ["type", "type=local,dest=a\rb", "type=local,dest=" + "x" * (1 << 17)]
)
def test_what_is_no_csv_is_a_wrong_argument(text: str) -> None:
    with pytest.raises(UsageError, match='for "--output" flag'):
        fields_of("output", text)
