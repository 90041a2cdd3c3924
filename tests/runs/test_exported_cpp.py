"""The C++ program in the README of an export compiles, and prints what the policy does.

With the header of onnxruntime where it is installed (or in the folder that ONNXRUNTIME_INCLUDE
names), else with one that declares what the program uses. The library is that of PyPI's package.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from begun_runs import begun_run

HEADER = "onnxruntime_cxx_api.h"
STAND_IN = Path(__file__).parent / "onnxruntime_stand_in"
INSTALLED = ("/usr/include/onnxruntime", "/usr/local/include/onnxruntime", "/usr/include")


def headers() -> Path:
    """The folder of the header that is compiled against."""
    named = os.environ.get("ONNXRUNTIME_INCLUDE")
    folders = [Path(folder) for folder in ([named] if named else INSTALLED)]
    return next((folder for folder in folders if (folder / HEADER).is_file()), STAND_IN)


def test_the_program_in_the_readme_prints_the_action(tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("there is no g++ to test the README of an export with")
    run = begun_run(tmp_path / "house", coolers="every-2", limit_kw=30.0, horizon=6)
    out = tmp_path / "controllers"
    run.export(out, format="onnx", defaults={"zone-1": [21.5, 24.25]})
    text = (out / "README.md").read_text("utf-8")
    (program,) = re.findall(r"```cpp\n(.*?)```", text, re.DOTALL)
    (command,) = re.findall(r"`(g\+\+ .*?)`", text)
    (out / "example.cpp").write_text(program, "utf-8")
    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    (out / "ORT" / "lib").mkdir(parents=True)
    (out / "ORT" / "include").symlink_to(headers())
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (out / "ORT" / "lib" / name).symlink_to(library)
    for words in ([*shlex.split(command), "-Wall", "-Wextra"], ["./example"]):
        env = {**os.environ, "LD_LIBRARY_PATH": str(out / "ORT" / "lib")}
        done = subprocess.run(words, cwd=out, capture_output=True, text=True, env=env)
        assert (done.returncode, done.stderr) == (0, "")
    policy = run.policy()
    seen = dict(zip(policy.agents, map(np.zeros, policy.obs_sizes), strict=True))
    expected = policy.act({**seen, "zone-1": np.array([21.5, 24.25])})["zone-1"]
    np.testing.assert_allclose([float(line) for line in done.stdout.split()], expected, rtol=1e-4)
