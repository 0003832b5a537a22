"""The systems of the comparison: how each is built here, and the published numbers.

Every number in :data:`SYSTEMS` marked published was published by its authors or on the IML-GCN
poster, on MS-COCO 2014; none was measured here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

POSTER = "iml_gcn"  # the head of the poster that this project began with
COCO_LABELS = 80


@dataclass(frozen=True)
class System:
    """One row of the comparison.

    Attributes:
        name: as published.
        head: our head, with ``options``, on ``backbone``, preset ``paper``.
        published_params: parameters in millions, as published; None where none was.
        published_map: mAP on COCO 2014 in percent, as published.
        note: why our count differs, or the kind of implementation.
        recipe: name of its settings for COCO 2014 in the folder recipes of the repository.
    """

    name: str
    head: str
    backbone: str
    published_params: float | None
    published_map: float | None
    options: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    recipe: str = ""


SYSTEMS = (
    System(
        "CNN-RNN",
        "cnn_rnn",
        "vgg16",
        66.2,
        61.2,
        note="reconstruction; 66.2 M cannot be derived: VGG-16 up to fc7 alone has 134.3 M",
        recipe="coco-cnn-rnn",
    ),
    System("SRN", "srn", "resnet101", 48.0, 77.1, note="reconstruction", recipe="coco-srn"),
    System(
        "ResNet-101",
        "linear",
        "resnet101",
        44.5,
        77.3,
        note="published with its 1000-way ImageNet layer",
        recipe="coco-resnet101",
    ),
    System("ML-GCN", "ml_gcn", "resnet101", 44.9, 83.0, recipe="coco-ml-gcn"),
    System(
        "SSGRL",
        "ssgrl",
        "resnet101",
        92.2,
        83.8,
        note="published truncated: 92.27",
        recipe="coco-ssgrl",
    ),
    System(
        "KGGR",
        "kggr",
        "resnet101",
        45.0,
        84.3,
        note="reconstruction; its width was chosen to meet the published size",
        recipe="coco-kggr",
    ),
    System(
        "C-Tran",
        "c_tran",
        "resnet101",
        120.0,
        85.1,
        note="ours without an unused layer",
        recipe="coco-c-tran",
    ),
    System("ASL, TResNet-M", "linear", "tresnet_m", 29.5, 81.8, recipe="coco-asl-tresnet-m"),
    System("ASL, TResNet-L", "linear", "tresnet_l", 53.8, 86.6, recipe="coco-asl-tresnet-l"),
    System(
        "ML-GCN, F_I",
        "iml_gcn",
        "tresnet_m",
        33.5,
        85.9,
        {"embedding": "image"},
        recipe="coco-ml-gcn-fi",
    ),
    System("IML-GCN, F_PCA", "iml_gcn", "tresnet_m", 31.5, 86.6, recipe="coco-iml-gcn"),
    System(
        "ML-Decoder",
        "ml_decoder",
        "tresnet_m",
        36.5,
        84.2,
        note="beyond the poster; published at 224 pixels",
        recipe="coco-ml-decoder-tresnet-m",
    ),
    System(
        "Query2Label",
        "query2label",
        "resnet101",
        193.9,
        84.9,
        {"hidden_dim": None},
        note="beyond the poster; without the input projection",
        recipe="coco-query2label-resnet101",
    ),
    System(
        "CSRA",
        "csra",
        "resnet101",
        43.16,
        83.3,
        note="beyond the poster; 4 heads",
        recipe="coco-csra",
    ),
    System(
        "IML-GCN, adaptive graph",
        "iml_gcn",
        "tresnet_m",
        None,
        None,
        {"graph": "adaptive"},
        note="beyond the poster; a learned adjacency beside the counted one",
    ),
)
