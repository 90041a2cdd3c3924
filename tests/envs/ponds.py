"""A user's module, written where a test works: ponds that flow into each other."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PONDS = '''
import jax
import numpy as np

import mastac


def make(number: int = 2, loss=0.25, *, horizon=3):
    """Ponds in a row."""
    row = mastac.Couplings(number, state=[(i, i + 1) for i in range(number - 1)], action=[])
    flow = np.array(row.state.toarray(), float) - np.eye(number)
    sizes = np.ones(number, int)
    return mastac.Environment(
        id="ponds",
        couplings=row,
        horizon=horizon,
        reset=lambda key: jax.random.uniform(key, (number, 1)),
        step=lambda level, pump, time, key: (1 - loss) * level + 0.1 * flow @ level + pump,
        reward=lambda level, pump, time: -((level - 1.0) ** 2)[:, 0],
        observe=lambda level: level,
        state_sizes=sizes,
        obs_sizes=sizes,
        action_sizes=sizes,
        action_head="tanh",
    )


env = make()
'''


class Folder:
    """A working directory whose modules are imported anew whenever they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = (list(sys.path), set(sys.modules))

    def write(self, name: str, text: str = PONDS) -> None:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.forget()

    def forget(self) -> None:
        """What a new process would not know."""
        sys.path[:] = self.before[0]
        for name in set(sys.modules) - self.before[1]:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(self.path)):
                del sys.modules[name]


@contextmanager
def working_in(path: Path) -> Iterator[Folder]:
    """Work in a folder that holds the module `ponds`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setattr(sys, "dont_write_bytecode", True)
        folder = Folder(path)
        folder.write("ponds.py")
        try:
            yield folder
        finally:
            folder.forget()
