"""Are the declared graphs true of the simulator? Imports JAX for environments only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mastac.checks import whole_number
from mastac.envs import make
from mastac.envs.modules import is_environment, is_place
from mastac.errors import UserError
from mastac.probing.check_text import (
    DEFAULTED,
    counts_text,
    findings_text,
    misses_text,
    verdict_text,
)
from mastac.probing.effects import Effects
from mastac.probing.findings import Declared, Finding, compared, corrected, edge_keys, in_order
from mastac.probing.loading import load
from mastac.probing.probes import probe
from mastac.probing.simulator import Simulator
from mastac.structure import Couplings, CouplingSequence, value_dependency
from mastac.structure.couplings import GRAPHS

SHARES = (0.01, 0.05, 0.1)
KAPPAS = (None, 2)
"""Windows for which it is said what findings mean; `None` for the exact sets."""
DEFAULT_OF = {"action": "state", "reward_action": "reward"}
"""Graphs that, where they are left out, are as another."""


@dataclass(frozen=True)
class Check:
    """What [`mastac.check`][] found; printed, it is the report.

    - `name`, `declared`, `seed`: what was checked against what.
    - `missing`: edges that the simulator has and the couplings do not. Sets may then lack agents.
    - `superfluous`: declared edges that never showed. Sets may then be larger than needed.
    - `effects`: all that was seen.
    """

    name: str
    declared: Declared
    seed: int
    effects: Effects = field(repr=False)
    missing: tuple[Finding, ...] = field(repr=False)
    superfluous: tuple[Finding, ...] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    @property
    def points(self) -> int:
        """Independent points at which any one edge was looked for.

        Of couplings that change, at the time with the fewest.
        """
        return min(e.points for times in self.effects.evidence.values() for e in times)

    def corrected(self, drop_superfluous: bool = True) -> Declared:
        """The declared couplings with the missing edges, and without the superfluous ones."""
        return corrected(self.effects, self.declared, drop_superfluous)

    @cached_property
    def misses(self) -> dict[float, float]:
        """For some shares of points at which an edge shows, the probability that it was missed."""
        return {share: miss_probability(share, self.points) for share in SHARES}

    @cached_property
    def consequences(self) -> list[dict[str, Any]]:
        """What correcting the couplings changes, for the exact sets and a window.

        - `kappa`: of the window, `None` for the exact sets.
        - `largest`: numbers that the largest critic reads, with the declared couplings;
            `largest_with_missing` and `largest_needed`: once what is missing is added, and once
            what is superfluous is left out, too.
        - `grow`: how many agents' sets grow by what is missing; `shrink`: how many of these shrink
            once what is superfluous is left out.
        """
        whole = needed = self.declared
        if self.missing:
            whole = needed = self.corrected(drop_superfluous=False)
        if self.superfluous:
            needed = self.corrected()
        sizes = self.effects.state_sizes, self.effects.action_sizes
        return set_changes(self.declared, whole, needed, *sizes)

    def to_dict(self) -> dict[str, Any]:
        """The report, ready for JSON; no list is shortened."""
        return {
            "name": self.name,
            "num_agents": len(self.effects.agents),
            "points": self.effects.num_points,
            "points_for_each_edge": self.points,
            "seed": self.seed,
            "derivatives": self.effects.derivatives,
            "graphs": {graph: self.counts(graph) for graph in GRAPHS},
            "ok": self.ok,
            "missing": [asdict(finding) for finding in self.missing],
            "superfluous": [asdict(finding) for finding in self.superfluous],
            "critic_inputs": self.consequences,
            "probability_of_a_miss": {
                f"{share:g}": chance for share, chance in self.misses.items()
            },
        }

    def counts(self, graph: str) -> dict[str, int] | None:
        """Numbers of declared, seen, missing and superfluous edges; `None` if not probed."""
        if graph not in self.effects.evidence:
            return None
        entries = [self.declared] if isinstance(self.declared, Couplings) else list(self.declared)
        declared = [edge_keys(getattr(entry, graph)) for entry in entries]
        size = len(self.effects.agents)
        seen = [e.targets * size + e.sources for e in self.effects.evidence[graph]]
        return {
            "declared": len(np.unique(np.concatenate(declared))),
            "seen": len(np.unique(np.concatenate(seen))),
            "missing": sum(finding.graph == graph for finding in self.missing),
            "superfluous": sum(finding.graph == graph for finding in self.superfluous),
        }

    def __str__(self) -> str:
        num_agents = len(self.effects.agents)
        how = "derivatives and paired changes" if self.effects.derivatives else "paired changes"
        parts = [
            f"{self.name}: {num_agents} agents, {self.effects.num_points} random points, {how} of "
            "every agent's state and action",
            counts_text({graph: self.counts(graph) for graph in GRAPHS}),
        ]
        if self.missing:
            title = "missing: the simulator has these edges and the couplings do not"
            parts.append(findings_text(title, self.missing))
        if self.superfluous:
            title = "superfluous: declared, and never seen to matter"
            parts.append(findings_text(title, self.superfluous))
            if any(is_default(self.declared, finding.graph) for finding in self.superfluous):
                parts.append(DEFAULTED)
        verdict = verdict_text(
            len(self.missing), len(self.superfluous), num_agents, self.consequences
        )
        at = f" at a time (at least {self.points} points each)" if self.effects.by_time else ""
        return "\n\n".join([*parts, f"{verdict}\n{misses_text(self.misses, at)}"])


def is_default(declared: Declared, graph: str) -> bool:
    """Whether a graph was left out and is as another."""
    first = declared[0] if isinstance(declared, CouplingSequence) else declared
    default = DEFAULT_OF.get(graph)
    return default is not None and getattr(first, graph) is getattr(first, default)


def set_changes(
    declared: Declared,
    whole: Declared,
    needed: Declared,
    state_sizes: np.ndarray,
    action_sizes: np.ndarray,
) -> list[dict[str, Any]]:
    """What critics read with the declared couplings, with what is missing, and with needed alone.

    See `Check.consequences`.
    """
    rows, sizes = [], (state_sizes, action_sizes)
    for kappa in KAPPAS:
        before = _inputs(declared, kappa, sizes)
        added = before if whole is declared else _inputs(whole, kappa, sizes)
        least = added if needed is whole else _inputs(needed, kappa, sizes)
        rows.append(
            {
                "kappa": kappa,
                "largest": int(before.max()),
                "grow": int((added > before).sum()),
                "largest_with_missing": int(added.max()),
                "shrink": int((least < added).sum()),
                "largest_needed": int(least.max()),
            }
        )
    return rows


def _inputs(couplings: Declared, kappa: int | None, sizes: tuple[Any, Any]) -> np.ndarray:
    return value_dependency(couplings, kappa).input_sizes(*sizes)


def check(
    simulator: Any,
    couplings: Declared | None = None,
    points: int | None = None,
    seed: int = 0,
    tolerance: float | None = None,
    widen: bool = True,
    env_options: Mapping[str, Any] | None = None,
) -> Check:
    """Whether the declared graphs are true of the simulator, with the evidence edge by edge.

    All five graphs are compared with what [`mastac.probing.probe`][] sees at random points. What
    was seen is certain, up to rounding; what was not seen may be there: of an edge that shows at a
    share $p$ of the points, $n$ independent points miss $(1 - p)^n$ (`Check.misses`).

    **Arguments:**

    - `simulator`: an [`mastac.Environment`][], a [`mastac.Simulator`][], the name of an
        environment, or `module:function`.
    - `couplings`: what is checked; what the simulator declares unless given.
    - `points`, `seed`, `tolerance`, `widen`: as for [`mastac.probing.probe`][].
    - `env_options`: of an environment that is named; arguments of the function of a module.

    **Returns:**

    Missing and superfluous edges, and what they mean for the sets; printed, a report.

    **Raises:** `UserError` for couplings of other agents, and as [`mastac.probing.probe`][].
    """
    simulator, paired = simulator_of(simulator, env_options)
    seed = whole_number("seed", seed)
    if isinstance(simulator, Simulator):
        name, agents = simulator.name, simulator.names
    else:
        name, agents = simulator.id, simulator.agents
    declared = couplings or paired or simulator.couplings
    if not isinstance(declared, Couplings | CouplingSequence):
        raise UserError(
            f"'{name}' declares no couplings; give some to check, as in check(simulator, couplings)"
        )
    declared = in_order(declared, agents, name)
    changing = isinstance(declared, CouplingSequence)
    if changing and len(declared) != simulator.horizon:
        raise UserError(
            f"the coupling sequence has {len(declared)} entries and an episode of '{name}' "
            f"{simulator.horizon} steps; give one entry for each step"
        )
    effects = probe(simulator, points, seed, tolerance, widen, by_time=changing)
    missing, superfluous = compared(effects, declared)
    return Check(name, declared, seed, effects, tuple(missing), tuple(superfluous))


def simulator_of(given: Any, env_options: Mapping[str, Any] | None) -> tuple[Any, Declared | None]:
    """The simulator that is given or named, and the couplings that came with it as a pair."""
    paired = None
    if isinstance(given, str) and is_place(given):
        given, paired = load(given, env_options)
    elif isinstance(given, str):
        given = make(given, **(env_options or {}))
    elif env_options:
        raise UserError("env_options are of environments that are named; leave them out here")
    if not isinstance(given, Simulator) and not is_environment(given):
        raise UserError(
            f"a {type(given).__name__} cannot be checked; give a mastac.Environment, a "
            "mastac.Simulator or a name"
        )
    return given, paired


def miss_probability(share: float, points: int) -> float:
    """The probability $(1 - p)^n$ that independent points miss an edge.

    **Arguments:**

    - `share`: the share $p$ of points at which the edge shows.
    - `points`: their number $n$.

    >>> f"{miss_probability(0.01, 512):.4f}"
    '0.0058'
    """
    return (1.0 - share) ** points
