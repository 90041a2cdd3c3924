"""Files that reach new lines of the readers: `python tests/fuzz/coverage_guided.py [RUNS [NAME]]`.

atheris changes the bytes of whole files, and keeps those that lead a reader to lines where none
had been. Every reader has a process of its own; where one fails, the file that it failed on is
kept, and the exit code is 1. Without atheris it says so, and ends.
"""

import importlib
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fuzz.documents import (
    CONFIG,
    COUPLINGS,
    EDGES,
    ENVIRONMENT,
    EVALUATION,
    GRAPHML,
    INDEX,
    MANIFEST,
    METRICS,
    SEQUENCE,
    SUMMARY,
    TIMING,
    archive,
    log_arrays,
    policy_arrays,
    write_run,
)
from fuzz.test_readers import NETWORK, READERS, checked_answer
from structure import simulator_files

LONGEST, SLOWEST = 20_000, 20  # bytes of a file, and seconds in which it is to be read
COUNT = "stat::number_of_executed_units:"
WHOLE: dict[str, list[str | bytes]] = {
    "config.json": [json.dumps(CONFIG)],
    "summary.json": [json.dumps(SUMMARY)],
    "environment.json": [json.dumps(ENVIRONMENT)],
    "metrics.csv": [METRICS],
    "evaluation.csv": [EVALUATION],
    "timing.csv": [TIMING],
    "4.json": [json.dumps(MANIFEST)],
    "graph.json": [json.dumps(COUPLINGS), json.dumps(SEQUENCE)],
    "graph.csv": [EDGES],
    "graph.graphml": [GRAPHML],
    "net.net.xml": [simulator_files.sumo(NETWORK)],
    "net.inp": [simulator_files.epanet(NETWORK)],
    "net.rddl": ["\n".join(simulator_files.rddl(NETWORK))],
    "net.json": [simulator_files.pandapower(NETWORK)],
    "seed-0.npz": [archive(policy_arrays())],
    "log.npz": [archive(log_arrays())],
    "controllers.json": [json.dumps(INDEX)],
}


def try_reader(name: str, runs: int, place: Path) -> None:
    """Try so many files with one reader; the process ends with it."""
    atheris: Any = importlib.import_module("atheris")
    folder, corpus = write_run(place / "run"), place / "corpus"
    corpus.mkdir()
    for number, whole in enumerate(WHOLE[name]):
        content = whole.encode() if isinstance(whole, str) else whole
        (corpus / f"whole-{number}").write_bytes(content)
        # Also of what is imported when needed.
        with atheris.instrument_imports(include=["mastac"]):  # pyright: ignore
            checked_answer(name, folder, content)
    kept = Path(tempfile.gettempdir()) / f"mastac-fuzz-{name}"

    def try_file(content: bytes) -> None:
        try:
            checked_answer(name, folder, content)
        except BaseException:
            kept.write_bytes(content)
            print(f"kept as {kept}", flush=True)
            raise

    options = [f"-runs={runs}", f"-max_len={LONGEST}", f"-timeout={SLOWEST}", "-rss_limit_mb=8192"]
    options += [f"-artifact_prefix={kept}-", "-print_final_stats=1", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], try_file)
    atheris.Fuzz()


def main(runs: int, *names: str) -> int:
    """Try all readers, or those that are named: the exit code."""
    if importlib.util.find_spec("atheris") is None:
        print("files that reach new lines are not tried: pip install 'mastac[fuzz]'")
        return 0
    failed = 0
    for name in names or READERS:
        with tempfile.TemporaryDirectory() as place:
            words = [sys.executable, __file__, "--only", name, str(runs), place]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        said = done.stderr.splitlines()
        counts = [line.split()[-1] for line in said if line.startswith(COUNT)]
        verdict = "failed" if done.returncode else "no failure"
        print(f"{name}: {verdict} in {' '.join(counts) or '?'} files", flush=True)
        if done.returncode:
            failed = 1
            print("\n".join([done.stdout, *said[-40:]]))
    return failed


if __name__ == "__main__":
    if sys.argv[1:2] == ["--only"]:
        try_reader(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    sys.exit(main(int((sys.argv[1:2] or ["10000"])[0]), *sys.argv[2:]))
