import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError

HEADER = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Edema,Fracture,Support Devices"
CELLS = ("1.0,,,", ",1.0,-1.0,", ",0.0,,1.0", ",-1.0,0.0,1.0")


def chexpert(folder, part="train", cells=CELLS):
    lines = [HEADER]
    for index, row in enumerate(cells):
        image = f"{part}/patient{index // 2:05d}/study1/view{index % 2}_frontal.jpg"
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        (folder / image).touch()
        lines.append(f"CheXpert-v1.0-small/{image},Female,68,Frontal,AP,{row}")
    (folder / f"{part}.csv").write_text("\n".join(lines) + "\n")
    return folder / f"{part}.csv"


def test_uncertain_is_unknown_blank_is_absent_and_a_patient_is_a_group(tmp_path):
    data = load_dataset(chexpert(tmp_path / "CheXpert-v1.0-small"))
    assert (data.reader, data.splits) == ("chexpert", {})
    assert data.names == ("No Finding", "Edema", "Fracture", "Support Devices")
    assert data.targets.tolist() == [[1, 0, 0, 0], [0, 1, -1, 0], [0, 0, 0, 1], [0, -1, 0, 1]]
    assert [r.group for r in data.records] == ["patient00000"] * 2 + ["patient00001"] * 2
    assert data.records[0].fields["Sex"] == "Female"
    assert all(path.is_file() for path in data.paths)
    assert "uncertain is unknown, blank is absent" in data.reason


@pytest.mark.parametrize(
    ("variant", "fracture", "said"),
    [
        ("u-zeros", [0, 0, 0, 0], "uncertain is absent"),
        ("u-ones", [0, 1, 0, 0], "uncertain is present"),
        ("u-ignore,blank-unknown", [-1, -1, -1, 0], "blank is unknown"),
    ],
)
def test_other_published_treatments_have_names(tmp_path, variant, fracture, said):
    data = load_dataset(chexpert(tmp_path), variant=variant)
    assert data.targets[:, 2].tolist() == fracture
    assert said in data.reason


def test_the_folder_may_be_renamed_or_be_named_from_above(tmp_path):
    table = chexpert(tmp_path / "renamed")
    assert all(path.is_file() for path in load_dataset(table).paths)
    moved = tmp_path / "train.csv"
    table.rename(moved)
    assert all(path.is_file() for path in load_dataset(moved, images=tmp_path / "renamed").paths)


def test_in_a_folder_the_images_that_radiologists_labelled_are_the_test(tmp_path):
    chexpert(tmp_path)
    chexpert(tmp_path, "valid", ["0,1,0,0"])
    assert load_dataset(tmp_path).splits == {"train": 4, "test": 1}
    assert load_dataset(tmp_path, variant="keep-val").splits == {"train": 4, "val": 1}
    chexpert(tmp_path, "test", ["0,1,0,0"])
    assert load_dataset(tmp_path).splits == {"train": 4, "val": 1, "test": 1}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1.0,-1.0", "2.0,-1.0", "line 3: '2' in column 'Edema' is not 1.0, 0.0, -1.0 or blank"),
        (
            "patient00000/study1/view0",
            "view0",
            "line 2: expected a path such as train/patient00001",
        ),
    ],
)
def test_what_chexpert_does_not_have_is_refused(tmp_path, old, new, message):
    table = chexpert(tmp_path)
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        load_dataset(table)


ROWS = [
    ("00000001_000.png", "Cardiomegaly|Effusion", 1),
    ("00000001_001.png", "No Finding", 1),
    ("00000002_000.png", "Effusion", 2),
    ("00000003_000.png", "No Finding", 3),
]


def chestxray14(folder, images="images", lists=True):
    lines = ["Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age"]
    for number, (name, findings, patient) in enumerate(ROWS):
        file = folder / images.format(number % 2 + 1) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        lines.append(f"{name},{findings},0,{patient},57")
    (folder / "Data_Entry_2017_v2020.csv").write_text("\n".join(lines) + "\n")
    if lists:
        (folder / "train_val_list.txt").write_text("\n".join(name for name, _, _ in ROWS[:2]))
        (folder / "test_list.txt").write_text(ROWS[2][0] + "\n")
    return folder


def test_no_finding_is_no_label_and_a_patient_is_a_group(tmp_path):
    data = load_dataset(chestxray14(tmp_path, lists=False) / "Data_Entry_2017_v2020.csv")
    assert (data.reader, data.names) == ("chestxray14", ("Cardiomegaly", "Effusion"))
    assert data.targets.tolist() == [[1, 1], [0, 0], [0, 1], [0, 0]]
    assert [r.group for r in data.records] == ["1", "1", "2", "3"]
    assert data.records[0].fields == {"Follow-up #": "0", "Patient Age": "57"}
    assert "'No Finding' is not a label" in data.reason


def test_the_official_lists_are_the_splits(tmp_path):
    data = load_dataset(chestxray14(tmp_path))
    assert [(r.name, r.split) for r in data.records] == [
        ("00000001_000.png", "train"),
        ("00000001_001.png", "train"),
        ("00000002_000.png", "test"),
    ]
    assert "left out: 1 in no list" in data.reason
    assert load_dataset(tmp_path, variant="no-lists").splits == {}


def test_the_images_may_be_in_the_folders_of_the_archives(tmp_path):
    data = load_dataset(chestxray14(tmp_path, images="images_{:03d}/images", lists=False))
    assert all(path.is_file() for path in data.paths)


def test_lists_of_other_images_are_refused(tmp_path):
    chestxray14(tmp_path)
    for name in ("train_val_list.txt", "test_list.txt"):
        (tmp_path / name).write_text("other.png\n")
    with pytest.raises(InputError, match="is in the other list as well"):
        load_dataset(tmp_path)
    (tmp_path / "test_list.txt").write_text("another.png\n")
    with pytest.raises(InputError, match=r"none of its images is in .*variant=no-lists"):
        load_dataset(tmp_path)
