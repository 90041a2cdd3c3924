"""What the model-based method reaches with few environment steps, on nineteen examples.

    python benchmarks/model.py [--examples A,B] [--rows R,S] [--seeds 0-4] [table]

The rows, each with the presets' knobs and nothing tuned:

- `mastac-model`: the method as it is;
- `reads-all`: every local model reads all agents, as if there were no graphs;
- `true-dynamics`: imagined episodes are played by the simulator, which is what perfect models give;
- `edge-missing`: one edge less in the declared state graph than the simulator has;
- `edges-added`: ten state edges more than it has;
- `discovered`: all graphs but the observations' as `mastac discover` finds them in 200 random
  episodes;
- `steps-4`, `critics-4` and so on: imagined episodes of so many steps; then nothing, or critics;
- `dyna-1`, `replay-1` and so on: `mastac` with so many updates for every environment step, on
  batches of which half is imagined, or nothing;
- `replay-1-64` and so on: `replay-1` with batches of so many;
- `mastac`: the default, which learns critics and no model, after the same steps;
- `mastac-20000`: the same after 20,000 steps, where the preset is for environments without scales.

Every seed is one line of `results/model.csv`: environment steps, return of the greedy policies over
1,000 episodes, score, processor seconds. What is there is not trained again. A study that was
stopped goes on where it was; several processes can share the work. Run folders are in `runs/model`.
To measure everything anew, name other files with `--out` and `--runs`.
"""

import argparse
import csv
import dataclasses
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import mastac
from common import RESULTS, machine
from mastac.cli.arguments import parse_seeds
from mastac.errors import unknown
from mastac.examples import HELD_OUT, example
from mastac.files import as_csv, locked, write_text
from mastac.runs.statistics import iqm, iqm_interval
from mastac.text import number, plus_minus, seeds_text, table
from wrong_graphs import discovered, one_edge_less, ten_edges_more

EPISODES = 1000
COLUMNS = ["example", "row", "seed", "env_steps", "greedy_return", "score", "cpu_seconds"]
COLUMNS += ["machine"]

Line = Mapping[str, str]
Make = Callable[[], mastac.Environment]


@dataclass(frozen=True)
class Row:
    """An algorithm with knobs, how the environment is changed for it, and where it is run.

    `only`: the examples that it is run on; empty for all. `steps`: its environment steps, where
    they are not the example's.
    """

    algorithm: str
    knobs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    change: Callable[[mastac.Environment], mastac.Environment] | None = None
    only: Sequence[str] = ()
    steps: int | None = None


WRONG_GRAPHS = ("warehouse-40", "platoon")
WITH_CRITICS = "mastac-model-critics"
SHORT = ("warehouse-9", "lq-8", "doors-12", "thermal-40", "platoon", "reservoirs")
DYNA = partial(Row, "mastac-model-dyna", only=("warehouse-9", "lq-8", "doors-12"))
TUNED = ("platoon", "reservoirs", "inventory", "voltage")  # defaults were chosen on these
ROWS = {
    "mastac-model": Row("mastac-model"),
    "reads-all": Row("mastac-model", {"model_reads": "all"}),
    "true-dynamics": Row("mastac-model", {"dynamics": "true"}),
    "edge-missing": Row("mastac-model", change=one_edge_less, only=WRONG_GRAPHS),
    "edges-added": Row("mastac-model", change=ten_edges_more, only=WRONG_GRAPHS),
    "discovered": Row("mastac-model", change=discovered, only=("platoon", "warehouse-9")),
    **{f"steps-{h}": Row("mastac-model", {"imagined_steps": h}, only=SHORT) for h in (4, 12)},
    **{f"critics-{h}": Row(WITH_CRITICS, {"imagined_steps": h}, only=SHORT) for h in (4, 12)},
    **{f"dyna-{u}": DYNA({"updates_per_step": u}) for u in (1, 4)},
    **{f"replay-{u}": DYNA({"updates_per_step": u, "imagined_share": 0}) for u in (1, 4)},
    **{
        f"replay-1-{b}": DYNA({"updates_per_step": 1, "imagined_share": 0, "batch_size": b})
        for b in (64, 128)
    },
    "mastac": Row("mastac"),
    "mastac-20000": Row("mastac", only=(*TUNED, *HELD_OUT), steps=20_000),
}
SPARSE = {"actuators": "every-3", "decay": 0.7, "coupling": 0.3}


def made(name: str, **options: Any) -> Make:
    """A built-in environment with options, later."""
    return partial(mastac.make, name, **options)


# How each environment is made, and the environment steps of a seed.
EXAMPLES: dict[str, tuple[Make, int]] = {
    "warehouse-9": (made("warehouse-9"), 500),
    "warehouse-40": (made("warehouse-40"), 1500),
    "warehouse-40-send": (made("warehouse-40", supply="primes", share="send"), 3000),
    "warehouse-40-apart": (
        made("warehouse-40", supply="apart-2", frequency=0.5, initial_stock=0.5),
        1500,
    ),
    "thermal-40": (made("thermal-40"), 2000),
    "thermal-40-coolers": (made("thermal-40", coolers="every-2", limit_kw=30), 2000),
    "thermal-40-neighbours": (made("thermal-40", reward="neighbours"), 2000),
    "lq-8": (made("lq-8"), 1500),
    "lq-12": (made("lq-12", **SPARSE, reward="neighbours"), 1500),
    "lq-40": (made("lq-40", **SPARSE), 1500),
    "doors-12": (made("doors-12"), 2000),
    **{name: (partial(example, name), 2500) for name in TUNED},
    **{name: (partial(example, name), 3000) for name in HELD_OUT},
}


@dataclass(frozen=True)
class Cell:
    """One row on one example; `scale` is a factor on its environment steps."""

    example: str
    row: str
    scale: float = 1.0

    def env(self) -> mastac.Environment:
        """The environment as it is declared to the algorithm."""
        env, change = EXAMPLES[self.example][0](), ROWS[self.row].change
        return change(env) if change else env

    def epochs(self, env: mastac.Environment) -> int:
        """Whole episodes within the steps of the example."""
        steps = ROWS[self.row].steps or EXAMPLES[self.example][1]
        return max(1, int(steps * self.scale) // env.horizon)

    def missing(self, lines: Iterable[Line], env_steps: int, seeds: Sequence[int]) -> list[int]:
        """The seeds that no line is about."""
        there = {
            int(line["seed"])
            for line in lines
            if (line["example"], line["row"]) == (self.example, self.row)
            and int(line["env_steps"]) == env_steps
        }
        return [seed for seed in seeds if seed not in there]


def trained(cell: Cell, env: mastac.Environment, seeds: Sequence[int], path: Path) -> list[list]:
    """Train seeds side by side in a run folder, or finish what was begun there; a line for each."""
    clock = path.with_name(path.name + ".seconds")
    before = float(clock.read_text()) if clock.is_file() and path.is_dir() else 0.0
    began, row, epochs = time.process_time(), ROWS[cell.row], cell.epochs(env)

    def keep(report: Any) -> None:
        """Seconds so far, so that a process that goes on later can add its own."""
        write_text(clock, f"{before + time.process_time() - began:.1f}")

    if (path / "config.json").is_file():
        run = mastac.resume(path, progress=keep, env=env)
    else:
        run = mastac.train(
            env, row.algorithm, epochs=epochs, seeds=seeds, out=path, progress=keep, **row.knobs
        )
    spent = float(clock.read_text()) / len(seeds)
    returns = run.evaluate(episodes=EPISODES)["greedy_by_seed"]
    reference = env.reference()
    lines: list[list] = []
    for seed in seeds:
        value = np.nan if returns[str(seed)] is None else returns[str(seed)]
        score = np.nan if reference is None else reference.score(value)
        figures = [f"{value:.6g}", f"{score:.4g}", f"{spent:.1f}"]
        lines.append([cell.example, cell.row, seed, epochs * env.horizon, *figures, machine()])
    return lines


def read(path: Path) -> list[Line]:
    """All lines of a file of results; none where there is no file."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def add(path: Path, lines: Sequence[Sequence[Any]]) -> None:
    """Lines added to a file of results, in the order of the study."""
    names = list(EXAMPLES), list(ROWS)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_suffix(".lock"), wait=True):
        whole = [[line[name] for name in COLUMNS] for line in read(path)] + [*map(list, lines)]
        whole.sort(key=lambda x: (names[0].index(x[0]), names[1].index(x[1]), int(x[3]), int(x[2])))
        write_text(path, as_csv([COLUMNS, *whole]))


def train_missing(cell: Cell, seeds: Sequence[int], out: Path, runs: Path) -> None:
    """Train the seeds of a cell that are not in the results, unless another process is at it."""
    env = cell.env()
    steps = cell.epochs(env) * env.horizon
    folder = runs / cell.example / f"{cell.row}-{steps}"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock") as held:
        missing = cell.missing(read(out), steps, seeds)
        if not held or not missing:
            return
        path = folder / f"seeds-{seeds_text(missing)}"
        add(out, trained(cell, env, missing, path))
        print(f"{cell.example} {cell.row}: seeds {seeds_text(missing)} done", flush=True)


def summary(lines: Sequence[Line], cells: Sequence[Cell], seeds: Sequence[int]) -> str:
    """The table: means and deviations of returns, scores with intervals, seconds."""
    wanted = {(cell.example, cell.row) for cell in cells}
    groups: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        if (line["example"], line["row"]) in wanted and int(line["seed"]) in seeds:
            key = (line["example"], line["env_steps"], line["row"])
            groups.setdefault(key, []).append(line)
    head = ("example", "row", "steps", "seeds", "return", "score (95 %)", "CPU s a seed")
    rows = []
    for (name, steps, row), group in groups.items():
        returns, scores, seconds = (
            np.array([float(line[column]) for line in group])
            for column in ("greedy_return", "score", "cpu_seconds")
        )
        several = len(group) > 1
        score = f"{iqm(scores):.2f}"
        if several:
            low, high = iqm_interval(scores)
            score += f" ({low:.2f}, {high:.2f})"
        about = (name, row, f"{int(steps):,}", seeds_text([int(line["seed"]) for line in group]))
        spread = returns.std() if several else None
        rows.append((*about, plus_minus(returns.mean(), spread), score, number(seconds.mean())))
    return table(head, rows, left=2)


def chosen(what: str, names: str | None, known: Iterable[str]) -> list[str]:
    """Names from a list with commas, checked; all of them where there is no list."""
    picked = list(known) if names is None else names.split(",")
    for name in picked:
        if name not in known:
            raise unknown(what, name, list(known))
    return picked


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["table"], help="train, then print the table")
    parser.add_argument("--examples", metavar="A,B", help=f"of {', '.join(EXAMPLES)}")
    parser.add_argument("--rows", metavar="R,S", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--seeds", default="0-4", help="such as 0-4 or 1,3")
    parser.add_argument("--stored", action="store_true", help="print what is there; train nothing")
    parser.add_argument("--steps-scale", type=float, default=1.0, help="factor on all lengths")
    parser.add_argument("--out", type=Path, help="file of the results")
    parser.add_argument("--runs", type=Path, default=Path("runs/model"), help="run folders")
    args = parser.parse_args()
    scale = args.steps_scale
    out = args.out or RESULTS / f"model{f'-x{scale:g}' if scale != 1 else ''}.csv"
    try:
        seeds = parse_seeds(args.seeds)
        cells = [
            Cell(name, row, scale)
            for name in chosen("example", args.examples, EXAMPLES)
            for row in chosen("row", args.rows, ROWS)
            if not ROWS[row].only or name in ROWS[row].only
        ]
        for cell in [] if args.stored else cells:
            train_missing(cell, seeds, out, args.runs)
    except mastac.Stopped:
        sys.exit("stopped; the same command goes on from here")
    except mastac.UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(summary(read(out), cells, seeds))


if __name__ == "__main__":
    main()
