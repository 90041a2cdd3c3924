"""What policies that need no training, and trained ones, attain in simulators of other packages.

    python benchmarks/outside.py [NAME …] [--episodes N] [--train EPOCHS]

NAME is one of `mastac.examples.outside`; all whose package is installed, if none is named. Returns
are summed over agents; all policies play the same seeds. With `--train`, an algorithm
(`--algorithm NAME --kappa K`) is trained for so many epochs, from one seed and with the knobs of
the preset, and its greedy policy plays; a run that was stopped goes on. `--compiled` trains in the
JAX program of a domain of RDDL, `--workers W` in processes. `--jaxplan` plans in a domain of RDDL
instead. Lines go to `results/outside.csv`, in place of those of the same simulator and policy, and
the returns of a run's evaluations to `results/outside-curves.csv`.
"""

import argparse
import csv
import statistics
import time
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from gymnasium.spaces import Discrete

import mastac
from common import RESULTS, machine
from mastac.cli.arguments import parse_assignments
from mastac.examples.outside import OUTSIDE
from mastac.examples.outside.team import Actions, Baseline, Team, returns
from mastac.files import as_csv, write_text

COLUMNS = ("simulator", "policy", "trained_steps", "episodes", "return", "deviation")
COLUMNS += ("milliseconds_a_step", "machine")
FILE, CURVES = RESULTS / "outside.csv", RESULTS / "outside-curves.csv"


def main() -> None:
    """Play, and write the lines of the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument("--train", type=int, metavar="EPOCHS")
    parser.add_argument("--kappa", type=int)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--algorithm", default="mastac")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--jaxplan", action="store_true")
    args = parser.parse_args()
    rows = {(row["simulator"], row["policy"]): row for row in _rows(FILE)}
    for name in args.names or OUTSIDE:
        module = import_module(f"mastac.examples.outside.{name}")
        try:
            team = module.env()
        except mastac.UserError as error:
            print(f"{name}: left out ({error})")
            continue
        team.close()
        if args.train:
            play = _trained(name, module, args)
        else:
            play = _planned(module) if args.jaxplan else _baselines(module)
        for policy, steps, baseline in play:
            began = time.perf_counter()
            totals = returns(baseline, list(range(args.episodes)))
            pace = (time.perf_counter() - began) / (args.episodes * team.max_cycles)
            row = _row(name, policy, steps, totals, pace)
            rows[name, policy] = row
            print(*(row[column] for column in COLUMNS[:-1]), sep="  ", flush=True)
        _write(rows)


Played = Iterator[tuple[str, int, Baseline]]
"""The name of a policy, the steps that it was trained, and what plays it."""


def _baselines(module: Any) -> Played:
    for policy, baseline in module.BASELINES.items():
        yield policy, 0, baseline


def _trained(name: str, module: Any, args: argparse.Namespace) -> Played:
    """The greedy policy of a run, on the simulator itself."""
    if args.compiled:
        compiled = import_module("mastac.examples.outside.compiled")
        made, team = getattr(compiled, name)(), module.env()
        middle = (team.low + team.high) / 2  # from which compiled actions count
    else:
        made, middle = mastac.from_pettingzoo(module.env), None
    route = " (JAX route)" if args.compiled else ""
    window = "exact" if args.kappa is None else f"kappa {args.kappa}"
    folder = f"runs/outside/{name}{'-compiled' * args.compiled}-{args.algorithm}-{window}"
    folder = "-".join([folder.replace(" ", "-"), *args.set])
    if Path(folder, "config.json").is_file():
        run = mastac.resume(folder, env=made)
    else:
        run = mastac.train(
            made,
            algorithm=args.algorithm,
            kappa=args.kappa,
            epochs=args.train,
            evaluation_interval=max(1, args.train // 12),
            seeds=[0],
            out=folder,
            **({} if args.compiled else {"workers": args.workers}),
            **parse_assignments("--set", args.set),
        )
    policy = run.policy(seed=0)

    def act(team: Team) -> Actions:
        actions = policy.act({agent: team.observe(agent) for agent in team.agents})
        if isinstance(next(iter(team.action_spaces.values())), Discrete):
            return {agent: int(row.argmax()) for agent, row in actions.items()}
        if middle is None:
            return actions
        return {a: actions[a] + middle[[row]] for row, a in enumerate(team.agents)}

    steps, label = int(run.summary["env_steps"]), args.algorithm + route
    label += "" if args.algorithm == "mastac-model" else f", {window}"  # that one has no window
    label = ", ".join([label, *args.set])
    _keep_curve(name, label, run)
    yield label, steps, Baseline(module.env, act)


def _keep_curve(name: str, policy: str, run: mastac.Run) -> None:
    """Store the evaluations of a run, in place of those of the same simulator and policy."""
    length = run.env.horizon
    with run.folder.evaluation.open(newline="", encoding="utf-8") as lines:
        new = [
            (name, policy, str(int(row["epoch"]) * length), row["episode_return"])
            for row in csv.DictReader(lines)
        ]
    columns = ("simulator", "policy", "steps", "return")
    rows = [tuple(row.values()) for row in _rows(CURVES) if tuple(row.values())[:2] != new[0][:2]]
    order = list(OUTSIDE)
    rows = sorted(rows + new, key=lambda row: (order.index(row[0]), row[1]))
    write_text(CURVES, as_csv([columns, *rows]))


def _planned(module: Any) -> Played:
    """JaxPlan with the settings of its package: a straight-line plan, and a policy."""
    planning = import_module("pyRDDLGym_jax.core.planner")
    team = module.env()
    configs = Path(str(planning.__file__)).parents[1] / "examples" / "configs"
    for kind, policy in (("slp", "JaxPlan, straight-line plan"), ("drp", "JaxPlan, policy")):
        own = configs / f"{team.problem}_{kind}.cfg"
        chosen = own if own.is_file() else configs / f"default_{kind}.cfg"
        settings, _, training = planning.load_config(str(chosen))
        planner = planning.JaxBackpropPlanner(rddl=team.simulator.model, **settings)
        controller = planning.JaxOfflineController(planner, **training)
        yield policy, 0, Baseline(module.env, partial(_controlled, controller))


def _controlled(controller: Any, team: Any) -> Actions:
    if team.time == 0:
        controller.reset()
    actions = controller.sample_action({team.state_fluent: team.values})[team.action_fluent]
    return {agent: actions[[row]] for row, agent in enumerate(team.agents)}


def _row(name: str, policy: str, steps: int, totals: list[float], pace: float) -> dict[str, Any]:
    return {
        "simulator": name,
        "policy": policy,
        "trained_steps": steps,
        "episodes": len(totals),
        "return": f"{statistics.fmean(totals):.6g}",
        "deviation": f"{statistics.stdev(totals):.2g}",
        "milliseconds_a_step": f"{1e3 * pace:.2g}",
        "machine": machine(),
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _write(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    order = list(OUTSIDE)
    ordered = sorted(rows.values(), key=lambda row: order.index(row["simulator"]))
    write_text(FILE, as_csv([COLUMNS, *([row[column] for column in COLUMNS] for row in ordered)]))


if __name__ == "__main__":
    main()
