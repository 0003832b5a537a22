import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.check import LEVELS, check_dataset, count_labels
from imlgcn.data.dataset import Dataset, Record, Source, load_dataset
from imlgcn.data.guard import misread
from imlgcn.errors import InputError
from imlgcn.labels.targets import Targets


def noise(path, seed):
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(blocks).resize((96, 96), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def build(tmp_path):
    """Return a function that makes images (a number = its picture) and a data set of them."""

    def make(*rows, names=None) -> Dataset:
        records = []
        for index, (seed, labels, split) in enumerate(rows):
            path = tmp_path / f"{index}.png"
            if isinstance(seed, int):
                noise(path, seed)
            elif seed is not None:
                seed(path)
            present = [name for name in labels.split(";") if name and not name.startswith("?")]
            unknown = [name[1:] for name in labels.split(";") if name.startswith("?")]
            records.append(Record(path.name, path, tuple(present), tuple(unknown), split))
        names = names or sorted({n for r in records for n in (*r.labels, *r.unknown)})
        return Dataset.from_source(Source(list(names), records, "test", "because"))

    return make


def problems(dataset, **options):
    report = check_dataset(dataset, **options)
    return {problem.kind: problem for problem in report.problems}


def test_clean_data_has_no_problem(build):
    data = build((1, "dog", "train"), (2, "cat", "train"), (3, "dog", "val"), (4, "cat", "val"))
    report = check_dataset(data, min_positives=1)
    assert (report.problems, report.harmful) == ([], False)
    assert (report.num_images, report.splits) == (4, {"train": 2, "val": 2})


def test_bad_files_are_errors_with_their_names(build):
    def text(path):
        path.write_text("x")

    def cut(path):
        noise(path, 9)
        path.write_bytes(path.read_bytes()[:2000])

    found = problems(
        build((1, "dog", None), (None, "dog", None), (text, "", None), (cut, "", None))
    )
    for kind, name in (("missing", "1.png"), ("unreadable", "2.png"), ("truncated", "3.png")):
        assert (found[kind].level, found[kind].count) == ("error", 1)
        assert name in found[kind].examples[0]


def test_an_absurdly_large_image_is_an_error(build, monkeypatch):
    monkeypatch.setattr("imlgcn.data.scan.MAX_PIXELS", 1000)
    assert problems(build((1, "dog", None)))["too_large"].level == "error"


def test_identical_images_in_two_splits_are_an_error_in_one_a_warning(build):
    found = problems(build((1, "dog", "train"), (1, "dog", "test"), (2, "dog", "train")))
    assert found["duplicate_across_splits"].level == "error"
    assert found["duplicate_across_splits"].examples == ("0.png (train) = 1.png (test)",)
    assert "duplicate" not in found
    found = problems(build((1, "dog", "train"), (1, "dog", "train"), (2, "dog", "test")))
    assert found["duplicate"].level == "warning"
    assert "duplicate_across_splits" not in found


def test_nearly_identical_images_in_two_splits_are_an_error_in_one_a_warning(build):
    def smaller(path):
        noise(path, 1)
        Image.open(path).resize((70, 70)).save(path)

    found = problems(build((1, "dog", "train"), (smaller, "dog", "val")))
    assert found["near_duplicate_across_splits"].level == "error"
    assert not found.keys() & {"near_duplicate", "duplicate", "duplicate_across_splits"}
    assert problems(build((1, "dog", None), (smaller, "dog", None)))["near_duplicate"].count == 1


def test_a_group_in_two_splits_is_an_error_in_one_no_problem(build):
    data = build(*((n, "dog", split) for n, split in enumerate(["train", "train", "val", "test"])))

    def grouped(*groups):
        records = (replace(r, group=group) for r, group in zip(data.records, groups, strict=True))
        return problems(replace(data, records=tuple(records)))

    found = grouped("a", "b", "b", "b")["group_across_splits"]
    assert (found.level, found.count) == ("error", 1)
    assert found.examples == ("b: 1.png (train) = 2.png (val) = 3.png (test)",)
    found = grouped("x", "y", "x", "y")["group_across_splits"]
    assert found.examples[0] == "x: 0.png (train) = 2.png (val)"
    assert found.count == 2
    assert "group_across_splits" not in grouped("a", "a", None, None)


def test_identical_images_with_different_labels_are_a_warning(build):
    found = problems(build((1, "dog", None), (1, "cat", None), (2, "dog", None), (2, "dog", None)))
    assert (found["conflicting_labels"].count, found["duplicate"].count) == (1, 2)


def test_labels_with_no_or_few_images_in_train_are_warnings(build):
    data = build(
        (1, "dog;cat", "train"),
        (2, "dog", "train"),
        (3, "owl;dog", "val"),
        names=["cat", "dog", "owl"],
    )
    found = problems(data, min_positives=2)
    assert found["label_never_in_train"].examples == ("owl",)
    assert found["label_never_in_train"].level == "warning", "train leaves them out"
    assert found["few_positives"].examples == ("cat: 1",)
    assert found["label_never_in_split"].examples == ("cat",)
    assert "val" in found["label_never_in_split"].message


def test_without_splits_a_label_of_no_image_is_a_warning(build):
    found = problems(build((1, "dog;?owl", None)))
    assert found["label_never_in_train"].examples == ("owl",)
    assert "in the data" in found["label_never_in_train"].message


def test_labels_of_which_none_is_in_train_are_an_error(build):
    found = problems(build((1, "?cat;?owl", "train"), (2, "owl;cat", "val")))
    assert found["label_never_in_train"].level == "error"
    assert found["label_never_in_train"].count == 2
    assert "nothing can be trained" in found["label_never_in_train"].message


def test_a_label_that_is_absent_nowhere_is_a_warning(build):
    found = problems(build((1, "dog;cat;?owl", None), (2, "dog;owl;?cat", None), (3, "dog", None)))
    assert found["label_always_present"].examples == ("dog",)
    found = problems(build((1, "dog;?owl", None), (2, "owl", None)))
    assert found["label_always_present"].examples == ("owl",), "to which nobody said no"


def test_labels_that_differ_only_in_case_or_space_are_an_error(build):
    found = problems(build((1, "Fire engine;fire_engine;dog", None), (2, "FIREENGINE", None)))
    assert found["similar_labels"].level == "error"
    assert found["similar_labels"].count == 1
    assert found["similar_labels"].examples[0].count("=") == 2


def test_labels_that_are_all_numbers_look_like_an_index(build):
    assert problems(build((1, "0;1", None), (2, "17", None)))["index_labels"].level == "warning"
    assert "index_labels" not in problems(build((1, "0;1", None), (2, "2 eggs", None)))


def test_empty_images_are_warnings(build):
    def plain(path):
        Image.new("RGB", (40, 40), "white").save(path)

    found = problems(
        build((1, "dog", None), (2, "", None), (3, "?dog", None), (plain, "dog", None))
    )
    assert found["no_label"].examples == ("1.png",)
    assert found["blank"].examples == ("3.png",)


def test_labels_are_counted_in_all_and_by_split(build):
    data = build((1, "dog;?cat", "train"), (2, "cat", "test"), (3, "dog", "test"))
    cat, dog = count_labels(data)
    assert (cat.present, cat.by_split, cat.unknown) == (1, {"train": 0, "test": 1}, 1)
    assert (dog.present, dog.by_split, dog.unknown) == (2, {"train": 1, "test": 1}, 0)


def test_labels_of_a_table_that_is_too_large_are_counted_and_questioned(build, monkeypatch):
    data = build((1, "dog;?cat", "train"), (2, "cat", "test"), (3, "dog", "test"))
    sparse = replace(data, targets=Targets.from_dense(data.targets))
    monkeypatch.setattr("imlgcn.labels.targets.MOST_DENSE", 0)
    with pytest.raises(InputError, match="as a matrix"):
        sparse.targets  # noqa: B018
    assert count_labels(sparse) == count_labels(data)
    assert [*misread(sparse)] == [*misread(data)]


def test_unknown_without_absent_is_questioned_by_the_counts(build):
    data = build((1, "dog;?cat", None), (2, "cat;?dog", None))
    assert [(p.kind, p.examples) for p in misread(data)] == [("never_absent", ("cat", "dog"))]
    assert not [*misread(build((1, "dog;?cat", None), (2, "cat", None)))]


def test_the_report_is_plain_json_with_errors_first(build):
    report = check_dataset(build((1, "dog", None), (None, "?cat", None)))
    content = json.loads(json.dumps(report.to_dict()))
    assert content["harmful"] is report.harmful is True
    levels = [problem["level"] for problem in content["problems"]]
    assert levels == sorted(levels, key=LEVELS.index)
    assert "warning" in levels


def test_one_is_counted_as_one_and_all_are_all(build):
    def messages(*rows, **options):
        return [found.message for found in problems(build(*rows, **options)).values()]

    said = " / ".join(messages((1, "0;1", None), (2, "17", None), names=["0", "1", "17", "18"]))
    assert "1 label occurs in no image in the data; 'imlgcn train' leaves it out" in said
    assert "all 4 labels are numbers, which look like indices" in said
    said = " / ".join(messages((1, "dog", None), (2, "cat", None), names=["cat", "dog", "a", "b"]))
    assert "2 labels occur in no image in the data; 'imlgcn train' leaves them out" in said


def test_all_members_of_all_groups_are_in_the_report(build):
    data = build(*((index // 3, "dog;cat" if index % 2 else "dog", None) for index in range(21)))
    found = problems(data)["duplicate"]
    assert found.count == len(found.groups) == len(found.examples) == 7
    assert found.groups[6] == ("18.png", "19.png", "20.png")
    assert found.examples[0] == "0.png = 1.png = 2.png"
    assert found.shown == 5, "of which people see five"


def test_without_images_files_need_only_be_there(build):
    def text(path):
        path.write_text("no image")

    data = build((1, "dog", None), (None, "cat", None), (text, "dog", None), (1, "cat", None))
    found = problems(data, images=False)
    assert found["missing"].count == 1
    assert "1.png: no such file" in found["missing"].examples[0]
    assert not found.keys() & {"unreadable", "duplicate"}


def test_folders_of_images_and_no_images_are_arguments_as_they_are_flags(tmp_path):
    folder = tmp_path / "elsewhere" / "photos"
    folder.mkdir(parents=True)
    (folder / "a.png").write_text("no image")
    table = tmp_path / "tables" / "table.csv"
    table.parent.mkdir()
    table.write_text("image,labels\na.png,dog\n")
    with pytest.raises(InputError, match="images=FOLDER"):
        problems(table, no_images=True)
    found = problems(table, images=folder, no_images=True)
    assert not found.keys() & {"missing", "unreadable"}
    assert "unreadable" in problems(table, images=folder)


def test_labels_that_look_misread_are_errors_unless_forced(build):
    data = build(*((index, name, None) for index, name in enumerate(["sea 0.9", "sea 0.8"])))
    assert problems(data)["scores_in_names"].level == "error"
    assert problems(data, force=True)["scores_in_names"].level == "warning"


@pytest.mark.parametrize("images", [True, False])
def test_images_beside_those_of_a_list_are_counted_in_one_line(tmp_path, images):
    for number, name in enumerate(("a.png", "b.png", "deep/c.png", "more/d.png", ".hidden.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (40 * number, 0, 200)).save(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "photos.csv").write_text("image,labels\ndeep/c.png,sea\na.png,sun\n")
    found = problems(tmp_path / "photos.csv", images=images)["not_listed"]
    assert (found.level, found.count) == ("note", 1)
    assert found.message == f"1 image in {tmp_path.name}/ is not in the list: it is not used"
    (tmp_path / "photos.csv").write_text("image,labels\nmore/d.png,sun\ndeep/c.png,sea\n")
    assert "not_listed" not in problems(tmp_path / "photos.csv", images=images)


def test_images_that_the_reader_says_it_left_out_are_not_counted_again(tmp_path):
    for number, name in enumerate("abc"):
        Image.new("RGB", (8, 8), (40 * number, 0, 200)).save(tmp_path / f"{name}.png")
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("sea")
    data = load_dataset(tmp_path)
    assert "left out: 1 without one" in data.reason
    assert "not_listed" not in problems(data)
