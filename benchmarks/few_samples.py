"""The model-based method beside model-free learners, at equal environment steps and equal time.

    python benchmarks/few_samples.py

Nothing is trained: the table compares what three studies have stored, on their ten examples.
`mastac-model` is from `results/model.csv` (`model.py`); its settings are the same everywhere. The
others are from `results/decomposition.csv` and `results/on-policy.csv`, where step sizes were
searched on each example. There every tenth of a training is stored: a score is the one at the last
such point within the steps, or within the processor seconds, that `mastac-model` has had. Scores
are means over five seeds; 0 is the environment's simple policy, 1 the best known one.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

import mastac
from common import RESULTS
from mastac.files import as_csv, write_text
from mastac.text import number, table

STUDIES = ("decomposition", "on-policy")
ROWS = {"mastac": "k2", "independent": "independent", "maddpg": "maddpg-own"}
ROWS |= {"ippo": "ippo", "mappo": "mappo"}
# What an example of the model-based study is called in the others.
NAMES = {
    "warehouse-9": "warehouse-9",
    "warehouse-40": "warehouse-40",
    "warehouse-40-apart": "warehouse-40,supply=apart-2,frequency=0.5,initial_stock=0.5",
    "thermal-40": "thermal-40",
    "thermal-40-coolers": "thermal-40,coolers=every-2,limit_kw=30",
    "thermal-40-neighbours": "thermal-40,reward=neighbours",
    "lq-8": "lq-8",
    "lq-12": "lq-12,actuators=every-3,decay=0.7,coupling=0.3,reward=neighbours",
    "lq-40": "lq-40,actuators=every-3,decay=0.7,coupling=0.3",
    "doors-12": "doors-12",
}
HEAD = ["example", "steps", "CPU s", "mastac-model"]
HEAD += [f"{row} {what}" for row in ROWS for what in ("steps", "time", "end")]

Line = dict[str, str]


def lines_of(name: str) -> list[Line]:
    """The rows of a file of results."""
    with open(RESULTS / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def environment_of(name: str) -> mastac.Environment:
    """The environment that the other studies call so."""
    id, *options = name.split(",")
    pairs = (option.split("=") for option in options)
    return mastac.make(id, **{key: _value(text) for key, text in pairs})


def _value(text: str) -> float | str:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return text


def score_within(lines: Iterable[Line], share: float, score: mastac.Reference) -> float:
    """Mean score at the last tenth of a training within a share of it; not a number before."""
    tenth = min(10, int(share * 10 + 1e-9))
    if tenth == 0:
        return np.nan
    return float(np.mean([score.score(float(line[f"greedy_{tenth}0"])) for line in lines]))


def compared(name: str, model: Sequence[Line], others: dict[str, list[Line]]) -> list[float | str]:
    """One row of the table."""
    env = environment_of(NAMES[name])
    reference = env.reference()
    assert reference is not None
    steps, seconds = int(model[0]["env_steps"]), float(model[0]["cpu_seconds"])
    row: list[float | str] = [name, steps, seconds]
    row.append(float(np.mean([reference.score(float(line["greedy_return"])) for line in model])))
    for lines in (others.get(other, []) for other in ROWS.values()):
        if not lines:
            row += [np.nan] * 3
            continue
        whole = int(lines[0]["epochs"]) * env.horizon
        spent = float(np.mean([float(line["seconds"]) for line in lines]))
        shares = (steps / whole, seconds / spent, 1.0)
        row += [score_within(lines, share, reference) for share in shares]
    return row


def main() -> None:
    models, others = defaultdict(list), defaultdict(lambda: defaultdict(list))
    for line in lines_of("model"):
        if line["row"] == "mastac-model":
            models[line["example"]].append(line)
    for line in (line for study in STUDIES for line in lines_of(study)):
        if line["phase"] != "tuning":
            others[line["env"]][line["row"]].append(line)
    rows = [compared(name, models[name], others[NAMES[name]]) for name in NAMES if name in models]
    write_text(RESULTS / "few-samples.csv", as_csv([HEAD, *rows]))
    shown = [
        [row[0], f"{row[1]:,}", number(float(row[2])), *(_shown(value) for value in row[3:])]
        for row in rows
    ]
    print(table(HEAD, shown, left=1))


def _shown(score: float | str) -> str:
    value = float(score)
    return "" if np.isnan(value) else "<-9" if value < -9 else f"{value:.2f}"


if __name__ == "__main__":
    main()
