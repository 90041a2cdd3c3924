"""The search for each algorithm's rates: the same candidates, length and seed for every algorithm on an environment."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from mastac.algorithms import ALGORITHMS
from mastac.experiments.checkpoints import write_text
from mastac.experiments.config import ExperimentConfig, resolve
from mastac.experiments.folder import as_csv, write_json
from mastac.experiments.grid import locked
from mastac.experiments.paper import Cell, cells_of
from mastac.learning.settings import Settings

SEED = 1000  # none of those that results are reported for
CANDIDATES = 8
# Factors on the environment's preset: (knob, lowest, highest), between which a Latin hypercube is laid in logarithms.
RANGES = (("actor_lr", 0.1, 3.0), ("critic_lr", 0.2, 3.0), ("reward_scale", 0.1, 10.0))
SHARE = {"warehouse-9": 0.2, "warehouse-40": 0.15, "thermal-40": 0.2}
MEASURED_AT = (0.8, 0.9, 1.0)  # shares of the trial at which the greedy policy is played
EPISODES = 50
HEADER = ("cell", "candidate", *(name for name, _, _ in RANGES), *(f"greedy_{share:g}" for share in MEASURED_AT))


@dataclass(frozen=True)
class Trials:
    """What one algorithm's candidates reached: `returns` `[candidates, measured]`, NaN where a number overflowed."""

    cell: str
    candidates: Sequence[Mapping[str, float]]
    returns: Float[np.ndarray, "candidates measured"]

    @property
    def score(self) -> Float[np.ndarray, " candidates"]:
        """Mean over the measurements; minus infinity where a number overflowed."""
        return np.where(np.isfinite(self.returns).all(1), self.returns.mean(1), -np.inf)

    @property
    def best(self) -> Mapping[str, float]:
        """The candidate with the highest score."""
        return self.candidates[int(np.argmax(self.score))]

    def rows(self) -> list[list[Any]]:
        return [
            [self.cell, k, *(candidate[name] for name, _, _ in RANGES), *map(float, returns)]
            for k, (candidate, returns) in enumerate(zip(self.candidates, self.returns, strict=True))
        ]


def searched_cells(preset: str, only: Sequence[str] = ()) -> list[Cell]:
    """The cells that are searched: those whose algorithm no other window of MAStAC speaks for, and that can be paid.

    The 820 terms of the centralised QDCG on forty agents take over what is found for the coupling graph's.
    """
    return [
        cell
        for cell in cells_of("all", preset, only)
        if cell.name not in ("mastac-k4", "mastac-k6", "mastac-k8")
        and not (cell.name == "qdcg-centralised" and cell.env.endswith("-40"))
    ]


def candidates(settings: Settings) -> list[dict[str, float]]:
    """The preset's own values first, then points of a Latin hypercube around them; the same for every algorithm."""
    points = qmc.LatinHypercube(len(RANGES), rng=0).random(CANDIDATES - 1)
    logs = np.log([[low, high] for _, low, high in RANGES])
    factors = np.exp(logs[:, 0] + points * (logs[:, 1] - logs[:, 0]))
    rows = np.concatenate([np.ones((1, len(RANGES))), factors])
    return [
        {
            name: float(f"{getattr(settings, name) * factor:.3g}")
            for (name, _, _), factor in zip(RANGES, row, strict=True)
        }
        for row in rows
    ]


def search(cell: Cell, out: Path) -> Trials:
    """Try all candidates on one cell side by side in one compiled program, and write them to `out`/env/cell.csv.

    A file that exists is read instead.
    """
    path = out / cell.env / f"{cell.name}.csv"
    if path.is_file():
        return read_trials(path)
    length = max(1, round(cell.epochs * SHARE.get(cell.env, 0.2) / 10)) * 10
    config = resolve(
        cell.env,
        cell.env_options,
        algorithm=cell.algorithm,
        kappa=cell.kappa,
        epochs=length,
        seeds=[SEED],
        preset=cell.preset,
        **cell.knobs,
    )
    tried = candidates(resolve(cell.env, cell.env_options, preset=cell.preset).settings)
    found = Trials(cell.name, tried, play_trials(config, tried))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, as_csv([HEADER, *found.rows()]))
    return found


def play_trials(config: ExperimentConfig, tried: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Train every candidate from the same seed and play its greedy policy at the ends of the measured shares."""
    import jax
    import jax.numpy as jnp

    from mastac.envs.registry import make
    from mastac.experiments.evaluation import evaluation_key
    from mastac.learning.learner import learner_parts, off_policy_learner
    from mastac.learning.memory import replay
    from mastac.learning.train import one_seed

    env = make(config.env, **config.env_options)
    how, settings = ALGORITHMS[config.algorithm], config.settings
    layout = how.layout_for(env.couplings, config.kappa, settings.minimal, settings.rewards)
    memory = replay(max(1, min(config.epochs, settings.buffer_size // env.horizon)), settings.batch_size)
    updates = config.epochs * settings.updates_per_epoch
    tenths = jnp.arange(config.epochs).reshape(10, -1)

    def one(values: Mapping[str, Any]) -> Any:
        here = replace(settings, **values)
        learner = off_policy_learner(learner_parts(env, layout, here, updates, chunk=1))
        seed = one_seed(env, learner, memory, here, config.epochs)
        key = jax.random.key(config.seeds[0])

        def tenth(state: Any, epochs: Any) -> tuple[Any, Any]:
            state, _ = jax.lax.scan(lambda state, epoch: seed.one_epoch(state, key, epoch), state, epochs)
            played = env.reported(seed.play(state.learner, jax.random.split(evaluation_key(), EPISODES))).mean()
            return state, jnp.where(state.failed_epoch < 0, played, jnp.nan)

        _, returns = jax.lax.scan(tenth, seed.init(key), tenths)
        return returns[-len(MEASURED_AT) :]

    stacked = {name: jnp.asarray([each[name] for each in tried], jnp.float32) for name, _, _ in RANGES}
    return np.asarray(jax.jit(jax.vmap(one))(stacked), np.float64)


def read_trials(path: Path) -> Trials:
    """One file of a search."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Trials(
        cell=path.stem,
        candidates=[{name: float(row[name]) for name, _, _ in RANGES} for row in rows],
        returns=np.array([[float(row[f"greedy_{share:g}"]) for share in MEASURED_AT] for row in rows]),
    )


def search_all(out: Path, preset: str, only: Sequence[str] = (), say: Callable[[str], None] = print) -> Path:
    """Search every cell whose file is missing, then write `out`/tuned.json; gives its path.

    Several processes may share the work: each cell is searched by whoever gets its lock.
    """
    cells = [cell for cell in searched_cells(preset, only) if not (out / cell.env / f"{cell.name}.csv").is_file()]
    for number, cell in enumerate(cells, 1):
        with locked(out / cell.env / f"{cell.name}.lock") as held:
            if held:
                say(f"{number} of {len(cells)}: {cell.path}, {CANDIDATES} candidates side by side …")
                found = search(cell, out)
                say(f"  best {json.dumps(found.best)}, greedy return {found.score.max():.3f}")
    write_json(out / "tuned.json", winners(out))
    return out / "tuned.json"


def winners(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Environment -> cell -> the best candidate, from the files of a search."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for path in sorted(folder.glob("*/*.csv")):
        found.setdefault(path.parent.name, {})[path.stem] = dict(read_trials(path).best)
    return found
