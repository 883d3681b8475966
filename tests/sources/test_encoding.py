"""Encodings: marks, names, detection, transcoding in any cut, and the way back of offsets."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import SettingsError
from ingest.sources.encoding import Encoding, Offsets, Transcoder, detect, guess, named
from tests.sources.tools import in_parts

GERMAN = "name,straße\nMüller,Königsallee\nJörg,Große Freiheit „7“\n"
SAMPLES = {
    "cp1252": GERMAN * 20,
    "cp1250": "jméno,město\nJiří,Plzeň\nLukáš,Ústí nad Labem\nKateřina,Říčany\n" * 20,
    "cp1251": "имя,город\nИван,Москва\nОльга,Санкт-Петербург\nДмитрий,Новосибирск\n" * 20,
    "koi8-r": "имя,город\nИван,Москва\nОльга,Санкт-Петербург\nДмитрий,Новосибирск\n" * 20,
    "cp1253": "όνομα,πόλη\nΓιώργος,Αθήνα\nΜαρία,Θεσσαλονίκη\n" * 20,
}
WIDE = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


@pytest.mark.parametrize("name", MARKS)
def test_byte_order_marks(name):
    """A mark decides, and its length is what to leave out."""
    found = detect(MARKS[name] + "a,b\n".encode(name), final=True, wanted=None, shown="f")
    assert found == Encoding(name, len(MARKS[name]))


def test_mark_beats_the_name_and_is_said():
    """A file that carries a mark is read by it; a job that says otherwise hears of it."""
    found = detect(codecs.BOM_UTF8 + b"a\n", final=True, wanted="cp1252", shown="f.csv")
    assert (found.name, found.bom_bytes) == ("utf-8", 3)
    assert "f.csv" in found.note
    assert "not as cp1252" in found.note
    both = detect(codecs.BOM_UTF16_BE + b"\0a", final=True, wanted="utf-16", shown="f")
    assert both == Encoding("utf-16-be", 2)


def test_name_without_a_mark():
    """What the job names is taken as it is; utf-16 without a mark is little-endian."""
    assert detect(b"\xe4", final=True, wanted="cp1252", shown="f") == Encoding("cp1252")
    assert detect(b"a\0", final=True, wanted="utf-16", shown="f") == Encoding("utf-16-le")


@pytest.mark.parametrize("text", ["", "plain ascii\n", GERMAN, "日本語,😀\n"])
def test_utf8_is_found_silently(text):
    """Valid UTF-8 needs no word."""
    assert detect(text.encode(), final=True, wanted=None, shown="f") == Encoding("utf-8")


def test_utf8_may_be_cut_at_the_heads_end():
    """A character cut in two by the head's end is no other encoding, but at a file's end it is."""
    head = "a,日".encode()[:-1]
    assert detect(head, final=False, wanted=None, shown="f").name == "utf-8"
    assert detect(head, final=True, wanted=None, shown="f").name != "utf-8"


@pytest.mark.parametrize("name", SAMPLES)
def test_single_byte_encodings_are_guessed_and_said(name):
    """The guess is right on plain text of its language, and said with the way to settle it."""
    found = detect(SAMPLES[name].encode(name), final=True, wanted=None, shown="f.csv")
    assert found.name == name
    assert found.note.startswith(f"f.csv: read as {name} (detected)")
    assert f'encoding = "{name}"' in found.note


def test_little_evidence_is_cp1252():
    """One accented letter reads the same in many encodings: the commonest is taken."""
    assert guess("id,name\n1,Müller\n".encode("cp1252")) == "cp1252"


def test_guess_can_read_everything():
    """Bytes that no candidate has are still read, byte by byte."""
    assert guess(bytes(range(128, 256)) * 3) in ("iso8859-1", "koi8-r", "cp1251", "cp1252")
    bytes(range(256)).decode(guess(bytes(range(256))))


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark(name):
    """Every other byte zero is UTF-16."""
    found = detect("id,name\n1,Bob\n".encode(name), final=True, wanted=None, shown="f")
    assert found.name == name
    assert found.note


def test_nuls_in_utf8_are_text():
    """A few NULs do not make a file UTF-16."""
    assert detect(b"a,b\n\0,1\nx\0y,2\n" * 9, final=True, wanted=None, shown="f").name == "utf-8"


@pytest.mark.parametrize(
    ("given_name", "canonical"),
    [
        (None, None), ("UTF8", "utf-8"), ("utf-8-sig", "utf-8"), ("ASCII", "utf-8"),
        ("Latin1", "iso8859-1"), ("windows-1252", "cp1252"), ("UTF-16", "utf-16"),
        ("utf_16_le", "utf-16-le"), ("shift_jis", "shift_jis"),
    ],
)  # fmt: skip
def test_named(given_name, canonical):
    """Aliases become one name."""
    assert named(given_name) == canonical


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ("cp125", "cp125"), ("uft-8", "utf-8"), ("", "for example"), ("a\0b", "for example"),
        ("base64", "no encoding of text"), ("idna", "no encoding of text"),
    ],
)  # fmt: skip
def test_wrong_names(wrong, word):
    """An unknown encoding is refused with the nearest names."""
    with pytest.raises(SettingsError, match=word):
        named(wrong)


@pytest.mark.parametrize("name", ["cp1252", *WIDE, "shift_jis"])
@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 40))
def test_transcoding_does_not_depend_on_the_cuts(name, size):
    """Characters cut in two by the parts come out whole."""
    text = "日本,カナ\n1,テスト\n" * 5 if name == "shift_jis" else GERMAN
    transcoder, out = Transcoder(name, "f"), b""
    for part in in_parts(text.encode(name), size):
        piece, error = transcoder.feed(part)
        assert error is None
        piece.decode()
        out += piece
    assert out + transcoder.feed(b"", final=True)[0] == text.encode()


def test_utf8_passes_untouched():
    """Bad bytes in UTF-8 are the parser's matter."""
    bad = b"a\xff\xfe,b"
    assert Transcoder("utf-8", "f").feed(bad, final=True) == (bad, None)


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("name", "good", "bad", "bom"),
    [("cp1252", b"a,b\n", b"\x81", 0), ("utf-16-le", b"a\0,\0", b"\x00\xd8a\0", 2)],
)
def test_undecodable_bytes(name, good, bad, bom, size):
    """What stands before comes out; the error has the offset in the original."""
    transcoder, out, error = Transcoder(name, "f.csv", bom), b"", None
    for part in in_parts(good + bad + good, size):
        piece, error = transcoder.feed(part)
        out += piece
        if error:
            break
    assert out == good.decode(name).encode()
    assert error is not None
    assert f"at byte {bom + len(good)}" in error.message
    assert name in error.message


def test_half_a_character_at_the_end():
    """A file that ends within a character is an error at its end."""
    transcoder = Transcoder("utf-16-le", "f")
    assert transcoder.feed(b"a\0b") == (b"a", None)
    _, error = transcoder.feed(b"", final=True)
    assert error is not None
    assert "at byte 2" in error.message


@pytest.mark.parametrize("name", ["utf-8", "cp1252", *WIDE])
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_offsets_lead_back(name, data):
    """Every character's place in the text leads to its place in the original."""
    text = GERMAN if name == "cp1252" else GERMAN + "日本😀\n"
    size = data.draw(st.integers(1, 20))
    pieces = [part.encode() for part in (text[i : i + size] for i in range(0, len(text), size))]
    offsets = Offsets(Encoding(name, 4), keep_bytes=1 << 20)
    for piece in pieces:
        offsets.add(piece)
    for count in sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6))):
        assert offsets.original(len(text[:count].encode())) == 4 + len(text[:count].encode(name))


def test_offsets_keep_little():
    """However long the text is, only the last of it is kept, and its places are still exact."""
    offsets = Offsets(Encoding("cp1252"), keep_bytes=100)
    for _ in range(1000):
        offsets.add("ä".encode() * 50)
    assert offsets.original(100_000 - 2) == 50_000 - 1
    assert sum(map(len, offsets._pieces)) <= 200
