"""The page of `mastac report`: text stays text, and in a real browser it does what it says."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from run_folders import REFERENCE, rising, write_run

import browser
from mastac.cli.main import main
from mastac.pages.page import resource
from mastac.pages.report import report_page
from mastac.runs.report import report_data
from mastac.runs.results import Results

NEEDS_BROWSER = pytest.mark.skipif(browser.CHROMIUM is None, reason=browser.WHY_NOT)
HOSTILE = ["</script><script>boo()</script>", '"><img src=x onerror=boo()>', "<!--<b>&amp;'"]
SYSTEM = {
    "runs": ["a"],
    "agents": 3,
    "graphs": {"state": 2, "action": 2, "observation": 0, "reward": 0, "reward_action": 0},
    "windows": [
        {
            "kappa": 1,
            "exact": True,
            "agents": {"median": 2, "largest": 3},
            "parameters": 1000,
            "saving": 0.25,
        }
    ],
    "central": 4000,
    "used": [["a"]],
    "others": [],
    "picture": "<svg xmlns='http://www.w3.org/2000/svg' width='40' height='30'></svg>",
    "command": "mastac graph runs/a --html graph.html",
}
# Every visible piece of text and where it is, without what its scrolling ancestors cut off.
TEXTS = """(() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest("script, title, select, details:not([open])"))
      continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      let right = box.right, left = box.left;
      for (let up = parent; up; up = up.parentElement)
        if (getComputedStyle(up).overflowX === "auto") {
          right = Math.min(right, up.getBoundingClientRect().right);
          left = Math.max(left, up.getBoundingClientRect().left);
        }
      if (right > left) found.push([left, box.top, right, box.bottom, node.textContent]);
    }
  }
  return found;
})()"""
SHOWN = "[...document.querySelectorAll('#chart .curve')].map((c) => Number(c.dataset.run))"


class Tags(HTMLParser):
    """The elements of a page and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def run_of(number: int, name: str, agents: list[str], epochs: int = 449, env="plant") -> Results:
    """A run in memory with three seeds and figures of its agents."""
    returns = rising(seeds=3, epochs=epochs, end=-2.0 - number)
    seeds, at = np.repeat(np.arange(3.0), epochs), np.tile(np.arange(float(epochs)), 3)
    metrics = {"seed": seeds, "epoch": at, "episode_return": returns.ravel()}
    metrics["env_steps"] = 8 * (at + 1)
    summary = {
        "env": env,
        "algorithm": name,
        "greedy_by_seed": {str(k): float(returns[k, -1]) for k in range(3)},
        "reference": REFERENCE | {"policies": {HOSTILE[0]: -7.0} if name in HOSTILE else {}},
        "greedy_by_agent": {agent: -float(k) for k, agent in enumerate(agents)},
        "violation_by_agent": {agent: 0.125 + k / 100 for k, agent in enumerate(agents[:3])},
        "gradient_norm_by_agent": dict.fromkeys(agents[:2], 3e-5),
        "warnings": [f"agent '{agents[0]}' hardly moves"],
    }
    config = {"algorithm": name, "env_options": {"text": HOSTILE[0]}}
    return Results(Path(f"runs/{number}/{len(name)}"), config, metrics, metrics, summary=summary)


def page_of(runs: list[Results], systems: list[dict] | None = None) -> str:
    return report_page(report_data(runs), systems or [], "mastac report a b --out report.html")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Tab]:
    """A window with the page of three runs of a hostile user."""
    folder = tmp_path_factory.mktemp("report")
    runs = [run_of(k, "run", [*HOSTILE, "d"]) for k in range(3)]
    for run, name in zip(runs, HOSTILE, strict=True):
        run.summary["algorithm"] = name  # type: ignore[index]
    page = folder / "page.html"
    page.write_text(page_of(runs, [SYSTEM]), encoding="utf-8")
    with browser.browser(folder / "profile") as chromium:
        tab = chromium.tab(1280, 900)
        tab.open(page, "window.report")
        yield tab


def test_text_stays_text() -> None:
    plain = Tags(page_of([run_of(0, "abc", ["a", "b", "c"])], [SYSTEM]))
    run = run_of(0, HOSTILE[0], HOSTILE, env=HOSTILE[1])
    hostile = page_of([run], [SYSTEM | {"command": HOSTILE[2]}])
    found = Tags(hostile)
    # The hostile run has one more reference figure, as one more row of three cells.
    more = ["tr", "th", "td", "td"]
    assert sorted(tag for tag, _ in found.tags) == sorted([tag for tag, _ in plain.tags] + more)
    assert "boo()" in hostile


def test_violations_and_gradients_stand_beside_the_returns() -> None:
    one = page_of([run_of(0, "abc", ["a", "b", "c"])], [SYSTEM])
    assert ">steps beyond a limit</th>" in one
    row = one[one.index("Agents of abc") :]
    row = row[row.index(">c</th>") :]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row[: row.index("</tr>")])
    assert cells == ["-2.00", "14.5 %", ""]
    two = page_of([run_of(k, name, ["a", "b", "c"]) for k, name in enumerate(("abc", "de"))])
    assert "Steps beyond a limit of each agent" in two and "3e-05" in two
    run = run_of(0, "abc", ["a"])
    for name in ("violation_by_agent", "gradient_norm_by_agent"):
        del run.summary[name]  # type: ignore[attr-defined]
    plain = page_of([run])
    assert "beyond a limit" not in plain and "gradient norm" not in plain


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = page_of([run_of(0, "abc", ["a"])], [SYSTEM])
    assert "default-src 'none'" in text
    for tag, attributes in Tags(text).tags:
        assert tag != "link" and "action" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
        assert (attributes.get("src") or "data:").startswith("data:")


def test_ten_runs_stay_below_a_megabyte() -> None:
    agents = [f"agent-{k}" for k in range(1000)]
    runs = [run_of(k, f"algorithm-{k}", agents) for k in range(10)]
    text = page_of(runs)
    assert len(text.encode()) < 600_000  # and a picture of the graphs
    assert "960 more agents are left out" in text


def test_the_first_sentence_says_which_run_is_best_and_how_sure_that_is() -> None:
    clear = page_of([run_of(2, "far", ["a"]), run_of(0, "near", ["a"])])
    assert (
        "near reaches an interquartile mean of -2.00 [-2.20, -1.80], score 0.88: the hig" in clear
    )
    assert "It beats every other:" in clear
    alike = page_of([run_of(1, "one", ["a"]), run_of(1, "other", ["a"])])
    assert "It does not clearly beat other: the interval" in alike
    alone = page_of([run_of(0, "near", ["a"])])
    assert "score 0.88.</p>" in alone and "Probability of improvement" not in alone


def test_every_table_and_picture_is_labelled() -> None:
    tags = Tags(page_of([run_of(0, "abc", ["a", "b"])], [SYSTEM])).tags
    kinds = [tag for tag, _ in tags]
    assert kinds.count("caption") == kinds.count("table") > 4
    assert all(attributes.get("scope") for tag, attributes in tags if tag == "th")
    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    pictures = [attributes for _, attributes in tags if attributes.get("role") == "img"]
    assert pictures and all(attributes["aria-label"] for attributes in pictures)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_told_from_the_background(scheme: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", resource("report/page.css"), re.DOTALL)
    colors = dict(re.findall(r"--(\w+): (#\w+);", blocks[scheme == "dark"]))

    def luminance(name: str) -> float:
        digits = colors[name].removeprefix("#")
        digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
        parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    for background in ("paper", "card"):
        assert all(contrast(name, background) >= 4.5 for name in ("ink", "soft", "link", "warn"))
        assert all(contrast(f"c{k}", background) >= 3 for k in range(7))


def test_the_command_writes_the_page(tmp_path: Path, capsys) -> None:
    folder = write_run(tmp_path / "run", rising(), reference=REFERENCE, kappa=1)
    names = [f"<i>{k}" for k in range(3)]
    graphs = {"agents": names, "state": [[names[0], names[1]]], "observation": [], "reward": []}
    (folder / "couplings.json").write_text(json.dumps(graphs))
    page = tmp_path / "page.html"
    assert main(["report", str(folder), "--out", str(page)]) == 0
    assert f"{page} (0." in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert "data:image/svg+xml" in text and "<i>" not in text
    # An edge and no rewards of others: the sets of the paper's definition by hand.
    assert "3 agents. Edges: state 1; action 1." in text
    assert "figures of single agents are missing" in text
    assert "mastac κ=1 reaches an interquartile mean of" in text


@NEEDS_BROWSER
def test_curves_are_hidden_zoomed_and_shown_again(tab: browser.Tab) -> None:
    assert tab.run(SHOWN) == [0, 1, 2]
    tab.click_on("#legend button:nth-child(2)")
    assert tab.run(SHOWN) == [0, 2]
    assert tab.run("document.querySelectorAll('#legend [aria-pressed=false]').length") == 1
    box = tab.run(
        "(() => { const r = document.getElementById('chart').getBoundingClientRect();"
        " return [r.x, r.y + 100]; })()"
    )
    area = tab.run("report.view.frame.area")
    width = area["right"] - area["left"]
    places = [box[0] + area["left"] + share * width for share in (0.25, 0.5)]
    for kind, x in (
        ("mousePressed", places[0]),
        ("mouseMoved", places[1]),
        ("mouseReleased", places[1]),
    ):
        at = {"x": x, "y": box[1], "button": "left", "clickCount": 1}
        tab.send("Input.dispatchMouseEvent", type=kind, **at)
    whole = tab.run("report.view.data.curves[0].epoch.at(-1)")
    left, right = tab.run("report.view.range")
    assert left == pytest.approx(0.25 * whole, rel=0.02)
    assert right == pytest.approx(0.5 * whole, rel=0.02)
    assert tab.run("report.view.frame.y1 - report.view.frame.y0") < 4, "the heights follow"
    tab.run("document.getElementById('chart').focus()")
    tab.press("ArrowRight")
    assert tab.run("report.view.range")[0] > left
    tab.press("Escape")
    assert tab.run("report.view.range") is None and tab.run(SHOWN) == [0, 1, 2]
    assert tab.complaints == []


@NEEDS_BROWSER
def test_buttons_and_menus(tab: browser.Tab) -> None:
    tab.click_on("#zoom-in")
    left, right = tab.run("report.view.range")
    tab.click_on("#zoom-out")
    assert tab.run("report.view.range") is None and right - left == pytest.approx(448 / 2)
    for menu, value in (("kind", "training"), ("axis", "env_steps")):
        tab.run(
            f"(() => {{ const m = document.getElementById('{menu}'); m.value = '{value}';"
            " m.dispatchEvent(new Event('change')); })()"
        )
    assert tab.run("report.view.frame.x1") == 8 * 449
    assert tab.run(SHOWN) == [0, 1, 2]
    assert "training episodes" in tab.run("document.getElementById('readout').textContent")
    assert tab.complaints == []


@NEEDS_BROWSER
def test_values_are_read_off(tab: browser.Tab) -> None:
    tab.run("document.getElementById('curves').scrollIntoView()")
    place = "document.getElementById('chart').getBoundingClientRect()"
    x, y = tab.run(f"[{place}.x + report.view.frame.area.right - 1, {place}.y + 50]")
    tab.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    told = tab.run("document.getElementById('readout').textContent")
    # The seeds end around -2, -3 and -4.
    assert re.findall(r": (−\d\.\d\d) ± 0\.50", told) == ["−2.00", "−3.00", "−4.00"]
    assert HOSTILE[0] in told and tab.run("typeof boo") == "undefined"


@NEEDS_BROWSER
@pytest.mark.parametrize("width", [1280, 400])
def test_no_text_overlaps_and_nothing_is_cut_off(tab: browser.Tab, width: int) -> None:
    tab.resize(width, 900)
    tab.wait_for(f"innerWidth === {width} && report.view.frame.width < {width}")
    texts = tab.run(TEXTS)
    assert len(texts) > 100
    boxes = np.array([text[:4] for text in texts])
    assert boxes[:, 2].max() <= width and tab.run("document.body.scrollWidth") <= width
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlap = (high - low > 3).all(-1) & ~np.eye(len(boxes), dtype=bool)
    pairs = [(texts[i][4], texts[j][4]) for i, j in np.argwhere(overlap)]
    assert pairs == []
    assert tab.complaints == []
    assert all(url.startswith(("file:", "data:")) for url in tab.requests)
