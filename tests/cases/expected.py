"""What each case in ``cases.tar.xz`` holds, and which labels its owner meant.

The inputs were made after public formats and public reports of trouble. Most show the same 24
images with the labels of ``SIX``; a picture is stored as its number and drawn when unpacked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SIX = {"sea": 10, "sand": 10, "tree": 6, "boat": 8, "person": 10, "sun": 8}
HALF = {"sea": 7, "sand": 5, "tree": 3, "boat": 3, "person": 7, "sun": 3}  # the first 12 images
THREE = {"train": 16, "val": 4, "test": 4}


def renamed(*names: str) -> dict[str, int]:
    """Return the counts of SIX under other names, in its order."""
    return dict(zip(names, SIX.values(), strict=True))


@dataclass(frozen=True)
class Case:
    """One input: the command's words after ``imlgcn check``, and what must come of them."""

    data: str  # folder or file
    # images that show each; None = it must be refused
    labels: Mapping[str, int] | None = field(default_factory=lambda: SIX)
    options: tuple[str, ...] = ()
    images: int = 24
    splits: Mapping[str, int] | None = None  # None = not asked
    may_have: tuple[str, ...] = ()  # labels that may be there as well
    names: tuple[str, ...] = ()  # what the FILE of a hint holds, a name a line

    @property
    def name(self) -> str:
        """The case's folder."""
        return self.data.partition("/")[0]


PLANET = renamed("water", "bare_ground", "primary", "agriculture", "habitation", "haze")
PLANT = renamed("scab", "frog_eye_leaf_spot", "healthy", "rust", "complex", "powdery_mildew")
CELEBA = renamed("Wearing_Hat", "Eyeglasses", "Smiling", "Male", "Young", "Blond_Hair")
IMET = renamed(
    *("tag::sea", "culture::sand", "tag::tree", "culture::boat", "tag::person", "culture::sun")
)
CHEXPERT = {
    "Enlarged Cardiomediastinum": 10,
    "Cardiomegaly": 6,
    "Lung Opacity": 8,
    "Edema": 10,
    "Support Devices": 8,
}

CASES = (
    Case("captions", labels=None),
    Case("celeba-txt/list_attr_celeba.txt", CELEBA, splits=THREE),
    Case("chexpert/CheXpert-v1.0-small/train.csv", CHEXPERT, may_have=("No Finding",)),
    Case("coco-panoptic"),
    Case("coco-roboflow-folders", splits=THREE),
    Case("column-label/photos.csv"),
    Case("columns-filename-tags/photos.csv"),
    Case("comma-unquoted/photos.csv"),
    Case("counts/photos.csv"),
    Case(
        "cp1252/photos.csv", {"sea": 10, "sand": 10, "Bäume": 6, "boat": 8, "person": 10, "sun": 8}
    ),
    Case("cvat-images-xml/annotations.xml"),
    Case("danbooru-json/posts.json"),
    Case("deepfashion-txt/list_attr_img.txt"),
    Case(
        "delimiter-comma-space/photos.csv",
        {"open sea": 10, "sand": 10, "palm tree": 6, "boat": 8, "person": 10, "sun": 8},
        ("--delimiter", ", "),
    ),
    Case("fastai-csv/train.csv"),
    Case("fiftyone-json"),
    Case("folder-per-label"),
    Case("gallery-dl-json"),
    Case("half-without-suffix/photos.csv"),
    Case("hashnet-list/train.txt", names=tuple(SIX)),
    Case("hf-metadata-jsonl"),
    Case("hf-parquet"),
    Case("hpa/train.csv", labels=None),  # four grey files for each image
    Case("images-elsewhere-planet/train_v2.csv", PLANET),
    Case("images-elsewhere-plant/train.csv", PLANT, ("--delimiter", " ")),
    Case("imet-folder", IMET),
    Case("iptc-keywords"),
    Case("json-dict/tags.json"),
    Case("jsonl/photos.jsonl"),
    Case("label-studio-boxes/p.json", HALF, images=12),
    Case("label-studio-csv/project-1.csv"),
    Case("label-studio-json-min/project-1.json"),
    Case("label-studio-taxonomy/p.json", HALF, images=12),
    Case("labelme-flags"),
    Case("metadata-becomes-label/photos.csv"),
    Case("minus-one-is-absent/list_attr_celeba.csv", CELEBA),
    Case("mirflickr"),
    Case("mmpretrain-json/annotation.json"),
    Case("movie-genre/MovieGenre.csv", renamed("Sea", "Sand", "Tree", "Boat", "Person", "Sun")),
    Case("mxnet-lst/train.lst", names=tuple(SIX)),
    Case(
        "nan-cells/photos.csv", {"sea": 7, "sand": 8, "tree": 3, "boat": 6, "person": 9, "sun": 6}
    ),
    Case(
        "no-header/photos.csv",  # its first line is an image, too, which has a second line
        {"sea": 11, "sand": 10, "tree": 6, "boat": 8, "person": 10, "sun": 8},
        images=25,
    ),
    Case("no-suffix-in-csv/photos.csv"),
    Case(
        "none-as-label/photos.csv",
        {"sea": 7, "sand": 8, "tree": 6, "boat": 6, "person": 10, "sun": 5},
    ),
    Case("numpy-array-strings/photos.csv"),
    Case("one-row-per-label/photos.csv"),
    Case(
        "paddle-list-onehot/train_list.txt",
        {"sea": 8, "sand": 9, "tree": 5, "boat": 5, "person": 7, "sun": 6},
        images=18,
    ),
    Case("paddlelabel-ids"),
    Case("py-list-strings/df.csv"),
    Case("sagemaker-manifest/output.manifest"),
    Case("slash-separated/photos.csv"),
    Case("soft-labels/photos.csv"),
    Case("space-separated/photos.csv"),
    Case("split-eval-holdout/photos.csv", splits=THREE),
    Case("split-words/photos.csv", splits=THREE),
    Case("suffix-in-capitals/photos.csv"),
    Case("tag-columns/photos.csv"),
    Case("takeout", {"A": 24}),
    Case("three-csvs", splits=THREE),
    Case("two-image-folders/photos.csv"),
    Case("txt-in-labels-folder"),
    Case("txt-scores"),
    Case("txt-semicolon"),
    Case("url-images/photos.csv"),
    Case("vertex-csv/import.csv", splits=THREE),
    Case("voc-xml-beside"),
    Case("webdataset"),
    Case("x-marks/photos.csv"),
    Case("xlsx/photos.xlsx"),
    Case("xmp-sidecars"),
    Case("yolo-boxes-beside-images"),
    Case("yolo-detection/data.yaml"),
)
