"""A run resolved once: everything that training needs, checked before anything is written."""

from dataclasses import dataclass
from typing import Any

import jax

from mastac.algorithms import ALGORITHMS
from mastac.checks import whole_number
from mastac.envs.base import Environment, Reference
from mastac.envs.host.environment import HostEnvironment
from mastac.envs.validation import check_environment, checked_reference
from mastac.errors import UserError
from mastac.learning.learner import learner_spec, update_schedule
from mastac.learning.partition.program import agent_mesh
from mastac.learning.partition.supported import check_supported
from mastac.learning.schedule import UpdateSchedule
from mastac.learning.spec import LearnerSpec
from mastac.runs.config import ExperimentConfig
from mastac.runs.description import description_of, reference_of_run
from mastac.runs.folder import RunFolder
from mastac.runs.inputs import input_sources
from mastac.structure.layout import CriticLayout
from mastac.structure.layouts import with_distances

FEW = 50
"""Networks, counted over all seeds, that are computed together wherever there are no more."""


@dataclass(frozen=True)
class RunPlan:
    """What a run is, resolved and checked.

    - `config`: every choice, as stored in `config.json`.
    - `spec`: what the learner is made of; holds the environment, the critic layout and the
        settings.
    - `schedule`: after which epochs there are updates.
    - `reference`: the figures that returns are held against; `None` where there are none.
    """

    config: ExperimentConfig
    spec: LearnerSpec
    schedule: UpdateSchedule
    reference: Reference | None

    @property
    def env(self) -> Environment:
        """The environment."""
        return self.spec.env

    def description(self) -> dict[str, Any]:
        """What `environment.json` holds."""
        inputs = {"units": dict(self.env.units), "inputs": input_sources(self.env)}
        return description_of(self.env, self.reference) | inputs


def plan_run(
    env: Environment, config: ExperimentConfig, folder: RunFolder | None = None
) -> RunPlan:
    """Check an environment with a configuration and build what training needs; nothing is compiled.

    **Arguments:**

    - `env`: the environment.
    - `config`: the configuration.
    - `folder`: of a run that has begun, whose stored reference figures are used.

    **Raises:**

    - `UserError` if the environment does not do what it declares, or if no update would ever
      happen.
    """
    check_environment(env)
    if isinstance(env, HostEnvironment):
        check_can_be_imagined(env, config)
    schedule = update_schedule(env, config.settings)
    check_learns(schedule, config)
    spec = learner_spec(
        env,
        layout_of(env, config),
        config.settings,
        schedule.total(config.epochs),
        chunk_for(len(config.seeds), env.num_agents),
        config.epochs,
    )
    if config.partition is not None:
        check_supported(spec)
        whole_number("partition", config.partition, least=1, most=env.num_agents)
        agent_mesh(config.partition, len(config.seeds))
    return RunPlan(
        config=config,
        spec=spec,
        schedule=schedule,
        reference=checked_reference(env) if folder is None else reference_of_run(folder, env),
    )


def check_can_be_imagined(env: HostEnvironment, config: ExperimentConfig) -> None:
    """`UserError` where episodes of a simulator outside JAX could not be imagined."""
    if config.settings.dynamics != "learnt":
        raise UserError(
            f"'{env.id}' is a simulator outside JAX, and algorithm '{config.algorithm}' cannot use "
            "its true dynamics; leave the knob dynamics at learnt"
        )


def check_learns(schedule: UpdateSchedule, config: ExperimentConfig) -> None:
    """`UserError` if a run ends before its first update."""
    if config.epochs >= schedule.first:
        return
    settings = config.settings
    names = ("rollout_steps",) if settings.on_policy else ("batch_size", "warmup_epochs")
    knobs = " and ".join(f"{name}={getattr(settings, name)}" for name in names)
    raise UserError(
        f"with {knobs} the first update comes after epoch {schedule.first}, and the run has "
        f"epochs={config.epochs}; give at least {schedule.first} epochs or lower {names[0]}"
    )


def layout_of(env: Environment, config: ExperimentConfig) -> CriticLayout:
    """The critics of the configured algorithm on this environment."""
    settings = config.settings
    algorithm = ALGORITHMS[config.algorithm]
    layout = algorithm.layout_for(env.couplings, config.kappa, settings.minimal, settings.rewards)
    if settings.distance_decay == 1:
        return layout
    return with_distances(layout, env.couplings, config.kappa, settings.minimal)


def chunk_for(num_seeds: int, num_agents: int = FEW + 1) -> int:
    """How many agents' networks are computed together; 0 means all.

    On a CPU about ten, counted over all seeds, fill its cache best. A few more are as fast all
    together, and a program without turns compiles in two thirds to five sixths of the time
    (`benchmarks/compile_time.py`).
    """
    if jax.default_backend() != "cpu" or num_seeds * num_agents <= FEW:
        return 0
    return max(1, round(10 / num_seeds))
