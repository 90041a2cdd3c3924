"""What pages hold: no text becomes markup, nothing is loaded from elsewhere, licences are told."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import mastac.pages
from mastac.analysis import graph_report
from mastac.cli.main import main
from mastac.errors import UserError
from mastac.pages import explorer
from mastac.pages.page import embedded
from mastac.structure import Couplings, CouplingSequence, ring

HOSTILE = [
    "</script><script>boo()</script>",
    '"><img src=x onerror=boo()>',
    "<!--<script>",
    "&lt;'",
]
VENDOR = Path(mastac.pages.__file__).parent / "vendor"


class Elements(HTMLParser):
    """The elements of a page, and the text of its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][1].get("id") == "data":
            self.data += data


def page_of(couplings: Couplings | CouplingSequence, title: str = "system", **more) -> str:
    report = graph_report(couplings, messages=True)
    return explorer.explorer_page(explorer.explorer_data(couplings, report, title, **more))


def test_text_stays_text() -> None:
    hostile = Couplings(HOSTILE, state=[(0, 1), (1, 2), (2, 3)])
    plain = Elements(page_of(Couplings(4, state=[(0, 1), (1, 2), (2, 3)])))
    found = Elements(page_of(hostile, title=HOSTILE[0]))
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in plain.tags]
    assert json.loads(found.data)["agents"] == HOSTILE


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = page_of(ring(3))
    for _, attributes in Elements(text).tags:
        assert not {"src", "href", "action"} & set(attributes)
    assert "default-src 'none'" in text
    styles = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    assert "url(" not in styles and "@import" not in styles


def test_libraries_are_shipped_with_their_licences_and_versions() -> None:
    versions = (VENDOR / "VERSIONS.txt").read_text()
    for library in VENDOR.glob("*.min.js"):
        name = library.name.removesuffix(".min.js")
        licence = (VENDOR / f"{name}.LICENSE.txt").read_text()
        assert "Permission is hereby granted, free of charge" in licence
        version = re.search(rf"^{name} (\S+)", versions, re.MULTILINE)
        assert version is not None
        if name == "cytoscape":
            assert f'version="{version[1]}"' in library.read_text()
    assert "The Cytoscape Consortium" in page_of(ring(3))


def test_many_agents_are_drawn_by_the_other_library(monkeypatch) -> None:
    monkeypatch.setattr(explorer, "SMALL", 2)
    text = page_of(ring(3))
    assert "new Sigma(" in text and "Cytoscape" not in text


def test_rows_of_everyone_are_not_written_out() -> None:
    everyone = [(source, 0) for source in range(50)]
    data = explorer.explorer_data(
        couplings := Couplings(50, reward=everyone), graph_report(couplings), "team"
    )
    [step] = data["steps"]
    assert step["reward"]["counts"] == [-1] + 49 * [1]
    assert step["action"] == "state" and step["reward_action"] == "reward"


def test_steps_that_repeat_are_written_once() -> None:
    day, night = Couplings(2, state=[(0, 1)]), Couplings(2)
    sequence = CouplingSequence([day, night, day, night])
    data = explorer.explorer_data(sequence, graph_report(sequence), "days")
    assert data["kinds"] == [0, 1, 0, 1] and len(data["steps"]) == 2


def test_too_large_for_a_page(monkeypatch) -> None:
    monkeypatch.setattr(explorer, "MOST_AGENTS", 2)
    with pytest.raises(UserError, match="at most 2 agents, and these are 3"):
        page_of(ring(3))
    monkeypatch.setattr(explorer, "MOST_AGENTS", 6)
    monkeypatch.setattr(explorer, "MOST_ENTRIES", 5)
    with pytest.raises(UserError, match="at most 5 edges"):
        page_of(ring(6))


def test_numbers_are_of_json() -> None:
    assert embedded({"a": 0.5}) == '{"a":0.5}'
    with pytest.raises(ValueError, match="JSON"):
        embedded(float("nan"))


def run_folder(folder: Path, **summary) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"env": "warehouse-9", "env_options": {}}))
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def data_of(page: Path) -> dict:
    return json.loads(Elements(page.read_text(encoding="utf-8")).data)


def test_agents_have_the_results_of_a_run(tmp_path, capsys) -> None:
    returns = {f"warehouse-{i}": -float(i) for i in range(1, 10)}
    run = run_folder(
        tmp_path / "run",
        greedy_by_agent=returns | {"warehouse-2": None},
        violation_by_agent={"warehouse-1": 0.25},
        gradient_norm_by_agent={"warehouse-1": 0.5},
        idle_hours_by_agent={"warehouse-1": 3},
        greedy_by_seed={"0": 1.0},
    )
    page = tmp_path / "page.html"
    assert main(["graph", "warehouse-9", "--html", str(page), "--run", str(run)]) == 0
    text = capsys.readouterr().out
    assert f"Page\n  {page} (0." in text and "Critics (hidden" in text and "sample" not in text
    values = {entry["name"]: entry["numbers"] for entry in data_of(page)["values"]}
    assert values["return of the greedy policy"] == [-1.0, None, *(-float(i) for i in range(3, 10))]
    assert values["share of steps beyond a limit"] == [0.25, *[None] * 8]
    assert values["norm of the policy's gradient at the end of training"][0] == 0.5
    assert values["idle hours"] == [3.0, *[None] * 8]
    assert len(values) == 4


@pytest.mark.parametrize(
    ("summary", "told"),
    [
        ({"greedy_by_agent": {"nobody": 1.0}}, "has an agent 'nobody', which 'lq-3' has not"),
        ({"greedy_by_agent": {}}, "has no figure of single agents"),
        (None, "has no results yet; end it with 'mastac resume"),
    ],
)
def test_runs_that_do_not_fit(tmp_path, capsys, summary, told) -> None:
    run = run_folder(tmp_path / "run", **(summary or {}))
    if summary is None:
        (run / "summary.json").unlink()
    page = tmp_path / "page.html"
    assert main(["graph", "lq-3", "--html", str(page), "--run", str(run)]) == 2
    assert told in capsys.readouterr().err and not page.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--html", "."], "is a folder; name a file"),
        (["--html", "nowhere/page.html"], "there is no folder 'nowhere'"),
        (["--run", "runs/a"], "--run colours the agents of a page"),
        (["--html", "page.html", "--run", "nowhere"], "there is no run folder 'nowhere'"),
    ],
)
def test_mistakes(tmp_path, monkeypatch, capsys, words, told) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["graph", "lq-3", *words]) == 2
    assert told in capsys.readouterr().err and not list(tmp_path.iterdir())
