"""What cells of the reproduction cost beside each other, as measured in the committed raw data.

    python -m mastac.reproduction.costs reproduction/laptop

writes `costs.json` again: milliseconds for each epoch and seed, compilation apart. On another
machine they are other milliseconds, in about the same proportions.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from mastac.files import read_json, write_json
from mastac.reproduction.paper import Cell

STORED = Path(__file__).with_name("costs.json")


def cost(cell: Cell, stored: Mapping[str, float]) -> float | None:
    """What all epochs and seeds of a cell cost, beside other cells; `None` if not measured."""
    each = stored.get(cell.path)
    return None if each is None else each * cell.epochs * len(cell.seeds)


def measured(raw: Path) -> dict[str, float]:
    """Milliseconds of an epoch and seed of every cell in a folder of raw data."""
    costs = {}
    for path in sorted(raw.glob("*/*/timing.json")):
        timing, config = read_json(path), read_json(path.with_name("config.json"))
        if timing["chunks"] > 1:
            # The first chunk compiled as well.
            seconds = timing["seconds"] - timing["first_chunk_seconds"]
            epochs = config["epochs"] * (1 - 1 / timing["chunks"])
            each = 1000 * seconds / epochs / len(config["seeds"])
            costs[f"{path.parent.parent.name}/{path.parent.name}"] = float(f"{each:.3g}")
    return costs


if __name__ == "__main__":
    write_json(STORED, measured(Path(sys.argv[1])))
