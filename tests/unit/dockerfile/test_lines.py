"""A Dockerfile cut into instructions: directives, comments, continued lines, heredocs."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from plugrun.dockerfile.file import parse_dockerfile
from plugrun.dockerfile.lines import LARGEST_FILE, LONGEST_LINE, read_text
from plugrun.errors import DockerfileError, InvalidArgument


def texts(source: str) -> list[str]:
    return [one.text for one in read_text(source.encode(), "Dockerfile").written]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("\ufeffFROM a\r\nRUN b\r\n", ["FROM a", "RUN b"]),
        ("  FROM a  \n\n\t# c\nRUN b", ["FROM a", "RUN b"]),
        ("RUN a \\\n  b", ["RUN a   b"]),
        ("RUN a\\\nb\\  \t\nc\n", ["RUN abc"]),
        ("RUN a \\\n# comment\n  # another\nb", ["RUN a b"]),
        ("RUN a \\\n\n\nb", ["RUN a b"]),
        ("RUN a \\\\\nUSER b", ["RUN a \\\\", "USER b"]),
        ("RUN a \\", ["RUN a"]),
        ("# escape=`\nRUN a `\nb \\\nUSER c", ["RUN a b \\", "USER c"]),
        ("#escape = \\\nRUN a \\\nb", ["RUN a b"]),
        ("\n# escape=`\nRUN a `\nUSER b", ["RUN a `", "USER b"]),
        ("# note\n# escape=`\nRUN a `\nUSER b", ["RUN a `", "USER b"]),
        ("# what=`\n# escape=`\nRUN a `\nUSER b", ["RUN a `", "USER b"]),
        ("# syntax=x\n# escape=`\nRUN a `\nb", ["RUN a b"]),
        ("RUN a # no comment", ["RUN a # no comment"]),
    ],
)
def test_lines_that_make_instructions(source: str, wanted: list[str]) -> None:
    assert texts(source) == wanted


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    source = "# c\nFROM a\n\nRUN b \\\n # c\n c\nCOPY <<E /x\nz\nE\nUSER u\n"
    found = read_text(source.encode(), "Dockerfile").written
    assert [(one.first, one.last) for one in found] == [(2, 2), (4, 6), (7, 9), (10, 10)]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("RUN <<EOF\na\n b\nEOF\n", [("EOF", "a\n b\n", True, False)]),
        ("RUN <<-EOF\n\ta\n\t\tEOF\n", [("EOF", "\ta\n", True, True)]),
        ("RUN <<'EOF'\n$a\nEOF\n", [("EOF", "$a\n", False, False)]),
        ('COPY <<"a b" /x\ny\na b\n', [("a b", "y\n", False, False)]),
        ("RUN cat <<A 3<<B\n1\nA\n2\nB\n", [("A", "1\n", True, False), ("B", "2\n", True, False)]),
        ("ADD <<A <<B /d/\nA\nB\n", [("A", "", True, False), ("B", "", True, False)]),
        ("RUN << EOF\na\nEOF\n", [("EOF", "a\n", True, False)]),
        ("RUN <<EOF\r\na\r\nEOF\r\n", [("EOF", "a\r\n", True, False)]),
        ("RUN <<EOF\n# no comment\\\nx\nEOF", [("EOF", "# no comment\\\nx\n", True, False)]),
        ("ONBUILD RUN <<EOF\na\nEOF\n", [("EOF", "a\n", True, False)]),
        ('RUN ["cat", "<<EOF"]\n', []),
        ("RUN echo '<<EOF'\n", []),
        ("RUN echo \"it's <<EOF\n", []),
        ("RUN echo $((1<<2))\n", []),
        ("RUN cat <<<word\n", []),
        ("ENV A=<<EOF\n", []),
    ],
)
def test_heredocs(source: str, wanted: list[tuple[str, str, bool, bool]]) -> None:
    (found,) = read_text(source.encode(), "Dockerfile").written
    assert [(one.name, one.data, one.expand, one.chomp) for one in found.heredocs] == wanted


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"", "the Dockerfile cannot be empty"),
        (b"# nothing\n\n", "file with no instructions"),
        (b"FROM a\nRUN <<EOF\nx\n", "unterminated heredoc"),
        (b"# escape=x\nFROM a", "invalid escape token 'x' does not match ` or \\"),
        (b"# escape=`\n# escape=`\nFROM a", "only one escape parser directive can be used"),
        (b'FROM a\nRUN ["a", 1]', "arrays must be comprised of strings only"),
        (b"RUN " + b"a" * LONGEST_LINE, f"line greater than max allowed size of {LONGEST_LINE}"),
        (b"#" * (LARGEST_FILE + 1), "more than the 16777216 allowed"),
        (b"# check=what=x\nFROM a", 'invalid check option "what=x"'),
        (b"# check=error=x\nFROM a", 'failed to parse check option "error=x"'),
    ],
)
def test_what_is_no_dockerfile(source: bytes, said: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        parse_dockerfile(source)
    assert said in failure.value.message


def test_an_error_shows_the_lines_with_an_arrow() -> None:
    source = b"FROM a AS web\nUSER u\nCOPY a \\\n  b \\\n  <<E\nx\nE\nUSER u\nUSER v\n"
    with pytest.raises(DockerfileError) as failure:
        parse_dockerfile(source, "web.Dockerfile")
    error = failure.value
    assert error.message == (
        "web.Dockerfile:3 (stage web): COPY cannot accept a heredoc as a destination"
    )
    assert (error.file, error.first, error.last, error.stage) == ("web.Dockerfile", 3, 7, "web")
    assert error.excerpt.splitlines() == [
        "web.Dockerfile:3",
        "--------------------",
        "   2 |     USER u",
        "   3 | >>> COPY a \\",
        "   4 | >>>   b \\",
        "   5 | >>>   <<E",
        "   6 | >>> x",
        "   7 | >>> E",
        "   8 |     USER u",
        "--------------------",
    ]


def test_bytes_that_are_no_utf8_come_through() -> None:
    (found,) = read_text(b"RUN echo \xff\xe9\n", "Dockerfile").written
    assert found.rest.encode("utf-8", "surrogateescape") == b"echo \xff\xe9"


WORDS = ["FROM a", "FROM b AS c", "RUN x", "RUN ", "COPY a b", "COPY --from=c a b", "ENV a=b", "\\",
         "ARG a", "<<EOF", "EOF", "#", "# escape=`", "`", "\n", "\n", "\r\n", " ", "\t", '["a"]',
         "'", '"', "$a", "${", "}", "--x=y", "ONBUILD ", "HEALTHCHECK ", "CMD", "=", "\ufeff",
         ]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=20).map("".join))
@example("ONBUILD " * 5000)
@example("RUN <<A<<B\nA\n")
def test_any_text_is_a_dockerfile_or_is_refused(source: str) -> None:
    try:
        found = parse_dockerfile(source.encode())
    except InvalidArgument as error:
        assert error.message
        return
    assert found.stages
    for stage in found.stages:
        for one in (stage.head, *stage.instructions):
            assert 1 <= one.first <= one.last <= len(found.lines)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_dockerfile_or_are_refused(source: bytes) -> None:
    try:
        parse_dockerfile(b"FROM a\n" + source)
    except InvalidArgument as error:
        assert error.message
