"""Where ONNX Runtime runs a file: on the CPU, or on a CUDA GPU if it really does.

The package ``onnxruntime`` runs on the CPU alone; ``onnxruntime-gpu``, in its place, offers CUDA.
That it is offered does not say that it works: without its libraries, or without a GPU, ONNX Runtime
takes the CPU in silence. So a session on a GPU is asked where it runs, and scores one image, whose
logits have to be those of the CPU.
"""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

import numpy as np

from imlgcn.config import InputError, NoticeWarning
from imlgcn.extras import installed

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
MISSING = "no CUDA GPU is found, or libraries of CUDA or cuDNN are missing"
TOLERANCE = 1e-3  # of the largest logit, as for every exported file
WARNING, FATAL = 2, 4  # what ONNX Runtime writes by itself: as it comes, nearly nothing
OPTIONS = {
    "use_tf32": "0",  # 10 bits of a float32 instead of 23
    "cudnn_conv_algo_search": "HEURISTIC",  # else each new batch length is timed, for seconds
}


def offers_cuda() -> bool:
    """Return whether the installed ONNX Runtime was built for CUDA; not whether that works."""
    import onnxruntime

    return CUDA in onnxruntime.get_available_providers()


def offers(device: str) -> bool:
    """Return whether ONNX Runtime is installed and was built for a device; loads it for CUDA only.

    >>> offers("mps")
    False
    """
    return device.startswith("cuda") and installed("onnxruntime") and offers_cuda()


def open_session(path: Path, options: Any, device: str) -> tuple[Any, str]:
    """Return a session for a file, and the device that it runs on: ``cpu``, or ``cuda:0``.

    ``auto`` is a CUDA GPU where ONNX Runtime offers one, and the CPU, with a warning, where it then
    does not run there.

    Raises:
        InputError: ONNX Runtime cannot run the file, or not on that device; the message says what
            to do.
    """
    if device == "cpu" or (device == "auto" and not offers_cuda()):
        return _session(path, options, [CPU]), "cpu"
    wanted = f"device={device!r}"
    if not device.startswith(("cuda", "auto")):
        raise InputError(
            f"{wanted}: ONNX Runtime runs exported files on the CPU or a CUDA GPU; give "
            "device='cpu' or 'cuda'"
        )
    if not offers_cuda():
        raise InputError(
            f"{wanted}: the installed ONNX Runtime runs on the CPU only; install onnxruntime-gpu "
            "in place of onnxruntime (pip uninstall onnxruntime; pip install onnxruntime-gpu), or "
            "give device='cpu'"
        )
    number = int(device.partition(":")[2] or 0)
    session, why = _on_gpu(path, options, number)
    if session is not None:
        return session, f"cuda:{number}"
    if device == "auto":
        warnings.warn(
            f"ONNX Runtime was built for CUDA, but {why}; the CPU is used (with device='cpu' this "
            "is not tried)",
            NoticeWarning,
            stacklevel=2,
        )
        return _session(path, options, [CPU]), "cpu"
    raise InputError(f"{wanted}: {why}; give device='cpu'")


def _session(path: Path, options: Any, providers: list[Any]) -> Any:
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # the runtime has an exception class for each status
        raise InputError(f"ONNX Runtime cannot run {path}: {error}") from error


def _on_gpu(path: Path, options: Any, number: int) -> tuple[Any, str]:
    """Return a session that runs on a GPU, or None and why there is none."""
    import onnxruntime

    with suppress(Exception), redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()  # CUDA as packages of pip have it; what is missing shows below
    onnxruntime.set_default_logger_severity(FATAL)  # else it writes what is said in one line here
    there = [(CUDA, OPTIONS | {"device_id": str(number)}), CPU]
    try:
        session = _session(path, options, there)
        if CUDA not in session.get_providers():
            return None, MISSING
        if not _agree(session, _session(path, options, [CPU])):
            return None, "its logits of an image are others than on the CPU"
    except Exception as error:
        return None, f"it fails there ({_first_line(error)})"
    finally:
        onnxruntime.set_default_logger_severity(WARNING)
    return session, ""


def _agree(one: Any, other: Any) -> bool:
    """Return whether two sessions give an image the same logits."""
    rng, fed = np.random.default_rng(0), {}
    for given in one.get_inputs():
        shape = [1 if not isinstance(side, int) else side for side in given.shape]
        if given.name == "pixels":
            fed[given.name] = rng.integers(0, 256, shape, np.uint8)
        else:
            fed[given.name] = np.full(shape, -1, np.int8)
    (found,), (wanted,) = (session.run(["logits"], fed) for session in (one, other))
    return bool(np.abs(found - wanted).max() <= TOLERANCE * max(np.abs(wanted).max(), 1.0))


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "..."
