"""`mastac graph`. Imports JAX only where rollouts are played."""

import argparse
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mastac.cli import arguments, graph_page
from mastac.cli.output import print_json
from mastac.errors import UserError

if TYPE_CHECKING:
    from mastac.envs.family import Structure
    from mastac.envs.naming import ImportedEnvironment
    from mastac.envs.registry import NamedEnvironment

    AnyNamed = NamedEnvironment | ImportedEnvironment

HELP = "show who depends on whom, and what that saves, before anything is trained"


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """The options of the command."""
    sub.add_argument(
        "source",
        metavar="ENV|FILE",
        help="an environment (module:name for one of your own), a file of couplings or of a "
        "network (SUMO, EPANET, RDDL, pandapower), or a run folder",
    )
    sub.add_argument(
        "--kappa",
        metavar="K",
        help="count rewards up to K steps ahead (default: all, the exact sets)",
    )
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
        "--influence",
        action="store_true",
        help="play episodes, and measure how much lies beyond each kappa",
    )
    sub.add_argument(
        "--rollouts", metavar="R", help="with --influence: episodes to play (default: 64)"
    )
    sub.add_argument(
        "--draw", metavar="DIR", help="write pictures of the graphs, networks and sets, PNG and SVG"
    )
    sub.add_argument("--json", action="store_true", help="print JSON")
    graph_page.add_arguments(sub)
    arguments.add_env_set(sub)
    arguments.add_couplings(sub)


def run(args: argparse.Namespace) -> int:
    """Print who depends on whom and what that saves."""
    from mastac.analysis import format_report, graph_report
    from mastac.envs.naming import environment_from
    from mastac.learning.settings import Settings

    kappa = None if args.kappa is None else arguments.parse_kappa(args.kappa)
    env_options = arguments.parse_assignments("--env-set", args.env_set)
    if args.why is not None and args.agent is None:
        raise UserError(f"--why {args.why} asks of the set of an agent; name it with --agent")
    rollouts = _rollouts(args)
    page = graph_page.check(args)
    if is_file(source := args.source):
        if args.couplings is not None:
            raise UserError(f"--couplings goes with a simulator, and '{source}' holds couplings")
    else:
        source = environment_from(source, env_options, args.couplings)
    couplings, state_sizes, action_sizes = structure_of(source, env_options)
    given = [] if args.couplings is None else ["--couplings", args.couplings]
    typed = shlex.join([args.source, *_env_set(args.env_set), *given])
    train, discrete = _training(source, typed)
    report = graph_report(
        couplings,
        kappa=kappa,
        agent=args.agent,
        state_sizes=state_sizes,
        action_sizes=action_sizes,
        hidden=Settings().critic_hidden,
        why=args.why,
        edges=args.edges,
        messages=args.messages or graph_page.wants_messages(page, couplings),
        train=train,
        discrete=discrete,
        play=_player(source, rollouts) if args.influence else None,
    )
    said = ""
    if args.draw is not None:
        from mastac.pictures.album import album

        pictures = album(couplings, kappa, args.agent)
        report["pictures"] = [str(path) for path in pictures.save(args.draw)]
        report["pictures_left_out"] = pictures.left_out
        said += "\n\n" + pictures.says(args.draw)
    if page is not None:
        said += graph_page.write(page, args, couplings, report, (state_sizes, action_sizes))
        report["page"] = str(page)
        if not args.messages:
            report["messages"] = None
    if args.json:
        print_json(report)
    else:
        print(format_report(report).rstrip() + said)
    return 0


def _rollouts(args: argparse.Namespace) -> int | None:
    """The number of episodes to play, if it is given, and only where they can be played."""
    if args.rollouts is not None and not args.influence:
        raise UserError("--rollouts goes with --influence")
    is_run = (Path(args.source) / "config.json").exists()
    if args.influence and is_file(args.source) and not is_run:
        raise UserError(
            f"--influence plays an environment, and '{args.source}' holds couplings alone"
        )
    if args.rollouts is None:
        return None
    return arguments.parse_count("rollouts", args.rollouts, least=2)


def _player(
    source: "str | AnyNamed", rollouts: int | None
) -> Callable[[list[int]], dict[str, Any]]:
    """Plays the policy of a run folder, or an environment's simple policy, for some kappas."""

    def play(kappas: list[int]) -> dict[str, Any]:
        from mastac.analysis.influence import ROLLOUTS, influence_curve

        env, acting, discount, name = _played_policy(source)
        number = ROLLOUTS if rollouts is None else rollouts
        return {"policy": name, **influence_curve(env, acting, kappas, number, discount)}

    return play


def _played_policy(source: "str | AnyNamed") -> tuple[Any, Any, float, str]:
    """An environment, a policy (`None`: its simple one), the discount, and what it is called."""
    from mastac.learning.settings import Settings
    from mastac.runs.evaluation import greedy_actions
    from mastac.runs.run import load

    if not isinstance(source, str):
        return source.build(), None, Settings().discount, "the simple policy"
    trained = load(source)
    acting = greedy_actions(trained.env, trained.policy())
    name = f"the trained policy of seed {trained.config.seeds[0]}"
    return trained.env, acting, trained.config.settings.discount, name


def _training(source: "str | AnyNamed", typed: str) -> tuple[str, bool]:
    """What `mastac train` takes (`ENV` where unknown), and whether actions are discrete.

    `typed`: the environment and its options as they were typed; a run folder knows its own.
    """
    if not isinstance(source, str):
        return typed, source.discrete
    if not (Path(source) / "config.json").exists():
        return "ENV", False
    from mastac.runs.environment import read_environment
    from mastac.runs.folder import RunFolder

    folder = RunFolder(source)
    config, more = folder.read_config(), []
    if config.get("custom", True):
        is_known = folder.environment.is_file()
        # One head for all agents, or one for each.
        discrete = is_known and "discrete" in read_environment(folder)["action_head"]
        origin = config.get("origin")
        if origin is None:
            return "ENV", discrete
        name, given = origin["place"], origin["options"]
        if (file := origin.get("couplings")) is not None:
            more = ["--couplings", file]
    else:
        from mastac.envs.registry import entry_of

        name, given = config.get("env", ""), config.get("env_options", {})
        family = entry_of(name)[0]
        discrete = family.discrete
        defaults = {key: option.default for key, option in family.options.items()}
        given = {key: v for key, v in given.items() if v != defaults.get(key)}
    pairs = [f"{key}={json.dumps(value)}" for key, value in given.items()]
    return shlex.join([name, *_env_set(pairs), *more]), discrete


def _env_set(pairs: list[str]) -> list[str]:
    """Options of an environment as words of a command."""
    return [word for pair in pairs for word in ("--env-set", pair)]


def is_file(source: str) -> bool:
    """Whether `source` is a file or a run folder, and not an environment."""
    path = Path(source)
    looks = path.exists() or (":" not in source and (path.suffix or len(path.parts) > 1))
    return bool(looks) and not (path.is_dir() and not (path / "couplings.json").exists())


def structure_of(
    source: "str | AnyNamed", env_options: dict[str, Any]
) -> "Structure | tuple[Any, Any, Any]":
    """Couplings and sizes of an environment, a run folder, or a file (sizes unknown)."""
    if not isinstance(source, str):
        return source.structure
    from mastac.structure import read_graphs

    path = Path(source)
    options = {option: str(value) for option, value in env_options.items()}
    if not path.is_dir():
        return read_graphs(path, **options), None, None
    if env_options:
        raise UserError(f"--env-set: '{source}' is a run folder, whose environment has its options")
    from mastac.runs.agent_figures import stored_sizes

    couplings = read_graphs(path / "couplings.json")
    state_sizes, action_sizes = stored_sizes(path, couplings.num_agents) or (None, None)
    return couplings, state_sizes, action_sizes
