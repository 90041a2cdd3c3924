"""What came of a distributed run: the ledger beside what was promised, returns, and the files."""

import csv
import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mastac.distributed.messages import PHASES, Entry, Ledger
from mastac.files import write_json, write_text
from mastac.runs.policy import Policy


@dataclass
class Result:
    """What came of a distributed run.

    - `returns`: of each epoch of training; empty where none was trained.
    - `greedy`: of each episode of the trained policies, as the agents played it; `inside`: the
        same episodes and policies in one process, where nothing is lost.
    - `ledger`, and what it `expected` in all, by phase; phases without a promise are absent.
    - `pairs`: the same for each pair of agents.
    """

    facts: dict[str, Any]
    groups: list[list[int]]
    greedy: np.ndarray
    inside: np.ndarray
    ledger: Ledger
    expected: dict[str, Entry]
    pairs: dict[tuple[str, int, int], Entry]
    returns: np.ndarray = field(default_factory=lambda: np.zeros(0))
    policy: Policy | None = None

    def table(self) -> list[list[str]]:
        """For each phase what was counted beside what was promised."""
        rows, totals = [], self.ledger.totals()
        for phase in PHASES:
            if phase not in totals and phase not in self.expected:
                continue
            counted, promised = totals.get(phase, Entry()), self.expected.get(phase)
            words = ["–", "–"] if promised is None else [f"{n:,}" for n in promised[:2]]
            row = [f"{counted.messages:,}", words[0], f"{counted.numbers:,}", words[1]]
            rows.append([phase, *row, f"{counted.bytes:,}", f"{counted.lost:,}"])
        return rows

    def broken(self) -> list[str]:
        """The phases in which something else was sent than promised, in all or by a pair."""
        totals = self.ledger.totals()
        entries = self.ledger.entries
        wrong = {
            phase
            for phase, promised in self.expected.items()
            if totals.get(phase, Entry())[:3] != promised[:3]
        }
        for pair in self.pairs.keys() | {key for key in entries if key[0] in self.expected}:
            if entries.get(pair, Entry())[:3] != self.pairs.get(pair, Entry())[:3]:
                wrong.add(pair[0])
        return sorted(wrong)


def write_results(result: Result, out: Path) -> None:
    """Write `ledger.csv`, `summary.json` and, of a training, `metrics.csv` and `policy.npz`."""
    out.mkdir(parents=True, exist_ok=True)
    names = result.facts["agents"]
    keys = sorted(result.ledger.entries.keys() | result.pairs.keys(), key=_order)
    rows = []
    for key in keys:
        counted = result.ledger.entries.get(key, Entry())
        has_promise = key[0] in result.expected
        promised = result.pairs.get(key, Entry())[:2] if has_promise else ("", "")
        rows.append([key[0], names[key[1]], names[key[2]], *counted, *promised])
    head = ["phase", "sender", "receiver", *Entry._fields]
    _write_table(out / "ledger.csv", [*head, "promised_messages", "promised_numbers"], rows)
    write_json(out / "summary.json", summary_of(result))
    if len(result.returns):
        metrics = [[epoch, value] for epoch, value in enumerate(result.returns.tolist())]
        _write_table(out / "metrics.csv", ["epoch", "episode_return"], metrics)
    if result.policy is not None:
        result.policy.save(out / "policy.npz")


def summary_of(result: Result) -> dict[str, Any]:
    """What `summary.json` holds; returns that are no numbers are `None`."""
    totals = result.ledger.totals()
    last = result.returns[-max(1, math.ceil(len(result.returns) / 5)) :]
    facts = {name: value for name, value in result.facts.items() if name != "agents"}
    return facts | {
        "processes": [[result.facts["agents"][k] for k in group] for group in result.groups],
        "final20_mean": _finite(last.mean()) if len(last) else None,
        "greedy_mean": _finite(result.greedy.mean()),
        "inside_mean": _finite(result.inside.mean()),
        "counted": {phase: totals[phase]._asdict() for phase in PHASES if phase in totals},
        "promised": {
            phase: {name: getattr(each, name) for name in ("messages", "numbers", "bytes")}
            for phase, each in result.expected.items()
        },
    }


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _order(key: tuple[str, int, int]) -> tuple[int, int, int]:
    return PHASES.index(key[0]), key[1], key[2]


def _write_table(path: Path, head: list[str], rows: list[list[Any]]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(head)
    table.writerows(rows)
    write_text(path, text.getvalue())
