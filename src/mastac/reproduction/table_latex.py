"""Table 1 of the reproduction in LaTeX."""

import math
from collections.abc import Callable, Mapping, Sequence

from mastac.reproduction.measures import Row, by_env, is_cut_short, label_of, ordered, table1_rows
from mastac.reproduction.raw_data import RawCell
from mastac.reproduction.table_text import percent, printed
from mastac.text import number


def table1_latex(cells: Sequence[RawCell]) -> str:
    """The paper's Table 1 with ours beside it: `booktabs`, the best mean of each column in bold."""
    rows, envs = table1_rows(cells), by_env(cells)
    places = {(row["env"], row["cell"]): row for row in rows}
    names = ordered({row["cell"] for row in rows})
    best = {(env, kind): _best(rows, env, kind) for env in envs for kind in ("paper", "final20")}
    lines = [
        "% Needs \\usepackage{booktabs}. Written by 'mastac reproduce table1'.",
        "\\begin{tabular}{l" + "rr" * len(envs) + "}",
        "\\toprule",
        " & ".join(["", *(f"\\multicolumn{{2}}{{c}}{{{env}}}" for env in envs)]) + " \\\\",
        " ".join(f"\\cmidrule(lr){{{2 * k + 2}-{2 * k + 3}}}" for k in range(len(envs))),
        " & ".join(["algorithm", *(["paper", "ours"] * len(envs))]) + " \\\\",
        "\\midrule",
    ]
    for name in names:
        columns = [tex_label(label_of(name))]
        for env in envs:
            row = places.get((env, name), {})
            columns.append(_tex_figure(row, "paper", best[env, "paper"], printed))
            ours = _tex_figure(row, "final20", best[env, "final20"], number)
            columns.append(ours + ("$^\\dagger$" if row.get("run") and is_cut_short(row) else ""))
        lines.append(" & ".join(columns) + " \\\\")
    lines += ["\\midrule", *_tex_references(envs), "\\bottomrule", "\\end{tabular}"]
    return "\n".join([*lines, *_tex_notes(rows)]) + "\n"


def _best(rows: Sequence[Row], env: str, kind: str) -> float:
    return max((_known(row, kind) for row in rows if row["env"] == env), default=-math.inf)


def _known(row: Row, kind: str) -> float:
    value = row.get(f"{kind}_mean")
    return -math.inf if value is None else value


def _tex_figure(row: Row, kind: str, best: float, digits: Callable[[float | None], str]) -> str:
    mean, std = digits(row.get(f"{kind}_mean")), digits(row.get(f"{kind}_std"))
    if not mean:
        return "not run" if row and kind == "final20" and not row["run"] else "---"
    text = mean.replace(",", "{,}") + (f" \\pm {std.replace(',', '{,}')}" if std else "")
    return f"$\\mathbf{{{text}}}$" if _known(row, kind) == best else f"${text}$"


def _tex_references(envs: Mapping[str, Mapping[str, RawCell]]) -> list[str]:
    lines = []
    for key, name in (
        ("bound", "bound on any policy"),
        ("best_known", "best known"),
        ("simple", "simple policy"),
    ):
        figures = [next(iter(those.values())).reference.get(key) for those in envs.values()]
        columns = [
            f" & & {'$' + number(value) + '$' if number(value) else '---'}" for value in figures
        ]
        lines.append(name + "".join(columns) + " \\\\")
    return lines


def _tex_notes(rows: Sequence[Row]) -> list[str]:
    notes = [
        "\\par\\smallskip\\footnotesize Mean $\\pm$ standard deviation over seeds of the return of "
        "training episodes over the last 20\\,\\% of the epochs; best means in bold."
    ]
    cut = [row for row in rows if row["run"] and is_cut_short(row)]
    if cut:
        told = "; ".join(
            f"{tex_label(row['label'])} on {row['env']}: {row['epochs']:,} "
            f"({tex_label(percent(row['share']))})"
            for row in cut
        )
        notes.append(f"$^\\dagger$~Fewer epochs than the paper's: {told}.")
    return notes


def tex_label(label: str) -> str:
    r"""A cell's label in LaTeX.

    >>> tex_label("MAStAC κ=2"), tex_label("undecomposed Q̂")
    ('MAStAC $\\kappa$=2', 'undecomposed $\\hat{Q}$')
    """
    return (
        label.replace("Q̂", "$\\hat{Q}$")
        .replace("κ", "$\\kappa$")
        .replace("_", "\\_")
        .replace(" %", "\\,\\%")
    )
