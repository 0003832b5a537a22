"""Nothing is sent: what the libraries below would report to their makers is turned off.

Asked for once, when the package is imported, since each of them looks only when it is loaded:

- ONNX Runtime, from 1.29 on also on Linux and macOS, sends facts about machine, session and model,
  and writes an identifier of the device (https://github.com/microsoft/onnxruntime/pull/27379).
- OpenVINO and NNCF send an event when they are imported and converted with, through the package
  ``openvino_telemetry``; without it they send none.
- The hub of Hugging Face counts the libraries that download from it.

A variable that is set already stays as it is.
"""

from __future__ import annotations

import os
import sys

VARIABLES = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
REPORTER = "openvino_telemetry"


def send_nothing() -> None:
    """Turn reports off in this process and those that it starts."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    sys.modules.setdefault(REPORTER, None)  # type: ignore[arg-type]  # cannot be imported
