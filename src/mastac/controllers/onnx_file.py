"""Controllers as ONNX: the graph of one agent, written node by node, and read again to be served.

The file has one input `observation` `[batch, obs]` and one output `action` `[batch, act]`; where
actions are choices, a second output `choice` `[batch]` gives the number of the choice. What each
entry is stands in the file's `metadata_props`, as JSON. Opset 13 runs on every runtime since 2021.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mastac.controllers.controller import Controller, Network
from mastac.errors import UserError

OPSET, IR_VERSION = 13, 7


def package() -> Any:
    """The package `onnx`; `UserError` if it is not installed."""
    try:
        import onnx.reference
    except ImportError as error:
        raise UserError(
            "the format onnx needs the package onnx; run pip install 'mastac[export]', or take the "
            "format numpy"
        ) from error
    return onnx


def onnx_bytes(about: dict[str, Any], network: Network) -> bytes:
    """The content of an ONNX file: the network, and what is said of it as metadata."""
    return onnx_model(about, network).SerializeToString()


def onnx_model(about: dict[str, Any], network: Network) -> Any:
    """The model that [`onnx_bytes`][] writes."""
    onnx = package()
    helper, numbers = onnx.helper, onnx.TensorProto
    inputs, width = len(network.center), len(network.limit)
    nodes, constants = nodes_of(network, helper.make_node)
    outputs = [helper.make_tensor_value_info("action", numbers.FLOAT, ["batch", width])]
    if network.head == "discrete":
        outputs.append(helper.make_tensor_value_info("choice", numbers.INT64, ["batch"]))
    graph = helper.make_graph(
        nodes,
        "controller",
        [helper.make_tensor_value_info("observation", numbers.FLOAT, ["batch", inputs])],
        outputs,
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="mastac",
        producer_version=about["mastac"],
        doc_string=f"The controller of agent '{about['agent']}' of '{about['environment']}'.",
    )
    said = {**about, "units": units_of(about)}
    texts = {key: json.dumps(value, ensure_ascii=False) for key, value in said.items()}
    helper.set_model_props(model, texts)
    onnx.checker.check_model(model, full_check=True)
    return model


def nodes_of(network: Network, node: Callable[..., Any]) -> tuple[list[Any], dict[str, np.ndarray]]:
    """The nodes of the graph, made by `node`, and its constants by name."""
    constants = network.arrays()
    nodes = [
        node("Sub", ["observation", "center"], ["centred"]),
        node("Div", ["centred", "scale"], ["layer_0"]),
    ]
    last = len(network.weights) - 1
    for k in range(last + 1):
        output = "logits" if k == last else f"linear_{k}"
        nodes.append(node("Gemm", [f"layer_{k}", f"weight_{k}", f"bias_{k}"], [output]))
        if k < last:
            nodes.append(node("Relu", [output], [f"layer_{k + 1}"]))
    if network.head == "tanh":
        nodes.append(node("Tanh", ["logits"], ["share"]))
        nodes.append(node("Mul", ["share", "limit"], ["from_middle"]))
    elif network.head == "linear":
        nodes.append(node("Mul", ["logits", "limit"], ["from_middle"]))
    elif network.head == "softmax":
        nodes.append(node("Softmax", ["logits"], ["from_middle"], axis=1))
    else:
        nodes.append(node("ArgMax", ["logits"], ["choice"], axis=1, keepdims=0))
        nodes.append(node("OneHot", ["choice", "choices", "off_on"], ["from_middle"]))
        constants |= {
            "choices": np.array(len(network.limit), np.int64),
            "off_on": np.array([0.0, 1.0], np.float32),
        }
    nodes.append(node("Add", ["from_middle", "offset"], ["action"]))
    if network.head in ("softmax", "discrete"):
        del constants["limit"]
    return nodes, constants


def units_of(about: dict[str, Any]) -> dict[str, list[str]]:
    """The units of inputs and outputs, in order."""
    return {name: [entry["unit"] for entry in about[name]] for name in ("inputs", "outputs")}


def actions_of_bytes(content: bytes) -> Any:
    """The function in an ONNX file's content, evaluated by package `onnx` itself."""
    onnx = package()
    evaluator = onnx.reference.ReferenceEvaluator(onnx.load_from_string(content))
    return lambda rows: evaluator.run(["action"], {"observation": rows})[0]


def load_onnx(path: Path) -> Controller:
    """A controller that onnxruntime computes; `UserError` if it is not there or cannot read it."""
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"'{path}' needs the package onnxruntime; run pip install onnxruntime, or export with "
            "--format numpy"
        ) from error
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), providers=["CPUExecutionProvider"]
        )
        texts = session.get_modelmeta().custom_metadata_map
        about = {key: json.loads(text) for key, text in texts.items()}

        def actions(rows: Any) -> np.ndarray:
            seen = np.asarray(rows, np.float32)
            return np.asarray(session.run(["action"], {"observation": seen})[0])

        return Controller(about, actions)
    except Exception as error:  # onnxruntime raises errors of many kinds
        raise UserError(f"'{path}' is no controller that mastac exported: {error}") from error
