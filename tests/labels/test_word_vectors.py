"""Label vectors from words, and from files of any text encoder."""

import json
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from safetensors.numpy import save_file

from imlgcn.errors import InputError
from imlgcn.labels import word_vectors as words
from imlgcn.labels.word_vectors import word_embeddings
from imlgcn.progress import Progress

MADE_UP = {"traffic": [1.0, 2.0], "light": [3.0, -6.0], "dog": [0.5, 0.25]}


@pytest.fixture
def glove(tmp_path):
    path = tmp_path / "glove.txt"
    lines = [f"{word} {' '.join(map(str, vector))}" for word, vector in MADE_UP.items()]
    path.write_text("\n".join([*lines, "unused not numbers"]) + "\n")
    return path


@pytest.mark.parametrize(
    "name", ["traffic light", "Traffic_Light", "traffic-light", " light  traffic"]
)
def test_words_of_a_name_are_averaged(glove, name):
    vectors, missing = word_embeddings([name, "dog"], glove)
    np.testing.assert_allclose(vectors, [[2, -2], [0.5, 0.25]])
    assert (vectors.dtype, missing) == (np.float32, [])


def test_an_unknown_word_is_passed_over_and_an_unknown_name_reported(glove):
    vectors, missing = word_embeddings(["dog zzz", "zzz", "traffic light"], glove)
    np.testing.assert_allclose(vectors, [[0.5, 0.25], [1.25, -0.875], [2, -2]])
    assert missing == ["zzz"]


def test_the_installed_word_vectors_know_that_cats_are_like_dogs():
    pytest.importorskip(words.WORDS_PACKAGE)
    vectors, missing = word_embeddings(["cat", "dog", "traffic light"])
    assert (vectors.shape, missing) == ((3, 50), [])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > 0.8 > unit[0] @ unit[2]


def test_progress_hears_of_every_megabyte(tmp_path, monkeypatch):
    class Recorder(Progress):
        @contextmanager
        def bar(self, stage, total, unit="images"):
            self.total, self.done = total, []
            yield self.done.append

    path = tmp_path / "glove.txt"
    path.write_text("".join(f"word{number} 0.5 {number}\n" for number in range(1000)))
    monkeypatch.setattr(words, "MEGABYTE", 100)
    recorder = Recorder()
    word_embeddings(["word7"], path, progress=recorder)
    assert sum(recorder.done) == recorder.total == path.stat().st_size // 100


def test_words_without_package_or_file_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, words.WORDS_PACKAGE, None)
    with pytest.raises(InputError, match=r"imlgcn\[words\].* GloVe text file"):
        word_embeddings(["dog"])


@pytest.mark.parametrize("line", ["dog", "dog 1.0 two", "dog 1.0 nan"])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "glove.txt"
    path.write_text(f"cat 1.0 2.0\n{line}\n")
    with pytest.raises(InputError, match=r"glove\.txt, line 2"):
        word_embeddings(["dog"], path)


def test_vectors_of_different_lengths_are_refused(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("cat 1.0 2.0\ndog 1.0\n")
    with pytest.raises(InputError, match="different lengths"):
        word_embeddings(["cat", "dog"], path)


def test_labels_without_any_known_word_are_refused(glove):
    with pytest.raises(InputError, match=r"no label has a vector in .*glove\.txt \(x17, x18, "):
        word_embeddings(["x17", "x18"], glove)


def test_a_file_that_is_not_there_says_what_was_expected():
    with pytest.raises(InputError, match=r"no file of word vectors at no.*GloVe.*\.json"):
        word_embeddings(["dog"], "no/such.txt")
    with pytest.raises(InputError, match=r"no file of word vectors at no"):
        word_embeddings(["dog"], "no/such.npz")


def write_vectors(path, vectors):
    if path.suffix == ".json":
        path.write_text(json.dumps(vectors))
    else:
        write = (
            save_file if path.suffix == ".safetensors" else (lambda rows, to: np.savez(to, **rows))
        )
        write({name: np.array(row, np.float32) for name, row in vectors.items()}, path)


@pytest.mark.parametrize("suffix", [".json", ".npz", ".safetensors"])
def test_a_text_encoders_vectors_are_matched_by_the_whole_name(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write_vectors(path, {"light": [9, 9], "Traffic_light": [1, -2], "dog": [3, 5]})
    vectors, missing = word_embeddings(["dog", "traffic light", "traffic"], path)
    np.testing.assert_allclose(vectors, [[3, 5], [1, -2], [2, 1.5]])  # the last: the mean
    assert missing == ["traffic"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "one list of numbers per name"),
        ("{", "damaged"),
        ('{"dog": [1, NaN]}', "'dog' is not a vector of finite numbers"),
        ('{"dog": [[1], [2]]}', r"'dog' is not a vector .* \(2, 1\)"),
        ('{"dog": []}', "'dog' is not a vector"),
        ('{"dog": [1], "cat": [1, 2]}', "different lengths"),
        ('{"cat": [1]}', "no label has a vector in"),
    ],
)
def test_a_file_without_usable_vectors_is_refused(tmp_path, content, message):
    path = tmp_path / "clip.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        word_embeddings(["dog"], path)


def test_pickled_objects_in_an_npz_are_not_loaded(tmp_path):
    path = tmp_path / "clip.npz"
    np.savez(path, dog=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="damaged or holds no vectors"):
        word_embeddings(["dog"], path)
