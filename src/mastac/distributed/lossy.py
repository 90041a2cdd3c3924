"""How links lose messages and deliver them late. Imports no JAX."""

from typing import Any, NamedTuple

from mastac.checks import real_number, whole_number
from mastac.errors import UserError

MISSING = ("hold", "skip")


class Lossy(NamedTuple):
    """How links lose and delay.

    - `loss`: the share of messages that is lost, below 1.
    - `burst`: how many messages in a row are lost on average; `None`: losses are independent.
    - `delay`: after how many steps a message arrives.
    - `missing`: in training, whether the last value that arrived stands in for one that did not
        ("hold"), or an agent's critic leaves out samples that lack something ("skip").
    """

    loss: Any = 0.0
    burst: Any = None
    delay: int = 0
    missing: str = "hold"

    @property
    def is_lossless(self) -> bool:
        """Whether everything arrives, at once."""
        return self.loss == 0 and self.delay == 0


def checked_lossy(
    loss: float = 0.0, burst: float | None = None, delay: int = 0, missing: str = "hold"
) -> Lossy:
    """The same with everything checked.

    **Raises:** `UserError` for a number out of its range, and for bursts that are too short to
    make up so many losses.
    """
    loss = real_number("loss", loss, 0, 1, most_excluded=True)
    delay = whole_number("delay", delay)
    if missing not in MISSING:
        raise UserError(f"missing is '{missing}'; choose hold or skip")
    if burst is not None:
        burst = real_number("burst", burst, 1)
        if burst * (1 - loss) < loss:
            raise UserError(
                f"with a loss of {loss:g} bursts cannot be shorter than {loss / (1 - loss):g} "
                f"messages on average, and burst is {burst:g}; make it longer"
            )
    return Lossy(loss, burst, delay, missing)
