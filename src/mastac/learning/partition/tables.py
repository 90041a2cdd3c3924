"""What every device knows of its part: who its agents and its halo are, and where all stands.

All arrays have a leading axis of devices and equal shapes on all of them, so that one program runs
everywhere. A device with fewer agents than others fills up with copies of its first one, which
nobody reads.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np

from mastac.learning.partition.supported import check_supported
from mastac.learning.scales import Scales, declared_scales
from mastac.learning.spec import LearnerSpec, input_scale
from mastac.structure.buckets import Bucket
from mastac.structure.halos import Exchange, Halos, exchange_of, filled, halos_of
from mastac.structure.partition import Partition

Table: TypeAlias = Any
"""An array: of numpy while tables are built, of JAX on devices."""


class LocalBucket(Bucket):
    """Critics of one bucket that are on one device; rows are those of the device."""

    @property
    def is_shared(self) -> bool:
        """Never looked for: the rows are not known while tracing."""
        return False


class Tables(NamedTuple):
    """Arrays with a leading axis of devices.

    A device's *states* and *actions* are those of its own agents first, then those of its halo.

    - `agents`: its own agents, `[devices, own]`.
    - `states`, `actions`: the agents of its states and its actions.
    - `buckets`: its critics. `terms` are numbered by their agents' places on the device; the number
        of places where there is none.
    - `critics`: for each bucket, where a critic stands in the stack of all devices.
    - `first_weights`: for each bucket, [`input_scale`][mastac.learning.spec.input_scale] or `None`.
    - `is_real`: which of the places hold an agent of its own.
    - `limit`, `mask`: of its own agents' actions; `read_mask`: of all its actions.
    - `units`: of its states and actions, as the environment declares them.
    - `sends`, `places`: of the exchanges of actions and of slopes.
    """

    agents: Table
    states: Table
    actions: Table
    buckets: tuple[LocalBucket, ...]
    critics: tuple[Table, ...]
    first_weights: tuple[Any, ...]
    is_real: Table
    limit: Table
    mask: Table
    read_mask: Table
    units: Scales
    sends: tuple[Table, Table]
    places: tuple[Table, Table]


@dataclass(frozen=True, eq=False)
class Split:
    """A learner whose agents are spread over devices.

    - `spec`: what all agents together would be on one device.
    - `actions`, `slopes`: how actions of policies come to those whose critics read them, and which
        of these are credited: their slopes go back the same way.
    - `place`: where each agent stands among those of all devices, one device after the other,
        `[agents]`; `critic_places`: likewise each critic of a bucket.
    """

    spec: LearnerSpec
    partition: Partition
    halos: Halos
    actions: Exchange
    slopes: Exchange
    tables: Tables
    place: np.ndarray
    critic_places: tuple[np.ndarray, ...]


def split_over(spec: LearnerSpec, partition: Partition) -> Split:
    """The learner spread as a partition says.

    **Raises:**

    - [`mastac.errors.UserError`][] if its update cannot be spread.
    """
    check_supported(spec)
    halos = halos_of(spec.layout, partition)
    own = _repeated([partition.agents_of(d) for d in range(partition.devices)], spec.chunk)
    place = _places(own, partition, spec.env.num_agents)
    states, actions = (filled(rows) for rows in (halos.states, halos.actions))
    exchanges = _exchanges(spec, partition, place % own.shape[1], actions, halos)
    chosen = [_with_halo(own, halo) for halo in (states, actions)]
    parts = [
        _local_bucket(
            spec, bucket, partition, place % own.shape[1], own.shape[1], (states, actions)
        )
        for bucket in spec.buckets
    ]
    units = declared_scales(spec.env)
    constants = spec.actors.constants
    tables = Tables(
        agents=own,
        states=chosen[0],
        actions=chosen[1],
        buckets=tuple(part[0] for part in parts),
        critics=tuple(part[1] for part in parts),
        first_weights=tuple(part[2] for part in parts),
        is_real=np.arange(own.shape[1]) < partition.sizes[:, None],
        limit=np.asarray(constants.limit)[own],
        mask=np.asarray(constants.mask)[own],
        read_mask=np.asarray(constants.mask)[chosen[1]],
        units=units_of(units, *chosen),
        sends=(exchanges[0].sends, exchanges[1].sends),
        places=(exchanges[0].places, exchanges[1].places),
    )
    critic_places = tuple(part[3] for part in parts)
    return Split(spec, partition, halos, *exchanges, tables, place, critic_places)


def units_of(units: Scales, states: Any, actions: Any) -> Scales:
    """The units of these states and actions, one row of a device after the other."""
    return Scales(
        state_center=units.state_center[states],
        state_scale=units.state_scale[states],
        action_center=units.action_center[actions],
        action_scale=units.action_scale[actions],
        reward=jnp.broadcast_to(units.reward, states.shape[:-1]),
    )


def _repeated(rows: list[np.ndarray], chunk: int) -> np.ndarray:
    """Rows of equal length, filled up with their first entries.

    Long ones to a multiple of `chunk`, so that each chunk is whole.
    """
    longest = max(map(len, rows))
    width = -(-longest // chunk) * chunk if 0 < chunk < longest else longest
    return np.stack([np.append(row, np.full(width - len(row), row[0])) for row in rows])


def _places(own: np.ndarray, partition: Partition, agents: int) -> np.ndarray:
    """Where each agent stands among the rows of all devices."""
    place = np.zeros(agents, np.int64)
    for device, size in enumerate(partition.sizes.tolist()):
        place[own[device, :size]] = device * own.shape[1] + np.arange(size)
    return place


def _with_halo(own: np.ndarray, halo: np.ndarray) -> np.ndarray:
    """Own agents, then the halo, filled up with the first own agent."""
    return np.concatenate([own, np.where(halo < 0, own[:, :1], halo)], axis=1)


def _exchanges(
    spec: LearnerSpec, partition: Partition, slot: np.ndarray, actions: np.ndarray, halos: Halos
) -> tuple[Exchange, Exchange]:
    """Those of actions and of slopes, entry by entry: entries that are padding are not sent."""
    sizes = spec.env.action_sizes
    size = int(sizes.max())
    entry = np.arange(size)
    owner = np.repeat(partition.owner, size)
    place = (slot[:, None] * size + entry).ravel()

    def exchange(wanted: np.ndarray) -> Exchange:
        is_real = (wanted >= 0)[:, :, None] & (entry < sizes[wanted][:, :, None])
        needed = np.where(is_real, wanted[:, :, None] * size + entry, -1)
        return exchange_of(owner, place, needed.reshape(len(wanted), -1))

    is_credited = np.stack(
        [np.isin(row, credited) for row, credited in zip(actions, halos.credited, strict=True)]
    )
    return exchange(actions), exchange(np.where(is_credited, actions, -1))


def _local_bucket(
    spec: LearnerSpec,
    bucket: Bucket,
    partition: Partition,
    slot: np.ndarray,
    own: int,
    halos: tuple[np.ndarray, np.ndarray],
) -> tuple[LocalBucket, np.ndarray, np.ndarray | None, np.ndarray]:
    """A bucket's tables, where its critics stand in the whole stack, their first weights' scale.

    Last where each critic of the whole stack stands among those of all devices.
    """
    owner, devices = partition.owner[bucket.terms], range(partition.devices)
    mine = [np.flatnonzero(owner == device) for device in devices]
    # A device that has none of them computes one that learns nothing.
    rows = _repeated([row if len(row) else np.zeros(1, np.int64) for row in mine], spec.chunk)
    is_real = np.arange(rows.shape[1]) < np.array([len(row) for row in mine])[:, None]
    looks = [
        _row_tables(partition, slot, own, halo, sizes)
        for halo, sizes in zip(halos, (spec.env.state_sizes, spec.env.action_sizes), strict=True)
    ]

    def looked_up(table: np.ndarray, places: np.ndarray) -> np.ndarray:
        here = np.stack([places[device][table[rows[device]]] for device in devices])
        is_kept = is_real.reshape(*is_real.shape, *[1] * (table.ndim - 1))
        return np.where(is_kept, here, places[0, -1])

    def kept(table: np.ndarray, else_: Any = 0) -> np.ndarray:
        is_kept = is_real.reshape(*is_real.shape, *[1] * (table.ndim - 1))
        return np.where(is_kept, table[rows], table.dtype.type(else_))

    scale = input_scale(bucket, spec.settings)
    place = np.zeros(len(bucket.terms), np.int64)
    for device in devices:
        place[mine[device]] = device * rows.shape[1] + np.arange(len(mine[device]))
    not_read: Any = None  # by updates
    local = LocalBucket(
        terms=np.where(is_real, slot[bucket.terms][rows], own),
        state_rows=looked_up(bucket.state_rows, looks[0]),
        action_rows=looked_up(bucket.action_rows, looks[1]),
        credit=kept(bucket.credit),
        slot_agents=not_read,
        slot_columns=kept(bucket.slot_columns, bucket.action_rows.shape[1]),
        slot_rows=looked_up(bucket.slot_rows, looks[1]),
        slot_credit=kept(bucket.slot_credit),
        fan_in=not_read,
    )
    return local, rows, None if scale is None else np.asarray(scale)[rows], place


def _row_tables(
    partition: Partition, slot: np.ndarray, own: int, halo: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """For every device where a feature of all agents stands among its own, `[devices, features]`.

    The last feature of both is the row of zeros, and what a device does not hold.
    """
    size = int(sizes.max())
    nothing = (own + halo.shape[1]) * size
    table = np.full((partition.devices, len(slot) * size + 1), nothing, np.int32)
    entry = np.arange(size)
    for device, row in enumerate(table):
        agents, others = partition.agents_of(device), halo[device][halo[device] >= 0]
        at = np.concatenate([slot[agents], own + np.arange(len(others))])
        held = np.concatenate([agents, others])
        row[(held[:, None] * size + entry).ravel()] = (at[:, None] * size + entry).ravel()
    return table
