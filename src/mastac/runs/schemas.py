"""What the JSON files of a run folder hold, declared once; see [`mastac.files.read_json`][].

Keys that are not named here may be there, and older versions of the package leave some out: what a
reader cannot do without, it asks for by name.
"""

from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

from msgspec import Meta

Count = Annotated[int, Meta(ge=0, le=2**53)]
Positive = Annotated[int, Meta(ge=1, le=2**53)]
Seed = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Kappa = Count | Literal["exact"] | None
Figure = float | None
Sizes = Count | list[Count]
Numbers = list[Any] | float
"""One for all agents, or one for each: shapes are compared with the environment's."""


class Origin(TypedDict):
    """Where an environment was imported from."""

    place: str
    directory: str
    options: dict[str, Any]
    couplings: NotRequired[str | None]


class Config(TypedDict, total=False):
    """`config.json`. Values of knobs and options are checked where these are declared."""

    env: str | dict[str, Any]  # of an object in the first versions
    env_options: dict[str, Any]
    custom: bool
    origin: Origin | None
    algorithm: str
    kappa: Kappa
    epochs: Positive
    seeds: Annotated[list[Seed], Meta(min_length=1)]
    preset: str
    evaluation_interval: Positive
    evaluation_episodes: Positive
    knobs: dict[str, Any]
    workers: Count | None
    partition: Positive | None
    versions: dict[str, str]
    git_revision: str | None


class Reference(TypedDict, total=False):
    """Exact figures of an environment."""

    simple: Figure
    best_known: Figure
    bound: Figure
    policies: dict[str, float] | None
    notes: str | None


class Failure(TypedDict, total=False):
    """When and where numbers of a seed were no longer finite."""

    epoch: Count
    where: str
    agent: str


class Summary(TypedDict, total=False):
    """`summary.json`. `…_by_agent` of other names are read as they are."""

    env: str
    algorithm: str
    kappa: Kappa
    epochs: Count
    env_steps: Count
    seeds: list[Seed]
    final20_mean: Figure
    final20_std: Figure
    greedy_mean: Figure
    greedy_std: Figure
    greedy_by_seed: dict[str, Figure] | None
    greedy_by_agent: dict[str, Figure] | None
    greedy_std_by_agent: dict[str, Figure] | None
    violation_by_agent: dict[str, Figure] | None
    gradient_norm_by_agent: dict[str, Figure] | None
    reference: Reference | None
    score: Figure
    failed: dict[str, Failure] | None
    model: dict[str, dict[str, Figure]]
    kept_epoch: dict[str, Count]
    warnings: list[str] | None


class StoredReference(TypedDict, total=False):
    """The figures in `environment.json`."""

    simple: Required[float]
    best_known: Required[float]
    bound: Figure
    policies: dict[str, float]
    notes: str


Digest = tuple[list[Figure], list[Figure]]
"""For each agent a weighted sum, and the size of its terms."""


class EnvironmentFile(TypedDict):
    """`environment.json`: what every version writes."""

    agents: Annotated[list[str], Meta(min_length=1)]
    id: str
    options: dict[str, Any]
    horizon: Positive
    report: str
    action_head: str | list[str]
    state_sizes: Sizes
    obs_sizes: Sizes
    action_sizes: Sizes
    action_limit: Numbers
    state_center: Numbers
    state_scale: Numbers
    obs_center: Numbers
    obs_scale: Numbers
    action_center: Numbers
    action_scale: Numbers
    behaviour: dict[str, Digest]
    reference: StoredReference | None


class MoreOfEnvironment(TypedDict, total=False):
    """What `environment.json` says besides, of some environments and since some version."""

    units: dict[str, str]
    inputs: list[list[tuple[Count, Count] | None]]  # of observations: an agent, and an entry
    reward_scale: float
    open_scales: list[str]
    spaces: dict[str, Annotated[list[str], Meta(min_length=2, max_length=2)]]


class Manifest(TypedDict):
    """The checksums of a checkpoint: of every file its size and its sum."""

    epoch: Count
    files: dict[str, tuple[Count, Count]]


class LogState(TypedDict):
    """How far a log has come, in `logs.json`; what else a log keeps is its own."""

    epochs: Count
    env_steps: dict[str, float]
