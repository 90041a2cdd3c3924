"""Pictures: nothing overlaps, nothing is lost, and the same graphs give the same bytes."""

import json
from itertools import combinations
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mastac.cli.main import main
from mastac.errors import UserError
from mastac.palette import MEANING
from mastac.pictures.album import album
from mastac.pictures.arrows import ROOM, _visible
from mastac.pictures.graphs import MOST_AGENTS, drawn_edges, edges_of
from mastac.pictures.matrices import MOST_CELLS
from mastac.pictures.nodes import standing
from mastac.pictures.sheet import WORDS
from mastac.pictures.text import short_labels
from mastac.structure import (
    Couplings,
    CouplingSequence,
    bayesian_network,
    chain,
    read_couplings,
    ring,
    value_dependency,
)
from mastac.structure.placement import agent_places
from text_boxes import boxes_of

SIX = read_couplings(Path(__file__).parents[2] / "docs/pictures/six-agents.json")


@st.composite
def systems(draw):
    """Up to 40 agents with names short and long, some of them at given places."""
    size = draw(st.sampled_from([1, 3, 11, 26, 40]))
    end = st.integers(0, size - 1)
    pairs = st.lists(st.tuples(end, end), max_size=2 * size)
    word = draw(
        st.sampled_from(["zone-{}", "{}", "the pump at number {} in the valley", "{}-heat"])
    )
    spots = draw(st.none() | st.lists(st.tuples(end, end), min_size=size, max_size=size))
    names = [word.format(k) for k in range(size)]
    positions = None if spots is None else dict(zip(names, spots, strict=True))
    return Couplings(names, draw(pairs), draw(pairs), draw(pairs), positions=positions)


@given(systems(), st.sampled_from([None, 1]))
@settings(max_examples=5, deadline=None)
def test_no_label_overlaps_another_or_leaves_the_sheet(couplings, kappa):
    for name, figure in album(couplings, kappa).figures.items():
        found, sheet = boxes_of(figure)
        low, high = (np.array([getattr(box, end) for _, box in found]) for end in ("min", "max"))
        least, most = np.array(sheet.min), np.array(sheet.max)
        assert (low >= least - 1).all() and (high <= most + 1).all(), name
        for one, two in combinations(range(len(found)), 2):
            apart = (low[one] >= high[two] - 1) | (low[two] >= high[one] - 1)
            assert apart.any(), (name, found[one], found[two])


@given(systems())
@settings(max_examples=5, deadline=None)
def test_arrows_are_the_edges_and_end_at_their_nodes(couplings):
    nodes = standing(short_labels(couplings.agents)[0], agent_places(couplings))
    arrows = drawn_edges(couplings.state, nodes, "black")
    if arrows is None:
        assert couplings.num_agents > 12
        return
    there = [(arrow.source, arrow.target) for arrow in arrows]
    back = [(arrow.target, arrow.source) for arrow in arrows if arrow.both]
    assert sorted(there + back) == edges_of(couplings.state)
    shapes = nodes.shapes(0.0, 0.0)
    for arrow in arrows:
        curve = _visible(shapes, arrow, arrow.bend)
        for end, place in ((curve[0], arrow.source), (curve[-1], arrow.target)):
            assert shapes[place].holds(end[None], ROOM + 0.02).all()


@pytest.mark.parametrize("size", [MOST_AGENTS + 1, MOST_CELLS + 150])
def test_beyond_forty_agents_there_are_matrices(size):
    couplings = ring(size)
    drawn = album(couplings, kappa=2)
    assert "unrolled" not in drawn.figures and "cannot be told apart" in drawn.left_out[0]
    found, _ = boxes_of(drawn.figures["dependency"])
    edges = value_dependency(couplings, kappa=2).agents.nnz - size
    assert any(f"{edges:,} edges" in text for text, _ in found)
    cells = drawn.figures["state"].axes[0]
    if size <= MOST_CELLS:
        boxes = cells.collections[1].get_paths()
        widths = sum(np.ptp(np.asarray(box.vertices)[:, 0]) for box in boxes)
        diagonal = np.ptp(np.asarray(cells.collections[0].get_paths()[0].vertices)[:, 0])
        assert widths / diagonal == pytest.approx(2 * size)
    else:
        assert (np.asarray(cells.images[0].get_array()) > 0).sum() > size / 2


def test_couplings_that_change_are_drawn_with_their_times():
    drawn = album(CouplingSequence([chain(3), ring(3), ring(3)]))
    assert "folded" not in drawn.figures and "change with the time" in drawn.left_out[0]
    heads = {text for text, _ in boxes_of(drawn.figures["unrolled"])[0]}
    assert {"s(0)", "s(1)", "s(2)"} <= heads


def test_the_command_writes_the_same_bytes_again(tmp_path, capsys):
    SIX.to_json(tmp_path / "six.json")
    command = ["graph", str(tmp_path / "six.json"), "--agent", "3", "--draw"]
    assert main([*command, str(tmp_path / "one")]) == 0
    assert "training" in capsys.readouterr().out
    assert main([*command, str(tmp_path / "two"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["pictures"]) == 16 and report["pictures_left_out"] == []
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
        assert b"<dc:date>" not in path.read_bytes()


def test_the_six_agents_are_as_the_paper_says():
    """Figures 3 to 5 name the agents with edges; Remark 3.4 says what reaches what."""
    ends = {graph: {end for edge in SIX.edges(graph) for end in edge} for graph in SIX.graphs()}
    assert ends["state"] == {"2", "3", "5"}
    assert ends["observation"] == ends["reward"] == set(SIX.agents)
    network = bayesian_network(SIX, horizon=1)
    assert nx.has_path(network, ("s", "1", 0), ("z", "3", 1))
    assert not nx.has_path(network, ("a", "1", 0), ("z", "3", 1))


def test_mistakes(tmp_path):
    with pytest.raises(UserError, match="unknown agent '7'"):
        album(SIX, agent="7")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        album(SIX).save(tmp_path / "file")


def test_names_are_cut_short_but_stay_different():
    assert short_labels(["zone-1", "zone-12"]) == (["1", "12"], "agents are zone-1 … zone-12")
    assert short_labels(["a", "ab"]) == (["a", "ab"], "")
    long = [
        f"{wall} wall, the {k} end of it" for wall in ("east", "west") for k in ("north", "south")
    ]
    labels, remark = short_labels(long)
    assert labels == ["1", "2", "3", "4"] and "order of the file" in remark


# Machado, Oliveira and Fernandes (2009): what eyes without one kind of cone see.
SEEN = {
    "all": np.eye(3),
    "no red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "no blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.mark.parametrize("eyes", SEEN)
def test_colours_differ_to_all_eyes(eyes):
    assert set(WORDS) == set(MEANING)
    for one, two in combinations(MEANING.values(), 2):
        assert np.linalg.norm(lab(one, eyes) - lab(two, eyes)) > 12, (one, two)


def lab(color, eyes):
    """Coordinates in CIELAB, in which distances are alike to the eye."""
    c = np.array([int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(SEEN[eyes]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ linear / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
