"""Runs a command in a process of its own and tells whether it imported JAX."""

import subprocess
import sys
from pathlib import Path


def without_jax(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own; exit code 99 if it imports JAX."""
    run = f"import sys; from mastac.cli.main import main; code = main({arguments})"
    code = f"{run}; sys.exit(99 if 'jax' in sys.modules else code)"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
