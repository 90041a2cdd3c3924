"""Writes the controllers of a run to a folder, each compared with the policy it is made of."""

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mastac.controllers import controller as reader
from mastac.controllers.controller import Controller
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
from mastac.runs.stand_alone import Defaults, StandAlone, action_offset, network_of

if TYPE_CHECKING:
    from mastac.runs.run import Run

PROBES = 64
TOLERANCE = 1e-6
"""How far a logit of a file may be from the policy's …"""
ROUNDING = 2.0 * float(np.finfo(np.float32).eps)
"""… beside rounding, as a share of the absolute terms that are added up to it."""


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
    if out is None:
        run.folder.check_is_ours()
    folder = run.folder.controllers if out is None else Path(out)
    check_target(folder, source.identity)
    names = file_names(policy.agents)
    files, listed = {}, []
    for i, probe in zip(acting, probes_of(policy, acting), strict=True):
        about, write = source.about(i), onnx_bytes if format == "onnx" else numpy_bytes
        content = write(about, network_of(policy, i))
        check_file(policy, i, content, format, probe)
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


class Probe(NamedTuple):
    """Random observations of one agent, and what its policy says of them in double precision.

    - `terms`: the largest sum of absolute terms behind any logit, of which rounding is a share:
        where large terms cancel, a small logit is known less well.
    """

    seen: Float[np.ndarray, "batch obs"]
    logits: Float[np.ndarray, "batch act"]
    terms: Float[np.ndarray, "batch 1"]


def probes_of(policy: Policy, agents: Sequence[int]) -> list[Probe]:
    """Observations about three scales around their centres, for each of some agents."""
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
    # No term of this one is negative, and so none cancels.
    absolute = dataclasses.replace(
        double, weights=tuple(map(abs, double.weights)), biases=tuple(map(abs, double.biases))
    )
    center = double.obs_center
    logits = np.stack([double.logits(rows) for rows in seen])
    terms = np.stack([absolute.logits(center + abs(rows - center)) for rows in seen])
    probes = []
    for i in agents:
        inputs, outputs = policy.obs_sizes[i], policy.action_sizes[i]
        largest = terms[:, i, :outputs].max(axis=1, keepdims=True)
        probes.append(Probe(seen[:, i, :inputs], logits[:, i, :outputs], largest))
    return probes


def check_file(policy: Policy, i: int, content: bytes, format: str, probe: Probe) -> None:
    """`UserError` if the content of agent `i`'s file does not act as the policy does.

    Two choices whose logits are as good as equal may be taken one for the other.
    """
    agent, head = policy.agents[i], HEADS[policy.head_name(i)]
    if not np.isfinite(probe.logits).all():
        raise UserError(f"the policy of agent '{agent}' has numbers that are not finite")
    if format == "onnx":
        actions = actions_of_bytes(content)(probe.seen)
    else:
        actions = Controller.load(io.BytesIO(content)).actions(probe.seen)
    limit = policy.action_limit[i, : probe.logits.shape[1]].astype(float)
    middle = action_offset(policy)[i, : len(limit)]
    expected = middle + head.apply(probe.logits, limit, np.ones(len(limit), bool))
    error = TOLERANCE + ROUNDING * probe.terms
    # A middle far from zero makes an action a large number, which is rounded.
    allowed = error * (limit if head.name in ("tanh", "linear") else 1.0) + ROUNDING * abs(middle)
    if head.is_discrete and len(limit) > 1:
        ordered = np.sort(probe.logits, axis=1)
        is_clear = ordered[:, -1:] - ordered[:, -2:-1] > 2 * error
        allowed = np.where(is_clear, allowed, np.inf)
    if actions.shape != expected.shape or not (abs(actions - expected) <= allowed).all():
        raise UserError(
            f"the {format} file of agent '{agent}' would not act as its policy does; nothing was "
            "written; please report this"
        )
