"""XML files cannot make the reader expand, open or fetch anything."""

import pytest

from imlgcn.data.formats.xml_file import read_xml
from imlgcn.data.xmp import check_harmless
from imlgcn.errors import InputError

ATTACKS = {
    "laughs": '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
    "file": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "parameter": '<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1:1/"> %b;]><a/>',
    "external": '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>',
    "default": '<!DOCTYPE a [<!ATTLIST a b CDATA "c">]><a/>',
}
ENCODINGS = ("utf-8", "utf-16", "latin-1", "cp1252")


def encoded(text, encoding):
    return f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_document_type_is_refused_in_every_encoding(tmp_path, attack, encoding):
    path = tmp_path / "a.xml"
    path.write_bytes(encoded(ATTACKS[attack], encoding))
    with pytest.raises(InputError, match="must not declare a document type"):
        read_xml(path)
    with pytest.raises(InputError, match="document type declaration"):
        check_harmless(path.read_bytes())


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_xml_without_one_is_read_in_every_encoding(tmp_path, encoding):
    path = tmp_path / "a.xml"
    path.write_bytes(encoded("<a><b>sea</b></a>", encoding))
    assert read_xml(path).findtext("b") == "sea"


@pytest.mark.parametrize("content", [b"", b"<a>", b"<a>&b;</a>", b"\0", b"<a" * 5_000, b"\xff<a/>"])
def test_what_is_not_xml_is_refused(tmp_path, content):
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not valid XML"):
        read_xml(path)


def test_elements_nested_very_deep_do_no_harm(tmp_path):
    path = tmp_path / "a.xml"
    path.write_bytes(b"<a>" * 100_000 + b"</a>" * 100_000)
    assert read_xml(path).tag == "a"
