"""The matrix's page in a real browser: the grid, a click, the colours, and hostile text."""

import pytest
from plugrun.cli.matrixviews import summary
from plugrun.matrix.cell import FAILED, PASSED, SKIPPED, TIMED_OUT, Cell, Result
from plugrun.matrix.htmlreport import html_report

from tests.browser import opened_browser, program

EVIL = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'"


@pytest.fixture
def page(tmp_path):
    if not program():
        pytest.skip("no browser here: tools/setup packages browser")
    with opened_browser(str(tmp_path / "browser")) as found:
        yield found


def shown(page, tmp_path, results):
    """Write the page of results and open it."""
    path = tmp_path / "page.html"
    words = ["make", EVIL]
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(html_report(results, words, summary(results, 0.0)))
    page.open(f"file://{path}")


def cell(tmp_path, storage, network, state, log=b"", **more):
    path = tmp_path / f"{storage}-{network}.log"
    path.write_bytes(log)
    axes = (("storage", storage), ("network", network))
    return Result(Cell(f"{storage}-{network}", axes), state, log=str(path), **more)


@pytest.fixture
def results(tmp_path):
    return [
        cell(tmp_path, "overlay", "none", PASSED, b"all is well\n", seconds=1.5),
        cell(
            tmp_path, "overlay", "bridge", FAILED, b"it broke\n", seconds=75, reason="exit code 3"
        ),
        cell(tmp_path, "cow", "none", SKIPPED, reason="no <disk>"),
        cell(tmp_path, "cow", "bridge", TIMED_OUT, b"slow\n", reason="it was not done after 5 s"),
    ]


def visible(page):
    """Return the texts of the sections that can be seen."""
    return page.value(
        "[...document.querySelectorAll('section')].filter(s => s.checkVisibility())"
        ".map(s => s.innerText)"
    )


def test_a_grid_with_a_place_for_each_combination(page, tmp_path, results):
    shown(page, tmp_path, results)
    rows = page.value(
        "[...document.querySelectorAll('tr')].map(r => [...r.cells].map(c => c.innerText.trim()))"
    )
    assert rows == [
        ["network", "storage"],
        ["overlay", "cow"],
        ["none", "passed\n1.5 s", "skipped"],
        ["bridge", "failed\n1 min 15 s", "timed out"],
    ]


def test_a_click_shows_the_log_and_another_hides_it(page, tmp_path, results):
    shown(page, tmp_path, results)
    [first] = visible(page)
    assert "overlay-bridge" in first, "what failed is shown at once"
    page.click("button.passed")
    [text] = visible(page)
    assert "all is well" in text
    assert "storage overlay, network none" in text
    assert page.value("document.querySelector('button.passed').ariaExpanded") == "true"
    page.click("button.passed")
    assert visible(page) == []
    page.click("button.skipped")
    [text] = visible(page)
    assert "no <disk>" in text
    assert "It wrote nothing." in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_states_have_colours_that_can_be_told_apart_and_read(page, tmp_path, results, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.call("Emulation.setEmulatedMedia", features=features)
    shown(page, tmp_path, results)
    found = page.value(
        "[...document.querySelectorAll('button')].map(b => getComputedStyle(b).backgroundColor)"
    )
    passed, skipped, failed, late = map(colour, found)
    assert passed[1] > max(passed[0], passed[2])
    assert failed == late
    assert failed[0] > 2 * max(failed[1], failed[2])
    assert len({passed, failed, skipped}) == 3
    pairs = page.value(
        "[...document.querySelectorAll('button, h2, pre, .quiet, th')].map(getComputedStyle)"
        ".map(s => [s.color, s.backgroundColor])"
    )
    ground = colour(page.value("getComputedStyle(document.body).backgroundColor"))
    assert (luminance(ground) < 0.5) == (scheme == "dark")
    for text, behind in pairs:
        below = ground if behind == "rgba(0, 0, 0, 0)" else colour(behind)
        assert contrast(colour(text), below) >= 4.5, (text, behind)  # WCAG 2.1, 1.4.3


def colour(said):
    """Return red, green and blue of ``rgb(1, 2, 3)``."""
    return tuple(float(part) for part in said.partition("(")[2].rstrip(")").split(",")[:3])


def luminance(rgb):
    """WCAG 2.1, relative luminance."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in rgb)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_hostile_text_is_text_and_nothing_is_fetched(page, tmp_path):
    log = (
        b"x" * (10 << 20) + b"\n<!-- <script>\0\x1b[31mred\x1b[0m\x1b]0;title\x07 \xff\xed\xa0\x80"
        b"50%\r100%\n" + EVIL.encode() + b"<link rel=stylesheet href=//example.invalid/x>\n"
    )
    axes = (("storage", EVIL), (EVIL, "</table><h1>big"))
    path = tmp_path / "log"
    path.write_bytes(log)
    results = [
        Result(Cell(EVIL, axes), FAILED, reason=EVIL, log=str(path)),
        Result(Cell("other", (("storage", "cow"),)), SKIPPED, reason=f"\0{EVIL}\ud800"),
    ]
    shown(page, tmp_path, results)
    [text] = visible(page)
    assert f"{EVIL}<link rel=stylesheet href=//example.invalid/x>" in text
    assert "<!-- <script>\u2400red \ufffd" in text
    assert "50%\n100%" in text
    assert "bytes before this are left out" in text
    assert text.startswith(EVIL)
    assert page.value("document.title").startswith(f"make {EVIL}: 1 failed")
    page.click("button.skipped")
    assert EVIL in visible(page)[0]
    assert page.value("document.querySelectorAll('script, img, link, h1').length") == 2
    assert page.requests == [f"file://{tmp_path}/page.html"]
    assert page.errors == []


def test_a_script_that_is_not_the_pages_own_would_not_run(page, tmp_path, results):
    shown(page, tmp_path, results)
    page.value(
        "const s = document.createElement('script'); s.textContent = 'document.title=1';"
        "document.body.append(s); fetch('http://127.0.0.1:9/').catch(() => {}); 0"
    )
    assert page.value("document.title") != "1"
    assert page.requests == [f"file://{tmp_path}/page.html"]
