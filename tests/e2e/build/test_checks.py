"""What a build warns of: Docker's checks, those that need the context among them."""

from __future__ import annotations

from tests.e2e.build.conftest import Workshop


def test_what_is_warned_of_and_what_is_not(workshop: Workshop) -> None:
    workshop.write("kept", "x")
    workshop.write("left", "x")
    workshop.write(".dockerignore", "left\n")
    done = workshop.build(
        """
        FROM BASE
        # check=skip=UndefinedVar
        ENV A=$NONE
        COPY kept /
        CMD cat $A
        """
    )
    assert "WARN: JSONArgsRecommended: " in done.stderr
    assert "UndefinedVar" not in done.stderr
    failed = workshop.build("FROM BASE\nCOPY left /\n", code=1)
    said = 'WARN: CopyIgnoredFile: Attempting to Copy file "left" that is excluded by .dockerignore'
    assert said in failed.stderr
