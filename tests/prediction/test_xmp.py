"""Keywords in XMP sidecars: added to what is there, nothing lost, nothing hostile expanded."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from colour_tagger import ColourTagger, paint
from imlgcn.data.formats import label_studio as reader
from imlgcn.data.xmp import DC, RDF, Keywords
from imlgcn.errors import InputError
from imlgcn.labels.paths import NamedPaths
from imlgcn.prediction import predict
from imlgcn.prediction.keyword_lists import KINDS as LISTS
from imlgcn.prediction.keyword_lists import updated
from imlgcn.prediction.xmp import sidecar_of
from imlgcn.prediction.xmp_document import EMPTY, XmpDocument, printable

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
        for found in root.iter(f"{{{place.namespace}}}{place.name}")
        for entry in found.iter(f"{{{RDF}}}li")
    ]


def add_keywords(data, names):
    """Return the file after a run that gives these tags, None if it is unchanged."""
    document = XmpDocument(data)
    tags = [NamedPaths(printable(name), ()) for name in names]
    changed = document.change(updated(document.lists(), tags, Keywords()))
    return document.to_bytes() if changed else None


def test_a_new_sidecar_holds_the_keywords_in_order():
    data = add_keywords(EMPTY.encode(), ["tree", "a < b & c", "猫"])
    assert keywords(data) == ["tree", "a < b & c", "猫"]


def test_keywords_join_those_there_and_everything_else_stays():
    data = add_keywords(LIGHTROOM.encode(), ["dog", "cat"])  # Dog is there, in other letters
    assert keywords(data) == ["Dog", "R&B", "cat"]
    assert keywords(data, LISTS[2]) == ["animal|Dog", "cat"]  # Lightroom looks only here
    text = data.decode()
    for kept in ("Zwölf 猫", 'xmp:Rating="4"', "<!-- kept -->", "<?xpacket end", "W5M0MpCehiHz"):
        assert kept in text


@pytest.mark.parametrize(
    "mine",
    [
        "<rdf:Bag><rdf:li><![CDATA[R&B]]></rdf:li></rdf:Bag>",
        "R&amp;B",
        "<rdf:Bag><rdf:li rdf:parseType='Resource'><rdf:value>R&amp;B</rdf:value></rdf:li>"
        "</rdf:Bag>",
    ],
)
def test_keywords_in_rare_forms_stay_when_tags_come_and_go(mine):
    inside = f"<rdf:Description xmlns:dc='{DC}'><dc:subject>{mine}</dc:subject></rdf:Description>"
    first = add_keywords(whole(inside), ["sea"])
    assert keywords(first)[-1] == "sea"
    assert "".join(ElementTree.fromstring(first).itertext()).count("R&B") == 1
    left = ElementTree.fromstring(add_keywords(first, []))
    assert "".join(left.itertext()).split() == ["R&B"]


def whole(inside):
    return f"<rdf:RDF xmlns:rdf='{RDF}'>{inside}</rdf:RDF>".encode()


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
    assert add_keywords(data, ["cat", "dog"]) is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not well-formed XML"),
        (b"<a><b></a>", "not well-formed XML"),
        (b"<a xmlns:x='y'><z:b/></a>", "not well-formed XML .unbound prefix"),
        (b"<html/>", "contains no rdf:RDF"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "document type declaration"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type declaration"),
    ],
)
def test_what_is_no_xmp_is_refused(data, message):
    with pytest.raises(InputError, match=message):
        add_keywords(data, ["dog"])


@pytest.mark.parametrize("depth", [101, 5_000, 200_000])
def test_a_file_nested_too_deeply_is_refused(depth):
    data = LIGHTROOM.replace("<!-- kept -->", "<a>" * (depth - 1) + "</a>" * (depth - 1)).encode()
    with pytest.raises(InputError, match="nests elements more than 100 deep"):
        add_keywords(data, ["cat"])


@pytest.mark.parametrize("inside", ["<a><b/></a>" * 500, "<a>" * 99 + "</a>" * 99])
def test_many_elements_that_are_not_too_deep_are_fine(inside):
    data = LIGHTROOM.replace("<!-- kept -->", inside).encode()
    assert "cat" in keywords(add_keywords(data, ["cat"]))


@pytest.mark.parametrize("label", ["a\x00b\x0bc\udcff\uffff", " abc"])
def test_a_keyword_is_written_as_xml_can_hold_it_and_once(label):
    data = add_keywords(EMPTY.encode(), [label])
    assert keywords(data) == ["abc"]
    assert add_keywords(data, [label]) is None


def test_line_ends_tabs_and_quotes_stay_as_they_were():
    said = f"""<r:RDF xmlns:r="{RDF}" xmlns="urn:a"><r:Description
      note="1&#xA;2&#9;3&#13;&#10;4 &quot;&lt;&amp;&gt; 'é'" xmlns:p="urn:p" p:note='"'>
     <text>a&#13;
b\t"c" &lt;&amp;]]&gt;</text><![CDATA[<raw>&]]]]><![CDATA[>]]><none xmlns=""/><?pi a="1"
 b?><!-- two
 lines --></r:Description></r:RDF>"""
    before = ElementTree.canonicalize(said, with_comments=True)
    after = ElementTree.canonicalize(add_keywords(said.encode(), ["dog"]), with_comments=True)
    for added in ("dc:subject", "imlgcn:WrittenSubject"):
        after = re.sub(f"<{added}.*</{added}>", "", after)
    assert after == before


def test_a_file_in_another_encoding_takes_keywords():
    said = LIGHTROOM.replace("猫", "ö").replace("\ufeff", "")
    data = f'<?xml version="1.0" encoding="utf-16"?>{said}'.encode("utf-16")
    after = add_keywords(data, ["猫"])
    assert keywords(after) == ["Dog", "R&B", "猫"]
    assert "Zwölf ö" in after.decode()


@pytest.fixture
def photo(tmp_path):
    """A photo that is tagged "tree"."""
    return paint(tmp_path / "photo.png", 0, 0, 255)


@pytest.mark.parametrize("ending", ["xmp", "XMP"])
def test_the_sidecar_is_the_one_there_is(photo, ending):
    own, shared = photo.with_name(f"photo.png.{ending}"), photo.with_name(f"photo.{ending}")
    assert sidecar_of(photo) == photo.with_name("photo.png.xmp")
    shared.touch()
    assert sidecar_of(photo).samefile(shared)
    own.touch()
    assert sidecar_of(photo).samefile(own)


@pytest.mark.parametrize("other", ["photo.jpg", "photo.JPG", "photo.heic", "photo"])
def test_a_sidecar_that_may_be_of_another_image_is_not_taken(photo, other):
    photo.with_name("photo.xmp").touch()
    photo.with_name(other).touch()
    assert sidecar_of(photo) == photo.with_name("photo.png.xmp")


@pytest.mark.parametrize("other", ["photo.txt", "photo2.jpg", "photo.jpg/"])
def test_what_is_no_image_of_that_name_shares_no_sidecar(photo, other):
    photo.with_name("photo.xmp").touch()
    path = photo.with_name(other.rstrip("/"))
    path.mkdir() if other.endswith("/") else path.touch()
    assert sidecar_of(photo) == photo.with_name("photo.xmp")


def test_two_images_of_one_name_keep_their_keywords_apart(photo):
    other = paint(photo.with_suffix(".bmp"), 153, 204, 51)
    photo.with_suffix(".xmp").write_text(EMPTY)
    predict(ColourTagger(), [photo, other], xmp=True)
    assert keywords(photo.with_name("photo.png.xmp").read_bytes()) == ["tree"]
    assert keywords(photo.with_name("photo.bmp.xmp").read_bytes()) == ["dog", "cat"]
    assert photo.with_suffix(".xmp").read_text() == EMPTY


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_a_sidecar_keeps_its_permissions(photo, mode):
    path = photo.with_suffix(".xmp")
    path.write_text(EMPTY)
    path.chmod(mode)
    assert predict(ColourTagger(), [photo], xmp=True).sidecars == 1
    assert keywords(path.read_bytes()) == ["tree"]
    assert path.stat().st_mode & 0o777 == mode


def test_a_private_sidecar_is_private_at_every_moment_of_its_rewriting(photo, monkeypatch):
    path = photo.with_suffix(".xmp")
    path.write_text(EMPTY)
    path.chmod(0o600)
    seen = []

    def watched(function):
        def call(file, *given, **named):
            result = function(file, *given, **named)
            files = [one for one in photo.parent.glob("*.xmp*") if one.suffix != ".lock"]  # empty
            seen.extend(one.stat().st_mode & 0o777 for one in files)
            return result

        return call

    for name in ("touch", "chmod", "write_bytes", "replace"):
        monkeypatch.setattr(Path, name, watched(getattr(Path, name)))
    assert predict(ColourTagger(), [photo], xmp=True).sidecars == 1
    assert len(seen) > 4
    assert set(seen) == {0o600}


def test_a_linked_sidecar_stays_a_link(photo):
    path, target = photo.with_suffix(".xmp"), photo.with_name("elsewhere") / "a.xmp"
    target.parent.mkdir()
    target.write_text(EMPTY)
    path.symlink_to(Path("elsewhere") / "a.xmp")
    assert predict(ColourTagger(), [photo], xmp=True).sidecars == 1
    assert path.is_symlink()
    assert keywords(target.read_bytes()) == ["tree"]


@pytest.mark.parametrize("target", ["gone/a.xmp", "photo.xmp"])
def test_a_link_that_leads_nowhere_is_left_alone(photo, target):
    path = photo.with_suffix(".xmp")
    path.symlink_to(target)
    summary = predict(ColourTagger(), [photo], xmp=True)
    assert (summary.sidecars, summary.sidecars_failed) == (0, 1)
    assert path.is_symlink()
    assert sorted(p.name for p in photo.parent.iterdir()) == ["photo.png", "photo.xmp"]


@pytest.mark.parametrize("how", ["by its mode", "by its owner"])
def test_a_read_only_sidecar_is_left_alone(photo, how, monkeypatch):
    path = photo.with_suffix(".xmp")
    path.write_text(EMPTY)
    if how == "by its mode":  # counts for root too
        path.chmod(0o444)
    else:
        monkeypatch.setattr(os, "access", lambda file, mode: mode != os.W_OK)
    summary = predict(ColourTagger(), [photo], xmp=True)
    assert (summary.sidecars, summary.sidecars_failed) == (0, 1)
    assert summary.errors == (f"{path}: is read-only; its keywords were not written",)
    assert path.read_text() == EMPTY


def test_a_read_only_sidecar_that_has_the_keywords_is_no_failure(photo):
    path = photo.with_suffix(".xmp")
    path.write_bytes(add_keywords(EMPTY.encode(), ["tree"]))
    path.chmod(0o444)
    assert predict(ColourTagger(), [photo], xmp=True).sidecars_failed == 0


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


def test_pre_annotations_replace_only_pre_annotations(tmp_path):
    tasks, notes = tmp_path / "t.json", tmp_path / "annotations.json"
    notes.write_text('{"images": []}')
    images = [paint(tmp_path / "a.png", 255, 0, 0)]
    with pytest.raises(InputError, match="holds no pre-annotations"):
        predict(ColourTagger(), images, label_studio=notes)
    assert notes.read_text() == '{"images": []}'
    for again in (images, [], images):
        predict(ColourTagger(), again, label_studio=tasks)
        assert len(json.loads(tasks.read_text())) == len(again)


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
