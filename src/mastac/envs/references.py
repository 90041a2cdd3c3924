"""Compute the stored reference figures again: `python -m mastac.envs.references [missing]`.

With `missing` only those that the file lacks.
"""

import json
import sys
import time
from typing import Any

from mastac.envs.graphs import couplings_of
from mastac.envs.registry import ENVIRONMENTS, checked_options, entry_of
from mastac.envs.stored_figures import FILE, figures_of, key_of, stored
from mastac.files import write_text

SECONDS = 60.0
"""Limit of each search."""


def wanted() -> dict[str, tuple[str, dict[str, Any]]]:
    """Id and options of every environment whose figures are stored, by their key."""
    pairs = [
        (id, checked_options(id, given))
        for family in ENVIRONMENTS.values()
        for id, given in family.stored
    ]
    return {key_of(id, options): (id, options) for id, options in pairs}


def computed(id: str, options: dict[str, Any]) -> dict[str, Any]:
    """A record, computed, and a line on it on standard output."""
    started = time.monotonic()
    figures, witness = figures_of(entry_of(id)[0], couplings_of(id, options), options, SECONDS)
    bound = "none" if figures["bound"] is None else f"{figures['bound']:.4f}"
    sys.stdout.write(
        f"{id}: simple {figures['simple']:.4f}, best known {figures['best_known']:.4f}, "
        f"bound {bound} ({time.monotonic() - started:.1f} s)\n"
    )
    sys.stdout.flush()
    return {"id": id, "options": options, "figures": figures, "witness": witness.tolist()}


def main() -> None:
    """Rewrite the file; records keep their order, and new ones follow."""
    environments, known = wanted(), stored()
    kept = known if sys.argv[1:] == ["missing"] else {}
    order = [key for key in known if key in environments]
    order += [key for key in environments if key not in known]
    records = [kept.get(key) or computed(*environments[key]) for key in order]
    write_text(FILE, "[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n")


if __name__ == "__main__":
    main()
