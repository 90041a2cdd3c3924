"""Small versions of files that once ended in a traceback, a stall or a wrong result."""

import json
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fuzz.documents import (
    AGENTS,
    CONFIG,
    EDGES,
    ENVIRONMENT,
    EVALUATION,
    INDEX,
    METRICS,
    SUMMARY,
    archive,
    log_arrays,
    policy_arrays,
    replaced,
    write_run,
)
from fuzz.test_readers import READERS, refused
from mastac import Couplings, UserError
from mastac.archives import read_arrays
from mastac.checks import whole_number
from mastac.reading import json_value

DIGITS = "9" * 5000


def edited(document: Any, *path: Any, new: Any) -> str:
    """A document as JSON, with another value in one place; `@` stands for the text itself."""
    text = json.dumps(replaced(document, path, new))
    return text.replace('"@', "").replace('@"', "") if isinstance(new, str) and "@" in new else text


DAMAGED = {
    ("config.json", "negative infinity"): (
        edited(CONFIG, "kappa", new="@-Infinity@"),
        "it holds -Infinity, which is no number there",
    ),
    ("config.json", "a number for knobs"): (
        edited(CONFIG, "knobs", new=-1),
        "is damaged: knobs must be an object, not a whole number",
    ),
    ("config.json", "text for episodes"): (
        edited(CONFIG, "evaluation_episodes", new="x"),
        "evaluation_episodes must be a whole number, not text",
    ),
    ("config.json", "no seeds"): (
        edited(CONFIG, "seeds", new=[]),
        "seeds must be a list of length",
    ),
    ("config.json", "an option that the environment has not"): (
        edited(CONFIG, "env_options", new={"0": "x"}),
        "config.json': unknown option of environment thermal-4 '0'",
    ),
    ("summary.json", "half a letter"): (
        edited(SUMMARY, "reference", new="\ud800"),
        "holds the character U+D800, which cannot be printed",
    ),
    ("summary.json", "a return in words"): (
        edited(SUMMARY, "greedy_by_seed", "0", new="lq-4"),
        "greedy_by_seed[...] must be a number or null, not text",
    ),
    ("summary.json", "a huge number"): (
        edited(SUMMARY, "greedy_mean", new=f"@{DIGITS}@"),
        "the number 9999999999999999999… is too large",
    ),
    ("summary.json", "a huge exponent"): (
        edited(SUMMARY, "greedy_mean", new="@1e999@"),
        "the number 1e999 is too large",
    ),
    ("environment.json", "sizes of others"): (
        edited(ENVIRONMENT, "obs_sizes", new=[1, 2]),
        "its obs_sizes are not of all agents",
    ),
    ("evaluation.csv", "another seed"): (
        EVALUATION.replace("0,4,", "9,4,"),
        "has rows of seed 9, which config.json does not name",
    ),
    ("evaluation.csv", "the same row twice"): (
        EVALUATION.replace("0,4,", "0,2,"),
        "line 4 has seed 0 at epoch 2 once more",
    ),
    ("metrics.csv", "a word"): (METRICS.replace("-7.25", "high", 1), "line 2 holds 'h'"),
    ("metrics.csv", "half an epoch"): (
        METRICS.replace("0,1,16", "0,1.5,16"),
        "epoch in line 4 is '1.5', not a whole number",
    ),
    ("metrics.csv", "a huge number"): (
        METRICS.replace("0.25", "9" * 400, 1),
        "critic_loss in line 2 is '99999999999999999999999999999…', not a number",
    ),
    ("metrics.csv", "a missing cell"): (
        METRICS.replace("0,0,8,", "0,8,", 1),
        "line 2 has 7 values under 8 names",
    ),
    ("graph.csv", "old line ends"): (EDGES.replace("\n", "\r"), "a line ends in \\r alone"),
    ("graph.json", "what moves the cursor"): (
        r'{"agents": ["a", "\u001b[2J"], "state": [], "observation": [], "reward": []}',
        "the text '\\x1b[2J' holds the character U+001B",
    ),
    ("graph.json", "a letter without width"): (
        '{"agents": ["a", "a\u00ad"], "state": [], "observation": [], "reward": []}',
        "holds the character U+00AD, which cannot be printed",
    ),
    ("net.inp", "a letter without width"): (
        "[JUNCTIONS]\n p 0\n[TANKS]\n a 1\n \u00ad 1\n[PIPES]\n P a p 100 12\n[END]\n",
        "a name must be one line of printable text",
    ),
    ("controllers.json", "no name of a file"): (
        edited(INDEX, "controllers", 0, "file", new=""),
        "is '', which is no name of a file",
    ),
    ("controllers.json", "the folder above"): (
        edited(INDEX, "controllers", 0, "file", new=".."),
        "is '..', which is no name of a file",
    ),
    ("graph.json", "a huge agent"): (f'{{"agents": ["a", {DIGITS}]}}', "is too large"),
    ("graph.json", "brackets"): ("[" * 60_000, "brackets are nested too deeply"),
    ("graph.json", "20,000 keys"): (
        "{" + ",".join(f'"{k % 10_000}":0' for k in range(20_000)) + "}",
        "the key '0' stands there twice",
    ),
}


@pytest.mark.parametrize(("file", "what"), DAMAGED)
def test_damage_is_refused_by_name_at_once(file: str, what: str, tmp_path: Path) -> None:
    content, says = DAMAGED[file, what]
    folder = write_run(tmp_path / "run")
    (folder / file).write_text(content, newline="")
    began = time.process_time()
    refusal = refused(READERS[file][0], folder / file)
    assert refusal is not None and file in refusal
    assert says in refusal
    assert len(refusal) <= 500 and refusal.isprintable()
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("manifest", "held", "says"),
    [
        ({"epoch": 4, "files": {}}, [], "its manifest does not list any file"),
        ({"epoch": 4, "files": {}}, ["d/8aea"], "its manifest does not list d/8aea"),
        ({"epoch": 4, "files": {"d": [1, 1]}}, [], "d is missing"),
    ],
)
def test_a_checkpoint_is_not_read_where_nothing_vouches_for_it(
    manifest, held, says: str, tmp_path: Path
) -> None:
    (tmp_path / "4.json").write_text(json.dumps(manifest))
    for name in held:
        (tmp_path / "4" / name).parent.mkdir(parents=True)
        (tmp_path / "4" / name).touch()
    refusal = refused(READERS["4.json"][0], tmp_path / "4.json")
    assert refusal is not None and says in refusal


def test_an_export_without_a_controller_for_the_agent_is_named(tmp_path: Path) -> None:
    for changed in ({"skipped": ["upper"]}, {"controllers": []}):
        (tmp_path / "controllers.json").write_text(json.dumps(INDEX | changed))
        refusal = refused(READERS["controllers.json"][0], tmp_path / "controllers.json")
        assert refusal is not None and str(tmp_path) in refusal


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weight_1": np.ones((2, 4, 2), np.float32)}, "shapes of its arrays do not go together"),
        ({"action_sizes": np.array([2, 1])}, "shapes of its arrays do not go together"),
        ({"obs_sizes": np.array([3, 2, 9])}, "shapes of its arrays do not go together"),
        ({"obs_scale": np.zeros((3, 3), np.float32)}, "scale is zero"),
        ({"obs_scale": np.ones((3, 3), complex)}, "'obs_scale' has the type complex128"),
        ({"bias_0": np.full((3, 4), np.nan, np.float32)}, "a number that is not finite"),
        ({"head": np.array('{"agents": ["a"], "action_head": "tanh"}')}, "do not go together"),
        ({"head": np.array(json.dumps({"agents": AGENTS, "action_head": "x"}))}, "action_head"),
        ({"head": np.array('{"action_head": "tanh"}')}, "lacks"),
    ],
    ids=lambda change: next(iter(change)) if isinstance(change, dict) else None,
)
def test_a_policy_that_could_not_act_is_not_loaded(change, says: str, tmp_path: Path) -> None:
    path = tmp_path / "seed-0.npz"
    path.write_bytes(archive(policy_arrays()))
    assert refused(READERS["seed-0.npz"][0], path) is None
    path.write_bytes(archive(policy_arrays() | change))
    refusal = refused(READERS["seed-0.npz"][0], path)
    assert refusal is not None and says in refusal and "seed-0.npz" in refusal


def test_memory_is_not_taken_for_what_a_header_declares(tmp_path: Path) -> None:
    head = "{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000000,), }".ljust(118)
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode()
    path = tmp_path / "log.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("states.npy", member)
    with pytest.raises(UserError, match=r"declares 800,000,000,000,000 bytes .* 0 are there"):
        read_arrays(path)


def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    arrays = log_arrays() | {"turned": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    arrays["nothing"] = np.zeros((0, 4))
    (tmp_path / "log.npz").write_bytes(archive(arrays))
    read = read_arrays(tmp_path / "log.npz")
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype
        assert read[name].flags.writeable


def test_the_last_line_that_a_crash_cut_off_does_not_count(tmp_path: Path) -> None:
    from mastac.runs.tables import read_table

    whole = read_table(write_run(tmp_path / "run") / "metrics.csv", ("seed",))
    for cut in (1, 3, 20):
        (tmp_path / "cut.csv").write_text(METRICS[:-cut])
        table = read_table(tmp_path / "cut.csv", ("seed",))
        assert len(table["seed"]) == len(whole["seed"]) - 1


def test_names_that_a_terminal_would_obey_are_no_names() -> None:
    for name in ("\x1b[31mred", "two\nlines", "a\u202eb", "\ud800", "a\u00ad", "a\r"):
        with pytest.raises(UserError, match="one line of printable text") as error:
            Couplings(["a", name])
        assert str(error.value).isprintable()


def test_messages_are_one_short_line_whatever_they_echo() -> None:
    for value in ("\x1b[2J" * 1000, "word " * 100_000, "x" * 250_000, "'" * 1000):
        text = str(UserError(f"there is no '{value}'; name another"))
        assert len(text) <= 500 and text.isprintable() and text.endswith("another")
    with pytest.raises(UserError, match="a number of thousands of digits"):
        whole_number("epochs", 10**5000, most=9)


def test_json_that_others_write_with_nan_is_read_where_it_may_be() -> None:
    assert json_value('{"a": [1, 2.5, "ä", null]}') == {"a": [1, 2.5, "ä", None]}
    assert np.isnan(json_value("NaN", constants=True))
    assert json_value(str(2**63 - 1)) == 2**63 - 1
