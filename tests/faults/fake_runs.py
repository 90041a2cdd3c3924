"""Runs whose program is a few sums: all that stores, locks and resumes is real."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from mastac.envs.episodes import Outcome
from mastac.envs.registry import named
from mastac.files import write_bytes
from mastac.learning.loop import EpochMetrics
from mastac.runs import execution, figures, run
from mastac.runs.config import resolve
from mastac.runs.environment import DECLARATIONS, FUNCTIONS
from mastac.runs.folder import RunFolder
from mastac.runs.identity import check_identity

SEEDS, EPOCHS, CHUNK = (3, 1), 12, 2
ENVIRONMENT = named("lq-3", {})
CONFIG = resolve("lq-3", ENVIRONMENT.options, epochs=EPOCHS, seeds=SEEDS, evaluation_interval=CHUNK)
PLAN: Any = SimpleNamespace(
    config=CONFIG,
    env=SimpleNamespace(horizon=4, num_agents=3, agents=("a", "b", "c"), reported=lambda x: x),
    spec=SimpleNamespace(kind=SimpleNamespace(findings=lambda learner: {})),
    schedule=SimpleNamespace(updates_after=lambda epochs: epochs, updates=1, period=1),
    reference=None,
)
DESCRIPTION = dict.fromkeys(DECLARATIONS, 1) | {
    "id": "lq-3",
    "report": "mean",
    "action_head": "tanh",
    "agents": ["a", "b", "c"],
    "options": {},
    "reference": None,
    "behaviour": dict.fromkeys(FUNCTIONS, [[1.0] * 3] * 2),
}


def at_once(epoch: int) -> None:
    """What a chunk waits for: nothing."""


SLOWLY: Callable[[int], None] = at_once


class State(NamedTuple):
    """What a fake run learns, and the counters that every run has."""

    learner: np.ndarray
    failed_epoch: np.ndarray
    failure: np.ndarray
    env_steps: None = None
    kept: None = None

    @property
    def final(self) -> np.ndarray:
        """What the run would end with."""
        return self.learner


class FakeProgram:
    """Learns by a map whose every step depends on all steps before, bit for bit."""

    lowered = None
    whole = parted = staticmethod(lambda state: state)

    def init(self, keys: np.ndarray) -> State:
        begin = np.linspace(0.1, 0.9, 2 * 20_000, dtype=np.float32).reshape(2, -1)
        none = np.full(2, -1, np.int32)
        return State(begin, none, none)

    def advance(self, state: State, keys: Any, epoch: Any, length: int) -> tuple[State, Any]:
        SLOWLY(int(epoch))
        values, x = [], np.asarray(state.learner)
        for k in range(length):
            x = np.float32(3.9) * x * (1 - x)
            values.append(x[:, 0] + int(epoch) + k)
        column: Any = np.stack(values, 1)
        of_agents: Any = x[:, :1] * np.arange(1, 4)
        row = EpochMetrics(column, column, -column, column * np.nan, None, of_agents)
        return state._replace(learner=x), row

    def evaluate(self, state: State, key: Any, episodes: int) -> Outcome:
        returns: Any = np.asarray(state.learner)[:, :3]
        return Outcome(returns, None)

    def close(self) -> None:
        pass


class FakeExecution(execution.Execution):
    """A run that computes nothing, but stores all that a run stores."""

    def _program(self, env: Any, *others: Any) -> Any:
        return FakeProgram()

    def _key_data(self) -> np.ndarray:
        return np.array(SEEDS)

    def _warnings(self, greedy: Any, alive: Any, run: Any) -> list[str]:
        return []


def policies(spec: Any, learner: Any) -> list[Any]:
    """One file for each seed, with what it has learnt."""
    return [
        SimpleNamespace(save=lambda path, x=x: write_bytes(path, x.tobytes()))
        for x in np.asarray(learner)
    ]


class Always:
    """Saves after every chunk."""

    def is_due(self) -> bool:
        return True

    def measured(self) -> Any:
        return nullcontext()


REPLACED: list[tuple[Any, str, Any]] = [
    (execution, "learner_of", lambda *others: None),
    (execution, "buffer_of", lambda *others: None),
    (execution, "policies_of", policies),
    (execution, "greedy_summary", lambda *others: {"greedy_by_seed": {"3": 1.0, "1": 1.0}}),
    (execution, "Execution", FakeExecution),
    (execution, "SavingTimes", Always),
    (run, "resume", lambda path, *others, **choices: SimpleNamespace(path=play(Path(path)))),
    (figures, "save", lambda figure, path: [path]),
    (figures, "learning_curves", lambda runs: None),
]
for place, name, replacement in REPLACED:
    setattr(place, name, replacement)


def play(path: Path, progress: bool = True) -> Path:
    """Begin the run in a folder, or go on with it, as `train` and `resume` do."""
    folder = RunFolder(path)
    if folder.config.exists():
        folder.read_config()
        with folder.writing():
            if not folder.summary.exists():
                check_identity(folder)
                execution.execute(folder, PLAN, progress)
    else:
        with folder.claimed():
            folder.begin(CONFIG.to_dict(), ENVIRONMENT.structure.couplings, DESCRIPTION)
            execution.execute(folder, PLAN, progress)
    return path


def contents(path: Path) -> dict[str, bytes]:
    """What a run came to, apart from the clock's part in it."""
    names = ["metrics.csv", "evaluation.csv", "summary.json", "config.json"]
    names += [f"policies/seed-{seed}.npz" for seed in SEEDS]
    return {name: (path / name).read_bytes() for name in names}


def leftovers(path: Path) -> list[Path]:
    """Files and folders that are half written."""
    return [*path.rglob("*.partial"), *path.rglob("*-tmp*")]
