"""The knobs of learners through a model of the dynamics. Imports no JAX."""

from dataclasses import dataclass

from mastac.learning.kinds import by_model, with_terminal_value
from mastac.learning.knobs import Search, knob


@dataclass(frozen=True)
class ModelSettings:
    """Local models, imagined episodes, and how long actors climb them."""

    dynamics: str = knob(
        "learnt",
        "what imagined episodes are played through: local models, or the simulator itself",
        by_model,
        choices=("learnt", "true"),
    )
    model_reads: str = knob(
        "neighbours",
        "what a local model reads: its agent's in-neighbours in the graphs, or all agents",
        by_model,
        choices=("neighbours", "all"),
    )
    model_members: int = knob(
        3, "local models of each next state and reward, which differ by chance", by_model, least=1
    )
    model_units: int = knob(
        32, "hidden units of a local model", by_model, least=2, search=Search(16, 128, log=True)
    )
    model_lr: float = knob(
        0.03,
        "Adam step size of the local models",
        by_model,
        above=0,
        search=Search(0.001, 0.1, log=True),
    )
    model_steps: int = knob(
        300,
        "steps of the local models for every 32 environment steps; more in the first round",
        by_model,
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
