"""The reproduction's tables as files: text, CSV and LaTeX, byte for byte from raw data alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.files import as_csv, write_text
from mastac.reproduction.measures import by_env, efficiency_rows, table1_rows
from mastac.reproduction.raw_data import RawCell, read_raw
from mastac.reproduction.table_latex import table1_latex
from mastac.reproduction.table_text import efficiency_text, table1_text


def write_table1(raw_folder: str | Path, out: str | Path) -> list[Path]:
    """Write Table 1 and the sample efficiency into the folder `out`, and return the paths.

    Files: `table1.txt`, `.csv`, `.tex` and `sample_efficiency.txt`, `.csv`, `.png`, `.svg`. Sample
    efficiency compares with MAStAC's final return, so it needs a MAStAC cell.
    """
    from mastac.reproduction.figures import write_figure

    cells, out = read_raw(raw_folder), Path(out)
    contents = {
        "table1.txt": table1_text(cells),
        "table1.csv": table1_csv(cells),
        "table1.tex": table1_latex(cells),
    }
    is_known = bool(efficiency_rows(cells))
    if is_known:
        contents["sample_efficiency.txt"] = efficiency_text(cells)
        contents["sample_efficiency.csv"] = efficiency_csv(cells)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            write_text(out / name, text)
    except OSError as error:
        raise UserError(
            f"tables cannot be written to '{out}': {error.strerror or error}"
        ) from error
    written = [out / name for name in contents]
    return [*written, *write_figure("sample_efficiency", raw_folder, out)] if is_known else written


def table1_csv(cells: Sequence[RawCell]) -> str:
    """All numbers, one line for each environment and cell; empty fields are not known."""
    rows = table1_rows(cells)
    first = {env: next(iter(those.values())).reference for env, those in by_env(cells).items()}
    names = list(dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row))
    exact = ("simple", "best_known", "bound")
    body = [
        [
            *(_field(row.get(name)) for name in names),
            *(_field(first[row["env"]].get(name)) for name in exact),
        ]
        for row in rows
    ]
    return as_csv([[*names, *exact], *body])


def efficiency_csv(cells: Sequence[RawCell]) -> str:
    """One line for each environment, target and cell, and one for each seed.

    Empty `epochs`: never reached.
    """
    rows = efficiency_rows(cells)
    names = [name for name in (rows[0] if rows else {}) if name != "by_seed"]
    body = []
    for row in rows:
        fields = [_field(row[name]) for name in names]
        body.append(["mean", *fields])
        for seed, epochs in row["by_seed"].items():
            alone = {
                "epochs": epochs,
                "env_steps": None,
                "ratio": None,
                "score": None,
                "seeds": None,
            }
            alone |= {"seeds_that_reach": None}
            body.append([seed, *(_field(alone.get(name, row[name])) for name in names)])
    return as_csv([["seed", *names], *body])


def _field(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value
