"""The page of `mastac graph --html`, in a real browser: what it shows, and how fast."""

import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import hypothesis.strategies as st
import networkx as nx
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from matplotlib.image import imread

import browser
from mastac.analysis import graph_report
from mastac.analysis.members import members_of
from mastac.analysis.messages import partners_of
from mastac.pages.explorer import explorer_data, explorer_page
from mastac.structure import Couplings, CouplingSequence, gradient_dependency, value_dependency
from mastac.structure.paths import explanations
from structure.witnesses import sequences, systems

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason=browser.WHY_NOT)
DRAWN = "explorer.page.view.cy.edges().length"
UNSHRUNK = [Phase.generate]  # the browser is slow, and examples are small anyway
HOSTILE = ["</script><b>boo</b>", '"><img src=x onerror=boo()>', "a`${b}'", "{{c}}", "<i>&amp;"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    with browser.browser(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


@pytest.fixture(scope="module")
def tab(running: browser.Browser, tmp_path_factory: pytest.TempPathFactory) -> browser.Tab:
    """A window with some page, for tests that ask its functions."""
    tab = running.tab(1280, 800)
    opened(tab, tmp_path_factory.mktemp("page"), Couplings(2))
    return tab


def data_of(couplings: Couplings | CouplingSequence, *sizes, **more) -> dict:
    report = graph_report(couplings, None, None, *sizes, messages=True)
    return explorer_data(couplings, report, "system", *sizes, **more)


def written(folder: Path, couplings: Couplings | CouplingSequence, **more) -> Path:
    path = folder / "page.html"
    path.write_text(explorer_page(data_of(couplings, **more)), encoding="utf-8")
    return path


def opened(tab: browser.Tab, folder: Path, couplings, **more) -> None:
    tab.open(written(folder, couplings, **more))


def settled(tab: browser.Tab) -> None:
    tab.wait_for("!explorer.page.waiting")


def choice(tab: browser.Tab) -> dict:
    settled(tab)
    return tab.run("explorer.page.choice")


def text_of(tab: browser.Tab, selector: str) -> str:
    return tab.run(f"document.querySelector({json.dumps(selector)}).innerText")


def place_of(tab: browser.Tab, agent: int) -> tuple[float, float]:
    """Where an agent stands in the window."""
    return tab.run(
        f"(() => {{ const p = explorer.page, f = p.view.frame(), i = {agent};"
        " const r = document.getElementById('picture').getBoundingClientRect();"
        " return [p.places.x[i] * f.scale + f.x + r.x, p.places.y[i] * f.scale + f.y + r.y]; })()"
    )


def wait_for_file(file: Path) -> None:
    end = time.monotonic() + browser.SECONDS
    while not (file.exists() and file.stat().st_size):
        assert time.monotonic() < end, f"{file} was not written"
        time.sleep(0.02)


def slide(tab: browser.Tab, slider: str, presses: int) -> None:
    tab.run(f"document.getElementById('{slider}').focus()")
    for _ in range(abs(presses)):
        tab.press("ArrowRight" if presses > 0 else "ArrowLeft")
    settled(tab)


def assert_unharmed(tab: browser.Tab) -> None:
    """Nothing was complained of, and nothing asked of a network."""
    ours = [text for text in tab.complaints if "GL Driver Message" not in text]
    assert ours == []
    assert all(url.startswith(("file:", "blob:", "data:")) for url in tab.requests)


# What the browser finds of every agent, at one time and for every kappa.
LOOK_UP = """(() => {
  const { System, lookUp, movedBy, costsOf, partnersOf, pathText } = explorer;
  const system = new System(DATA), all = [];
  for (let i = 0; i < system.size; i++) {
    const found = lookUp(system, i, TIME), kappas = [];
    for (let kappa = 0; kappa <= system.lastKappa; kappa++)
      kappas.push({
        moved: movedBy(found, kappa),
        partners: partnersOf(system, found, kappa),
        members: found.members.filter((m) => m.from <= kappa).map((m) => ({
          agent: m.agent, state: m.state <= kappa, action: m.action <= kappa, from_kappa: m.from,
          path: m.path().map(([kind, agent, time]) => [kind, system.agents[agent], time]),
          why: pathText(system, m.path()),
        })),
      });
    all.push({ kappas, costs: costsOf(system, found) });
  }
  return all;
})()"""


def looked_up(tab: browser.Tab, data: dict, at: int = 0) -> list[dict]:
    return tab.run(LOOK_UP.replace("DATA", json.dumps(data)).replace("TIME", str(at)))


@given(systems(6), st.data())
@settings(max_examples=20, phases=UNSHRUNK)
def test_the_browser_finds_what_python_finds(tab, drawn, data):
    size = drawn.num_agents
    sizes = [data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)) for _ in range(2)]
    page = data_of(drawn, *sizes)
    report = graph_report(drawn, None, None, *sizes)
    last = page["windows"][-1]["kappa"]
    found = looked_up(tab, page)
    for kappa in range(last + 1):
        # The last window is exact, which the library may say without one.
        dependency = value_dependency(drawn, kappa)
        for i, of_agent in enumerate(found):
            now, told = of_agent["kappas"][kappa], members_of(drawn, i, kappa)
            for member in now["members"]:
                member["agent"] = drawn.agents[member["agent"]]
            assert now["members"] == told["members"]
            assert [drawn.agents[j] for j in now["moved"]] == told["moves"]
            for partner in now["partners"]:
                partner["agent"] = drawn.agents[partner["agent"]]
            assert now["partners"] == partners_of(dependency, i, *map(np.asarray, sizes))
    for place, row in enumerate(report["windows"]):
        costs = [of_agent["costs"][place] for of_agent in found]
        assert sum(cost["agents"] for cost in costs) == row["agents"]["total"]
        assert sum(cost["inputs"] for cost in costs) == row["inputs"]["total"]
        assert sum(cost["parameters"] for cost in costs) == row["parameters"]


@given(sequences(4, 5))
@settings(max_examples=12, phases=UNSHRUNK)
def test_it_does_so_when_couplings_change(tab, drawn):
    page = data_of(drawn)
    last = page["windows"][-1]["kappa"]
    for at in range(len(drawn)):
        found = looked_up(tab, page, at)
        for kappa in range(last + 1):
            dependency = value_dependency(drawn, kappa, at=at)
            moved = gradient_dependency(dependency)
            for i, of_agent in enumerate(found):
                now = of_agent["kappas"][kappa]
                told = explanations(drawn, i, kappa, at=at).values()
                assert [(m["path"], m["from_kappa"]) for m in now["members"]] == [
                    ([[{"s": "state", "a": "action", "z": "reward"}[k], name, time]
                      for k, name, time in path.nodes], path.kappa)
                    for path in told
                ]  # fmt: skip
                for kind in ("state", "action"):
                    read = sorted(m["agent"] for m in now["members"] if m[kind])
                    matrix = dependency.states if kind == "state" else dependency.actions
                    assert read == sorted(matrix[[i]].indices.tolist())
                assert now["moved"] == sorted(moved[[i]].indices.tolist())


@pytest.fixture(scope="module")
def line() -> Couplings:
    """Six tanks in a row, each fed by the one before; the first also pays for the second."""
    pairs = [(i, i + 1) for i in range(5)]
    return Couplings([f"tank-{i}" for i in range(6)], state=pairs, reward=[(1, 0)])


def test_click_slide_search_and_switch(tab, line, tmp_path):
    opened(tab, tmp_path, line, values={"return": [-1.0, -2.0, None, -4.0, -5.0, -6.0]})
    tab.click(*place_of(tab, 5))
    assert choice(tab)["agent"] == 5 and text_of(tab, "#panel h2") == "tank-5"
    assert "depends on 5 other agents" in text_of(tab, "#panel")
    lit = "explorer.sceneOf(explorer.page)"
    assert tab.run(f"{lit}.rings.length") == 6
    # A smaller window has fewer members, and the table marks its row.
    slide(tab, "kappa", -2)
    kappa = choice(tab)["kappa"]
    listed = tab.run("document.querySelectorAll('.members li > button').length")
    assert listed == kappa + 1 == tab.run(f"{lit}.rings.length")
    assert text_of(tab, "tr.now td") == str(kappa)
    # A member is explained by its path, which is lit.
    tab.click_on(".members li:last-child button")
    assert choice(tab)["member"] == 5 - kappa
    steps = tab.run("[...document.querySelectorAll('.path li')].map(e => e.innerText)")
    assert steps[0] == f"state of tank-{5 - kappa} at t"
    assert steps[-1] == f"reward of tank-5 at t+{kappa}"
    edges = tab.run(f"{lit}.edges.map(e => [e.source, e.target])")
    assert edges == [[i, i + 1] for i in range(5 - kappa, 5)]
    # Who is moved by its policy, and messages.
    tab.click_on("[data-light='messages']")
    assert f"exchanges numbers with {kappa} agents" in text_of(tab, "#panel")
    assert tab.run(f"{lit}.edges.every(e => e.dash)")
    tab.click_on("[data-light='moves']")
    assert "moves the values of 0 other agents" in text_of(tab, "#panel")
    # Another agent is found by its name.
    tab.click_on("#search")
    tab.type("TANK-1")
    assert tab.run("document.querySelectorAll('#matches button').length") == 1
    tab.press("Enter")
    assert choice(tab)["agent"] == 1
    tab.click_on("[data-agent='3']")
    assert text_of(tab, ".path li") == "action of tank-1 at t"
    # Only the edges of one graph are drawn.
    assert tab.run(DRAWN) == 6
    switch = "(() => { const e = document.getElementById('graph'); e.value = 'reward';"
    tab.run(switch + " e.dispatchEvent(new Event('change')); })()")
    assert choice(tab)["graph"] == "reward" and tab.run(DRAWN) == 1
    assert "return: -6 to -1" in text_of(tab, "#legend")
    tab.press("Escape")
    assert choice(tab)["member"] is None and choice(tab)["agent"] == 1
    tab.press("Escape")
    assert choice(tab)["agent"] is None
    assert_unharmed(tab)


def test_zoom_and_export(tab, line, tmp_path):
    opened(tab, tmp_path, line)
    before = tab.run("explorer.page.view.frame().scale")
    tab.click_on("#zoom-in")
    assert tab.run("explorer.page.view.frame().scale") == pytest.approx(1.4 * before)
    tab.click_on("#fit")
    assert tab.run("explorer.page.view.frame().scale") == pytest.approx(before)
    where = {"downloadPath": str(tmp_path), "behavior": "allow"}
    tab.browser.send("Browser.setDownloadBehavior", **where)
    tab.click(*place_of(tab, 3))
    settled(tab)
    tab.click_on("#export")
    file = tmp_path / "graph-tank-3.svg"
    wait_for_file(file)
    root = ET.parse(file).getroot()
    space = "{http://www.w3.org/2000/svg}"
    texts = {element.text for element in root.iter(f"{space}text")}
    assert {"tank-0", "tank-3", "its value depends on these"} <= texts and "tank-5" not in texts
    circles = [circle.get("fill") for circle in root.iter(f"{space}circle")]
    assert len(circles) >= 6 + 4  # all agents, and those that are lit
    assert len(list(root.iter(f"{space}path"))) >= 6 + 3
    assert_unharmed(tab)


def test_time_has_a_slider(tab, tmp_path):
    day, night = Couplings(["a", "b"], state=[(0, 1)]), Couplings(["a", "b"])
    opened(tab, tmp_path, CouplingSequence([night, day, night, night]))
    tab.run("explorer.page.choose({ agent: 1 })")
    assert "depends on 1 other agent " in text_of(tab, "#panel")
    slide(tab, "time", 2)
    assert choice(tab)["time"] == 2
    assert "depends on 0 other agents" in text_of(tab, "#panel")
    assert tab.run(DRAWN) == 0
    assert_unharmed(tab)


def test_names_are_text(tab, tmp_path):
    everyone = Couplings(HOSTILE, state=[(i, 0) for i in range(5)], observation=[(0, 2)])
    opened(tab, tmp_path, everyone)
    tab.run("explorer.page.choose({ agent: 0 })")
    settled(tab)
    listed = tab.run("[...document.querySelectorAll('.members bdi')].map(e => e.textContent)")
    assert sorted(listed) == sorted(HOSTILE)
    assert tab.run("document.querySelectorAll('b, i, img').length") == 0
    ET.fromstring(tab.run("explorer.svg()"))
    assert_unharmed(tab)


def overlaps(tab: browser.Tab) -> list:
    """Pairs of labels that lie over each other."""
    labels = tab.run("explorer.page.labels.map(l => [l.text, l.x, l.y, l.width, l.height])")
    assert labels
    return [
        (one[0], other[0])
        for k, one in enumerate(labels)
        for other in labels[:k]
        if one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
        and one[2] < other[2] + other[4]
        and other[2] < one[2] + one[4]
    ]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a thousand agents in the plane, about four neighbours each."""
    graph = nx.random_geometric_graph(1000, (4.5 / 3.14 / 1000) ** 0.5, seed=1)
    places = {f"zone-{i}": point for i, point in graph.nodes(data="pos")}
    system = Couplings(list(places), state=graph, observation=graph, positions=places)
    return written(tmp_path_factory.mktemp("many"), system)


@pytest.mark.parametrize("width", [1280, 400])
def test_pictures_are_full_and_labels_apart(running, line, many, tmp_path, width):
    tab = running.tab(width, 850)
    for page in (written(tmp_path, line), many):
        tab.open(page)
        tab.wait_for("explorer.page.base.length > 0")
        settled(tab)
        tab.screenshot(tmp_path / "shot.png")
        picture = imread(tmp_path / "shot.png")[..., :3]
        box = tab.run("document.getElementById('picture').getBoundingClientRect().toJSON()")
        top, left = int(box["top"]), int(box["left"])
        picture = picture[top : top + int(box["height"]), left : left + int(box["width"])]
        assert (picture < 0.9).any(axis=2).mean() > 0.002
        assert overlaps(tab) == []
        tab.run("explorer.page.choose({ agent: 3 })")
        settled(tab)
        assert overlaps(tab) == []
        assert tab.run("document.documentElement.scrollWidth") <= width
    assert_unharmed(tab)


def test_a_thousand_agents_are_shown_and_answered_quickly(running, many):
    tab = running.tab(1280, 800)
    tab.send("Performance.enable", timeDomain="threadTicks")

    def seconds() -> float:
        """Processor time of the page, which does not count what others do to the machine."""
        metrics = tab.send("Performance.getMetrics")["metrics"]
        return next(m["value"] for m in metrics if m["name"] == "TaskDuration")

    tab.open(many)
    tab.wait_for("explorer.page.base.length > 0")
    settled(tab)
    first, answers = seconds(), []
    assert first < 2
    for agent in (0, 200, 400, 600, 800):
        before = seconds()
        tab.click(*place_of(tab, agent))
        settled(tab)
        answers.append(seconds() - before)
        assert choice(tab)["agent"] is not None
    assert median(answers) < 0.1
    print(f"\nfirst picture {first:.2f} s, a click {median(answers):.3f} s of one processor")
    assert "names left out for want of room" in text_of(tab, "#notes")
    assert_unharmed(tab)


def test_what_is_not_drawn_is_said(tab, tmp_path):
    crowd = Couplings(80, state=[(i, j) for i in range(80) for j in range(80)])
    opened(tab, tmp_path, crowd)
    tab.run("explorer.page.choose({ graph: 'state' })")
    settled(tab)
    assert text_of(tab, "#notes").startswith("None of the 6,320 edges is drawn")
    tab.run("explorer.page.choose({ agent: 7 })")
    settled(tab)
    assert text_of(tab, "#notes").startswith("Of 6,320 edges only those of the chosen agent")
    assert tab.run(DRAWN) == 158
    assert_unharmed(tab)


def test_the_other_library_does_the_same(running, line, tmp_path, monkeypatch):
    monkeypatch.setattr("mastac.pages.explorer.SMALL", 5)
    tab = running.tab(1280, 800)
    opened(tab, tmp_path, line)
    settled(tab)
    tab.click(*place_of(tab, 5))
    tab.wait_for("explorer.page.choice.agent !== null")
    assert choice(tab)["agent"] == 5
    before = tab.run("explorer.page.view.frame().scale")
    tab.click_on("#zoom-in")
    tab.wait_for(f"explorer.page.view.frame().scale > 1.3 * {before}")
    assert tab.run("explorer.page.view.sigma.getGraph().size") == 6
    assert_unharmed(tab)
