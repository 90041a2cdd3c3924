"""What `mastac variance` and `mastac theorems` do. JAX is imported for Monte Carlo only."""

import argparse
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mastac.cli import arguments
from mastac.errors import UserError, unknown

if TYPE_CHECKING:
    import numpy as np

    from mastac.structure import Couplings
    from mastac.theory.variance import Terms

BASELINES = (
    "none",
    "state",
    "shared",
    "counterfactual",
)  # repeated here: the parser is built without numpy
GAMES = ("ring", "chain", "grid", "star", "stream")
MOST_LINEAR, MOST_AGENTS = 250, 2000
DISCOUNT, SPREAD, SAMPLES = 0.95, 0.3, 8192


def add_variance_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of `mastac variance`."""
    sub.add_argument(
        "env",
        metavar="ENV",
        nargs="?",
        help="an environment; exact for lq-N, by Monte Carlo for others",
    )
    sub.add_argument(
        "--run",
        metavar="DIR",
        dest="folder",
        help="around the trained policies of this run (default: simple policy)",
    )
    sub.add_argument(
        "--game", metavar="NAME", help=f"instead: a random finite game, exactly: {', '.join(GAMES)}"
    )
    sub.add_argument("--agents", metavar="N", help="with --game: how many (default: 4)")
    sub.add_argument(
        "--kappa", metavar="K", help="sets of this window, which bias (default: exact)"
    )
    sub.add_argument(
        "--baseline",
        metavar="NAME",
        default="none",
        help="none (default), state, shared, counterfactual",
    )
    sub.add_argument(
        "--discount", metavar="G", help=f"discount factor (default: {DISCOUNT}, or the run's)"
    )
    sub.add_argument(
        "--spread", metavar="S", help=f"standard deviation of policies' noise (default: {SPREAD})"
    )
    sub.add_argument("--samples", metavar="M", help=f"of Monte Carlo (default: {SAMPLES})")
    sub.add_argument(
        "--seed",
        metavar="S",
        default="0",
        help="of the game, or of Monte Carlo (default: %(default)s)",
    )
    sub.add_argument("--agent", metavar="NAME", help="this agent alone")
    sub.add_argument("--json", action="store_true", help="print JSON")
    arguments.add_env_set(sub)


def variance(args: argparse.Namespace) -> int:
    """Print the total variance of both estimators, and its terms."""
    asked = _asked(args)
    if args.game is not None:
        found = _of_game(args, asked)
    elif args.folder is None and str(args.env).startswith("lq-"):
        found = _of_linear_network(args, asked)
    else:
        found = _of_simulator(args, asked)
    from mastac.theory.variance_report import conclusion, report_text, variance_report

    terms, gap, names, everybody, setting = found
    report = {"setting": setting | _setting(asked), **variance_report(terms, gap, names)}
    report["conclusion"] = conclusion(report, everybody)
    print(
        json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
        if args.json
        else report_text(report)
    )
    return 0


Found = tuple["Terms", "np.ndarray", Sequence[str], bool, dict[str, Any]]


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """The options as values, after the mistakes that need nothing else to be seen."""
    if args.baseline not in BASELINES:
        raise unknown("baseline", args.baseline, BASELINES)
    if args.game is None and args.env is None and args.folder is None:
        raise UserError(
            "say of what: an environment, --run DIR or --game ring (see 'mastac variance --help')"
        )
    if args.game is not None:
        if args.game not in GAMES:
            raise unknown("game", args.game, GAMES)
        for name in ("env", "folder", "spread", "samples"):
            if getattr(args, name) is not None:
                raise UserError(
                    f"--game makes a finite game and is exact; leave out {_option(name)}"
                )
        if args.env_set:
            raise UserError("--game makes a finite game and is exact; leave out --env-set")
    elif args.agents is not None:
        raise UserError(
            "--agents goes with --game; an environment's name says how many agents it has"
        )
    if args.folder is not None and (args.env is not None or args.env_set):
        raise UserError(
            f"--run takes the environment of the run; leave out {_option('env' if args.env else 'env_set')}"
        )
    if args.folder is None and str(args.env).startswith("lq-") and args.samples is not None:
        raise UserError(f"'{args.env}' is computed exactly; leave out --samples")
    return {
        "kappa": None if args.kappa is None else arguments.parse_kappa(args.kappa),
        "discount": None if args.discount is None else _number("discount", args.discount, 0.0, 1.0),
        "spread": SPREAD if args.spread is None else _number("spread", args.spread, 1e-6, 1e6),
        "samples": SAMPLES
        if args.samples is None
        else arguments.parse_count("samples", args.samples, least=64),
        "seed": arguments.parse_count("seed", args.seed, least=0),
        "agents": 4
        if args.agents is None
        else arguments.parse_count("agents", args.agents, least=2),
        "baseline": args.baseline,
        "options": arguments.parse_assignments("--env-set", args.env_set),
    }


def _option(name: str) -> str:
    return {"env": "the environment", "folder": "--run", "env_set": "--env-set"}.get(
        name, f"--{name}"
    )


def _number(name: str, text: str, least: float, below: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < below:
        raise UserError(f"{name} '{text}' is no number from {least:g} up to {below:g}")
    return value


def _setting(asked: dict[str, Any]) -> dict[str, Any]:
    sets = "exact" if asked["kappa"] is None else f"kappa = {asked['kappa']}"
    return {"sets": sets, "baseline": asked["baseline"], "discount": asked["discount"]}


def _chosen(args: argparse.Namespace, couplings: "Couplings") -> list[int]:
    """The places of the agents that were asked for."""
    return (
        list(range(couplings.num_agents)) if args.agent is None else [couplings.index(args.agent)]
    )


def _exact(terms: "Terms", chosen: list[int]) -> tuple["Terms", "np.ndarray"]:
    """Exact terms as a single batch, and the squared norms of the differences of means."""
    import dataclasses

    import numpy as np

    batch = {
        each.name: np.atleast_2d(getattr(terms, each.name)) for each in dataclasses.fields(terms)
    }
    picked = {
        name: values if values.shape[1] == 1 else values[:, chosen]
        for name, values in batch.items()
    }
    return type(terms)(**picked), (terms.bias**2 * terms.mean_centralised)[None, chosen]


def _of_game(args: argparse.Namespace, asked: dict[str, Any]) -> Found:
    from mastac.theory.makers import game_couplings, random_game, random_logits
    from mastac.theory.sets import sets_of
    from mastac.theory.variance import game_terms

    asked["discount"] = DISCOUNT if asked["discount"] is None else asked["discount"]
    couplings = game_couplings(args.game, asked["agents"])
    chosen = _chosen(args, couplings)
    game = random_game(couplings, asked["seed"], discount=asked["discount"])
    sets = sets_of(couplings, asked["kappa"])
    terms, gap = _exact(
        game_terms(game, random_logits(game, asked["seed"]), sets, asked["baseline"]), chosen
    )
    setting = {
        "of": f"a random game of {asked['agents']} agents, {args.game}, seed {asked['seed']}: exact, by enumeration",
        "policies": "random softmax tables; states as discounted from the start",
    }
    return (
        terms,
        gap,
        [couplings.agents[i] for i in chosen],
        bool(sets.moved[chosen].all()),
        setting,
    )


def _of_linear_network(args: argparse.Namespace, asked: dict[str, Any]) -> Found:
    from mastac.envs.graphs import couplings_of
    from mastac.envs.linear_quadratic.references import lq_problem
    from mastac.envs.registry import checked_options
    from mastac.structure import steady
    from mastac.theory.linear_quadratic import best_structured_gain
    from mastac.theory.lq_variance import gaussian_network, lq_terms
    from mastac.theory.sets import sets_of

    options = checked_options(args.env, asked["options"])
    couplings = steady(couplings_of(args.env, options))
    if couplings.num_agents > MOST_LINEAR:
        raise UserError(
            f"exact variances of '{args.env}' would take long; ask of at most {MOST_LINEAR} agents"
        )
    asked["discount"] = DISCOUNT if asked["discount"] is None else asked["discount"]
    chosen, problem = _chosen(args, couplings), lq_problem(couplings, options)
    gain = best_structured_gain(problem, constant=False)[0][:, : problem.num_states]
    network = gaussian_network(problem, gain, asked["discount"], asked["spread"])
    sets = sets_of(couplings, asked["kappa"])
    terms, gap = _exact(lq_terms(network, sets, asked["baseline"]), chosen)
    setting = {
        "of": f"{args.env}: exact, in the stationary law",
        "policies": f"the best linear feedback of what is observed, and noise of {asked['spread']:g}",
    }
    return (
        terms,
        gap,
        [couplings.agents[i] for i in chosen],
        bool(sets.moved[chosen].all()),
        setting,
    )


def _of_simulator(args: argparse.Namespace, asked: dict[str, Any]) -> Found:
    from mastac.learning.settings import Settings
    from mastac.structure import CouplingSequence
    from mastac.theory.sets import sets_of

    if args.folder is None:
        from mastac.envs.graphs import structure_of

        declared = structure_of(
            args.env, asked["options"]
        ).couplings  # mistakes are heard before JAX is imported
        if declared.num_agents > MOST_AGENTS:
            raise UserError(
                f"'{args.env}' is too large to sample; ask of at most {MOST_AGENTS} agents"
            )
        _chosen(args, declared.union() if isinstance(declared, CouplingSequence) else declared)
        from mastac.envs.registry import make
        from mastac.theory.monte_carlo import sampled_terms, simple_means

        env, discount, played = (
            make(args.env, **asked["options"]),
            Settings().discount,
            "the simple policy",
        )
        means = simple_means(env)
    else:
        from mastac.runs.run import load
        from mastac.theory.monte_carlo import network_means, sampled_terms

        run = load(args.folder)
        env, discount, seed = run.env, run.config.settings.discount, run.config.seeds[0]
        played, policy = f"those that seed {seed} of '{args.folder}' learnt", run.policy(seed)
        means = network_means(env, policy.weights, policy.biases, policy.action_limit)
    asked["discount"] = discount if asked["discount"] is None else asked["discount"]
    couplings = (
        env.couplings.union() if isinstance(env.couplings, CouplingSequence) else env.couplings
    )
    chosen, sets = _chosen(args, couplings), sets_of(couplings, asked["kappa"])
    how = (asked[name] for name in ("spread", "discount", "baseline", "samples", "seed"))
    found = sampled_terms(env, sets, means, *how, agents=chosen)
    head = f" before the {env.action_head}" if env.head.is_bounded else ""
    setting = {
        "of": f"{env.id}: Monte Carlo, {found.samples} states and actions, ± is half of a 95 % interval",
        "policies": f"{played}, and noise of {asked['spread']:g}{head}",
    }
    return (
        found.terms,
        found.gap,
        [couplings.agents[i] for i in chosen],
        bool(sets.moved[chosen].all()),
        setting,
    )


def add_theorems_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of `mastac theorems`."""
    sub.add_argument(
        "--systems", metavar="K", default="50", help="of each kind (default: %(default)s)"
    )
    sub.add_argument(
        "--seed", metavar="S", default="0", help="of the systems (default: %(default)s)"
    )
    sub.add_argument("--json", action="store_true", help="print JSON")


def theorems(args: argparse.Namespace) -> int:
    """Print how far the two sides of each theorem are apart; 1 if one does not hold."""
    count = arguments.parse_count("systems", args.systems)
    seed = arguments.parse_count("seed", args.seed, least=0)
    from mastac.theory.theorem_study import theorem_rows, theorem_text

    rows = theorem_rows(count, seed)
    if args.json:
        # JSON knows no NaN: what was not asked is null.
        table = [
            {name: None if value != value else value for name, value in row._asdict().items()}
            for row in rows
        ]
        print(json.dumps(table, indent=2, allow_nan=False))
    else:
        print(theorem_text(rows))
    return 0 if all(row.holds for row in rows) else 1
