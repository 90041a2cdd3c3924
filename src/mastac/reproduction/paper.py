"""The paper's experiments as data: rows, lengths, and the figures that the paper prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from mastac.errors import UserError, unknown
from mastac.runs.policy import FINAL_EPISODES
from mastac.runs.presets import tuned_for

if TYPE_CHECKING:
    from mastac.runs.config import Kappa

ENVS = ("warehouse-9", "warehouse-40", "thermal-40")
PAPER_EPOCHS = {"warehouse-9": 3500, "warehouse-40": 6000, "thermal-40": 5000}


@dataclass(frozen=True)
class CellInfo:
    """A row of the comparison: its label, and the arguments of `mastac train` that make it."""

    label: str
    algorithm: str
    kappa: "Kappa" = "preset"
    knobs: Mapping[str, Any] = field(default_factory=dict)


TEAM, OWN = {"rewards": "team"}, {"rewards": "own"}
CELLS: dict[str, CellInfo] = {
    "mastac-k2": CellInfo("MAStAC κ=2", "mastac", 2),
    "mastac": CellInfo("MAStAC (exact)", "mastac", None),
    "maddpg": CellInfo("MADDPG (team)", "maddpg", knobs=TEAM),
    "matd3": CellInfo("MATD3 (team)", "matd3", knobs=TEAM),
    "facmac": CellInfo("FACMAC", "facmac"),
    "maddpg-own": CellInfo("MADDPG (own)", "maddpg", knobs=OWN),
    "matd3-own": CellInfo("MATD3 (own)", "matd3", knobs=OWN),
    "independent": CellInfo("independent", "independent"),
    "facmac-nonmonotonic": CellInfo("FACMAC (non-monotonic)", "facmac-nonmonotonic"),
    "qdcg-decentralised": CellInfo("QDCG (decentralised)", "qdcg-decentralised"),
    "qdcg-coupling": CellInfo("QDCG (coupling)", "qdcg-coupling"),
    "qdcg-centralised": CellInfo("QDCG (centralised)", "qdcg-centralised"),
    "undecomposed-q": CellInfo("undecomposed Q", "undecomposed-q", None),
    "undecomposed-qhat": CellInfo("undecomposed Q̂", "undecomposed-qhat", None),
    "mastac-k4": CellInfo("MAStAC κ=4", "mastac", 4),
    "mastac-k6": CellInfo("MAStAC κ=6", "mastac", 6),
    "mastac-k8": CellInfo("MAStAC κ=8", "mastac", 8),
}

# Trained before the others, on all environments: the rows that the paper's table has for all three.
REQUIRED = ("mastac-k2", "mastac", "maddpg", "matd3", "facmac")
ABLATION = ("mastac", "undecomposed-q", "undecomposed-qhat")
WINDOWS = ("mastac-k2", "mastac-k4", "mastac-k6", "mastac-k8")
COMPARED = tuple(name for name in CELLS if name not in (*ABLATION[1:], *WINDOWS[1:]))

# Table 1: mean and standard deviation of the return over the last fifth of the epochs, 15 runs. The
# paper does not say whose reward its MADDPG and MATD3 learn from; their figures stand beside the
# variants with team rewards.
PAPER_TABLE: dict[tuple[str, str], tuple[float, float]] = {
    ("mastac", "warehouse-9"): (-0.35, 0.26),
    ("mastac", "warehouse-40"): (-13.68, 0.64),
    ("mastac", "thermal-40"): (-160.86, 5.41),
    ("mastac-k2", "warehouse-9"): (-0.356, 0.26),
    ("mastac-k2", "warehouse-40"): (-13.73, 1.26),
    ("mastac-k2", "thermal-40"): (-174.43, 22.38),
    ("maddpg", "warehouse-9"): (-0.417, 0.45),
    ("maddpg", "warehouse-40"): (-18.09, 0.28),
    ("maddpg", "thermal-40"): (-1311.87, 542.13),
    ("matd3", "warehouse-9"): (-0.67, 0.55),
    ("matd3", "warehouse-40"): (-17.62, 0.35),
    ("matd3", "thermal-40"): (-1160.0, 334.59),
    ("facmac", "warehouse-9"): (-1.266, 0.66),
    ("facmac", "warehouse-40"): (-19.76, 4.72),
    ("facmac", "thermal-40"): (-1390.96, 565.46),
    ("qdcg-centralised", "warehouse-40"): (-15.13, 0.47),
    ("qdcg-centralised", "thermal-40"): (-356.47, 292.9),
    ("qdcg-decentralised", "warehouse-40"): (-14.72, 0.6),
    ("qdcg-decentralised", "thermal-40"): (-462.66, 295.75),
}
# The ablation's text: (cell, iteration) -> mean and standard deviation. (The table's runs end at
# 3,500.)
PAPER_ABLATION: dict[tuple[str, int], tuple[float, float]] = {
    ("mastac", 2000): (-0.525, 0.32),
    ("undecomposed-q", 2000): (-1.439, 0.46),
    ("undecomposed-qhat", 2000): (-1.381, 0.53),
    ("mastac", 6000): (-0.244, 0.18),
    ("undecomposed-q", 6000): (-0.777, 0.36),
    ("undecomposed-qhat", 6000): (-0.602, 0.57),
}


@dataclass(frozen=True)
class Preset:
    """How much of the paper is repeated.

    - `base`: the preset of `mastac train`; `knobs` override it, by pattern of environment.
    - `is_tuned`: whether each row takes the rates that the search chose for it.
    - `products`: what can be reproduced -> environment -> cells.
    - `share`: (environment, cell) -> share of the epochs, for what would take too long at full
        length.
    """

    summary: str
    base: str
    seeds: int
    epochs: Mapping[str, int]
    products: Mapping[str, Mapping[str, Sequence[str]]]
    knobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_tuned: bool = False
    share: Mapping[tuple[str, str], float] = field(default_factory=dict)


PRODUCTS: dict[str, dict[str, tuple[str, ...]]] = {
    "table1": {
        "warehouse-9": (*COMPARED, *ABLATION[1:]),
        "warehouse-40": (*COMPARED, *WINDOWS[1:]),
        "thermal-40": COMPARED,
    },
    "figure1": dict.fromkeys(ENVS, COMPARED),
    "figure2": {"warehouse-9": ABLATION},
    "figure11": {"warehouse-40": WINDOWS},
}
SMOKE_PRODUCTS: dict[str, dict[str, tuple[str, ...]]] = {
    "table1": {
        "warehouse-9": (*REQUIRED, "independent", "qdcg-decentralised", *ABLATION[1:], "mastac-k4")
    },
    "figure1": {"warehouse-9": (*REQUIRED, "independent", "qdcg-decentralised")},
    "figure2": {"warehouse-9": ABLATION},
    "figure11": {"warehouse-9": ("mastac-k2", "mastac-k4")},
}
LAPTOP: dict[str, dict[str, Any]] = {
    # The paper's critics are plain.
    "*": {"updates_per_epoch": 1, "batch_size": 64, "distance_decay": 1.0},
    # Those that all candidates of the search had; rates are searched for each row.
    "warehouse-*": {"relative_errors": False},
    "thermal-*": {"actor_lr": 1e-2, "lr_final": 0.05, "critics_first": 0},
}
# Rows that take over what was searched for another: longer windows, and what is too dear to be
# searched.
TUNED_AS = dict.fromkeys(WINDOWS[1:], "mastac-k2") | {"qdcg-centralised": "qdcg-coupling"}
# What would take too long on two cores at full length.
SHARE: dict[tuple[str, str], float] = {
    **{("warehouse-40", name): 0.5 for name in WINDOWS[1:]},
    **{("warehouse-40", name): 0.25 for name in COMPARED if name not in REQUIRED},
    **{("thermal-40", name): 0.5 for name in COMPARED if name not in REQUIRED},
    ("warehouse-40", "qdcg-centralised"): 0.05,
    ("thermal-40", "qdcg-centralised"): 0.05,
}

REPRODUCTIONS: dict[str, Preset] = {
    "smoke": Preset(
        "a minute or two: does everything work?",
        "default",
        2,
        {"warehouse-9": 60},
        SMOKE_PRODUCTS,
        {
            "*": {
                "updates_per_epoch": 1,
                "batch_size": 32,
                "actor_hidden": [16],
                "critic_hidden": [16, 16],
            }
        },
    ),
    "laptop": Preset(
        "5 seeds, our tuned settings, the paper's number of epochs",
        "default",
        5,
        PAPER_EPOCHS,
        PRODUCTS,
        LAPTOP,
        True,
        SHARE,
    ),
    "paper": Preset(
        "15 seeds, the paper's settings; wants a GPU", "paper", 15, PAPER_EPOCHS, PRODUCTS
    ),
}
WHAT = (*PRODUCTS, "all")


@dataclass(frozen=True)
class Cell:
    """One run of the comparison: environment, row of the table, and arguments of `train`."""

    name: str
    env: str
    env_options: Mapping[str, Any]
    algorithm: str
    kappa: "Kappa"
    epochs: int
    seeds: tuple[int, ...]
    preset: str
    knobs: Mapping[str, Any]

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `mastac.train` and `resolve`, without the environment's.

        Evaluations during training play the same episodes as the final one, so that both figures
        can be compared.
        """
        return {
            "algorithm": self.algorithm,
            "kappa": self.kappa,
            "epochs": self.epochs,
            "seeds": self.seeds,
            "preset": self.preset,
            "evaluation_episodes": FINAL_EPISODES,
            **self.knobs,
        }

    @property
    def path(self) -> str:
        """`environment/cell`: its folder below `cells/`, and its name in messages."""
        return f"{self.env}/{self.name}"

    @property
    def label(self) -> str:
        """Name of the row."""
        return CELLS[self.name].label


def cells_of(
    what: str, preset: str, only: Sequence[str] = (), seeds: Sequence[int] | None = None
) -> list[Cell]:
    """The cells that `what` is made of, each once, in the order of training.

    **Arguments:**

    - `what`: "table1", "figure1", "figure2", "figure11" or "all".
    - `preset`: "smoke", "laptop" or "paper".
    - `only`: environments, cells, or single cells as `env/cell`; with environments and cells
        together a cell must match one of each.
    - `seeds`: replace the preset's.

    **Raises:**

    - `UserError` for an unknown name (offering the nearest), or if `only` leaves no cell.
    """
    if what not in WHAT:
        raise unknown("result", what, WHAT)
    if preset not in REPRODUCTIONS:
        raise unknown("preset", preset, REPRODUCTIONS)
    chosen = REPRODUCTIONS[preset]
    products = chosen.products.values() if what == "all" else [chosen.products[what]]
    wanted = {
        (env, name) for product in products for env, names in product.items() for name in names
    }
    cells = [_cell(name, env, chosen, seeds) for name, env in _order() if (env, name) in wanted]
    known = dict.fromkeys(word for cell in cells for word in (cell.env, cell.name, cell.path))
    for word in only:
        if word not in known:
            short_names = [name for name in known if "/" not in name]
            raise unknown(f"environment or cell of {what}", word, short_names)
    selected = [cell for cell in cells if _is_selected(cell, only)]
    if not selected:
        raise UserError(
            f"--only {' '.join(only)} leaves nothing of {what}; "
            f"'mastac reproduce {what} --plan' lists all"
        )
    return selected


def _order() -> list[tuple[str, str]]:
    others = [name for name in CELLS if name not in REQUIRED]
    return [(name, env) for names in (REQUIRED, others) for name in names for env in ENVS]


def _cell(name: str, env: str, chosen: Preset, seeds: Sequence[int] | None) -> Cell:
    info = CELLS[name]
    knobs: dict[str, Any] = {}
    for pattern, values in chosen.knobs.items():
        if fnmatchcase(env, pattern):
            knobs |= values
    if chosen.is_tuned:
        knobs |= tuned_for(env, TUNED_AS.get(name, name))
    return Cell(
        name=name,
        env=env,
        env_options={},
        algorithm=info.algorithm,
        kappa=info.kappa,
        epochs=max(1, round(chosen.epochs[env] * chosen.share.get((env, name), 1.0))),
        seeds=tuple(range(chosen.seeds) if seeds is None else seeds),
        preset=chosen.base,
        knobs=knobs | dict(info.knobs),
    )


def _is_selected(cell: Cell, only: Sequence[str]) -> bool:
    """Whether `only` names the cell itself, or both its environment and its row where given."""
    envs = [word for word in only if word in ENVS]
    names = [word for word in only if word in CELLS]
    by_parts = (not envs or cell.env in envs) and (not names or cell.name in names)
    return cell.path in only or (by_parts and bool(envs or names or not only))
