import io
import json
import shutil
import stat
import zipfile

import pytest
from PIL import Image

from imlgcn.data import unpack as archive
from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.files import cache_dir


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path / "cache"))


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return file.getvalue()


def pack(tmp_path, members: dict[str, str | bytes]):
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


TAGGED = {"a.png": png(), "a.txt": "dog"}
COCO = {
    "images": [{"id": 1, "file_name": "a.png"}],
    "annotations": [{"image_id": 1, "category_id": 1}],
    "categories": [{"id": 1, "name": "dog"}],
}


@pytest.mark.parametrize(
    ("members", "reader"),
    [
        ({"labels.csv": "image,labels\na.png,dog\n", "a.png": png()}, "csv"),
        ({"top/a.png": png(), "top/a.txt": "dog", "__MACOSX/x.txt": "junk"}, "folder"),
        ({"annotations/x.json": json.dumps(COCO), "images/a.png": png()}, "coco"),
    ],
)
def test_a_zip_is_read_as_what_it_holds(tmp_path, members, reader):
    data = load_dataset(pack(tmp_path, members))
    assert (data.reader, data.names) == (reader, ("dog",))
    inner = "coco" if reader == "coco" else "folder"
    assert data.reason.startswith(f"zip: the file ends in .zip; {inner}: ")
    assert data.paths[0].is_file()


def test_a_zip_is_unpacked_once_and_again_when_its_content_changes(tmp_path):
    path = pack(tmp_path, TAGGED)
    first = archive.unpack(path)
    (first / "mark").touch()
    assert (archive.unpack(path) / "mark").exists()
    assert archive.unpack(pack(tmp_path, {**TAGGED, "a.txt": "cat"})) != first


def test_when_another_process_was_first_its_folder_is_used(tmp_path, monkeypatch):
    extract = archive._extract

    def overtaken(packed, path, folder, progress):
        extract(packed, path, folder, progress)
        shutil.copytree(folder, folder.parent / folder.name.split(".")[1])

    monkeypatch.setattr(archive, "_extract", overtaken)
    folder = archive.unpack(pack(tmp_path, TAGGED))
    assert sorted(file.name for file in folder.iterdir()) == ["a.png", "a.txt"]
    assert list(folder.parent.iterdir()) == [folder]


def test_only_images_and_texts_are_unpacked(tmp_path):
    path = pack(tmp_path, {**TAGGED, "run.py": "x", "b.zip": "x", ".hidden.txt": "x"})
    assert sorted(file.name for file in archive.unpack(path).iterdir()) == ["a.png", "a.txt"]


def named(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (named("../evil.txt"), "a path outside of the archive"),
        (named("a/../../evil.txt"), "a path outside of the archive"),
        (named("..\\evil.txt"), "a path outside of the archive"),
        (named("/etc/evil.txt"), "a path outside of the archive"),
        (named("C:/evil.txt"), "a path outside of the archive"),
        (named("link.txt", stat.S_IFLNK | 0o777), "is a link"),
    ],
)
def test_an_archive_that_reaches_outside_is_refused_and_leaves_nothing(tmp_path, info, message):
    path = pack(tmp_path, TAGGED)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(InputError, match=message):
        load_dataset(path)
    assert list((cache_dir() / "unpacked").iterdir()) == []
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("image", ["../../secret.png", "/etc/secret.png"])
def test_a_table_in_an_archive_cannot_point_to_other_files(tmp_path, image):
    table = f"image,labels\na.png,dog\n{image},dog\n"
    path = pack(tmp_path, {"a.png": png(), "labels.csv": table})
    with pytest.raises(InputError, match=r"secret\.png' is outside of the archive"):
        load_dataset(path)


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "SMALL", 1000)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.txt", b"0" * 10_000_000)
    with pytest.raises(InputError, match=r"would unpack to .* times its size"):
        load_dataset(path)


def test_broken_archives_are_refused_and_leave_nothing(tmp_path):
    path = pack(tmp_path, TAGGED)
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], whole.replace(png()[40:60], b"x" * 20, 1)):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be unpacked"):
            load_dataset(path)
    assert list((cache_dir() / "unpacked").iterdir()) == []


def test_an_archive_without_data_says_so(tmp_path):
    with pytest.raises(InputError, match=r"holds no image, \.txt"):
        load_dataset(pack(tmp_path, {"run.py": "x"}))
    with pytest.raises(InputError, match="holds no images"):
        load_dataset(pack(tmp_path, {"a.txt": "dog"}))
