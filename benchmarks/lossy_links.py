"""What do lost messages cost, when every agent learns from what it is sent?

    python benchmarks/lossy_links.py [FOLDER] [PART …]

Trains agents that are apart, with links that lose a share of all messages, each for itself. Agents
hold the last value that arrived, or skip samples that lack something. Structured critics with κ =
1, 2 and exact sets, and central critics, which have to be sent everything. Losses come one by one,
or with `hold-burst-8` eight in a row on average (Gilbert-Elliott). Greedy policies then play twice:
over the same links, and over links that lose nothing, so that what was learnt is told from what is
seen late. At last, policies that were trained without losses play over links that deliver late.

The compiled simulation of `mastac run-distributed` does it, for all seeds and losses at once; tests
hold that processes which send each other messages come to the same numbers. A part is an
environment, a row and a kind of links, as in `lq-8/exact/hold`; those that are in FOLDER
(default: runs/lossy-links) are not trained again.
"""

import csv
import itertools
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from common import RESULTS, write
from mastac.distributed.lossy import Lossy
from mastac.distributed.plans import training_of
from mastac.distributed.simulation import Simulation
from mastac.palette import COLORS, INK, STYLE
from mastac.runs.drawing import save
from mastac.runs.evaluation import evaluation_key
from mastac.runs.planning import prepared

EPOCHS = {"lq-8": 300, "warehouse-9": 600}
KNOBS = {"critic_hidden": (32, 32), "batch_size": 64}  # small, to train fifteen runs in a minute
ROWS = {
    "lq-8": ("kappa-1", "kappa-2", "exact", "maddpg"),  # with three steps the sets are exact
    "warehouse-9": ("kappa-1", "exact", "maddpg"),  # with two they are
}
# What agents learn from samples that lack something, and how many a link loses in a row.
LINKS = {"lq-8": ("hold", "skip", "hold-burst-8"), "warehouse-9": ("hold", "hold-burst-8")}
TITLES = {
    "hold": "last value held",
    "skip": "samples skipped",
    "hold-burst-8": "held, eight in a row lost",
}
LOSSES, SEEDS, EPISODES = (0.0, 0.1, 0.3, 0.5, 0.7), 3, 100
DELAYS = (0, 1, 2, 4)
PANELS = (("lq-8", "hold"), ("warehouse-9", "hold"), ("lq-8", "skip"))
PANELS += (("lq-8", "hold-burst-8"), ("warehouse-9", "hold-burst-8"))
LOWEST = {"lq-8": -4.0, "warehouse-9": -10.0}  # of what is drawn; simple policies reach more
HEAD = ["env", "row", "links", "delay", "loss", "seed", "over_links", "without_losses"]


def simulated(env: str, row: str, lossy: Lossy) -> Simulation:
    """The training of a row."""
    known = {"kappa-1": 1, "kappa-2": 2, "exact": None}
    chosen = {"algorithm": "maddpg"} if row == "maddpg" else {"kappa": known[row]}
    plan = prepared(env, epochs=EPOCHS[env], seeds=[0], **chosen, **KNOBS)
    return Simulation(training_of(plan.spec, 0, plan.config.epochs, lossy))


def part(env: str, row: str, links: str) -> list[list]:
    """The rows of the table of one part."""
    incomplete, _, burst = links.partition("-burst-")
    lossy = Lossy(0.5, float(burst) if burst else None, 0, incomplete)
    simulation = simulated(env, row, lossy)
    losses, seeds = jnp.asarray(LOSSES), jnp.arange(SEEDS)
    keys = jax.random.split(evaluation_key(), EPISODES)

    @jax.jit
    @partial(jax.vmap, in_axes=(0, None))
    @partial(jax.vmap, in_axes=(None, 0))
    def trained(loss: jax.Array, seed: jax.Array) -> tuple:
        weights, _ = simulation.train(seed, loss)
        over = simulation.evaluate(weights, keys, lossy._replace(loss=loss)).mean()
        return weights, over, simulation.evaluate(weights, keys, Lossy()).mean()

    weights, *returns = trained(losses, seeds)
    over, without = map(np.asarray, returns)
    table = [
        [env, row, links, 0, loss, seed, float(over[k, seed]), float(without[k, seed])]
        for (k, loss), seed in itertools.product(enumerate(LOSSES), range(SEEDS))
    ]
    if links == "hold":
        unspoilt = jax.tree.map(lambda leaf: leaf[0], weights)
        for delay in DELAYS[1:]:
            late = Lossy(0.0, None, delay)
            play = jax.jit(jax.vmap(lambda w, late=late: simulation.evaluate(w, keys, late).mean()))
            table += [
                [env, row, links, delay, 0.0, seed, float(value), float(without[0, seed])]
                for seed, value in enumerate(np.asarray(play(unspoilt)))
            ]
    return table


def figure(table: Sequence[Sequence]) -> Figure:
    """Return against loss: the median of each row as a line, every seed as a dot.

    Runs that diverged stand at the lower edge.
    """
    with matplotlib.rc_context(STYLE):
        drawn = Figure(figsize=(10.2, 6.6), layout="constrained")
        *places, empty = drawn.subplots(2, 3).flat
        empty.remove()
        for axes, (env, links) in zip(places, PANELS, strict=True):
            for color, row in zip(COLORS, ROWS["lq-8"], strict=False):
                of_row = [r for r in table if [*r[:3], int(r[3])] == [env, row, links, 0]]
                if not of_row:
                    continue
                by_loss = [[shown(env, r[6]) for r in of_row if float(r[4]) == x] for x in LOSSES]
                label = row.replace("kappa-", "κ = ").replace("maddpg", "central (MADDPG)")
                axes.plot(LOSSES, np.median(by_loss, axis=1), color=color, label=label)
                for x, values in zip(LOSSES, by_loss, strict=True):
                    axes.plot([x] * len(values), values, "o", color=color, markersize=3, alpha=0.5)
            axes.set_title(f"{env}, {TITLES[links]}", color=INK)
            axes.set_xlabel("share of messages lost")
            axes.set_ylabel("greedy return")
        lines = drawn.axes[0].get_legend_handles_labels()
        drawn.legend(*lines, frameon=False, loc="center", bbox_to_anchor=(0.85, 0.3))
    return drawn


def shown(env: str, value: str | float) -> float:
    """A return within what is drawn."""
    return max(float(np.nan_to_num(float(value), nan=LOWEST[env])), LOWEST[env])


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/lossy-links")
    folder.mkdir(parents=True, exist_ok=True)
    parts = [f"{env}/{row}/{links}" for env in EPOCHS for row in ROWS[env] for links in LINKS[env]]
    for name in sys.argv[2:] or parts:
        path = folder / f"{name.replace('/', '-')}.csv"
        if not path.exists():
            rows = part(*name.split("/"))
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
    paths = [folder / f"{name.replace('/', '-')}.csv" for name in parts]
    if not all(path.exists() for path in paths):
        return
    table = [
        row for path in paths for row in csv.reader(path.read_text(encoding="utf-8").splitlines())
    ]
    write("lossy-links", HEAD, [[*row[:6], *map(float, row[6:])] for row in table])
    save(figure(table), RESULTS / "lossy-links.png")


if __name__ == "__main__":
    main()
