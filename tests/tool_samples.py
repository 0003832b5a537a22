"""A small export of every annotation tool that docs/data-sets.md has a row for.

All but Takeout's hold the same four images and labels: :data:`MEANT`.
"""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from PIL import Image

MEANT = {
    "a.jpg": {"boat", "sea"},
    "b.jpg": {"sand"},
    "c.jpg": {"sand", "sea", "sun"},
    "d.jpg": {"boat"},
}
NAMES = ("sea", "sand", "boat", "sun")
BOX = [0.5, 0.5, 0.25, 0.25]


class Sample(NamedTuple):
    """How a tool writes :data:`MEANT`, and what the page says about it."""

    have: str  # the first column of the page
    reader: str
    write: Callable[[Path], None]
    meant: dict[str, set[str]] = MEANT
    splits: Mapping[str, int] = MappingProxyType({})


def put_images(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or MEANT:
        Image.new("RGB", (8, 8), "red").save(folder / name)


def put_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def put_lines(path, entries):
    path.write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")


def put_text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def numbers(labels):
    return sorted(map(NAMES.index, labels))


def label_studio(folder):
    put_images(folder)
    kinds = {"a.jpg": "choices", "b.jpg": "rectanglelabels", "c.jpg": "polygonlabels"}
    tasks = []
    for number, (name, labels) in enumerate(MEANT.items(), 1):
        kind = kinds.get(name, "taxonomy")
        values = [["place", label] for label in labels] if kind == "taxonomy" else sorted(labels)
        result = [{"type": kind, "from_name": "l", "to_name": "i", "value": {kind: values}}]
        annotations = [{"id": number, "result": result, "was_cancelled": False}]
        data = {"image": f"/data/upload/1/0a1b2c3d-{name}"}
        tasks.append({"id": number, "annotations": annotations, "data": data})
    put_json(folder / "project-1.json", tasks)


def label_studio_entries():
    common = {"annotator": 1, "created_at": "2025-01-01T00:00:00Z", "lead_time": 3.2}
    for number, (name, labels) in enumerate(MEANT.items(), 1):
        choice = sorted(labels)[0] if len(labels) == 1 else {"choices": sorted(labels)}
        data = {"image": f"/data/upload/1/{name}", "id": number, "choice": choice}
        yield {**data, "annotation_id": number, **common, "updated_at": "2025-01-01T00:00:00Z"}


def label_studio_min(folder):
    put_images(folder)
    put_json(folder / "project-1-min.json", list(label_studio_entries()))


def label_studio_csv(folder):
    put_images(folder)
    rows = [
        {k: json.dumps(v) if isinstance(v, dict) else v for k, v in entry.items()}
        for entry in label_studio_entries()
    ]
    with (folder / "project-1.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, sorted(rows[0]), quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        writer.writerows(rows)


def cvat(folder):
    put_images(folder / "images")
    declared = "".join(f"<label><name>{n}</name><attributes/></label>" for n in NAMES)
    images = ""
    for number, (name, labels) in enumerate(MEANT.items()):
        marks = "".join(
            f'<tag label="{label}" source="manual"></tag>'
            if label != "sand"
            else f'<box label="{label}" xtl="1" ytl="1" xbr="5" ybr="5"></box>'
            for label in sorted(labels)
        )
        images += f'<image id="{number}" name="{name}" width="8" height="8">{marks}</image>'
    put_text(
        folder / "annotations.xml",
        '<?xml version="1.0" encoding="utf-8"?>',
        f"<annotations><version>1.1</version><meta><task><labels>{declared}</labels></task></meta>",
        f"{images}</annotations>",
    )


def datumaro(folder):
    put_images(folder / "images" / "default")
    items = [
        {
            "id": name.removesuffix(".jpg"),
            "annotations": [{"type": "label", "label_id": number} for number in numbers(labels)],
            "image": {"path": name, "size": [8, 8]},
        }
        for name, labels in MEANT.items()
    ]
    labels = [{"name": name, "parent": "", "attributes": []} for name in NAMES]
    categories = {"label": {"labels": labels, "attributes": []}}
    content = {"info": {}, "categories": categories, "items": items}
    put_json(folder / "annotations" / "default.json", content)


def fiftyone_labels(folder):
    put_images(folder / "data")
    labels = {
        name.removesuffix(".jpg"): [{"label": label} for label in sorted(labels)]
        for name, labels in MEANT.items()
    }
    put_json(folder / "labels.json", {"classes": None, "labels": labels})


def fiftyone_samples(folder):
    put_images(folder / "data")
    samples = []
    for name, labels in MEANT.items():
        found = [{"_cls": "Detection", "label": n, "bounding_box": BOX} for n in sorted(labels)]
        truth = {"_cls": "Detections", "detections": found}
        samples.append({"filepath": f"data/{name}", "tags": [], "ground_truth": truth})
    put_json(folder / "samples.json", {"samples": samples})


def coco_file(images, labels_of=MEANT, group=False):
    ids = {name: number for number, name in enumerate(NAMES, 1)}
    categories = [{"id": i, "name": n, "supercategory": "things"} for n, i in ids.items()]
    if group:
        categories.insert(0, {"id": 0, "name": "things", "supercategory": "none"})
    annotations = [
        {"id": 10 * number + ids[label], "image_id": number, "category_id": ids[label]}
        for number, name in enumerate(images)
        for label in labels_of[name]
    ]
    listed = [{"id": number, "file_name": name} for number, name in enumerate(images)]
    return {"images": listed, "annotations": annotations, "categories": categories}


def roboflow_coco(folder):
    parts = {"train": ("a.jpg", "b.jpg"), "valid": ("c.jpg",), "test": ("d.jpg",)}
    for part, images in parts.items():
        put_images(folder / part, *images)
        put_json(folder / part / "_annotations.coco.json", coco_file(images, group=True))


def coco_panoptic(folder):
    put_images(folder / "val2017")
    content = coco_file(list(MEANT))
    segments = {}
    for annotation in content["annotations"]:
        segment = {"id": annotation["id"], "category_id": annotation["category_id"]}
        segments.setdefault(annotation["image_id"], []).append(segment)
    content["annotations"] = [
        {"image_id": image, "file_name": f"{image}.png", "segments_info": found}
        for image, found in segments.items()
    ]
    put_json(folder / "annotations" / "panoptic_val2017.json", content)


def yolo_lines(labels):
    return [f"{number} 0.5 0.5 0.25 0.25" for number in numbers(labels)]


def yolo_yaml(folder):
    for part, images in {"train": ("a.jpg", "b.jpg", "c.jpg"), "val": ("d.jpg",)}.items():
        put_images(folder / "images" / part, *images)
        for name in images:
            text = folder / "labels" / part / name.replace("jpg", "txt")
            put_text(text, *yolo_lines(MEANT[name]))
    names = [f"  {number}: {name}" for number, name in enumerate(NAMES)]
    put_text(
        folder / "data.yaml", "path: .", "train: images/train", "val: images/val", "names:", *names
    )


def yolo_beside(folder):
    put_images(folder)
    put_text(folder / "classes.txt", *NAMES)
    for name, labels in MEANT.items():
        put_text(folder / name.replace("jpg", "txt"), *yolo_lines(labels))


def yolo_unnamed(folder):
    yolo_beside(folder / "boxes")
    (folder / "boxes" / "classes.txt").rename(folder / "names.txt")


def pascal(name, labels):
    objects = "".join(
        f"<object><name>{label}</name><difficult>0</difficult></object>" for label in sorted(labels)
    )
    return f"<annotation><filename>{name}</filename>{objects}</annotation>"


def pascal_xml(folder):
    put_images(folder)
    for name, labels in MEANT.items():
        put_text(folder / name.replace("jpg", "xml"), pascal(name, labels))


def labelme(folder):
    put_images(folder)
    for name, labels in MEANT.items():
        flags = {label: label in labels for label in NAMES if label != "sun"}
        shapes = [{"label": "sun", "points": [[1, 1]], "flags": {}}] if "sun" in labels else []
        content = {"version": "5.4", "flags": flags, "shapes": shapes, "imagePath": name}
        put_json(folder / name.replace("jpg", "json"), {**content, "imageData": None})


def via(folder):
    put_images(folder)
    content = {}
    for name, labels in MEANT.items():
        regions = [
            {"shape_attributes": {"name": "rect"}, "region_attributes": {"label": label}}
            for label in sorted(labels)
        ]
        content[f"{name}631"] = {
            "filename": name,
            "size": 631,
            "regions": regions,
            "file_attributes": {},
        }
    put_json(folder / "via_export_json.json", content)


def mmpretrain(folder):
    put_images(folder / "data")
    listed = [{"img_path": f"data/{n}", "gt_label": numbers(v)} for n, v in MEANT.items()]
    put_json(
        folder / "annotation.json", {"metainfo": {"classes": list(NAMES)}, "data_list": listed}
    )


def ground_truth(folder):
    put_images(folder)
    entries = []
    for name, labels in MEANT.items():
        classes = {str(number): NAMES[number] for number in numbers(labels)}
        metadata = {"class-map": classes, "type": "groundtruth/image-classification-multilabel"}
        image = {"source-ref": f"s3://bucket/{name}", "job": numbers(labels)}
        entries.append({**image, "job-metadata": metadata})
    put_lines(folder / "output.manifest", entries)


def paddle_label(folder):
    put_images(folder / "image")
    put_text(folder / "labels.txt", *NAMES)
    lines = [f"image\\{n} {' '.join(map(str, numbers(labels)))}" for n, labels in MEANT.items()]
    put_text(folder / "train_list.txt", *lines)


PEOPLE = {"IMG_1.jpg": {"Ada"}, "IMG_2.jpg": {"Ada", "Bo"}, "IMG_3.jpg": set()}


def takeout(folder):
    photos = folder / "Photos from 2024"
    put_images(photos, *PEOPLE)
    put_json(photos / "metadata.json", {"title": "Photos from 2024"})
    for name, people in PEOPLE.items():
        content = {"title": name, "description": "", "photoTakenTime": {"timestamp": "1"}}
        if people:
            content["people"] = [{"name": person} for person in sorted(people)]
        put_json(photos / f"{name}.supplemental-metadata.json", content)


def danbooru(folder):
    put_images(folder)
    posts = [
        {"id": number, "md5": name[0], "file_ext": "jpg", "tag_string": " ".join(sorted(labels))}
        for number, (name, labels) in enumerate(MEANT.items())
    ]
    put_lines(folder / "posts.json", posts)


def gallery_dl(folder):
    put_images(folder)
    for name, labels in MEANT.items():
        put_json(folder / f"{name}.json", {"category": "danbooru", "tags": sorted(labels)})


def json_dict(folder):
    put_images(folder)
    put_json(folder / "tags.json", {name: sorted(labels) for name, labels in MEANT.items()})


def json_objects(folder):
    put_images(folder)
    entries = [{"filename": n, "tags": ", ".join(sorted(v))} for n, v in MEANT.items()]
    put_json(folder / "photos.json", entries)


def json_lines(folder):
    put_images(folder)
    put_lines(
        folder / "photos.jsonl", [{"image": n, "labels": sorted(v)} for n, v in MEANT.items()]
    )


def json_splits(folder):
    put_images(folder / "images")
    for split, part in {"train": slice(0, 3), "val": slice(3, 4)}.items():
        entries = [{"image": n, "labels": sorted(v)} for n, v in list(MEANT.items())[part]]
        put_json(folder / f"{split}.json", entries)


SPLITS = {"train": 2, "val": 1, "test": 1}
SAMPLES = [
    Sample("Label Studio, exported as JSON", "label_studio", label_studio),
    Sample("Label Studio, exported as JSON-MIN", "label_studio_min", label_studio_min),
    Sample("Label Studio, exported as CSV", "label_studio_min", label_studio_csv),
    Sample("CVAT, exported as CVAT for images 1.1", "cvat", cvat),
    Sample("CVAT or Datumaro, exported as Datumaro", "datumaro", datumaro),
    Sample("FiftyOne, FiftyOneImageClassificationDataset", "fiftyone", fiftyone_labels),
    Sample("FiftyOne, FiftyOneDataset", "fiftyone", fiftyone_samples),
    Sample("Roboflow, exported as COCO", "coco", roboflow_coco, splits=SPLITS),
    Sample("COCO panoptic", "coco", coco_panoptic),
    Sample("YOLO with a data.yaml", "yolo", yolo_yaml, splits={"train": 3, "val": 1}),
    Sample("YOLO beside the images, as labelImg writes it", "yolo", yolo_beside),
    Sample("YOLO without names of the classes", "yolo", yolo_unnamed),
    Sample("PASCAL XML beside the images, as labelImg writes it", "pascal_xml", pascal_xml),
    Sample("labelme or X-AnyLabeling", "labelme", labelme),
    Sample("VGG Image Annotator, exported as JSON", "via", via),
    Sample("mmpretrain's MultiLabelDataset", "mmpretrain", mmpretrain),
    Sample("SageMaker Ground Truth or Rekognition", "ground_truth", ground_truth),
    Sample("PaddleLabel", "paddle_label", paddle_label),
    Sample("Google Photos, by Takeout", "takeout", takeout, PEOPLE),
    Sample("Danbooru's metadata", "booru", danbooru),
    Sample("images of gallery-dl with their JSON", "booru", gallery_dl),
    Sample("a JSON object of images and labels", "json_list", json_dict),
    Sample("a JSON list of objects", "json_list", json_objects),
    Sample("JSON lines", "json_list", json_lines),
    Sample(
        "JSON lists for train and val", "json_splits", json_splits, splits={"train": 3, "val": 1}
    ),
]
