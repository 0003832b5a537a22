"""The machine's peak: the fastest matrix product or convolution of several libraries, float32.

One library's matrix product alone can under-report what the cores can do, so several are timed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

SIDE = 1536  # of square matrices: far larger than caches, a tenth of a second a product
SECONDS = 0.3
Turn = Callable[[], float]  # GFLOP/s


def products() -> Iterator[tuple[str, Turn]]:
    """Yield each library's name and what times it on all cores; a multiply-add is two operations.

    Each library runs with the threads it takes by itself, which is every core.
    """
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIDE, SIDE)).astype(np.float32) for _ in range(2))
    work = 2 * SIDE**3
    yield "NumPy, matrix product", _turn(lambda: a @ b, work)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    yield "torch, matrix product", _turn(lambda: x @ y, work)
    layer = nn.Conv2d(256, 256, 3, padding=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.randn(4, 256, 56, 56).to(memory_format=torch.channels_last)
    yield "torch, 3 x 3 convolution", _turn(lambda: layer(images), flops(layer, images))
    yield "ONNX Runtime, matrix product", _turn(_onnx(a, b), work)
    yield "OpenVINO, matrix product", _turn(_openvino(a, b), work)


def flops(module: nn.Module, example: torch.Tensor) -> int:
    """Return the operations of one call in its products and convolutions; multiply-adds are two."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        module(example)
    return int(counter.get_total_flops())


def _turn(call: Callable[[], Any], work: int) -> Turn:
    def turn() -> float:
        runs, start = 0, time.perf_counter()
        with torch.inference_mode():
            while not runs or time.perf_counter() - start < SECONDS:
                call()
                runs += 1
        return runs * work / (time.perf_counter() - start) / 1e9

    return turn


def _onnx(a: Any, b: Any) -> Callable[[], Any]:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    shape = [SIDE, SIDE]
    given, made = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "ac")
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    factor = onnx.numpy_helper.from_array(b, "b")
    graph = helper.make_graph([node], "product", [given], [made], [factor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"a": a})


def _openvino(a: Any, b: Any) -> Callable[[], Any]:
    import openvino
    from openvino import opset13

    given = opset13.parameter(a.shape, np.float32)
    network = openvino.Model([opset13.matmul(given, opset13.constant(b), False, False)], [given])
    compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    return lambda: request.infer({0: a})


if __name__ == "__main__":
    for name, turn in products():
        turn()
        print(f"{name}: {max(turn() for _ in range(5)):.0f} GFLOP/s")
