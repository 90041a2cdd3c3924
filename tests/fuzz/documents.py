"""Files as the package writes them, and what may happen to a file on its way."""

import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mastac.runs.config import resolve

AGENTS = ["upper", "middle", "lower"]
REFERENCE = {"simple": -9.0, "best_known": -1.5, "bound": 0.0, "policies": {"none": -7.0}}
DIGEST = [[0.5, -1.25, None], [1.0, 2.0, 0.0]]

CONFIG = resolve("thermal-4", {}, seeds=[0, 1], epochs=10, batch_size=8).to_dict()
SUMMARY = {
    "env": "thermal-4",
    "algorithm": "mastac",
    "kappa": 2,
    "epochs": 10,
    "env_steps": 80,
    "seeds": [0, 1],
    "final20_mean": -9.97,
    "final20_std": 4.4,
    "greedy_mean": -9.65,
    "greedy_std": 4.2,
    "greedy_by_seed": {"0": -5.4, "1": None},
    "greedy_by_agent": {"upper": -0.7, "middle": 0.0},
    "violation_by_agent": {"upper": 0.25, "middle": None},
    "gradient_norm_by_agent": {"upper": 3e-05, "middle": 2.0},
    "reference": REFERENCE,
    "score": -0.05,
    "failed": {"1": {"epoch": 3, "where": "critic of 'upper'", "agent": "upper"}},
    "warnings": ["the greedy policies of seed 1 earn less"],
}
ENVIRONMENT = {
    "agents": AGENTS,
    "id": "tanks",
    "options": {"leak": 0.1, "names": ["a", "b"]},
    "horizon": 8,
    "report": "sum",
    "action_head": "tanh",
    "state_sizes": 1,
    "obs_sizes": [1, 2, 2],
    "action_sizes": [1, 1, 0],
    "action_limit": 1.0,
    "state_center": 0.0,
    "state_scale": 1.0,
    "obs_center": [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]],
    "obs_scale": 1.0,
    "action_center": 0.0,
    "action_scale": 1.0,
    "reward_scale": 1.0,
    "open_scales": [],
    "behaviour": {"reset": DIGEST, "step": DIGEST, "reward": DIGEST, "observe": DIGEST},
    "reference": REFERENCE | {"notes": ""},
    "units": {"state": "m", "action": "m³/s"},
    "inputs": [[[0, 0]], [[1, 0], [0, 0]], [[2, 0], None]],
}
GRAPHS = {"state": [["upper", "middle"], [1, 2]], "observation": [], "reward": [["lower", "upper"]]}
POSITIONS = {"upper": [0, 2.0], "middle": [0.5, 1], "lower": [1, 0]}
COUPLINGS = {"agents": AGENTS, **GRAPHS, "action": [], "positions": POSITIONS}
SEQUENCE = {"agents": AGENTS, "positions": POSITIONS, "sequence": [GRAPHS, 0, GRAPHS]}
MANIFEST = {"epoch": 4, "files": {"_METADATA": [262, 731997754], "d/8aea": [11394, 3891883895]}}
INDEX = {
    "complete": True,
    "run": {"name": "a", "config": "1f"},
    "skipped": ["lower"],
    "controllers": [{"agent": "upper", "file": "upper.npz"}],
}

EDGES = (
    "source,target,graph,x,y\nupper,upper,,0,1\nupper,middle,state+reward,,\nmiddle,middle,,1,1\n"
)
METRICS = "seed,epoch,env_steps,updates,episode_return,critic_loss,value,gradient_norm\n" + "".join(
    f"{seed},{epoch},{8 * epoch + 8},{4 * epoch},{-7.25 - seed},0.25,,0.5\n"
    for epoch in range(10)
    for seed in (0, 1)
)
EVALUATION = "seed,epoch,episode_return\n" + "".join(
    f"{seed},{epoch},{-7.25 - seed}\n" for epoch in (2, 4, 6, 8, 10) for seed in (0, 1)
)
TIMING = "epoch,seconds,env_steps_per_second,updates_per_second\n2,1.5,10,5\n4,1.25,12.5,6\n"
GRAPHML = """<?xml version="1.0"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="d0" for="edge" attr.name="graph" attr.type="string"/>
<key id="d1" for="node" attr.name="x" attr.type="double"/>
<graph edgedefault="directed"><node id="a"><data key="d1">1.5</data></node><node id="b"/>
<edge source="a" target="b"><data key="d0">state+reward</data></edge>
<edge source="b" target="a" directed="false"/></graph></graphml>
"""

# What stands in files that nobody wrote on purpose, and in those that somebody did.
HOSTILE: list[Any] = [
    *(None, True, -1, 0, 3, 0.5, -0.0, 1e300, 2**63 - 1, -(2**63), 2**64, 10**400),
    *("", "x", "²", "٣", "\ud800", "\x1b[2J", "\n", "exact", "nan", "upper", "0", "9" * 400),
    *([], {}, [[]], [None], {"": None}, [["upper"]], [0.5], {"0": "x"}, "lq-4", "a" * 5000),
]
RAW = ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "[" * 3000, '{"a":1,"a":1}', "\ufeff"]
BYTES = [
    b"",
    b"\r",
    b"\x00",
    b"\xff\xfe",
    b"\x81",
    b'"',
    b",",
    b"\n",
    b"[",
    b"}",
    b"9" * 400,
    b"\x1b",
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all values within a document."""
    found = [path]
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    return found + [place for key in keys for place in places(value[key], (*path, key))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A document with another value in one place; `None` in place of a document that has none."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


@st.composite
def damaged_json(draw: st.DrawFn, document: Any) -> bytes:
    """A JSON file with one to three values replaced, and perhaps damaged as bytes besides."""
    raw: dict[str, str] = {}
    for number in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(places(document)))
        if draw(st.integers(0, 3)) == 0:
            raw[f"@{number}@"] = draw(st.sampled_from(RAW))
            document = replaced(document, path, f"@{number}@")
        else:
            document = replaced(document, path, draw(st.sampled_from(HOSTILE)))
    text = json.dumps(document, indent=draw(st.sampled_from([None, 2])))
    for mark, content in raw.items():
        text = text.replace(f'"{mark}"', content)
    return draw(damaged_bytes(text.encode("utf-8", "surrogatepass"), most=1))


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes, most: int = 3) -> bytes:
    """A file whose bytes are cut off, left out, doubled or replaced in up to so many places."""
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 1, 2, 10, 100_000])))
        new = draw(st.sampled_from([*BYTES, content[start:end] * 2]) | st.binary(max_size=4))
        content = content[:start] + new + content[end:]
    return content


def archive(arrays: dict[str, Any]) -> bytes:
    """Arrays as the bytes of a `.npz` file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def policy_arrays() -> dict[str, np.ndarray]:
    """What a policy file holds."""
    inputs, outputs = 3, 2
    widths = [inputs, 4, outputs]
    arrays = {
        "head": np.array(json.dumps({"agents": AGENTS, "action_head": "tanh"})),
        "obs_sizes": np.array([3, 2, 1]),
        "action_sizes": np.array([2, 1, 0]),
        "obs_center": np.zeros((3, inputs), np.float32),
        "obs_scale": np.ones((3, inputs), np.float32),
        "action_limit": np.ones((3, outputs), np.float32),
    }
    for k, (one, two) in enumerate(pairwise(widths)):
        arrays[f"weight_{k}"] = np.ones((3, one, two), np.float32)
        arrays[f"bias_{k}"] = np.zeros((3, two), np.float32)
    return arrays


def log_arrays() -> dict[str, np.ndarray]:
    """What a log of transitions holds."""
    return {
        "format": np.array(1),
        "agents": np.array(AGENTS),
        "name": np.array("log"),
        "states": np.ones((4, 6, 3, 2)),
        "actions": np.ones((4, 5, 3, 1)),
        "rewards": np.ones((4, 5, 3)),
        "state_sizes": np.array([2, 1, 2]),
    }


ARRAYS = [
    np.array(0),
    np.array("x"),
    np.array("\x1b"),
    np.zeros(0),
    np.array([np.nan] * 3),
    np.full((3, 3), 2**62),
    np.array(["a", "a", "b"]),
    np.array([3, 2, 2**40]),
    np.array(True),
    np.array([1j] * 3),
    np.array(b"bytes"),
    np.array('{"agents": 3, "action_head": "tanh"}'),
    np.array('{"agents": ["a", "b", "c"], "action_head": "mixed"}'),
    np.array('{"agents": ["a", "b", "c"], "action_head": ["tanh", "tanh", 1]}'),
    np.array("[" * 3000),
    np.zeros((3, 0, 2)),
    np.array([(1, 2.0)], dtype="i4,f8"),
    np.array(["2020-01-01"], "M8[D]"),
]


@st.composite
def damaged_archive(draw: st.DrawFn, arrays: dict[str, np.ndarray]) -> bytes:
    """An archive with arrays left out, replaced or of other shapes, perhaps damaged as bytes."""
    arrays = dict(arrays)
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(arrays)))
        what = draw(st.integers(0, 3))
        if what == 0 and len(arrays) > 1:
            del arrays[name]
        elif what == 1:
            arrays[name] = arrays[name][1:] if arrays[name].ndim else arrays[name][None]
        elif what == 2:
            arrays[name] = arrays[draw(st.sampled_from(sorted(arrays)))]
        else:
            arrays[name] = draw(st.sampled_from(ARRAYS))
    return draw(damaged_bytes(archive(arrays), most=2))


def write_run(folder: Path) -> Path:
    """A run that has ended, written by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = {"config": CONFIG, "summary": SUMMARY, "environment": ENVIRONMENT}
    for name, document in (documents | {"couplings": COUPLINGS}).items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    for name, text in {"metrics": METRICS, "evaluation": EVALUATION, "timing": TIMING}.items():
        (folder / f"{name}.csv").write_text(text)
    return folder
