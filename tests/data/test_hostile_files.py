"""Files that somebody made to break the reading: refused in one sentence, or read rightly."""

import io
import tarfile
import time

import pytest
from PIL import Image

from imlgcn.data.check import check_dataset
from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError

TABLE = "image,labels\na.jpg,x\nb.jpg,y\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path / "cache"))
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('image,labels\na.jpg,"x\nb.jpg,y\n', "line 2: a double quote opens here"),
        ('image,labels\na.jpg,x\nb.jpg,"y"z\n', "line 3: something follows a closing"),
        ("image,labels\na.jpg,x\0\n", "is zero"),
        ("image,labels\na.jpg," + "x" * 200_000, "line 2: field larger"),
        ("image,labels\n" + "a" * 5_000 + ".jpg,x\n", "found 0 of 1 image"),
    ],
)
def test_a_table_that_cannot_be_read_rightly_is_refused_with_its_line(folder, text, why):
    (folder / "t.csv").write_text(text)
    with pytest.raises(InputError, match=why) as caught:
        load_dataset(folder / "t.csv")
    assert len(str(caught.value)) < 1_000


def test_a_label_of_100_000_letters_keeps_nobody_waiting(folder):
    (folder / "t.csv").write_text("image,labels\na.jpg," + "x" * 100_000 + "\nb.jpg,y\n")
    start = time.process_time()
    check_dataset(load_dataset(folder / "t.csv"))
    assert time.process_time() - start < 5  # it took minutes


def tar(path, *members):
    """Write a good data set and one more member: a name or a header."""
    with tarfile.open(path, "w") as file:
        for name in ("a.jpg", "b.jpg", "t.csv", *members):
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            content = TABLE.encode() if info.name == "t.csv" else b"image"
            info.size = len(content) if info.isreg() else 0
            file.addfile(info, io.BytesIO(content))
    return path


def special(kind, target=""):
    info = tarfile.TarInfo("x.jpg")
    info.type, info.linkname = kind, target
    return info


def with_header(**headers):
    info = tarfile.TarInfo("p.jpg")
    info.pax_headers = headers
    return info


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ("/tmp/evil.jpg", "outside of the archive"),
        ("../evil.jpg", "outside of the archive"),
        ("C:/evil.jpg", "outside of the archive"),
        ("d/" * 1_000 + "a.jpg", "100 deep"),
        ("y" * 3_000 + ".jpg", "name too long"),
        ("a.jpg/b.jpg", "cannot be unpacked"),
        (special(tarfile.LNKTYPE, "/etc/passwd"), "is a link"),
        (special(tarfile.SYMTYPE, "../../etc/passwd"), "is a link"),
        (
            with_header(**{"GNU.sparse.realsize": "x", "GNU.sparse.map": "1,2"}),
            "cannot be unpacked",
        ),
    ],
)
def test_a_dangerous_or_broken_member_of_a_tar_is_refused(folder, member, why):
    with pytest.raises(InputError, match=f"(?i){why}"):
        load_dataset(tar(folder / "t.tar", member))
    assert not (folder / "evil.jpg").exists()
    assert not list((folder / "cache" / "unpacked").iterdir())  # nothing half unpacked stays


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_device_in_a_tar_stays_packed(folder, kind):
    data = load_dataset(tar(folder / "t.tar", special(kind)))
    assert len(data) == 2
    assert not list((folder / "cache").rglob("x.jpg"))


@pytest.mark.parametrize("size", [b"77777777777\0", b"\x80" + b"\xff" * 11])  # 8 GB, and 9e27 B
def test_a_tar_that_announces_more_than_there_is_room_for_is_refused(folder, size):
    path = tar(folder / "t.tar")
    header = bytearray(path.read_bytes())
    header[124:136], header[148:156] = size, b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    path.write_bytes(header)
    with pytest.raises(InputError, match="times its size"):
        load_dataset(path)


def test_links_that_lead_in_a_circle_are_followed_once(folder):
    (folder / "data").mkdir()
    for name in ("a", "b"):
        (folder / "data" / name).mkdir()
        (folder / f"{name}.jpg").rename(folder / "data" / name / f"{name}.jpg")
        (folder / "data" / name / "up").symlink_to(folder / "data", target_is_directory=True)
        (folder / "data" / name / "self").symlink_to(".", target_is_directory=True)
    (folder / "data" / "labels.csv").write_text("image,labels\na/a.jpg,x\nb/b.jpg,y\n")
    assert len(load_dataset(folder / "data")) == 2
    (folder / "data" / "labels.csv").unlink()
    assert len(load_dataset(folder / "data", reader="label_folders")) == 1  # equal files
