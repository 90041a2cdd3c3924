"""The documentation site: the reference is complete, and a broken page is found."""

import re
import runpy
from pathlib import Path

import pytest

import mastac

ROOT = Path(__file__).parents[1]


def test_the_reference_has_every_public_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = " ".join(re.findall(r"```\{api\} (.*)", page)).split()
    assert len(listed) == len(set(listed))
    assert {*listed, "ALGORITHMS", "__version__"} == {*mastac.__all__}


def test_every_page_says_first_whom_it_serves() -> None:
    for path in sorted(ROOT.glob("docs/*.md")):
        text = path.read_text(encoding="utf-8")
        included = re.search(r"\{include\} (\S+)", text)
        if included is not None:
            text = (path.parent / included[1]).read_text(encoding="utf-8")
        opening = text.split("\n\n")[1]
        assert re.match(r"This (page|site) is for (you|people)\b", opening), path.name


def test_the_citation_is_of_this_version() -> None:
    assert f"\nversion: {mastac.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('<a href="#here">x</a> <h2 id="here">x</h2> <a href="https://example.org">x</a>', None),
        ('<a href="#there">x</a>', "no such heading"),
        ('<a href="gone.html">x</a>', "not there"),
        ('<img src="gone.png">', "not there"),
        ('<script src="https://example.org/x.js"></script>', "from the network"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "from the network"),
    ],
)
def test_a_broken_page_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, says: str | None
) -> None:
    main = runpy.run_path(str(ROOT / "tools" / "check_site.py"))["main"]
    (tmp_path / "page.html").write_text(f"<html><body>{body}</body></html>")
    assert main(tmp_path) == (says is not None)
    assert (says or "all links lead somewhere") in capsys.readouterr().out


def test_a_style_from_the_network_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(ROOT / "tools" / "check_site.py"))["main"]
    (tmp_path / "page.html").write_text("<html></html>")
    (tmp_path / "page.css").write_text("@font-face { src: url(https://example.org/x.woff2) }")
    assert main(tmp_path) == 1 and "from the network" in capsys.readouterr().out
