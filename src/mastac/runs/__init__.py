"""Runs: training into a run folder, going on, evaluating, and reading and drawing what it holds.

Names are loaded when first used, so that importing this package imports neither JAX nor matplotlib.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from mastac.runs import drawing, statistics
    from mastac.runs.config import ExperimentConfig, resolve
    from mastac.runs.execution import Execution
    from mastac.runs.figures import learning_curves
    from mastac.runs.folder import RunFolder
    from mastac.runs.interruption import Stopped
    from mastac.runs.plan import RunPlan, chunk_for, layout_of, plan_run
    from mastac.runs.policy import Policy
    from mastac.runs.progress import Report
    from mastac.runs.results import Results, read_results
    from mastac.runs.run import Run, load, resume, train
    from mastac.runs.summary import compare_rows, compare_table, run_table

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submodules=["drawing", "statistics"],
    submod_attrs={
        "config": ["ExperimentConfig", "resolve"],
        "execution": ["Execution"],
        "figures": ["learning_curves"],
        "folder": ["RunFolder"],
        "interruption": ["Stopped"],
        "plan": ["RunPlan", "chunk_for", "layout_of", "plan_run"],
        "policy": ["Policy"],
        "progress": ["Report"],
        "results": ["Results", "read_results"],
        "run": ["Run", "load", "resume", "train"],
        "summary": ["compare_rows", "compare_table", "run_table"],
    },
)

__all__ = [
    "Execution",
    "ExperimentConfig",
    "Policy",
    "Report",
    "Results",
    "Run",
    "RunFolder",
    "RunPlan",
    "Stopped",
    "chunk_for",
    "compare_rows",
    "compare_table",
    "drawing",
    "layout_of",
    "learning_curves",
    "load",
    "plan_run",
    "read_results",
    "resolve",
    "resume",
    "run_table",
    "statistics",
    "train",
]
