"""Tables beside small images, as people have them."""

import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset

LABELS = (("boat", "sea"), ("sand",), ("sea",))  # of 0.jpg, 1.jpg, 2.jpg


@pytest.fixture
def listed(tmp_path):
    """Write a file beside 0.jpg, 1.jpg, 2.jpg and read it; `where` is the images' folder."""

    def read(text, *, name="photos.csv", where=".", images=("0.jpg", "1.jpg", "2.jpg"), **options):
        (tmp_path / where).mkdir(exist_ok=True, parents=True)
        for image in images:
            Image.new("RGB", (4, 4)).save(tmp_path / where / image)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_dataset(path, **options)

    return read


@pytest.fixture
def labels_of():
    """Return the present labels of each image."""
    return lambda data: [
        tuple(name for name, value in zip(data.names, row, strict=True) if value == 1)
        for row in data.targets
    ]
