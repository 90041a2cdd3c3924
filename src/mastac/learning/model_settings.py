"""The knobs of learners through a model of the dynamics. Imports no JAX."""

from dataclasses import dataclass

from mastac.learning.kinds import (
    by_model,
    every_learner,
    with_imagined_data,
    with_models,
    with_terminal_value,
)
from mastac.learning.knobs import Search, knob


@dataclass(frozen=True)
class ModelSettings:
    """Local models, what is imagined through them, and how long actors climb it."""

    dynamics: str = knob(
        "learnt",
        "what is imagined through: local models, or the simulator itself",
        with_models,
        choices=("learnt", "true"),
    )
    model_reads: str = knob(
        "neighbours",
        "what a local model reads: its agent's in-neighbours in the graphs, or all agents",
        with_models,
        choices=("neighbours", "all"),
    )
    model_members: int = knob(
        3,
        "local models of each next state and reward, which differ by chance",
        with_models,
        least=1,
    )
    model_units: int = knob(
        32, "hidden units of a local model", with_models, least=2, search=Search(16, 128, log=True)
    )
    model_lr: float = knob(
        0.03,
        "Adam step size of the local models",
        with_models,
        above=0,
        search=Search(0.001, 0.1, log=True),
    )
    model_steps: int = knob(
        300,
        "steps of the local models for every 32 environment steps; more in the first round",
        with_models,
        least=1,
        search=Search(50, 1000, log=True),
    )
    imagined_episodes: int = knob(
        8, "imagined episodes of each member that actors climb", by_model, least=1
    )
    imagined_steps: int = knob(
        0,
        "steps of an imagined episode, from replayed states; 0: whole ones, from first states",
        by_model,
        least=0,
    )
    terminal_value: str = knob(
        "none",
        "what follows an imagined episode that stops early: nothing, or the value by critics",
        by_model,
        choices=("none", "critics"),
    )
    critic_steps: int = knob(
        100,
        "steps of the critics for every 32 environment steps; more in the first round",
        with_terminal_value,
        least=1,
    )
    climbing_steps: int = knob(
        50,
        "steps of the actors for every 32 environment steps",
        by_model,
        least=1,
        search=Search(10, 200, log=True),
    )
    imagined_data: bool = knob(
        False, "batches hold imagined transitions, too, from replayed states", every_learner
    )
    imagined_share: float = knob(
        0.5,
        "share of a batch that is imagined",
        with_imagined_data,
        least=0,
        most=1,
        search=Search(0.0, 0.95),
    )
    branch_steps: int = knob(
        1,
        "imagined steps one after the other, from a replayed state, at most to the episode's end",
        with_imagined_data,
        least=1,
        search=Search(1, 8, log=True),
    )
    updates_per_step: float = knob(
        1.0,
        "updates of all agents for every environment step, made after each episode",
        with_imagined_data,
        above=0,
        search=Search(0.1, 10.0, log=True),
    )
