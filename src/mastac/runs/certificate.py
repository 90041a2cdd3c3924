"""Certificates: how far trained policies are from the best of their class. Needs no JAX itself."""

import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, SupportsIndex

from mastac.checks import whole_number
from mastac.errors import UserError, unknown
from mastac.files import write_json
from mastac.text import number, plus_minus, table

if TYPE_CHECKING:
    from mastac.runs.run import Run

EPISODES, STEPS, FITTING = 1000, 100, 64
DYNAMICS = ("true", "learnt")
ASSUMPTIONS = {
    "proven": "no policy returns more than the bound, whatever it observes; the bound may be out "
    "of reach",
    "estimated": "if the best policies visited the states that these visit, they would gain at "
    "most this; joint actions were chosen with all states in view, a wider class than the agents' "
    "own",
}
MODELS = "; the learnt models are taken to be right"


def certify(
    run: "Run",
    seeds: Iterable[SupportsIndex] | SupportsIndex | None = None,
    episodes: SupportsIndex = EPISODES,
    steps: SupportsIndex = STEPS,
    seed: SupportsIndex = 0,
    estimate: bool = False,
    dynamics: str = "true",
    fitting_episodes: SupportsIndex = FITTING,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """How far the greedy policies of a run are from the best of their class, for every seed.

    The class is one network for each agent, as large as the trained one, on what the agent
    observes. All figures are in the unit of the reported return.

    - **`lower`** is surely still to be gained, up to chance: policies that climbed on from the
      trained ones, through the dynamics, earn more by this on fresh episodes of the simulator. It
      is the lower end of the 95 % interval of the paired difference, or 0.
    - **`upper`** is what can at most be gained. It is *proven* where the environment's reference
      figures have a bound: bound less return, from the lower end of the return's 95 % interval.
      Elsewhere it is *estimated*: at states that the policies visit the best joint action of a
      single step is sought, and what it gains is summed over the episode (upper end of the 95 %
      interval). If the best policies visited the same states, they would gain at most this. Joint
      actions may use more than each agent observes, so it is of a wider class.

    The certificate is also written to the run folder, as `certificate.json`.

    **Arguments:**

    - `run`: a run that has ended.
    - `seeds`: one or some of the run's seeds; all unless given. Seeds that stopped get `None`.
    - `episodes`: that measure, at least 2.
    - `steps`: of the climb, at least 1.
    - `seed`: chooses episodes, noise and where actions are sought.
    - `estimate`: estimate the upper figure also where a bound is proven.
    - `dynamics`: what is climbed, and what actions are sought in: "true" for the simulator, whose
        slopes are taken; "learnt" for local models, where it has none.
    - `fitting_episodes`: episodes with exploration that models are fitted to, at least 4.
    - `say`: takes what is being done, a line each.

    **Returns:**

    `upper_kind` ("proven" or "estimated"), `assumption`, `bound`, `dynamics`, `fitting_steps` (of
    the simulator for each seed, to fit models), `has_slopes` (else nothing was
    climbed), how it was measured, and under `seeds`, for each seed, `return`, `improvement` (of
    the climbed policies), `lower`, `upper` and their intervals.

    **Raises:**

    - `UserError` if the run has not ended, if it has no such seed, if the environment cannot be
      differentiated or is flat, or if the folder cannot be written to.
    """
    episodes = whole_number("episodes", episodes, least=2)
    steps, seed = whole_number("steps", steps, least=1), whole_number("seed", seed)
    fitting = whole_number("fitting_episodes", fitting_episodes, least=4)
    if dynamics not in DYNAMICS:
        raise unknown("dynamics", dynamics, DYNAMICS)
    is_learnt = dynamics == "learnt"
    failed = run.summary.get("failed", {})  # refused unless the run has ended
    given = [seeds] if isinstance(seeds, SupportsIndex) else seeds
    chosen = run.config.seeds if given is None else [whole_number("seed", s) for s in given]
    policies = {s: run.policy(s).alone() for s in chosen if str(s) not in failed}
    if not policies:
        raise UserError(f"all seeds of run '{run.path}' that were asked for stopped; train again")
    with run.folder.writing():
        from mastac.runs.certifying import certificate
        from mastac.runs.description import reference_of_run

        reference = reference_of_run(run.folder, run.env)
        bound = None if reference is None or estimate else reference.bound
        found, has_slopes = certificate(
            run.env, policies, bound, episodes, steps, seed, say, fitting if is_learnt else None
        )
        kind = "estimated" if bound is None else "proven"
        result = {
            "upper_kind": kind,
            "assumption": ASSUMPTIONS[kind] + (MODELS if is_learnt and bound is None else ""),
            "bound": bound,
            "dynamics": dynamics,
            "fitting_steps": fitting * run.env.horizon if is_learnt else 0,
            "has_slopes": has_slopes,
            "episodes": episodes,
            "steps": steps,
            "seed": seed,
            "seeds": {str(s): found.get(str(s)) for s in chosen},
        }
        try:
            write_json(run.folder.certificate, result)
        except OSError as error:
            raise UserError(
                f"'{run.folder.certificate}' cannot be written ({error.strerror})"
            ) from error
    return result


def certificate_table(certificate: Mapping[str, Any]) -> str:
    """What [`certify`][] returns as text."""
    kind, bound = certificate["upper_kind"], certificate["bound"]
    rows = [
        (f"seed {seed}", *(_cells(figures) if figures else ("stopped", "", "")))
        for seed, figures in certificate["seeds"].items()
    ]
    text = table(("greedy policy", "return", "lower", f"upper ({kind})"), rows)
    source = "one better joint action at a time" if bound is None else f"bound {number(bound)}"
    notes = [
        f"return: mean over {certificate['episodes']:,} episodes ± half of its 95 % interval",
        "lower: surely still to be gained (95 %): policies that earn so much more were found",
        f"upper: at most to be gained, {kind} from {source} (95 %):",
        textwrap.indent(textwrap.fill(certificate["assumption"], 96), "  "),
    ]
    if certificate["fitting_steps"]:
        notes.append(f"models: fitted to {certificate['fitting_steps']:,} steps of each seed")
    if not certificate["has_slopes"]:
        notes.append("the environment has no slopes: nothing was climbed, so lower figures are 0")
    return "\n".join([text, "", *notes, *_contradictions(certificate["seeds"])])


def _cells(figures: Mapping[str, Any]) -> tuple[str, str, str]:
    low, mean = figures["return_interval"][0], figures["return"]
    half = None if low is None else mean - low
    return (
        plus_minus(mean, half) or "overflowed",
        number(figures["lower"]),
        number(figures["upper"]),
    )


def _contradictions(seeds: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """What to think of upper figures that are below lower ones."""
    return [
        f"seed {seed}: more was gained than the upper figure says, so its assumption fails here"
        for seed, figures in seeds.items()
        if figures
        and None not in (low := figures["lower"], high := figures["upper"])
        and low > high
    ]
