"""Keywords in XMP sidecars: added to what is there, nothing lost, nothing hostile expanded."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from colour_tagger import ColourTagger, paint
from imlgcn.config import InputError
from imlgcn.data.formats import label_studio as reader
from imlgcn.predict import predict
from imlgcn.predict.xmp import DC, EMPTY, LISTS, RDF, add_keywords, sidecar_of

LIGHTROOM = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><!-- kept -->
 <r:RDF xmlns:r="{RDF}">
  <r:Description r:about="" xmlns:dc="{DC}" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmp:Rating="4" xmlns:lr="http://ns.adobe.com/lightroom/1.0/">
   <dc:subject><r:Bag><r:li>Dog</r:li><r:li>R&amp;B</r:li></r:Bag></dc:subject>
   <dc:title><r:Alt><r:li xml:lang="x-default">Zwölf 猫</r:li></r:Alt></dc:title>
   <lr:hierarchicalSubject><r:Bag><r:li>animal|Dog</r:li></r:Bag></lr:hierarchicalSubject>
  </r:Description>
 </r:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


def keywords(data, place=LISTS[0]):
    root = ElementTree.fromstring(data)
    return [
        entry.text
        for found in root.iter(f"{{{place[0]}}}{place[1]}")
        for entry in found.iter(f"{{{RDF}}}li")
    ]


def test_a_new_sidecar_holds_the_keywords_in_order():
    data = add_keywords(EMPTY.encode(), ["tree", "a < b & c", "猫"])
    assert keywords(data) == ["tree", "a < b & c", "猫"]


def test_keywords_join_those_there_and_everything_else_stays():
    data = add_keywords(LIGHTROOM.encode(), ["dog", "cat"])  # Dog is there, in other letters
    assert keywords(data) == ["Dog", "R&B", "cat"]
    assert keywords(data, LISTS[2]) == ["animal|Dog", "dog", "cat"]  # Lightroom looks only here
    text = data.decode()
    for kept in ("Zwölf 猫", 'xmp:Rating="4"', "<!-- kept -->", "<?xpacket end", "W5M0MpCehiHz"):
        assert kept in text


def test_a_file_that_has_all_keywords_is_not_written_again(tmp_path):
    once = add_keywords(LIGHTROOM.encode(), ["dog", "cat"])
    assert add_keywords(once, ["CAT", "dog"]) is None


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<rdf:Description rdf:about=''/>",
        f"<rdf:Description xmlns:dc='{DC}'><dc:subject/></rdf:Description>",
        f"<rdf:Description xmlns:dc='{DC}'><dc:subject><rdf:Seq/></dc:subject></rdf:Description>",
        f"<rdf:Description xmlns:a='{DC}'><a:subject><rdf:Bag/></a:subject></rdf:Description>",
        "<rdf:Description/><rdf:Description/>",
    ],
)
def test_any_shape_of_xmp_takes_keywords(inside):
    data = add_keywords(f"<rdf:RDF xmlns:rdf='{RDF}'>{inside}</rdf:RDF>".encode(), ["dog", "cat"])
    assert keywords(data) == ["dog", "cat"]
    assert add_keywords(data, ["dog"]) is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not well-formed XML"),
        (b"<a><b></a>", "not well-formed XML"),
        (b"<html/>", "holds no rdf:RDF"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "document type declaration"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type declaration"),
    ],
)
def test_what_is_no_xmp_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        add_keywords(data, ["dog"])


def test_characters_that_xml_cannot_hold_are_left_out():
    assert keywords(add_keywords(EMPTY.encode(), ["a\x00b\x0bc\udcff"])) == ["abc"]


def test_the_sidecar_is_the_one_there_is(tmp_path):
    image = tmp_path / "photo.jpg"
    own, shared = tmp_path / "photo.jpg.xmp", tmp_path / "photo.xmp"
    assert sidecar_of(image) == own
    shared.touch()
    assert sidecar_of(image) == shared
    own.touch()
    assert sidecar_of(image) == own


def test_predict_writes_sidecars_and_a_damaged_one_costs_only_itself(tmp_path):
    images = [paint(tmp_path / f"{n}.png", 0, 0, 255) for n in "abc"]
    (tmp_path / "b.xmp").write_text("no xml")
    plain = paint(tmp_path / "none.png", 0, 0, 0)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    summary = predict(ColourTagger(), [*images, plain, bad], xmp=True, all_labels=True)
    assert keywords((tmp_path / "a.png.xmp").read_bytes()) == ["tree"]
    assert (tmp_path / "b.xmp").read_text() == "no xml"
    assert sorted(p.name for p in tmp_path.glob("*.xmp")) == ["a.png.xmp", "b.xmp", "c.png.xmp"]
    assert (summary.sidecars, summary.sidecars_failed, summary.failed) == (2, 1, 1)
    assert "b.xmp: is not well-formed" in summary.errors[0]


def test_label_studio_gets_one_task_for_each_image_with_its_tags(tmp_path):
    images = [paint(tmp_path / "a b.png", 153, 204, 51), paint(tmp_path / "ü.png", 0, 0, 0)]
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    predict(ColourTagger(), [*images, bad], label_studio=tmp_path / "t.json", all_labels=True)
    tasks = json.loads((tmp_path / "t.json").read_text())
    assert [reader._last_part(task["data"]["image"]) for task in tasks] == ["a b.png", "ü.png"]
    first, second = (task["predictions"][0] for task in tasks)
    assert first["result"] == [
        {
            "from_name": "labels",
            "to_name": "image",
            "type": "choices",
            "value": {"choices": ["dog", "cat"]},
        }
    ]
    assert first["score"] == 0.6
    assert first["model_version"] == "imlgcn 01234567"
    assert second == {"model_version": "imlgcn 01234567", "result": []}


@pytest.mark.parametrize("name", ["t.csv", "folder.json"])
def test_tasks_go_to_a_json_file_only(tmp_path, name):
    (tmp_path / "folder.json").mkdir()
    tagger = ColourTagger()
    with pytest.raises(InputError, match=r"file ending in \.json"):
        predict(tagger, [paint(tmp_path / "a.png", 0, 0, 0)], label_studio=tmp_path / name)
    assert tagger.loaded == 0


def test_no_images_make_an_empty_list_of_tasks(tmp_path):
    predict(ColourTagger(), [], label_studio=tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text()) == []
