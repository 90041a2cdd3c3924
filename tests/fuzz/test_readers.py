"""Whatever a file holds, its reader gives values or one printable sentence that names it.

The suite tries a few files with each reader, the same ones every time; `make fuzz` tries thousands,
others every time.
"""

import contextlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.documents import (
    CONFIG,
    COUPLINGS,
    EDGES,
    ENVIRONMENT,
    EVALUATION,
    GRAPHML,
    INDEX,
    MANIFEST,
    METRICS,
    SEQUENCE,
    SUMMARY,
    TIMING,
    damaged_archive,
    damaged_bytes,
    damaged_json,
    log_arrays,
    policy_arrays,
    write_run,
)
from mastac.errors import UserError
from mastac.runs.environment import named_environment
from mastac.runs.results import read_results
from mastac.runs.run import Run
from structure import simulator_files

COUNT = int(os.environ.get("MASTAC_FUZZ", "10"))
tried = settings(max_examples=COUNT, derandomize="MASTAC_FUZZ" not in os.environ, database=None)

NETWORK = (["a0", "a1"], ["p0"], [("a0", "p0"), ("p0", "a1")])


def read_run(path: Path) -> None:
    """What `compare`, `mastac graph` and the table after training do with a run folder."""
    from mastac.runs.agent_figures import figures_by_agent, stored_sizes
    from mastac.runs.environment import differences
    from mastac.runs.summary import compare_rows, compare_table, run_table, run_text

    run = read_results(path.parent)
    json.dumps(compare_rows([run]), allow_nan=False)
    said = [compare_table([run, run]), run_table(run), run_text(run)]
    said += differences(run.environment, ENVIRONMENT)
    figures_by_agent(path.parent)
    stored_sizes(path.parent, 3)
    for text in said:
        assert text.replace("\n", "").isprintable()


def read_config(path: Path) -> None:
    """What `evaluate` and `resume` do with a configuration before they build the environment."""
    read_run(path)
    run = Run(path.parent)
    config = run.config
    if not config.custom and config.env == CONFIG["env"]:
        named_environment(run.folder, config)
    json.dumps(config.to_dict())


def read_curves(path: Path) -> None:
    """A table, as results and as what the forecast of a reproduction goes by."""
    from mastac.reproduction.grid import Timing

    read_run(path)
    run = read_results(path.parent)
    run.curve(greedy=True, axis="env_steps")
    Timing.read(path.parent / "timing.csv")


def read_manifest(path: Path) -> None:
    from mastac.runs.checkpoints import load_checkpoint

    load_checkpoint(path.parent, 4, like=None)


def read_graph(path: Path) -> None:
    from mastac.analysis import format_report, graph_report
    from mastac.structure import read_graphs

    with contextlib.redirect_stderr(io.StringIO()):
        graphs = read_graphs(path)
    if len(graphs.agents) < 100:
        text = format_report(graph_report(graphs, kappa=1))
        assert text.replace("\n", "").isprintable()


def read_policy(path: Path) -> None:
    from mastac.runs.policy import Policy

    policy = Policy.load(path)
    rows = np.zeros(policy.obs_center.shape)
    assert policy.act(rows).shape == policy.action_limit.shape
    policy.act({name: rows[i, : policy.obs_sizes[i]] for i, name in enumerate(policy.agents)})


def read_log(path: Path) -> None:
    from mastac import discovery

    log = discovery.read_log(path)
    assert log.name.isprintable()


def read_index(path: Path) -> None:
    from mastac.controllers.folder import controller_file

    assert controller_file(path.parent, "upper").parent == path.parent


READERS: dict[str, tuple[Callable[[Path], None], st.SearchStrategy[bytes]]] = {
    "config.json": (read_config, damaged_json(CONFIG)),
    "summary.json": (read_run, damaged_json(SUMMARY)),
    "environment.json": (read_run, damaged_json(ENVIRONMENT)),
    "metrics.csv": (read_curves, damaged_bytes(METRICS.encode())),
    "evaluation.csv": (read_curves, damaged_bytes(EVALUATION.encode())),
    "timing.csv": (read_curves, damaged_bytes(TIMING.encode())),
    "4.json": (read_manifest, damaged_json(MANIFEST)),
    "graph.json": (read_graph, damaged_json(COUPLINGS) | damaged_json(SEQUENCE)),
    "graph.csv": (read_graph, damaged_bytes(EDGES.encode())),
    "graph.graphml": (read_graph, damaged_bytes(GRAPHML.encode())),
    "net.net.xml": (read_graph, damaged_bytes(simulator_files.sumo(NETWORK).encode())),
    "net.inp": (read_graph, damaged_bytes(simulator_files.epanet(NETWORK).encode())),
    "net.rddl": (read_graph, damaged_bytes("\n".join(simulator_files.rddl(NETWORK)).encode())),
    "net.json": (read_graph, damaged_json(json.loads(simulator_files.pandapower(NETWORK)))),
    "seed-0.npz": (read_policy, damaged_archive(policy_arrays())),
    "log.npz": (read_log, damaged_archive(log_arrays())),
    "controllers.json": (read_index, damaged_json(INDEX)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


@pytest.mark.parametrize("name", READERS)
def test_any_file_is_read_or_refused_in_one_sentence(name: str, folder: Path) -> None:
    @tried
    @given(READERS[name][1])
    def try_content(content: bytes) -> None:
        checked_answer(name, folder, content)

    try_content()


def checked_answer(name: str, folder: Path, content: bytes) -> None:
    """Read a file of this content in a run folder: values, or a sentence as it should be."""
    (folder / name).write_bytes(content)
    with np.errstate(all="ignore"):
        refusal = refused(READERS[name][0], folder / name)
    if refusal is not None:
        assert names(refusal, folder / name)
        assert refusal.isprintable()
        assert len(refusal) <= 500


def names(refusal: str, path: Path) -> bool:
    """Whether a sentence names a file, or the folder of the checkpoint or export."""
    return path.name in refusal or str(path.parent) in refusal


def refused(read: Callable[[Path], Any], path: Path) -> str | None:
    """The sentence in which a reader refuses a file; `None` where it reads it."""
    try:
        read(path)
    except UserError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("what", ["a folder", "empty", "other bytes"])
def test_what_is_no_such_file_is_refused(name: str, what: str, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir() if what == "a folder" else None
    (folder / name).write_bytes(b"" if what == "empty" else b"\x93\x00\xff") if what[
        0
    ] != "a" else 0
    refusal = refused(READERS[name][0], folder / name)
    assert refusal is not None and names(refusal, folder / name)
