"""Imports go one way, and what promises to do without JAX does."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

import mastac

SOURCE = Path(mastac.__file__).parent
# Each layer may import itself and what is named. `errors` and `version` may be imported by all.
ALLOWED = {
    "structure": set(),
    "envs": {"structure"},
    "pages": {"structure"},
    "probing": {"structure", "envs"},
    "discovery": {"structure", "envs", "probing"},
    "agents": {"structure", "envs"},
    "analysis": {"structure", "envs", "agents", "algorithms"},
    "pictures": {"structure", "envs"},
    "theory": {"structure", "envs", "agents"},
    "learning": {"structure", "envs", "agents"},
    "algorithms": {"structure", "envs", "agents", "learning"},
    "controllers": set(),
    "runs": {"structure", "envs", "agents", "learning", "algorithms", "controllers"},
    "reproduction": {"structure", "envs", "learning", "algorithms", "runs", "jobs"},
    "jobs": {"envs", "learning", "runs"},
    "tuning": {"envs", "learning", "algorithms", "runs", "jobs"},
    "distributed": {
        *("structure", "envs", "agents", "analysis", "learning", "algorithms", "runs"),
    },
    "examples": {"envs", "structure"},
    "templates": set(),
    "cli": {
        *("structure", "envs", "probing", "discovery", "agents", "analysis", "pages", "pictures"),
        *(
            "theory",
            "learning",
            "algorithms",
            "controllers",
            "runs",
            "jobs",
            "distributed",
            "reproduction",
            "tuning",
        ),
    },
}
GROUND = {
    "archives",
    "checks",
    "errors",
    "files",
    "memory",
    "palette",
    "reading",
    "text",
    "version",
}
MODULES = sorted(
    path.relative_to(SOURCE).with_suffix("") for path in SOURCE.rglob("*.py") if len(path.parts) > 1
)
LAYERED = [path for path in MODULES if path.parts[0] in ALLOWED]


def imported_layers(module: Path) -> set[str]:
    """First names below `mastac` that a module imports, at its top or within functions."""
    found = set()
    for node in ast.walk(
        ast.parse((SOURCE / module).with_suffix(".py").read_text(encoding="utf-8"))
    ):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names = (
                [node.module]
                if node.module != "mastac"
                else [f"mastac.{alias.name}" for alias in node.names]
            )
        found |= {name.split(".")[1] for name in names if name and name.startswith("mastac.")}
    return found


def imports_at_run_time(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports below a node, also within functions, but not those for the type checker alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
            yield from imports_at_run_time(child)


def test_no_two_modules_import_each_other_not_even_lazily() -> None:
    names = {".".join(("mastac", *path.parts)).removesuffix(".__init__") for path in MODULES}
    network = nx.DiGraph()
    for path in MODULES:
        module = ".".join(("mastac", *path.parts)).removesuffix(".__init__")
        tree = ast.parse((SOURCE / path).with_suffix(".py").read_text(encoding="utf-8"))
        for node in imports_at_run_time(tree):
            package = getattr(node, "module", None)
            for alias in node.names:
                target = f"{package}.{alias.name}" if package else alias.name
                network.add_edge(module, target if target in names else package or target)
    circles = [sorted(c) for c in nx.strongly_connected_components(network) if len(c) > 1]
    assert network.number_of_edges() > 100
    assert circles == []


def test_every_package_is_a_layer() -> None:
    assert {path.parts[0] for path in MODULES if len(path.parts) > 1} == set(ALLOWED)


@pytest.mark.parametrize("module", LAYERED, ids=str)
def test_imports_go_one_way(module: Path) -> None:
    layer = module.parts[0]
    assert imported_layers(module) <= ALLOWED[layer] | {layer} | GROUND


def test_figures_and_results_do_not_train() -> None:
    for name in ("results", "figures", "summary", "statistics", "drawing", "curves", "comparable"):
        assert imported_layers(Path("runs") / name) <= {"runs", *GROUND, "structure"}
    for name in ("raw_data", "measures", "tables", "table_text", "table_latex", "figures"):
        assert imported_layers(Path("reproduction") / name) <= {"reproduction", "runs", *GROUND}


@pytest.mark.parametrize(
    "module",
    [
        "mastac",
        "mastac.structure",
        "mastac.analysis.report",
        "mastac.pictures.album",
        "mastac.pictures.films",
        "mastac.pictures.series",
        "mastac.runs.rollout_files",
        "mastac.envs.views",
        "mastac.envs.registry",
        "mastac.envs.graphs",
        "mastac.envs.naming",
        "mastac.examples",
        "mastac.examples.outside",
        "mastac.probing",
        "mastac.probing.black_box",
        "mastac.discovery",
        "mastac.algorithms",
        "mastac.learning.settings",
        "mastac.pages.explorer",
        "mastac.pages.report",
        "mastac.runs",
        "mastac.runs.agent_figures",
        "mastac.runs.environment",
        "mastac.runs.results",
        "mastac.runs.figures",
        "mastac.runs.summary",
        "mastac.runs.repeat",
        "mastac.runs.report",
        "mastac.runs.marl_eval",
        "mastac.reproduction.tables",
        "mastac.reproduction.figures",
        "mastac.reproduction.paper",
        "mastac.reproduction.grid",
        "mastac.reproduction.reproduce",
        "mastac.jobs",
        "mastac.jobs.cluster",
        "mastac.jobs.side_by_side",
        "mastac.runs.config",
        "mastac.runs.run",
        "mastac.runs.policy",
        "mastac.runs.certificate",
        "mastac.runs.exporting",
        "mastac.controllers.serving",
        "mastac.cli.train",
        "mastac.cli.output",
        "mastac.cli.graph",
        "mastac.cli.graph_page",
        "mastac.cli.report",
        "mastac.cli.compare",
        "mastac.cli.reproduce",
        "mastac.cli.check",
        "mastac.cli.discover",
        "mastac.cli.variance",
        "mastac.cli.variance_measures",
        "mastac.cli.theorems",
        "mastac.cli.serve",
        "mastac.tuning",
        "mastac.tuning.study",
        "mastac.theory",
        "mastac.theory.theorem_study",
        "mastac.theory.variance_report",
        "mastac.theory.lq_variance",
        "mastac.theory.credit_games",
        "mastac.cli.main",
    ],
)
def test_does_without_jax(module: str) -> None:
    code = f"import sys, {module}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_needs_nothing_heavy() -> None:
    heavy = ("jax", "optuna", "numpy", "scipy", "sklearn", "networkx", "matplotlib", "rich")
    loaded = f"[name for name in {heavy} if name in sys.modules]"
    code = f"import sys, mastac.cli.main; sys.exit(str({loaded} or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
