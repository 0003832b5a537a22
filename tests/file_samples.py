"""Photos, folders and text lists that docs/data-sets.md has a row for, with the labels `MEANT`."""

from photos import dataset, photo, xmp
from tool_samples import MEANT, NAMES, SPLITS, Sample, put_text


def put_photos(folder, *names):
    """Write images that differ, unlike those of the tools above: equal files would be one."""
    for name in names or MEANT:
        photo(folder / name)


def xmp_beside(folder):
    put_photos(folder, "e.jpg", *MEANT)  # one has no keywords
    for name, labels in MEANT.items():
        (folder / f"{name}.xmp").write_bytes(
            xmp(labels, digiKam_TagsList=[f"Coast/{x}" for x in labels])
        )


def keywords_inside(folder):
    for name, labels in MEANT.items():
        photo(folder / name, iptc=b"".join(dataset(25, label.encode()) for label in labels))


def folder_per_label(folder):
    for name, labels in MEANT.items():
        for label in labels:
            photo(folder / label / name)


NUMBERED = {f"im{number}.jpg": labels for number, labels in enumerate(MEANT.values(), 1)}


def list_per_label(folder):
    put_photos(folder, *NUMBERED)
    for label in NAMES:
        shown = [str(n) for n, labels in enumerate(MEANT.values(), 1) if label in labels]
        put_text(folder / "annotations" / f"{label}.txt", *shown)


def vectors(no="0"):
    """Return the image and the values of :data:`NAMES` for each line of a list."""
    return [(name, ["1" if x in labels else no for x in NAMES]) for name, labels in MEANT.items()]


def celeba(folder):
    put_photos(folder / "img_align_celeba")
    lines = [f"{name} {' '.join(values)}" for name, values in vectors("-1")]
    put_text(folder / "list_attr_celeba.txt", "4", " ".join(NAMES) + " ", *lines)
    put_text(folder / "identity_CelebA.txt", *(f"{name} 7" for name in MEANT))
    put_text(folder / "list_eval_partition.txt", "a.jpg 0", "b.jpg 0", "c.jpg 1", "d.jpg 2")


def deepfashion(folder):
    put_photos(folder / "img")
    lines = [f"img/{name}     {'  '.join(values)}" for name, values in vectors("-1")]
    put_text(folder / "list_attr_img.txt", "4", "image_name  attribute_labels", *lines)
    names = [f"{name}    1" for name in NAMES]
    put_text(folder / "list_attr_cloth.txt", "4", "attribute_name  attribute_type", *names)


def paddle_list(folder):
    put_photos(folder / "images")
    put_text(
        folder / "train_list.txt", *(f"images/{n}\t{','.join(values)}" for n, values in vectors())
    )
    put_text(folder / "label_list.txt", *(f"{i} {name}" for i, name in enumerate(NAMES)))


def hashnet(folder):
    put_photos(folder / "images")
    put_text(folder / "train.txt", *(f"./images/{n} {' '.join(values)}" for n, values in vectors()))
    put_text(folder / "my-names.txt", *NAMES)


def mxnet(folder):
    put_photos(folder)
    lines = ["\t".join([str(i), *values, n]) for i, (n, values) in enumerate(vectors())]
    put_text(folder / "train.lst", *lines)
    put_text(folder / "my-names.txt", *NAMES)


FILE_SAMPLES = [
    Sample(
        "photos with keywords in XMP files beside them (digiKam, darktable, `predict --xmp`)",
        "keywords",
        xmp_beside,
    ),
    Sample(
        "photos with keywords inside (Lightroom, Shotwell, Windows)", "keywords", keywords_inside
    ),
    Sample("a folder for each label", "label_folders", folder_per_label),
    Sample("a list of images for each label (MIRFLICKR)", "label_lists", list_per_label, NUMBERED),
    Sample("CelebA's list_attr_celeba.txt", "attribute_list", celeba, splits=SPLITS),
    Sample("DeepFashion's list_attr_img.txt", "attribute_list", deepfashion),
    Sample("PaddleX or PaddleClas, a list with 0 and 1", "label_vectors", paddle_list),
    Sample("a list with 0 and 1 without names (HashNet)", "label_vectors", hashnet),
    Sample("MXNet or SageMaker, a .lst", "label_vectors", mxnet),
]
