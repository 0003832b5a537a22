"""The recipes of data sets: their settings read samples of these as the authors do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.tagger.config_file import read_config

FOLDER = Path(__file__).parents[1] / "recipes" / "data"
SAMPLES = {  # files of a sample, and its targets
    "chexpert": (
        {
            "train.csv": "Path,Sex,No Finding,Edema,Support Devices\n"
            "train/patient00001/study1/a.jpg,Male,,-1.0,1.0\n"
            "train/patient00002/study1/b.jpg,Male,0.0,1.0,\n"
        },
        [[0, -1, 1], [0, 1, 0]],
    ),
    "chestxray14": (
        {
            "Data_Entry_2017_v2020.csv": "Image Index,Finding Labels,Follow-up #,Patient ID\n"
            "a.png,Edema|Mass,0,1\nb.png,No Finding,0,2\n",
            "train_val_list.txt": "a.png",
            "test_list.txt": "b.png",
            "images/a.png": "",
            "images/b.png": "",
        },
        [[1, 1], [0, 0]],
    ),
    "celeba": (
        {
            "Anno/list_attr_celeba.txt": "2\nBald Smiling\na.jpg 1 -1\nb.jpg -1 1\n",
            "Eval/list_eval_partition.txt": "a.jpg 0\nb.jpg 2\n",
            "Img/img_align_celeba/a.jpg": "",
            "Img/img_align_celeba/b.jpg": "",
        },
        [[1, 0], [0, 1]],
    ),
}


def test_every_recipe_has_a_sample():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_conventions_are_those_of_the_authors(name, tmp_path):
    files, targets = SAMPLES[name]
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
        for image in re.findall(r"^train/\S+\.jpg", text, re.MULTILINE):
            (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / image).touch()
    data = load_dataset(tmp_path, **read_config(FOLDER / f"{name}.yaml"))
    assert data.targets.tolist() == targets
    assert set(data.splits) == ({"train", "test"} if len(files) > 1 else set())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_names_paper_command_and_conventions(path):
    text = path.read_text(encoding="utf-8")
    assert re.search(r"^# paper: .*https://", text, re.MULTILINE)
    assert f"--config recipes/data/{path.name}" in text
    assert "# conventions: " in text
    assert "# published: " in text
