"""What `mastac graph` does. Imports JAX for rollouts only."""

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mastac.cli import arguments
from mastac.errors import UserError

if TYPE_CHECKING:
    from mastac.envs.graphs import Structure


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of the command."""
    sub.add_argument(
        "source", metavar="ENV|FILE", help="an environment, a couplings file or a run folder"
    )
    sub.add_argument("--kappa", metavar="K", help="truncate after K steps (default: exact)")
    sub.add_argument("--agent", metavar="NAME", help="explain the set of this agent")
    sub.add_argument(
        "--why", metavar="OTHER", help="with --agent: why OTHER is in that set, or is not"
    )
    sub.add_argument(
        "--edges", action="store_true", help="which edge, removed, would shrink the sets most"
    )
    sub.add_argument(
        "--messages", action="store_true", help="who must send what to whom, for each kappa"
    )
    sub.add_argument(
        "--influence", action="store_true", help="play, and see how much lies beyond each kappa"
    )
    sub.add_argument(
        "--rollouts", metavar="R", help="with --influence: episodes to play (default: 64)"
    )
    sub.add_argument("--json", action="store_true", help="print JSON")
    arguments.add_env_set(sub)


def graph(args: argparse.Namespace) -> int:
    """Print who depends on whom and what that saves."""
    from mastac.analysis import format_report, graph_report, reason
    from mastac.analysis.advice import advice
    from mastac.learning.settings import Settings
    from mastac.structure import CouplingSequence

    kappa = None if args.kappa is None else arguments.parse_kappa(args.kappa)
    env_options = arguments.parse_assignments("--env-set", args.env_set)
    if args.why is not None and args.agent is None:
        raise UserError(f"--why {args.why} asks of the set of an agent; name it with --agent")
    if args.rollouts is not None and not args.influence:
        raise UserError("--rollouts goes with --influence")
    rollouts = (
        None if args.rollouts is None else arguments.parse_count("rollouts", args.rollouts, least=2)
    )
    couplings, state_sizes, action_sizes = structure_from(args.source, env_options)
    if args.influence and is_file(args.source) and not (Path(args.source) / "config.json").exists():
        raise UserError(
            f"--influence plays an environment, and '{args.source}' holds couplings alone"
        )
    sequence = couplings if isinstance(couplings, CouplingSequence) else None
    always = couplings.union() if isinstance(couplings, CouplingSequence) else couplings
    report = graph_report(
        always,
        kappa=kappa,
        agent=args.agent,
        state_sizes=state_sizes,
        action_sizes=action_sizes,
        hidden=Settings().critic_hidden,
        why=args.why,
        edges=args.edges,
        messages=args.messages,
    )
    if sequence is not None:
        report["steps"] = len(sequence)
        if args.why is not None:
            report["why"] = reason(sequence, args.agent, args.why, kappa).to_dict()
    if args.influence:
        kappas = [row["kappa"] for row in report["windows"]]
        report["influence"] = _influence(args.source, env_options, kappas, rollouts)
    train, discrete = _training(args.source, args.env_set)
    report["advice"] = advice(
        report["advice"]["signs"],
        report["windows"],
        train,
        discrete,
        report.get("steps"),
        report.get("influence"),
    )
    text = (
        json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
        if args.json
        else format_report(report)
    )
    print(text.rstrip())
    return 0


def _influence(
    source: str, env_options: dict[str, Any], kappas: list[int], rollouts: int | None
) -> dict[str, Any]:
    """The curve under the policy of a run folder, or under an environment's simple policy."""
    from mastac.analysis.influence import ROLLOUTS, influence_curve
    from mastac.learning.settings import Settings
    from mastac.runs.run import load

    if is_file(source):
        run = load(source)
        env, policy, discount = run.env, run.policy(), run.config.settings.discount
        played = f"the trained policy of seed {run.config.seeds[0]}"
    else:
        from mastac.envs.registry import make

        env, policy, discount, played = (
            make(source, **env_options),
            None,
            Settings().discount,
            "the simple policy",
        )
    found = influence_curve(
        env, policy, kappas, ROLLOUTS if rollouts is None else rollouts, discount
    )
    return {"policy": played, **found}


def _training(source: str, env_set: list[str]) -> tuple[str, bool]:
    """What `mastac train` takes, environment and options, `ENV` where unknown; and whether actions are choices."""
    from mastac.envs.registry import entry_of

    if is_file(source):
        config = Path(source) / "config.json"
        made: dict[str, Any] = (
            json.loads(config.read_text(encoding="utf-8")) if config.exists() else {"custom": True}
        )
        if made.get("custom", True):
            return "ENV", False
        entry = entry_of(made["env"])[0]
        values = {
            name: value
            for name, value in made["env_options"].items()
            if value != entry.options[name].default
        }
        source, env_set = (
            made["env"],
            [f"{name}={json.dumps(value)}" for name, value in values.items()],
        )
    options = [word for pair in env_set for word in ("--env-set", pair)]
    return shlex.join([source, *options]), entry_of(source)[0].discrete


def is_file(source: str) -> bool:
    """Whether `source` is a file or a run folder, and not an environment."""
    path = Path(source)
    looks = path.exists() or path.suffix or len(path.parts) > 1
    return bool(looks) and not (path.is_dir() and not (path / "couplings.json").exists())


def structure_from(
    source: str, env_options: dict[str, Any]
) -> "Structure | tuple[Any, None, None]":
    """Couplings and sizes of an environment, of a couplings file (sizes unknown), or of a run folder."""
    from mastac.envs.graphs import structure_of
    from mastac.structure import read_couplings

    if not is_file(source):
        return structure_of(source, env_options)
    if env_options:
        raise UserError(f"--env-set sets options of an environment, and '{source}' is a file")
    path = Path(source)
    return read_couplings(path / "couplings.json" if path.is_dir() else path), None, None
