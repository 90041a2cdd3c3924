"""What is said between a training and its workers, as records of fixed size. No JAX."""

from typing import NamedTuple

import numpy as np

from mastac.envs.host.simulator import Frame

RESET, STEP, CLOSE = range(3)


class Request(NamedTuple):
    """What is asked of the simulator in a slot: to step, or, without actions, to be reset."""

    slot: int
    seed: int = 0
    actions: np.ndarray | None = None


class Sizes(NamedTuple):
    """Of an episode; the last three are those of the widest agent."""

    horizon: int
    agents: int
    state: int
    obs: int
    action: int


class Records:
    """Requests and frames as bytes.

    - `request`: of a slot, a command, a seed and actions.
    - `answer`: of the length of a complaint, which then follows, and a frame.
    """

    def __init__(self, sizes: Sizes, is_state: bool) -> None:
        agents, self.is_state = sizes.agents, is_state
        rows = {name: ("f4", (agents, getattr(sizes, name))) for name in ("state", "obs", "action")}
        head = [("slot", "i4"), ("command", "i4"), ("seed", "i8")]
        self.request = np.dtype([*head, ("actions", *rows["action"])])
        frame = [("states", *rows["state"]), ("rewards", "f4", agents)]
        frame += [("alive", "?", agents), ("terminated", "?", agents)]
        frame += [] if is_state else [("obs", *rows["obs"])]
        self.answer = np.dtype([("complaint", "i8"), *frame])

    def asked(self, request: Request) -> bytes:
        """A request."""
        record = np.zeros((), self.request)
        record["slot"], record["command"], record["seed"] = request.slot, RESET, request.seed
        if request.actions is not None:
            record["command"], record["actions"] = STEP, request.actions
        return record.tobytes()

    def close(self) -> bytes:
        """The last request."""
        record = np.zeros((), self.request)
        record["command"] = CLOSE
        return record.tobytes()

    def request_in(self, data: bytes) -> Request | None:
        """The request in some bytes; `None` for the last one."""
        record = np.frombuffer(data, self.request)[0]
        slot = int(record["slot"])
        if record["command"] == CLOSE:
            return None
        if record["command"] == RESET:
            return Request(slot, seed=int(record["seed"]))
        return Request(slot, actions=record["actions"])

    def answered(self, frame: Frame) -> bytes:
        """A frame."""
        record = np.zeros((), self.answer)
        for name, value in frame._asdict().items():
            if value is not None:
                record[name] = value
        return record.tobytes()

    def complained(self, reason: str) -> bytes:
        """Why there is no frame."""
        record, text = np.zeros((), self.answer), reason.encode()
        record["complaint"] = len(text)
        return record.tobytes() + text

    def frame_in(self, data: bytes) -> Frame | int:
        """The frame in some bytes, or the length of the complaint that follows."""
        record = np.frombuffer(data, self.answer)[0]
        if record["complaint"]:
            return int(record["complaint"])
        obs = None if self.is_state else record["obs"]
        rest = (record[name] for name in ("rewards", "alive", "terminated"))
        return Frame(record["states"], obs, *rest)
