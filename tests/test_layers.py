"""Imports go one way, and what promises to do without JAX does."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mastac

SOURCE = Path(mastac.__file__).parent
# Each layer may import itself and what is named. `errors` and `version` may be imported by all.
ALLOWED = {
    "structure": set(),
    "envs": {"structure"},
    "probing": {"structure", "envs"},
    "discovery": {"structure", "envs", "probing"},
    "agents": {"structure", "envs"},
    "theory": {"structure", "envs", "agents"},
    "learning": {"structure", "envs", "agents"},
    "algorithms": {"structure", "envs", "agents", "learning"},
    "experiments": {"structure", "envs", "agents", "learning", "algorithms", "theory"},
}
GROUND = {"errors", "version"}
MODULES = sorted(path.relative_to(SOURCE).with_suffix("") for path in SOURCE.rglob("*.py") if len(path.parts) > 1)
LAYERED = [path for path in MODULES if path.parts[0] in ALLOWED]


def imported_layers(module: Path) -> set[str]:
    """First names below `mastac` that a module imports, at its top or within functions."""
    found = set()
    for node in ast.walk(ast.parse((SOURCE / module).with_suffix(".py").read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names = [node.module] if node.module != "mastac" else [f"mastac.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name and name.startswith("mastac.")}
    return found


def test_every_package_is_a_layer() -> None:
    assert {path.parts[0] for path in MODULES if len(path.parts) > 1} == set(ALLOWED)


@pytest.mark.parametrize("module", LAYERED, ids=str)
def test_imports_go_one_way(module: Path) -> None:
    layer = module.parts[0]
    assert imported_layers(module) <= ALLOWED[layer] | {layer} | GROUND


def test_figures_and_results_do_not_train() -> None:
    tables = ("raw", "measures", "tables", "table_text", "table_latex", "drawing", "paper_figures")
    for name in ("results", "figures", "summary", "statistics", *tables):
        assert imported_layers(Path("experiments") / name) <= {"experiments", "errors"}


@pytest.mark.parametrize(
    "module",
    [
        "mastac",
        "mastac.structure",
        "mastac.structure.report",
        "mastac.envs.registry",
        "mastac.envs.graphs",
        "mastac.probing",
        "mastac.probing.black_box",
        "mastac.discovery",
        "mastac.algorithms",
        "mastac.learning.settings",
        "mastac.experiments.results",
        "mastac.experiments.figures",
        "mastac.experiments.summary",
        "mastac.experiments.tables",
        "mastac.experiments.paper_figures",
        "mastac.experiments.paper",
        "mastac.experiments.grid",
        "mastac.experiments.reproduce",
        "mastac.experiments.cluster",
        "mastac.experiments.config",
        "mastac.experiments.run",
        "mastac.experiments.policy",
        "mastac.commands",
        "mastac.graph_commands",
        "mastac.reproduction_commands",
        "mastac.probing_commands",
        "mastac.discovery_commands",
        "mastac.variance_commands",
        "mastac.theory.theorem_study",
        "mastac.theory.variance_report",
        "mastac.theory.lq_variance",
        "mastac.theory.credit_games",
        "mastac.cli",
    ],
)
def test_does_without_jax(module: str) -> None:
    code = f"import sys, {module}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_needs_nothing_heavy() -> None:
    heavy = ("jax", "numpy", "scipy", "sklearn", "networkx", "matplotlib", "rich")
    code = f"import sys, mastac.cli; sys.exit(str([name for name in {heavy} if name in sys.modules] or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
