"""The README of an exported folder: what is in it, and how to call it."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from mastac.controllers.folder import INDEX, READER, SUFFIXES

MOST_ROWS = 40


def readme(index: Mapping[str, Any]) -> str:
    """The text of `README.md`; its examples are about the first controller of the folder."""
    first = index["controllers"][0]
    parts = [
        _head(index),
        _files(index),
        _numbers(first),
        _stale(first),
        (_numpy if index["format"] == "numpy" else _onnx)(index, first),
        _gateway(first),
    ]
    return "\n\n".join(parts) + "\n"


def _head(index: Mapping[str, Any]) -> str:
    run = index["run"]
    return f"""# Controllers of {index["environment"]}

Trained by mastac {index["mastac"]} with algorithm {run["algorithm"]}.
Run `{run["name"]}`, seed {run["seed"]}.

Each file is the controller of one agent: a function from its own observation to its action.
Observations and actions are in the units of the environment; scales and limits are inside the
file. `{INDEX}` lists all inputs and outputs of every file."""


def _files(index: Mapping[str, Any]) -> str:
    entries = index["controllers"]
    rows = [
        f"| {_cell(entry['agent'])} | `{entry['file']}` | {len(entry['inputs'])} | "
        f"{len(entry['outputs'])} |"
        for entry in entries[:MOST_ROWS]
    ]
    if len(entries) > MOST_ROWS:
        rows.append(f"| {len(entries) - MOST_ROWS} more | see `{INDEX}` | | |")
    skipped = index["skipped"]
    note = f"\n\nWithout an action, and so without a file: {', '.join(skipped)}." if skipped else ""
    return "\n".join(["| agent | file | inputs | outputs |", "|---|---|---|---|", *rows]) + note


def _numbers(about: Mapping[str, Any]) -> str:
    rows = [
        f"| input {k} | {_cell(entry['name'])} | {_cell(entry['unit'])} | |"
        for k, entry in enumerate(about["inputs"])
    ]
    for k, entry in enumerate(about["outputs"]):
        limits = "" if entry["low"] is None else f"{entry['low']:.6g} to {entry['high']:.6g}"
        rows.append(f"| output {k} | {_cell(entry['name'])} | {_cell(entry['unit'])} | {limits} |")
    head = about["action_head"]
    meaning = {
        "tanh": "Each output lies within its limits.",
        "linear": "Outputs have no limit.",
        "softmax": "Outputs are shares that sum to one.",
        "discrete": "The output is a choice: a row of zeros with a one in the place of the choice.",
    }[head]
    lines = ["| place | what it is | unit | limits |", "|---|---|---|---|", *rows]
    table = "\n".join(lines)
    return f"""## What goes in and comes out

For `{_cell(about["agent"])}`, in this order:

{table}

{meaning}

An input `room.state[1]` is entry 1 of the state of agent `room`, counted from 0. An input `obs[k]`
is entry k of the agent's own observation, of which no more is known."""


def _stale(about: Mapping[str, Any]) -> str:
    steps = about["stale"]["hold_steps"]
    held = "for as long as none comes" if steps is None else f"for {steps} steps; then its default"
    return f"""## When an input does not arrive

It keeps its last value {held}. An input that never came has its default.
The defaults of `{_cell(about["agent"])}` are `{_example(about)}`.

The rule stands in every file, under `stale`: `hold_steps`, where null is for ever, and
`default`."""


def _numpy(index: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    seen = _example(about)
    return f"""## From Python

`{READER}` needs numpy alone. It runs no code that a file may hold.

```python
from controller import Controller

controller = Controller.load("{about["file"]}")
action = controller.act({seen})  # one step; None stands for a missing input
actions = controller.actions([{seen}] * 3)  # many at once, nothing remembered
print(action, actions.shape)
```

`controller.reset()` forgets the last values, as before an episode.

## From C++

Export again with `--format onnx` and call the files with onnxruntime."""


def _onnx(index: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    inputs, outputs = len(about["inputs"]), len(about["outputs"])
    choice = ""
    if about["action_head"] == "discrete":
        choice = " A second output `choice` `[batch]` gives the number of the choice."
    return f"""## From Python

The graph has one input `observation` `[batch, {inputs}]` and an output `action`
`[batch, {outputs}]`, in single precision; the batch is free.{choice} The graph remembers nothing,
so the rule for missing inputs stands in the program that calls it:

```python
import json

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{about["file"]}")
about = {{k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}}
stale = about["stale"]
held, age = list(stale["default"]), [0] * len(stale["default"])


def act(observation):
    for k, value in enumerate(observation):
        age[k] = age[k] + 1 if value is None else 0
        if value is not None:
            held[k] = value
        elif stale["hold_steps"] is not None and age[k] > stale["hold_steps"]:
            held[k] = stale["default"][k]
    return session.run(["action"], {{"observation": np.array([held], np.float32)}})[0][0]


print(act({_example(about)}))
```

## From C++

{_cpp(about)}"""


def _cpp(about: Mapping[str, Any]) -> str:
    """A whole program, which a test compiles and runs."""
    inputs = len(about["inputs"])
    seen = _example(about)[1:-1]
    return f"""Save this as `example.cpp`, and compile it beside the file with the headers of
[onnxruntime](https://github.com/microsoft/onnxruntime/releases), in its folder `ORT`:
`g++ -std=c++17 example.cpp -I ORT/include -L ORT/lib -lonnxruntime -o example`.

```cpp
#include <array>
#include <cstdint>
#include <iostream>
#include <vector>

#include <onnxruntime_cxx_api.h>

int main() {{
  Ort::Env env;
  Ort::Session session(env, ORT_TSTR("{about["file"]}"), Ort::SessionOptions());
  std::vector<float> seen = {{{seen}}};  // the inputs, in the order of the table
  std::array<int64_t, 2> shape = {{1, {inputs}}};
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  auto input = Ort::Value::CreateTensor<float>(
      memory, seen.data(), seen.size(), shape.data(), shape.size());
  const char* inputs[] = {{"observation"}};
  const char* outputs[] = {{"action"}};
  auto result = session.Run(Ort::RunOptions(), inputs, &input, 1, outputs, 1);
  const float* action = result[0].GetTensorData<float>();
  for (int k = 0; k < {len(about["outputs"])}; k++) std::cout << action[k] << "\\n";
}}
```"""


def _gateway(about: Mapping[str, Any]) -> str:
    alone, needed = "", "mastac and onnxruntime"
    if about["file"].endswith(SUFFIXES["numpy"]):
        needed = "mastac"
        alone = f"\n`python {READER} {about['file']}` does the latter without mastac."
    return f"""## From a PLC gateway

A gateway that speaks TCP needs no library. On the machine beside it,
with {needed} installed:

    mastac serve . --agent {shlex.quote(about["agent"])} --port 5555

It sends one line for each step of control, a JSON list of the inputs in the order above, `null` for
one that is missing, and reads one line, a JSON list of outputs:

    {_example(about)}

A line that is wrong is answered by `{{"error": "…"}}`, and the next one is welcome. The port is
open to the same machine alone. Without `--port`, lines go over standard input and output.{alone}"""


def _example(about: Mapping[str, Any]) -> str:
    """An observation as JSON: the defaults, with few digits."""
    return json.dumps([float(f"{value:.5g}") for value in about["stale"]["default"]])


def _cell(text: str) -> str:
    """A text that does not break a table."""
    return " ".join(text.split()).replace("|", "\\|")
