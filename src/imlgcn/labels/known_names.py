"""The label names of public data sets, in the orders that checkpoints use.

COCO: the 80 categories of https://cocodataset.org by category id (1 to 90, with gaps); VOC: the 20
classes of http://host.robots.ox.ac.uk/pascal/VOC/, alphabetical; WIDER Attribute: the 14 attributes
in the order and spelling of CSRA's code.
"""

from __future__ import annotations

from pathlib import Path

from imlgcn.errors import InputError, unknown_name

COCO = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat"),
    *("dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack"),
    *("umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball"),
    *("kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket"),
    *("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair"),
    *("couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse"),
    *("remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink"),
    *("refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier"),
    "toothbrush",
)
VOC = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
WIDER = (
    *("Male", "longHair", "sunglass", "Hat", "Tshiirt", "longSleeve", "formal", "shorts", "jeans"),
    *("longPants", "skirt", "faceMask", "logo", "stripe"),
)
VG500 = tuple(f"category {number}" for number in range(500))  # no names were ever published

NAMES = {"coco": COCO, "voc": VOC, "vg500": VG500, "wider": WIDER}


def label_names(which: str | Path, *, alphabetical: bool = False) -> tuple[str, ...]:
    """Return the names of a known data set, or those in a text file with one name per line.

    ``alphabetical`` sorts the names of a known data set (ML-GCN's order); a file keeps its order.

    >>> label_names("coco")[:2], label_names("coco", alphabetical=True)[49]
    (('person', 'bicycle'), 'person')

    Raises:
        InputError: neither a known data set nor a file, or a duplicate name.
    """
    if str(which) in NAMES:
        names = NAMES[str(which)]
        return tuple(sorted(names)) if alphabetical and names is not VG500 else names
    path = Path(which)
    if not path.is_file():
        unknown = unknown_name("data set", str(which), NAMES)
        raise InputError(f"{unknown}; or give a text file with one label name per line")
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"{path} lists {', '.join(twice[:3])} more than once; list each label once"
        )
    return names
