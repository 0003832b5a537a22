import subprocess
import sys
from pathlib import Path

import pytest

from imlgcn.data import openclipart
from imlgcn.data.check import check_dataset
from imlgcn.data.dataset import load_dataset
from imlgcn.data.formats import openclipart as reader


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMLGCN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield load_dataset("openclipart")


def test_the_embedded_set_has_the_counts_of_its_card(data):
    assert data.splits == {"train": 1367, "val": 249, "test": 457}
    assert len(data.names) == 38
    assert int((data.targets == 1).sum()) == 3240
    assert (data.reader, data.reason.split(",")[0]) == (
        "openclipart",
        "openclipart: the data set included in imlgcn",
    )
    card = Path(openclipart.__file__).with_name("CARD.md").read_text(encoding="utf-8")
    assert all(number in card for number in ("2,073", "1,367", "249", "457", "38", "3,240"))


def test_every_image_is_there_and_every_label_is_in_every_split(data):
    assert all(path.is_file() for path in data.paths)
    for split in data.splits:
        assert (data.split(split).targets == 1).any(axis=0).all()


def test_every_picture_is_there_once_and_only_near_duplicates_of_one_split_are_left(data):
    found = {problem.kind: problem.count for problem in check_dataset(data).problems}
    assert found == {"near_duplicate": 29}


def test_a_folder_of_the_same_name_is_reached_as_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert reader.recognise(Path("openclipart"))
    Path("openclipart").mkdir()
    assert reader.recognise("openclipart")
    assert not reader.recognise("./openclipart")
    assert not reader.recognise(Path("openclipart"))


def test_two_processes_may_unpack_at_once(tmp_path):
    code = "from imlgcn.data import openclipart; print(openclipart.unpack())"
    environment = {"IMLGCN_CACHE": str(tmp_path), "PATH": ""}
    runs = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    folders = {run.communicate(timeout=60)[0] for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(folders) == 1
    assert len(list((tmp_path / "unpacked").iterdir())) == 1  # and no temporary folder is left
    assert len(list(Path(folders.pop().decode().strip(), "images").iterdir())) == 2073
