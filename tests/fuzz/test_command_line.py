"""Whatever is typed, a command ends in its work, or in one sentence and exit code 2.

What would train, play or compute for long is cut short at the point where its arguments have been
checked. The suite tries a few lines, the same ones every time; `make fuzz` tries a thousand.
"""

import contextlib
import io
import os
import string
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.documents import write_run
from mastac.cli.main import COMMANDS, build_parser, main

COUNT = int(os.environ.get("MASTAC_FUZZ_LINES", "40"))
tried = settings(
    max_examples=COUNT,
    derandomize="MASTAC_FUZZ_LINES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

WORDS = [
    *("", "0", "1", "2", "-1", "1.5", "1e999", "nan", "inf", "exact", "x", "²", "٣", "--", "-"),
    *("9" * 400, "9" * 5000, "-" + "9" * 400, "a" * 100_000, "[" * 60_000, "{" * 60_000),
    *("0-3", "0-999999999", "3-1", "0,0", ",", "0-" + "9" * 400, "1,2,3"),
    *("lq-3", "thermal-4", "warehouse-9", "lq-0", "lq-" + "9" * 400, "lq-3:x", "nowhere:env", ":"),
    *("run", "run/config.json", "graph.json", "none", "none.json", "log.npz", ".", "/", "~", ".."),
    *("a/" * 3000, "\x1b[2J", "a\nb", "\udcff", "\u202e.json", "/dev/null", "run.csv", "x.png"),
    *(
        "batch_size=1",
        "batch_size=1e400",
        "batch_size=NaN",
        "tau=1e999",
        "actor_hidden=[]",
        "=",
        "x=",
        "=",
    ),
    *(
        "=",
        "x=",
        "actor_hidden=[1e9]",
        "leak=NaN",
        "horizon=1e308",
        "horizon=0",
        "horizon=" + "9" * 400,
    ),
    *("actor_hidden=" + "[" * 60_000, "actor_hidden=[" + "1," * 500 + "1]", "graph=[[0,1]]"),
    *("upper", "warehouse-1", "mastac", "maddpg", "paper", "numpy", "onnx", "learnt", "70000", "8"),
]
# These compute at once what they are told, or write folders.
LEFT_OUT = {"theorems", "variance", "reproduce", "init"}


class Reached(Exception):
    """The arguments have been checked; work would begin."""


def reached(*_: Any, **__: Any) -> NoReturn:
    raise Reached


LONG_WORK = [
    "mastac.runs.plan.plan_run",
    "mastac.runs.run.Run.evaluate",
    "mastac.runs.run.Run.certify",
    "mastac.runs.run.Run.export",
    "mastac.runs.figures.learning_curves",
    "mastac.discovery.check",
    "mastac.discovery.discover",
    "mastac.discovery.record",
    "mastac.analysis.influence.influence_curve",
]


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """A command with some of its options, and now and then a word from elsewhere."""
    name = draw(
        st.sampled_from(sorted(set(COMMANDS) - {"theorems", "variance", "reproduce", "init"}))
    )
    parser = build_parser()[1][name]
    own = sorted(option for action in parser._actions for option in action.option_strings)
    word = st.sampled_from(WORDS) | st.text(string.printable, max_size=8)
    places = [action for action in parser._actions if not action.option_strings]
    line = [name] + [draw(word) for _ in places]
    for _ in range(draw(st.integers(0, 4))):
        line.append(draw(st.sampled_from(own) if draw(st.integers(0, 9)) else word))
        line += [draw(word)] * draw(st.integers(0, 1))
    return line


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("typed")
    write_run(place / "run")
    (place / "graph.json").write_text(
        '{"agents": 3, "state": [[0, 1]], "observation": [], "reward": []}'
    )
    (place / "log.npz").write_bytes(b"PK")
    (place / "run.csv").write_text("source,target\na,b\n")
    return place


def test_any_line_is_answered(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    for work in LONG_WORK:
        monkeypatch.setattr(work, reached)

    @tried
    @given(lines())
    def try_line(line: list[str]) -> None:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(line)
            except Reached:
                return
        assert code in (0, 1, 2), err.getvalue()
        if code == 2:
            said = err.getvalue().removesuffix("\n")
            assert said.startswith("mastac: ")
            assert said.isprintable()
            assert len(said) <= 520

    try_line()
