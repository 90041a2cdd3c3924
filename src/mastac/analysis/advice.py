"""What to train first, by the graphs and, where rollouts were played, by their influence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mastac.analysis.advice_text import FEW_AGENTS, MODEL, few_steps, findings_of, warnings_of
from mastac.analysis.text_tables import percent

METHODS = {
    False: {"structured": "mastac", "independent": "independent", "central": "maddpg"},
    True: {"structured": "mastac-ppo", "independent": "ippo", "central": "mappo"},
}
"""Names of algorithms, by whether actions are discrete: on-policy learning suits those."""
SET_SIZE, SET_SHARE = 12, 0.5
"""Exact sets are small if they have on average at most so many agents, and this share of all.

An actor's gradient sums as many critics as the sets have members, and their errors add up: on a
ring of forty, 9 members learn better than 17, and 17 better than 40.
"""
WIDEST = 2
"""The largest window to begin with.

None of the examples with more than a few agents learnt better with more.
"""
NEARLY_SEPARABLE = 0.4
"""Below this share of influence of other agents' actions, own rewards nearly suffice.

Under the simple policies it is 0.32 on eight linear-quadratic agents and 0.36 on forty zones, where
independent learners come close off-policy and win on-policy, and 0.56 and 0.91 on nine and forty
warehouses, where they fail; but 0.35 in twelve rooms, all doors declared open, where they lose
on-policy.
"""


class _Choice(NamedTuple):
    """The first thing to try: which rule says so, the kind of algorithm, its window and why."""

    rule: str
    kind: str
    kappa: int | None
    why: str


def advice(
    summary: Mapping[str, Any],
    windows: Sequence[Mapping[str, Any]],
    train: str = "ENV",
    discrete: bool = False,
    steps: int | None = None,
    influence: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Which algorithm to train first, why, what else, and what could make this wrong.

    **Arguments:**

    - `summary`: the [`graph_summary`][mastac.analysis.graph_summary.graph_summary] of the
        couplings.
    - `windows`: the table of windows of a
        [`graph_report`][mastac.analysis.report.graph_report].
    - `train`: the environment and its options, as `mastac train` takes them.
    - `discrete`: whether actions are discrete.
    - `steps`: how many steps the couplings change over, if they do; summary and windows are then
        those of the union.
    - `influence`: the [`influence_curve`][mastac.analysis.influence.influence_curve], if rollouts
        were played.

    **Returns:** ready for JSON

    - `rule`: the one that holds, by its name in `docs/choosing.md`: `separable`, `sight`, `weak`,
        `few`, `small`, `everyone`, `window`.
    - `method`, `kappa` (`None`: the exact sets, or an algorithm without sets), `command`, `why`.
    - `alternatives`: each a `method`, and `when` to try it. The last is always the method for few
        environment steps.
    - `findings`, `warnings`: sentences; what the graphs show whatever is trained, and what could
        make the advice wrong.
    - `graph_summary`: the one given, with `steps`, `discrete` and `others`, the share of influence
        on a value that other agents' actions have.
    """
    names = METHODS[discrete]
    others = None if influence is None else influence["others"]["actions"]["mean"]
    summary = {**summary, "steps": steps, "discrete": discrete, "others": others}
    window = _window(summary, windows)
    choice = _choice(summary, window, influence)
    method = names[choice.kind]
    sets = f" --kappa {'exact' if choice.kappa is None else choice.kappa}"
    return {
        "rule": choice.rule,
        "method": method,
        "kappa": choice.kappa,
        "command": f"mastac train {train} --algorithm {method}"
        + (sets if choice.kind == "structured" else ""),
        "why": choice.why,
        "alternatives": [
            {"method": names[kind], "when": when}
            for kind, when in _alternatives(choice, summary, window)
        ]
        + [{"method": MODEL, "when": few_steps(summary)}],
        "findings": list(findings_of(summary, names)),
        "warnings": list(warnings_of(choice.rule, choice.kappa, summary, train, influence)),
        "graph_summary": summary,
    }


def _choice(
    summary: Mapping[str, Any], window: _Choice, influence: Mapping[str, Any] | None
) -> _Choice:
    """The first rule that holds; `window` is what those rules say that look at sets alone."""
    if summary["separable"]:
        why = "No value depends on another agent, so independent learners lose nothing."
        return _Choice("separable", "independent", None, why)
    if summary["separable_but_for_sight"]:
        why = (
            "Agents affect only what others observe: states, actions and rewards are all local. "
            "An agent's return depends on others only through its own policy, so independent "
            "learners lose nothing."
        )
        return _Choice("sight", "independent", None, why)
    others, needs_others = summary["others"], summary["idle"]["number"] > 0
    if influence is not None:
        needs_others = needs_others or influence["no_own"]["number"] > 0
    if others is None or others >= NEARLY_SEPARABLE or needs_others:
        return window
    share = f"{percent(others)} of the influence of actions on a value comes from other agents"
    why = f"Only {share}, so own rewards nearly suffice"
    if summary["discrete"]:
        why += ", and on-policy the other agents' rewards add mostly noise."
        return _Choice("weak", "independent", None, why)
    why += "; structured critics learn as fast there, and more safely."
    return _Choice("weak", "structured", window.kappa, why)


def _window(summary: Mapping[str, Any], windows: Sequence[Mapping[str, Any]]) -> _Choice:
    """Structured critics: of the exact sets where these are small, else of a window."""
    number, mean = summary["num_agents"], summary["mean_set"]
    coupled = "Agents affect each other's values"
    average = f"{mean:,.3g} of {number:,} agents on average"
    if number <= FEW_AGENTS:
        why = f"{coupled}, and with {number} agents the exact sets cost little."
        return _Choice("few", "structured", None, why)
    if _is_small(mean, number):
        why = f"{coupled}, and the exact sets are small: {average}."
        return _Choice("small", "structured", None, why)
    narrower = [row for row in windows if row["kappa"] >= 1 and not row["exact"]]
    sizes = {row["kappa"]: row["agents"]["total"] / number for row in narrower}
    smaller = {kappa: size for kappa, size in sizes.items() if size < mean}
    if windows[-1]["exact"] and not smaller:
        why = f"{coupled}. From kappa = 1 on all sets have {average}, so a window saves nothing."
        return _Choice("everyone", "structured", None, why)
    small = [k for k, size in smaller.items() if k <= WIDEST and _is_small(size, number)]
    kappa = max(small, default=1)
    rest = f"; with kappa = {kappa} it sums {sizes[kappa]:,.3g}" if kappa in sizes else ""
    why = (
        f"{coupled}. An exact set has {average}. An actor's gradient sums as many critics, "
        f"whose errors add up{rest}."
    )
    return _Choice("window", "structured", kappa, why)


def _is_small(size: float, number: int) -> bool:
    return size <= min(SET_SIZE, SET_SHARE * number)


def _alternatives(
    choice: _Choice, summary: Mapping[str, Any], window: _Choice
) -> Iterator[tuple[str, str]]:
    """Other kinds of algorithms, and when to try them."""
    if choice.rule == "separable":
        yield "structured", "never: every set is one agent, so it learns the same"
    elif choice.rule == "sight":
        yield (
            "structured",
            "if agents are to act together on what they observe; its critics read who is observed",
        )
    elif choice.rule == "weak" and choice.kind == "independent":
        sets = "the exact sets" if window.kappa is None else f"kappa = {window.kappa}"
        yield "structured", f"with {sets}, to see whether the small influence of others matters"
    elif choice.rule == "weak":
        yield (
            "independent",
            "if agents are to exchange nothing while they learn; it should come close",
        )
    elif not summary["idle"]["number"]:
        yield "independent", "if every agent's own action decides most of its own reward"
    if choice.rule == "few":
        yield "central", "with so few agents, critics that read everything come close"
    if choice.rule == "everyone":
        yield "central", "its critics read the same agents, with one reward for the team"
