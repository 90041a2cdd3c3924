"""Writes the controllers of a run to a folder, each compared with the policy it is made of."""

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from mastac.controllers import controller as reader
from mastac.controllers.controller import Controller, Network
from mastac.controllers.folder import (
    FORMATS,
    READER,
    README,
    SUFFIXES,
    check_target,
    file_names,
    write_folder,
)
from mastac.controllers.numpy_file import numpy_bytes
from mastac.controllers.onnx_file import actions_of_bytes, onnx_bytes
from mastac.controllers.readme import readme
from mastac.envs.heads import HEADS
from mastac.errors import UserError, unknown
from mastac.runs.policy import Policy
from mastac.runs.stand_alone import Defaults, StandAlone, network_of

if TYPE_CHECKING:
    from mastac.runs.run import Run

PROBES = 64
TOLERANCE = 1e-6
"""How far a logit of a file may be from the policy's …"""
ROUNDING = 2.0 * float(np.finfo(np.float32).eps)
"""… beside rounding, as a share of the sizes of the terms that are added up to it."""


def export(
    run: "Run",
    out: str | Path | None = None,
    format: str = "numpy",
    agents: str | Sequence[str] | None = None,
    seed: int | None = None,
    hold_steps: int | None = None,
    defaults: Defaults = None,
) -> dict[str, Any]:
    """Write the controllers of a run to a folder: one file for each agent that has an action.

    Each file is compared with the policy before anything is written. The folder also gets an index
    `controllers.json`, a README, and for "numpy" the reader `controller.py`.

    **Arguments:**

    - `out`: a new folder, or one that holds an older export of the same run, which is replaced; by
        default `controllers` in the run folder.
    - `format`: "numpy" or "onnx".
    - `agents`: a name or several; by default all.
    - `seed`, `hold_steps`, `defaults`: of [`StandAlone`][mastac.runs.stand_alone.StandAlone]: the
        seed of the run, and what becomes of inputs that do not arrive.

    **Returns:** the content of `controllers.json`. `skipped` names agents that have no action.

    **Raises:** `UserError` before anything is written if an argument is wrong, package `onnx` is
    missing, or a file would not act as the policy does.
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    source = StandAlone(run, seed, hold_steps, defaults)
    policy = source.policy
    wanted = policy.agents if agents is None else [agents] if isinstance(agents, str) else agents
    chosen = sorted({source.number(agent) for agent in wanted})
    acting = [i for i in chosen if policy.action_sizes[i]]
    if not acting:
        names = ", ".join(policy.agents[i] for i in chosen) or "none were named"
        raise UserError(f"there is no agent with an action to export ({names})")
    folder = run.path / "controllers" if out is None else Path(out)
    check_target(folder, source.identity)
    names = file_names(policy.agents)
    files, listed = {}, []
    for i, (seen, logits) in zip(acting, policy_logits(policy, acting), strict=True):
        about, network = source.about(i), network_of(policy, i)
        content = (onnx_bytes if format == "onnx" else numpy_bytes)(about, network)
        check_file(about["agent"], content, format, network, seen, logits)
        file = names[about["agent"]] + SUFFIXES[format]
        files[file] = content
        listed.append({"agent": about["agent"], "file": file, **about})
    shared = ("environment", "run", "mastac")
    index = {
        "format": format,
        **{name: listed[0][name] for name in shared},
        "skipped": [policy.agents[i] for i in chosen if not policy.action_sizes[i]],
        "controllers": [{k: v for k, v in each.items() if k not in shared} for each in listed],
    }
    files[README] = readme(index).encode()
    if format == "numpy":
        files[READER] = Path(reader.__file__).read_bytes()
    write_folder(folder, index, files)
    return index


Rows = Float[np.ndarray, "batch entries"]


def policy_logits(policy: Policy, agents: Sequence[int]) -> list[tuple[Rows, Rows]]:
    """Random observations of some agents, and the policy's logits for them in double precision."""
    random = np.random.default_rng(0)
    real = np.arange(policy.obs_center.shape[1]) < policy.obs_sizes[:, None]
    away = 3.0 * random.standard_normal((PROBES, *real.shape))
    seen = np.where(real, policy.obs_center + policy.obs_scale * away, 0.0).astype(np.float32)
    double = dataclasses.replace(
        policy,
        weights=tuple(weight.astype(float) for weight in policy.weights),
        biases=tuple(bias.astype(float) for bias in policy.biases),
        obs_center=policy.obs_center.astype(float),
        obs_scale=policy.obs_scale.astype(float),
    )
    logits = np.stack([double.logits(rows) for rows in seen])
    sizes = zip(policy.obs_sizes.tolist(), policy.action_sizes.tolist(), strict=True)
    cuts = list(sizes)
    return [(seen[:, i, : cuts[i][0]], logits[:, i, : cuts[i][1]]) for i in agents]


def check_file(
    agent: str, content: bytes, format: str, network: Network, seen: Rows, logits: Rows
) -> None:
    """`UserError` if the content of a file does not give the actions that the logits mean.

    Two choices whose logits are as good as equal may be taken one for the other.
    """
    if not np.isfinite(logits).all():
        raise UserError(f"the policy of agent '{agent}' has numbers that are not finite")
    loaded = format == "numpy" and Controller.load(io.BytesIO(content)).actions
    actions = np.asarray((loaded or actions_of_bytes(content))(seen))
    head, limit = HEADS[network.head], network.limit.astype(float)
    expected = head.apply(logits, limit, np.ones(len(limit), bool))
    error = TOLERANCE + ROUNDING * _sizes_of_terms(network, seen)
    allowed = error * (limit if network.head in ("tanh", "linear") else 1.0)
    if head.is_discrete and len(limit) > 1:
        best = np.sort(logits, axis=1)
        allowed = np.where(best[:, -1:] - best[:, -2:-1] > 2 * error, allowed, np.inf)
    wrong = actions.shape != expected.shape or not (abs(actions - expected) <= allowed).all()
    if wrong:
        raise UserError(
            f"the {format} file of agent '{agent}' would not act as its policy does; nothing was "
            "written; please report this"
        )


def _sizes_of_terms(network: Network, seen: Rows) -> Rows:
    """The largest sum of absolute terms behind any logit, `[batch, 1]`: rounding is a share of it.

    Where large terms cancel, a small logit is known less well.
    """
    sizes = abs((seen - network.center) / network.scale).astype(float)
    for weight, bias in zip(network.weights, network.biases, strict=True):
        sizes = sizes @ abs(weight) + abs(bias)
    return sizes.max(axis=1, keepdims=True)
