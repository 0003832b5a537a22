"""A COCO file of the size people have: time and memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, time
from imlgcn.data.dataset import load_dataset
started = time.process_time()
data = load_dataset(sys.argv[1])
seconds = time.process_time() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # GiB: Linux counts in KiB
print(len(data), len(data.names), int((data.targets == 1).sum()), seconds, peak)
"""


@pytest.mark.slow
def test_a_file_of_300_mb_is_read_in_a_minute_and_2_gib(tmp_path):
    images, marks = 20_000, 180_000
    polygon = [round(17.37 + 3.91 * corner, 2) for corner in range(190)]
    file = tmp_path / "instances.json"
    with file.open("w") as out:
        out.write('{"info": {}, "images": ')
        json.dump(
            [{"id": 3 * i, "file_name": f"{i:012}.jpg", "height": 480} for i in range(images)], out
        )
        out.write(', "annotations": [')
        for number in range(marks):
            mark = {"id": number, "image_id": 3 * (number % images), "category_id": 1 + number % 90}
            mark |= {"segmentation": [polygon], "area": 702.1, "iscrowd": 0, "bbox": [1.0, 2, 3, 4]}
            out.write((", " if number else "") + json.dumps(mark))
        categories = [{"id": i, "name": f"thing {i}"} for i in range(1, 91)]
        out.write('], "categories": ' + json.dumps(categories) + "}")
    assert file.stat().st_size > 290e6
    (tmp_path / f"{0:012}.jpg").touch()  # one is looked for, to find the folder
    command = [sys.executable, "-c", SCRIPT, str(file)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert found[:2] == ["20000", "90"]
    assert float(found[3]) < 60
    assert float(found[4]) < 2
