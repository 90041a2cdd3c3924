"""The exact figures that results are held against: stored where they take long, computed when asked otherwise.

`python -m mastac.envs.references` computes the stored ones again and rewrites the file, `… missing`
only those that it lacks. Each stored record carries the policy that attains its best known return,
so that anyone can simulate it and see.
"""

import json
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mastac.envs.base import Reference
from mastac.envs.graphs import couplings_of
from mastac.envs.registry import checked_options
from mastac.structure import Couplings, CouplingSequence, steady

FILE = Path(__file__).with_name("data") / "references.json"

STORED: list[tuple[str, dict[str, Any]]] = [
    *(("warehouse-9", {"share": share}) for share in ("keep", "send")),
    *(
        ("warehouse-40", {"supply": supply, "share": share})
        for supply in ("halves", "primes", "runs-5")
        for share in ("keep", "send")
    ),
    *(("thermal-40", {"limit_kw": limit}) for limit in (10.0, 20.0, 30.0)),
    *(
        ("warehouse-40", {"supply": supply, "frequency": 0.5, "initial_stock": 0.5})
        for supply in ("apart-2", "apart-3")
    ),
    ("thermal-40", {"coolers": "every-2", "limit_kw": 30.0}),
    ("thermal-40", {"reward": "neighbours"}),
    ("thermal-400", {}),
    ("thermal-400", {"coolers": "every-2", "limit_kw": 30.0}),
]
"""What the file holds: id and the options that differ from the defaults."""

MOST_AGENTS = 400
"""Above this number of agents the figures would take minutes; there are none."""


def reference(
    id: str, couplings: Couplings | CouplingSequence, options: Mapping[str, Any]
) -> Reference | None:
    """The reference figures of environment `id` with all its `options`, in the unit of its reported return.

    Stored figures are read; others are computed once in a process, within some seconds. `None`
    above `MOST_AGENTS` agents, unless they repeat ([`mastac.envs.linear_quadratic.references`][]).
    """
    if couplings.num_agents > MOST_AGENTS and not options.get("repeat"):
        return None
    key = json.dumps([id, dict(options)], sort_keys=True)
    if key not in _COMPUTED:
        record = stored().get(key)
        _COMPUTED[key] = Reference(
            **(record["figures"] if record else figures(id, couplings, options, seconds=5.0)[0])
        )
    return _COMPUTED[key]


_COMPUTED: dict[str, Reference] = {}


@cache
def stored() -> dict[str, dict[str, Any]]:
    """The stored records (id, options, figures, witness) by id and options."""
    records = json.loads(FILE.read_text()) if FILE.exists() else []
    return {
        json.dumps([record["id"], record["options"]], sort_keys=True): record for record in records
    }


def figures(
    id: str, couplings: Couplings | CouplingSequence, options: Mapping[str, Any], seconds: float
) -> tuple[dict[str, Any], np.ndarray]:
    """Compute the figures of [`Reference`][] and the policy that attains the best known one.

    `seconds` limits the search for the best plan of warehouses. The policy: shares of the stock at
    every step and edge (warehouses), entries of the gain and constants (building), the gain
    (linear-quadratic network), who restarts at every time in every joint condition, or until when
    (computers).
    """
    values = dict(options)
    if id.startswith("warehouse"):
        from mastac.envs.warehouse.references import warehouse_figures

        found, witness = warehouse_figures(steady(couplings), values, seconds)
    elif id.startswith("doors"):
        from mastac.envs.thermal.references import building_of_doors, thermal_figures

        # What the couplings declare changes nothing of what happens.
        true = couplings_of(id, values | {"known": "schedule"})
        found, witness = thermal_figures(true, building_of_doors(couplings.num_agents, values))
    elif id.startswith("thermal"):
        from mastac.envs.thermal.references import thermal_figures

        found, witness = thermal_figures(couplings, values)
    elif id.startswith("computers"):
        from mastac.envs.computers.references import computers_figures

        found, witness = computers_figures(steady(couplings), values)
    else:
        from mastac.envs.linear_quadratic.references import lq_figures

        found, witness = lq_figures(steady(couplings), values)
    for name in ("simple", "best_known", "bound"):
        found[name] = None if found[name] is None else found[name] + 0.0  # no -0.0
    return found, witness


def main() -> None:
    """Compute the stored figures again and rewrite the file; with `missing` only those that are not there."""
    known, records = stored() if sys.argv[1:] == ["missing"] else {}, []
    for id, given in STORED:
        options = checked_options(id, given)
        if record := known.get(json.dumps([id, options], sort_keys=True)):
            records.append(record)
            continue
        started = time.monotonic()
        found, witness = figures(id, couplings_of(id, options), options, seconds=60.0)
        seconds = time.monotonic() - started
        sys.stdout.write(
            f"{id} {given}: simple {found['simple']:.4f}, best known {found['best_known']:.4f}, "
            f"bound {found['bound']:.4f} ({seconds:.1f} s)\n"
        )
        sys.stdout.flush()
        records.append(
            {"id": id, "options": options, "figures": found, "witness": witness.tolist()}
        )
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text("[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n")


if __name__ == "__main__":
    main()
