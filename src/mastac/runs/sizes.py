"""What a run will take of memory and disk, foreseen before anything is compiled.

Weights, optimizers and what is kept of episodes are exact: their shapes are evaluated and nothing
is allocated. What an update and an evaluation hold for a moment is estimated from the widths of the
networks and the transitions of a batch.
"""

import itertools
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mastac.algorithms import ALGORITHMS
from mastac.envs.host.environment import HostEnvironment
from mastac.errors import UserError
from mastac.learning.acting import Acting
from mastac.learning.devices import SEEDS, seed_mesh
from mastac.learning.learner import buffer_of, learner_of
from mastac.learning.loop import one_seed
from mastac.learning.partition.program import agent_mesh
from mastac.learning.spec import LearnerSpec
from mastac.learning.updates.dyna import Drawn
from mastac.memory import free_memory, size_in_words
from mastac.runs.plan import RunPlan
from mastac.text import table

ROW = 700
"""Bytes of a row of `metrics.csv` while tables are read: numbers, and the texts that they are."""
ROW_ON_DISK = 90
PASSES = 2  # values are kept from the forward pass, and their slopes are computed beside them


class Part(NamedTuple):
    """One part of what a run takes.

    - `name`: as the table and messages call it.
    - `bytes`: of one seed.
    - `is_exact`: whether it is computed, or estimated.
    - `knob`: how to make it smaller.
    """

    name: str
    bytes: float
    is_exact: bool
    knob: str


@dataclass(frozen=True)
class Sizes:
    """What a run takes.

    - `parts`: for each seed.
    - `seeds`: how many are trained side by side on one device.
    - `disk`: bytes of the run folder.
    - `free`, `free_disk`: what there is; `None` where that is not known.
    - `where`: what `free` is the memory of.
    """

    parts: Sequence[Part]
    seeds: int
    disk: float
    free: int | None
    free_disk: int | None
    where: str

    @property
    def total(self) -> float:
        """Bytes of memory of all seeds."""
        return self.seeds * sum(part.bytes for part in self.parts)

    def __str__(self) -> str:
        """The table of `mastac train … --dry-run`."""
        rows = [
            (part.name, part.knob, _how(part), size_in_words(self.seeds * part.bytes))
            for part in self.parts
        ]
        free = "?" if self.free is None else size_in_words(self.free)
        rows.append(("memory", "", f"{free} free ({self.where})", size_in_words(self.total)))
        free = "?" if self.free_disk is None else size_in_words(self.free_disk)
        rows.append(("disk", "", f"{free} free", size_in_words(self.disk)))
        return table(("part", "smaller with", "how", "size"), rows, left=3)

    def check(self) -> str | None:
        """Refuse a run that does not fit.

        **Returns:** a warning where it takes more than half of what is free.

        **Raises:** `UserError` with the largest part and the knob to turn.
        """
        largest = max(self.parts, key=lambda part: part.bytes)
        takes = (
            f"take {size_in_words(self.total)} of memory, and "
            f"{size_in_words(self.free or 0)} are free ({self.where}); the largest part is "
            f"{largest.name} ({size_in_words(self.seeds * largest.bytes)}); lower {largest.knob}"
        )
        if self.free is not None and self.total > self.free:
            fitting = int(self.seeds * self.free // self.total)
            fewer = f", or train fewer seeds at once ({fitting:,} fit)" if fitting else ""
            raise UserError(f"this run would {takes}{fewer}; --dry-run shows all parts")
        if self.free_disk is not None and self.disk > self.free_disk:
            raise UserError(
                f"the run folder would take {size_in_words(self.disk)}, and "
                f"{size_in_words(self.free_disk)} are free on the disk; lower epochs, seeds or "
                "buffer_size, or choose another --out"
            )
        if self.free is not None and self.total > self.free / 2:
            return f"this run may {takes} if memory runs out"
        return None


def _how(part: Part) -> str:
    return "exact" if part.is_exact else "estimated"


def foreseen(plan: RunPlan, out: Path = Path()) -> Sizes:
    """The sizes of a planned run.

    **Arguments:**

    - `plan`: the run. Nothing of it is compiled or allocated.
    - `out`: the run folder, or where it will be.

    **Raises:** `UserError` if sizes are larger than JAX can count.
    """
    try:
        parts = _parts(plan)
    except (OverflowError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"this run is larger than any array can be ({error}); lower batch_size, buffer_size "
            "and the widths of hidden layers"
        ) from error
    config = plan.config
    free, where = _free()
    if config.partition is None:
        mesh = seed_mesh(len(config.seeds))
    else:
        mesh = agent_mesh(config.partition, len(config.seeds))
    rows = config.epochs * len(config.seeds)
    kept = sum(part.bytes for part in parts if part.is_exact)
    disk = ROW_ON_DISK * rows + 2 * len(config.seeds) * kept  # two checkpoints
    return Sizes(
        parts=parts,
        seeds=len(config.seeds) // (1 if mesh is None else mesh.shape[SEEDS]),
        disk=disk,
        free=free,
        free_disk=_free_disk(out),
        where=where,
    )


def check_sizes(plan: RunPlan, out: Path, is_heard: bool) -> None:
    """Refuse a run that memory or disk do not hold; say where it takes more than half."""
    warning = foreseen(plan, out).check()
    if warning is not None and is_heard:
        print(f"mastac: {warning}", file=sys.stderr)


def _parts(plan: RunPlan) -> list[Part]:
    """What one seed takes."""
    env, spec, config = plan.env, plan.spec, plan.config
    settings, agents = config.settings, env.num_agents
    buffer, learner = buffer_of(env, settings, config.epochs), learner_of(spec)
    seed = one_seed(env, learner, buffer, settings, config.epochs)
    is_host = isinstance(env, HostEnvironment)
    shape = Acting(seed, env.horizon).episode_shape(env) if is_host else None
    key = jax.eval_shape(jax.random.key, 0)
    state = jax.eval_shape(lambda key: seed.init(key, shape), key)
    learnt = state.learner
    if settings.estimator == "model":
        drawn = 0
        steps = settings.imagined_steps or env.horizon
        transitions = max(settings.batch_size, settings.imagined_episodes * steps)
        climbing = settings.model_members
    else:
        batch = jax.eval_shape(buffer.draw, state.store, jax.ShapeDtypeStruct((), jnp.int32), key)
        batch = batch.batch if isinstance(batch, Drawn) else batch  # the store is not copied
        drawn = 2 * _bytes(batch)
        transitions = math.prod(batch.rewards.shape[:-1])
        climbing = 1
    values = 4 * (
        climbing * _at_once(learnt.actors, agents)  # all wait for the slopes that critics give
        + PASSES * _in_critics(spec, learnt.critics)
        + 2 * sum(bucket.action_rows.size for bucket in spec.buckets)  # those slopes
    )
    # The learner after a step stands beside that before it, which is kept where a number is not
    # finite, and passes through the loop over updates.
    stepping = 2 * _bytes(learnt)
    # An episode is played with the actors alone; a step is forgotten when the next one is played.
    width = sum(int(sizes.max()) for sizes in (env.state_sizes, env.obs_sizes, env.action_sizes))
    blocks = spec.actors.blocks
    together = agents if blocks is None else blocks.members.shape[1]
    playing = 4 * (agents * (2 * width + env.horizon) + _at_once(learnt.actors, together))
    widths = "hidden layers (actor_hidden, critic_hidden)"
    kept = "rollout_steps" if settings.on_policy else "buffer_size"
    several = "rollout_steps" if settings.on_policy else "batch_size"
    several = "imagined_episodes, model_members" if settings.estimator == "model" else several
    several += " or hidden layers"
    may_share = ALGORITHMS[config.algorithm].uses("share_critics") and not settings.share_critics
    share = ", or set share_critics" if may_share else ""
    targets = _bytes(learnt.target_actors) + _bytes(learnt.target_critics)
    optimizers = _bytes(learnt.actor_optimizer) + _bytes(learnt.critic_optimizers)
    rows = config.evaluation_interval * 8 * 16 + ROW * config.epochs
    return [
        Part("actors", _bytes((learnt.actors, state.kept)), True, "actor_hidden"),
        Part("critics", _bytes((learnt.critics, learnt.model)), True, "critic_hidden or kappa"),
        Part("target networks", targets, True, widths),
        Part("optimizers", optimizers, True, widths),
        Part("episodes kept", _bytes(state.store), True, kept),
        Part("copies in a step", stepping, False, widths + share),
        Part("an update", drawn + values * transitions, False, several),
        Part("an evaluation", playing * config.final_episodes, False, "evaluation_episodes"),
        Part("results", rows, False, "epochs"),
    ]


def _bytes(tree: Any) -> int:
    """Bytes of all arrays, of which shapes are known."""
    return sum(math.prod(leaf.shape) * _item(leaf.dtype) for leaf in jax.tree.leaves(tree))


def _item(dtype: Any) -> int:
    return 8 if jnp.issubdtype(dtype, jax.dtypes.extended) else dtype.itemsize


def _at_once(tree: Any, members: int) -> int:
    """How many numbers the layers of a stack of networks read and give for one transition.

    `members`: how many are computed at once, whose networks they may share.
    """
    layers = [leaf.shape for leaf in jax.tree.leaves(tree) if len(leaf.shape) > 2]
    return sum(members * math.prod(shape[1:-2]) * (shape[-2] + shape[-1]) for shape in layers)


def _in_critics(spec: LearnerSpec, critics: tuple[Any, ...]) -> int:
    """The same of all stacks of critics, as many at once as are computed together."""
    total, blocks = 0, [bucket.shared for bucket in spec.buckets]
    # Behind those of the layout there may be a mixer, or there are models in their place.
    blocks = blocks if len(blocks) <= len(critics) else []
    for stack, shared in itertools.zip_longest(critics, blocks):
        leaves = jax.tree.leaves(stack)
        networks = max((leaf.shape[0] for leaf in leaves if leaf.shape), default=0)
        together = min(networks, spec.chunk or networks)
        total += _at_once(stack, together if shared is None else shared.members.shape[1])
    return total


def _free() -> tuple[int | None, str]:
    """Free bytes where networks are trained, and whose memory it is."""
    device = jax.devices()[0]
    stats = None if device.platform == "cpu" else device.memory_stats()
    if not stats or "bytes_limit" not in stats:
        return free_memory(), "memory of the machine"
    free = stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    return free, f"memory of {device.device_kind}"


def _free_disk(out: Path) -> int | None:
    place = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None
