"""Search the values of knobs: one run for each trial, in a folder that any later call goes on with.

Imports neither Optuna nor JAX before what the user asked for has been checked.
"""

import importlib.util
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

from mastac.checks import real_number, whole_number
from mastac.envs.naming import ImportedEnvironment, environment_from
from mastac.envs.registry import NamedEnvironment
from mastac.errors import UserError, unknown
from mastac.jobs import Here
from mastac.jobs.cluster import Cluster, checked_ray
from mastac.runs.config import ExperimentConfig, configuration_of
from mastac.runs.interruption import Stopped, interruptions
from mastac.tuning.findings import Findings
from mastac.tuning.folder import TuningFolder
from mastac.tuning.space import space_of
from mastac.tuning.trials import Trainer

if TYPE_CHECKING:
    from mastac.envs.base import Environment

AGAIN = "go on with the same command"
PRUNERS = ("median", "hyperband", "none")


def tune(
    env: "Environment | NamedEnvironment | ImportedEnvironment | str",
    algorithm: str = "mastac",
    out: str | Path | None = None,
    trials: SupportsIndex = 20,
    knobs: Sequence[str] = (),
    seeds: Any = (0, 1),
    fresh_seeds: SupportsIndex = 10,
    timeout: float | None = None,
    pruner: str = "median",
    progress: bool = True,
    env_options: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    ray: str | None = None,
    cpus: SupportsIndex = 1,
    gpus: float | None = None,
    **choices: Any,
) -> Findings:
    """Search values of knobs, and train the best and the preset's again on fresh seeds.

    The first trial is the preset. Each trial is a run folder within `out`. Called again with the
    same arguments it goes on where it stopped; `trials`, `timeout` and `fresh_seeds` may be others.

    **Arguments:**

    - `env`, `algorithm`, `env_options`: as for [`train`][mastac.runs.run.train].
    - `out`: the folder; by default `runs/tune-<env>-<algorithm>`.
    - `trials`: how many there are in the end, those of earlier calls included.
    - `knobs`: the knobs to search; without any, a few that matter for the algorithm.
    - `seeds`: those of each trial.
    - `fresh_seeds`: how many other seeds the best and the preset's are trained on after the search;
        0: none.
    - `timeout`: seconds of this call after which no new trial begins.
    - `pruner`: what stops trials that fall behind: "median", "hyperband" or "none".
    - `progress`: whether to print.
    - `fixed`: knobs that all trials have.
    - `ray`: the address of a Ray cluster that trials are played on, as many at a time as it has
        room for; "local" for one on this machine. `None`: here, one after the other.
    - `cpus`, `gpus`: with `ray`: what a trial takes; `gpus=None`: one if the cluster has any.
    - `choices`: further arguments of `mastac.train`: `epochs`, `kappa`, `preset`, …

    **Returns:** what was found; it is also in `out`/best.json.

    **Raises:**

    - `UserError` before anything is written, if an argument is wrong, or Optuna or Ray is not
        installed; later if no cluster answers, or a trial cannot be played.
    - `Stopped` after Ctrl-C, when the trial at work has been saved.
    """
    check_optuna()
    chosen = environment_from(env, env_options) if isinstance(env, str) else env
    fixed = dict(fixed or {})
    choices |= {"algorithm": algorithm, "seeds": seeds}
    config = configuration_of(chosen, **choices, **fixed)
    space = space_of(algorithm, config.settings, knobs, fixed)
    if pruner not in PRUNERS:
        raise unknown("pruner", pruner, PRUNERS)
    trials = whole_number("trials", trials, least=1)
    fresh_seeds = whole_number("fresh_seeds", fresh_seeds)
    if timeout is not None:
        timeout = real_number("timeout", timeout, 0)
    if ray is not None:
        checked_ray()
    cores = whole_number("cpus", cpus, least=1)
    gpus = None if gpus is None else real_number("gpus", gpus, 0)
    folder = TuningFolder(out or Path("runs") / f"tune-{config.env}-{algorithm}")
    asked = {
        **_comparable(config),
        "searched": list(space),
        "space": {name: place.to_dict() for name, place in space.items()},
        "pruner": pruner,
    }
    here = Here(lambda job: job.name if progress else None)
    say = (lambda line: print(line, file=sys.stderr, flush=True)) if progress else lambda line: None
    with folder.writing(), interruptions(f"stopped at once; {AGAIN}"):
        folder.begin(asked)
        from mastac.tuning.study import Study

        ends = None if timeout is None else time.monotonic() + timeout
        try:
            with nullcontext(here) if ray is None else Cluster(ray, folder.path, cores, gpus) as at:
                trainer = Trainer(chosen, choices, fixed, at, is_shared=ray is not None)
                findings = Study(folder, space, config, pruner, trainer).search(trials, ends, say)
                findings.write()  # what is known, should the rest be stopped
                findings.fresh = trainer.compared(folder, findings, config.seeds, fresh_seeds)
        except Stopped as stopped:
            raise Stopped(f"{str(stopped).split(';')[0]}; {AGAIN}", stopped.number) from None
        findings.write()
        return findings


def check_optuna() -> None:
    """`UserError` if Optuna is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise UserError("tuning needs Optuna; install it with: pip install 'mastac[tune]'")


def _comparable(config: ExperimentConfig) -> dict[str, Any]:
    """What all trials share, JSON-ready, without the versions."""
    data = config.to_dict()
    return {name: data[name] for name in data if name not in ("versions", "git_revision")}
