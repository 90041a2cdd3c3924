"""What to try first, from the signs of the graphs and, where rollouts were played, from how strong couplings are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

METHODS = {
    False: {"structured": "mastac", "independent": "independent", "central": "maddpg"},
    True: {"structured": "mastac-ppo", "independent": "ippo", "central": "mappo"},
}
"""Names of algorithms by whether actions are choices, which only learning on-policy takes."""
FEW_AGENTS = 10
"""With so few agents exact sets cost little, and critics of everything come close: on nine warehouses and on eight
linear-quadratic agents."""
SET_SIZE, SET_SHARE = 12, 0.5
"""Sets fit if they have on average at most so many agents, and at most this share of all. An actor climbs as many
critics as the sets have members, and their errors add up: on a ring of forty, 9 members learn
better than 17, and 17 than 40."""
WIDEST = 2
"""The largest window to begin with; none of the examples with more than a few agents learnt better with more."""
NEARLY_SEPARABLE = 0.4
"""Where less than this share of all that actions do to a value comes from other agents, own rewards nearly suffice. By
the simple policies it is 0.32 on eight linear-quadratic agents and 0.36 on forty zones, where
independent learners come close off-policy and win on-policy, and 0.56 and 0.91 on nine and forty
warehouses, where they fail; but 0.35 in twelve rooms, all doors declared open, where they lose
on-policy."""
DENSE = 0.9
"""From this density of the exact sets on, nearly everyone depends on everyone."""
BEYOND = 0.1
"""A window is called narrow where more than this share of all that actions do to a value lies beyond it."""


class _Choice(NamedTuple):
    """The first thing to try: which rule says so, the kind of algorithm, its window and why."""

    rule: str
    kind: str
    kappa: int | None
    why: str


def advice(
    signs: Mapping[str, Any],
    windows: Sequence[Mapping[str, Any]],
    train: str = "ENV",
    discrete: bool = False,
    steps: int | None = None,
    influence: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Which algorithm to train first, why, what else, and what could make this wrong; ready for JSON.

    **Arguments:**

    - `signs`: [`graph_summary`][mastac.analysis.graph_summary.signs_of] the couplings.
    - `windows`: the table of windows of a [`graph_report`][mastac.structure.graph_report].
    - `train`: the environment and its options as `mastac train` takes them.
    - `discrete`: whether actions are choices.
    - `steps`: how many steps the couplings change over, if they do; signs and windows are then
        those of the union.
    - `influence`: the [`influence_curve`][mastac.analysis.influence.influence_curve], if rollouts
        were played.

    **Returns:**

    - `rule`: the one that holds, by its name in `docs/choosing.md`: `separable`, `sight`, `weak`,
        `few`, `small`, `everyone`, `window`.
    - `method`, `kappa` (`None`: the exact sets, or an algorithm without sets), `command`, `why`.
    - `alternatives`: each a `method`, and `when` to try it.
    - `findings`, `warnings`: sentences; what graphs show whatever is trained, and what could make
        the advice wrong.
    - `signs`: those given, with `steps`, `discrete` and `others`, the share of influence that
        others' actions have.
    """
    names = METHODS[discrete]
    others = None if influence is None else influence["others"]["actions"]["mean"]
    choice = _choice(signs, windows, discrete, influence, others)
    method = names[choice.kind]
    window = (
        f" --kappa {'exact' if choice.kappa is None else choice.kappa}"
        if choice.kind == "structured"
        else ""
    )
    return {
        "rule": choice.rule,
        "method": method,
        "kappa": choice.kappa,
        "command": f"mastac train {train} --algorithm {method}{window}",
        "why": choice.why,
        "alternatives": [
            {"method": names[kind], "when": when}
            for kind, when in _alternatives(choice, signs, windows)
        ],
        "findings": list(_findings(signs, names, discrete, steps)),
        "warnings": list(_warnings(choice, signs, train, steps, influence, others)),
        "signs": {**signs, "steps": steps, "chooses": discrete, "others": others},
    }


def _choice(
    signs: Mapping[str, Any],
    windows: Sequence[Mapping[str, Any]],
    discrete: bool,
    influence: Mapping[str, Any] | None,
    others: float | None,
) -> _Choice:
    """The first rule that holds."""
    number, mean = signs["num_agents"], signs["mean_set"]
    if signs["separable"]:
        why = "No agent enters another one's next state, observation or reward, so independent learners are exact."
        return _Choice("separable", "independent", None, why)
    if signs["separable_but_for_sight"]:
        why = (
            "Agents meet only in what they see: states, actions and rewards are all local. Nobody's return hangs on "
            "what another does unless its own policy makes it so, and independent learners lose nothing."
        )
        return _Choice("sight", "independent", None, why)
    selfless = _number(signs, "idle") or (influence is not None and _number(influence, "no_own"))
    if others is not None and others < NEARLY_SEPARABLE and not selfless:
        share = f"{_percent(others)} of what actions do to a value comes from other agents"
        why = f"Only {share}, so own rewards nearly suffice"
        if discrete:
            return _Choice(
                "weak", "independent", None, f"{why}, and on-policy the others' are mostly noise."
            )
        kappa = _window(number, mean, windows).kappa
        return _Choice(
            "weak",
            "structured",
            kappa,
            f"{why}; structured critics learn as fast there, and more safely.",
        )
    return _window(number, mean, windows)


def _window(number: int, mean: float, windows: Sequence[Mapping[str, Any]]) -> _Choice:
    """Structured critics, of the exact sets where these fit, else of the largest window that does."""
    moved, average = (
        "Agents move each other's values",
        f"{mean:,.3g} of {number:,} agents on average",
    )
    if number <= FEW_AGENTS:
        return _Choice(
            "few",
            "structured",
            None,
            f"{moved}, and with {number} of them the exact sets cost little.",
        )
    if _fits(mean, number):
        return _Choice(
            "small", "structured", None, f"{moved}, and the exact sets are small: {average}."
        )
    narrower = [row for row in windows if row["kappa"] >= 1 and not row["exact"]]
    sizes = {row["kappa"]: row["agents"]["total"] / number for row in narrower}
    smaller = {kappa: size for kappa, size in sizes.items() if size < mean}
    if windows[-1]["exact"] and not smaller:
        why = f"{moved}, and every window from kappa = 1 on has sets of {average}; only who is credited differs."
        return _Choice("everyone", "structured", None, why)
    kappa = max(
        (kappa for kappa, size in smaller.items() if kappa <= WIDEST and _fits(size, number)),
        default=1,
    )
    rest = f"; with kappa = {kappa} it has {sizes[kappa]:,.3g}" if kappa in sizes else ""
    why = f"{moved}. An exact set has {average}, and an actor climbs as many critics, whose errors add up{rest}."
    return _Choice("window", "structured", kappa, why)


def _fits(size: float, number: int) -> bool:
    return size <= min(SET_SIZE, SET_SHARE * number)


def _alternatives(
    choice: _Choice, signs: Mapping[str, Any], windows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    if choice.rule == "separable":
        yield "structured", "never: its sets are one agent each, and it is the same"
    elif choice.rule == "sight":
        yield (
            "structured",
            "if what agents see is to make them act together; its critics read those that are seen",
        )
    elif choice.rule == "weak" and choice.kind == "independent":
        kappa = _window(signs["num_agents"], signs["mean_set"], windows).kappa
        window = "the exact sets" if kappa is None else f"kappa = {kappa}"
        yield "structured", f"with {window}, to see whether the little that others do decides"
    elif choice.rule == "weak":
        yield (
            "independent",
            "if agents are to exchange nothing while they learn; it should come close",
        )
    elif not _number(signs, "idle"):
        yield "independent", "if every agent's own action settles most of its own reward"
    if choice.rule == "few":
        yield "central", "with so few agents critics of everything come close"
    if choice.rule == "everyone":
        yield "central", "its critics read the same, and there is one reward for the team"


def _findings(
    signs: Mapping[str, Any], names: Mapping[str, str], discrete: bool, steps: int | None
) -> Iterator[str]:
    """What the graphs show, whatever is trained."""
    number, groups = signs["num_agents"], signs["groups"]
    if 1 < groups["number"] < number:
        size = f"{groups['smallest']:,}" + (
            f" to {groups['largest']:,}" if groups["smallest"] < groups["largest"] else ""
        )
        whole = f"{groups['number']:,} groups, of {size} agents, never affect each other"
        yield f"{whole}; one of the smallest is {_names(groups)}."
    if 0 < signs["alone"]["number"] < number:
        yield f"On their own, while others are coupled: {_names(signs['alone'])}."
    alone = signs["alone"]["number"]
    if alone < signs["unmoved"]["number"] < number:
        yield f"No other agent moves the values of {_names(signs['unmoved'])}."
    if alone < signs["moves_nobody"]["number"] < number:
        yield f"Nobody else's value is moved by {_names(signs['moves_nobody'])}: the own critic is all their credit."
    if _number(signs, "idle"):
        yield (
            f"No action of their own have {_names(signs['idle'])}: others have to serve them, and who climbs its own "
            "reward alone has no reason to."
        )
    if signs["sees_all"] is not None and signs["sees_all"] < number:
        unseen = number - signs["sees_all"]
        yield (
            f"{unseen:,} of {number:,} agents do not see all that their value depends on: to them critics of "
            f"{names['independent']} are approximations."
        )
    if discrete:
        yield "Actions are choices, in which critics have no slope: only algorithms that learn on-policy apply."
    if steps is not None:
        yield (
            f"The couplings change over {steps} steps: {names['structured']} reads, and credits, each time by the sets "
            "of that time. The figures here are those of the union, which other algorithms are given."
        )


def _warnings(
    choice: _Choice,
    signs: Mapping[str, Any],
    train: str,
    steps: int | None,
    influence: Mapping[str, Any] | None,
    others: float | None,
) -> Iterator[str]:
    """What could make the advice wrong."""
    if choice.rule in ("separable", "sight"):
        return
    if choice.rule == "weak":
        yield "The problem is nearly separable under the policy that was played; another policy has another influence."
    if choice.rule == "window" and signs["density"] >= DENSE:
        yield "Nearly everyone depends on everyone: exact critics read what central ones read, and only a window saves."
    if influence is None:
        how = (
            f"'mastac graph {train} --influence' measures it"
            if steps is None
            else "train both and compare"
        )
        yield f"Graphs say who can matter, not how much: {how}."
        if not _number(signs, "direct") and not _number(signs, "idle"):
            yield (
                "No action enters another agent's next state or reward at once, only by way of its own agent's state: "
                "own rewards may nearly suffice."
            )
        return
    if others is None:
        yield "Nothing that any agent did changed a return in these rollouts: play another policy."
    if _number(influence, "no_own"):
        yield (
            f"What they do changes others' returns and not their own: {_names(influence['no_own'])}. Learning by "
            "themselves, they have no reason to act."
        )
    if others is not None and _number(influence, "no_effect"):
        yield f"What they do changed nobody's return in these rollouts: {_names(influence['no_effect'])}."
    beyond = next(
        (row["actions"]["mean"] for row in influence["windows"] if row["kappa"] == choice.kappa),
        None,
    )
    if beyond is not None and beyond > BEYOND:
        yield (
            f"{_percent(beyond)} of what actions do to a value lies beyond kappa = {choice.kappa}: compare it with a "
            "larger one."
        )


def _number(found: Mapping[str, Any], key: str) -> int:
    """Of how many agents a sign holds."""
    return found[key]["number"]


def _names(some: Mapping[str, Any]) -> str:
    """A few names, and how many there are beside them."""
    *first, last = [*some["agents"], *([f"{some['more']:,} more"] if some["more"] else [])]
    return f"{', '.join(first)} and {last}" if first else last


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
