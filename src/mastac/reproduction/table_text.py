"""Table 1 of the reproduction, and how many epochs each algorithm needs, for people to read."""

from collections.abc import Mapping, Sequence
from typing import Any

from mastac.reproduction.measures import (
    GOOD,
    MARGIN,
    TARGETS,
    Row,
    by_env,
    efficiency_rows,
    is_cut_short,
    label_of,
    table1_rows,
)
from mastac.reproduction.paper import ENVS, PAPER_EPOCHS
from mastac.reproduction.raw_data import RawCell
from mastac.runs.summary import reference_figures, score_of
from mastac.text import number, plus_minus, table

DAGGER = "†"
NOTES = f"""\
paper: Table 1 of the paper, mean ± standard deviation over its 15 seeds.
training, last 20 %: ours by the same measure: mean return of training episodes, \
exploration included.
greedy: return of the policies after training, without exploration.
IQM: interquartile mean of the greedy returns over seeds, with a 95 % bootstrap interval \
(too narrow with few seeds).
score: of the greedy mean; 0 is the simple policy, 1 the best known one.
κ=2 better: how often a seed of MAStAC κ=2 beats one of this row (greedy returns, ties count \
half), with a 95 %
  bootstrap interval; 0.5 means alike. At equal environment steps: a row cut short meets κ=2 \
as it was by then.
until {GOOD:g}: when the greedy policy first has this score (mean over seeds, and over three \
evaluations in a row);
  steps are environment steps of one seed.
wall time: of all seeds together, compilation included, on the machine that trained them.
± is the standard deviation over seeds. A seed stops when a number is no longer finite: it is \
counted in parentheses,
  left out of means, and worse than every seed that did not stop."""


def table1_text(cells: Sequence[RawCell]) -> str:
    """For each environment what was reached, the exact figures, and what it took."""
    rows, parts = table1_rows(cells), []
    for env, those in by_env(cells).items():
        mine = [row for row in rows if row["env"] == env]
        first = next(iter(those.values()))
        parts += [_headline(env, first, mine), _returns(mine, first.reference), _effort(mine)]
        if any(is_cut_short(row) for row in mine):
            epochs = f"{PAPER_EPOCHS[env]:,} epochs (share in parentheses)"
            parts.append(f"{DAGGER} cut short: fewer than the paper's {epochs}")
    missing = [env for env in ENVS if env not in by_env(cells)]
    if missing:
        parts.append(f"{', '.join(missing)}: not run")
    return "\n\n".join([*parts, NOTES]) + "\n"


def _headline(env: str, first: RawCell, rows: Sequence[Row]) -> str:
    counts = sorted({row["seeds"] for row in rows if row["run"]})
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    seeds += " seeds" if counts[-1] > 1 else " seed"
    title = f"{env}: {seeds}, preset {first.config.get('preset', '?')}"
    return f"{title}\n{'═' * len(title)}"


def _returns(rows: Sequence[Row], reference: Mapping[str, Any]) -> str:
    head = (
        "algorithm",
        "paper",
        "training, last 20 %",
        "greedy",
        "IQM of greedy [95 %]",
        "score",
        "κ=2 better [95 %]",
    )
    body = [
        (
            _name(row),
            as_printed(row["paper_mean"], row["paper_std"]),
            *(
                (
                    plus_minus(row["final20_mean"], row["final20_std"]),
                    plus_minus(row["greedy_mean"], row["greedy_std"]) + _stopped(row),
                    number(row["iqm"]) + _interval(row["iqm_low"], row["iqm_high"]),
                    number(row["score"]),
                    number(row["improvement"])
                    + _interval(row["improvement_low"], row["improvement_high"]),
                )
                if row["run"]
                else ("not run", "", "", "", "")
            ),
        )
        for row in rows
    ]
    exact = [
        (name, "", "", number(value), "", number(score_of(value, reference)), "")
        for name, value in reversed(reference_figures({**reference, "policies": {}}))
    ]
    return table(head, [*body, *([("",) * len(head)] if exact else []), *exact])


def _effort(rows: Sequence[Row]) -> str:
    head = (
        "algorithm",
        f"epochs until {GOOD:g}",
        f"steps until {GOOD:g}",
        "wall time",
        "seeds",
        "epochs",
        "steps of a seed",
    )
    body = [
        (
            _name(row),
            count(row["epochs_to_good"], "" if row["score"] is None else "not reached"),
            count(row["env_steps_to_good"], ""),
            duration(row["seconds"]),
            f"{row['seeds']}{_stopped(row)}",
            f"{row['epochs']:,}" + (f" ({percent(row['share'])})" if is_cut_short(row) else ""),
            f"{row['env_steps']:,}",
        )
        for row in rows
        if row["run"]
    ]
    return table(head, body)


def efficiency_text(cells: Sequence[RawCell]) -> str:
    """For each environment and target the epochs of every algorithm."""
    rows, parts = efficiency_rows(cells), []
    for env, those in by_env(cells).items():
        for target in (name for name in TARGETS if name in those):
            mine = [row for row in rows if (row["env"], row["target_cell"]) == (env, target)]
            reached = number(mine[0]["target"])
            title = f"{env}: epochs to reach what {label_of(target)} reaches, {reached}"
            head = (
                "algorithm",
                "epochs",
                "steps of a seed",
                "multiple",
                "seeds that reach it",
                "epochs of each seed",
                "score",
            )
            body = [
                (
                    row["label"],
                    count(row["epochs"], "not reached"),
                    count(row["env_steps"], ""),
                    number(row["ratio"]) + ("×" if number(row["ratio"]) else ""),
                    f"{row['seeds_that_reach']} of {row['seeds']}",
                    " ".join(count(value, "–") for value in row["by_seed"].values()),
                    number(row["score"]),
                )
                for row in mine
            ]
            parts.append(f"{title}\n\n{table(head, body)}")
    note = f"""\
what MAStAC reaches: its mean greedy return after training, less {MARGIN:g} of the scale from \
the simple to the best
  known policy, so that the noise of evaluations decides nothing.
epochs, steps: until the mean over seeds of the greedy policy gets there (mean of three \
evaluations in a row).
multiple: of the epochs that MAStAC itself needs. score: of the greedy policy at the row's own \
end."""
    return "\n\n".join([*parts, note]) + "\n"


def as_printed(mean: float | None, std: float | None) -> str:
    """A figure with the digits that the paper prints.

    >>> as_printed(-1311.87, 542.13), as_printed(-0.356, 0.26), as_printed(None, None)
    ('-1,311.87 ± 542.13', '-0.356 ± 0.26', '')
    """
    return f"{printed(mean)} ± {printed(std)}" if mean is not None and std is not None else ""


def duration(seconds: float | None) -> str:
    """Time for people.

    >>> duration(42.0), duration(600.0), duration(7300.0), duration(None)
    ('42 s', '10 min', '2.0 h', '')
    """
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def count(value: float | None, otherwise: str) -> str:
    """A whole number with separators, or what stands for its absence."""
    return otherwise if value is None else f"{value:,.0f}"


def printed(value: float | None) -> str:
    """A number with the digits that the paper prints; empty for what is not known."""
    return "" if value is None else f"{value:,.7g}"


def percent(share: float) -> str:
    """A share in percent, two digits at least.

    >>> percent(0.0171), percent(0.3), percent(0.999)
    ('1.7 %', '30 %', '99.9 %')
    """
    return f"{100 * share:.{2 if share < 0.1 else 3}g} %"


def _name(row: Row) -> str:
    return row["label"] + (f" {DAGGER}" if is_cut_short(row) else "")


def _stopped(row: Row) -> str:
    return f" ({row['stopped']} stopped)" if row.get("stopped") else ""


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{number(low)}, {number(high)}]"
