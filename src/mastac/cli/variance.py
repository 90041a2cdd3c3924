"""`mastac variance`."""

import argparse

from mastac.cli import arguments
from mastac.cli.output import print_json
from mastac.cli.variance_measures import DISCOUNT, Question, measure
from mastac.errors import UserError, unknown

HELP = "measure how much the structure lowers the variance of the policy gradient"

# Repeated here from `mastac.theory`: the parser is built without numpy.
BASELINES = ("none", "state", "shared", "counterfactual")
GAMES = ("ring", "chain", "grid", "star", "stream")
STD, SAMPLES, AGENTS = 0.3, 8192, 4  # defaults


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    help = "environment to measure: exactly for lq-N, by Monte Carlo for others"
    arguments.add_env(parser, optional=True, help=help)
    parser.add_argument(
        "--run",
        metavar="DIR",
        dest="folder",
        help="measure around the trained policies of this run folder "
        "(default: around the simple policy of the environment)",
    )
    parser.add_argument(
        "--game",
        metavar="NAME",
        help="measure a random finite game instead of an environment, exactly; who affects whom: "
        + ", ".join(GAMES),
    )
    parser.add_argument(
        "--agents",
        metavar="N",
        help=f"with --game: number of agents, at least 2 (default: {AGENTS})",
    )
    parser.add_argument(
        "--kappa",
        metavar="K",
        help="truncate the dependency sets after K steps: 0, 1, 2, …, which adds a bias, or exact "
        "(default: exact)",
    )
    _add_estimator_arguments(parser)
    arguments.add_json(parser)
    arguments.add_env_set(parser)


def _add_estimator_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--baseline",
        metavar="NAME",
        default="none",
        help=f"baseline of the gradient estimators: {', '.join(BASELINES)} (default: %(default)s)",
    )
    parser.add_argument(
        "--discount",
        metavar="G",
        help=f"discount factor, from 0 up to but not 1 (default: {DISCOUNT}, or the run's)",
    )
    parser.add_argument(
        "--spread",
        metavar="S",
        help="standard deviation of the Gaussian noise of the policies, from 1e-6 up to 1e6, "
        f"before tanh or softmax where actions are bounded (default: {STD})",
    )
    parser.add_argument(
        "--samples",
        metavar="M",
        help=f"Monte Carlo samples of state and action, at least 64 (default: {SAMPLES})",
    )
    parser.add_argument(
        "--seed",
        metavar="S",
        default="0",
        help="whole number from 0 that chooses the random game or the Monte Carlo samples "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--agent", metavar="NAME", help="measure the gradient of this agent (default: of all)"
    )


def run(args: argparse.Namespace) -> int:
    """Print the total variance of both estimators, and its terms."""
    _check_combination(args)
    question = _question(args)
    answer = measure(question)
    from mastac.theory.variance_report import conclusion, report_text, variance_report

    setting = answer.setting | {
        "sets": "exact" if question.kappa is None else f"kappa = {question.kappa}",
        "baseline": question.baseline,
        "discount": answer.discount,
    }
    report = {"setting": setting, **variance_report(answer.terms, answer.gap, answer.agents)}
    report["conclusion"] = conclusion(report, answer.all_moved)
    if args.json:
        print_json(report)
    else:
        print(report_text(report))
    return 0


def _check_combination(args: argparse.Namespace) -> None:
    """Refuse options that exclude each other, before anything is imported."""
    if args.baseline not in BASELINES:
        raise unknown("baseline", args.baseline, BASELINES)
    if args.game is not None:
        if args.game not in GAMES:
            raise unknown("game", args.game, GAMES)
        excluded = {"the environment": args.env, "--run": args.folder, "--spread": args.spread}
        excluded |= {"--samples": args.samples, "--env-set": args.env_set or None}
        for option, value in excluded.items():
            if value is not None:
                raise UserError(f"--game makes a finite game and is exact; leave out {option}")
        return
    if args.agents is not None:
        raise UserError(
            "--agents goes with --game; an environment's name says how many agents it has"
        )
    if args.folder is not None:
        if args.env is not None or args.env_set:
            option = "the environment" if args.env else "--env-set"
            raise UserError(f"--run takes the environment of the run; leave out {option}")
    elif args.env is None:
        raise UserError(
            "say of what: an environment, --run DIR or --game ring (see 'mastac variance --help')"
        )
    elif args.env.startswith("lq-") and args.samples is not None:
        raise UserError(f"'{args.env}' is computed exactly; leave out --samples")


def _question(args: argparse.Namespace) -> Question:
    """The options as values."""

    def count(name: str, default: int, least: int) -> int:
        text = getattr(args, name)
        return default if text is None else arguments.parse_count(name, text, least)

    def number(name: str, least: float, below: float) -> float | None:
        text = getattr(args, name)
        return None if text is None else arguments.parse_number(name, text, least, below)

    return Question(
        env=args.env,
        game=args.game,
        folder=args.folder,
        kappa=None if args.kappa is None else arguments.parse_kappa(args.kappa),
        baseline=args.baseline,
        discount=number("discount", 0.0, 1.0),
        std=number("spread", 1e-6, 1e6) or STD,
        samples=count("samples", SAMPLES, least=64),
        seed=count("seed", 0, least=0),
        num_agents=count("agents", AGENTS, least=2),
        agent=args.agent,
        env_options=arguments.parse_assignments("--env-set", args.env_set),
    )
