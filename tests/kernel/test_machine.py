"""The kernel against a few lines of Python that say the same, and against texts that are not true.

What is said of an output holds for records that have their fields. Of all other bytes only this is:
they do no harm.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest import kernel
from ingest.kernel import Member, Program, machine

pytestmark = pytest.mark.skipif(not kernel.is_there(), reason="this machine can't have a kernel")

END = b"}\n"
LENGTHS = range(50)  # three times what is copied at once, and more


def transcribed(
    program: Program,
    data: bytes,
    ranges: Sequence[tuple[int, int]] | None = None,
    texts: Sequence[Sequence[bytes]] = (),
) -> bytes | None:
    """The output for all of the data."""
    found = kernel.transcribe(program, data, [(0, len(data))] if ranges is None else ranges, texts)
    return None if found is None else found.data


def member_of(program: Program, member: Member, text: str) -> bytes:
    """What becomes of one value."""
    raw = text.encode()
    if raw in member.nulls:
        assert member.instead is not None
        return member.instead
    if member.swap:
        raw = raw.replace(member.swap[0].encode(), member.swap[1].encode(), 1)
    raw = raw[: len(raw) - member.strip]
    return member.before + (orjson.dumps(text)[1:-1] if program.escaping else raw) + member.behind


def record_of(program: Program, values: Sequence[str]) -> bytes:
    """The reference: one record."""
    members = b"".join(member_of(program, m, values[m.cell]) for m in program.members)
    return b"{" + (members + program.end).removeprefix(b",")


def csv_of(rows: Sequence[Sequence[str]], program: Program, ends: str) -> bytes:
    """Rows as CSV, with quotes where the program has some."""
    if not program.escaping:
        return "".join(program.delimiter.join(row) + "\n" for row in rows).encode()
    out = io.StringIO(newline="")
    style = partial(csv.writer, out, delimiter=program.delimiter, lineterminator=ends)
    if program.quote:
        style(quotechar=program.quote).writerows(rows)
    else:
        style(quoting=csv.QUOTE_NONE, quotechar=None).writerows(rows)
    return out.getvalue().encode()


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Programs of any columns, delimiters and members."""
    columns = draw(st.integers(1, 5))
    delimiter = draw(st.sampled_from(",;\t|"))
    escaping = draw(st.booleans())
    quote = draw(st.sampled_from(['"', "'", None])) if escaping else None
    names = st.text(st.characters(codec="utf-8"), max_size=20)
    members = []
    for cell in draw(st.lists(st.integers(0, columns - 1), max_size=6)):
        start = b"," + orjson.dumps(draw(names)) + b":"
        mark = draw(st.sampled_from([b"", b'"']))
        nulls = draw(st.lists(st.sampled_from([b"", b"NA", b"a long word for null"]), max_size=2))
        instead = draw(st.sampled_from([b"", start + b"null"]))
        members.append(Member(cell, start + mark, mark, tuple(nulls), instead))
    end = draw(st.sampled_from([b"}", b"}\n", b"},\n", b',"constant":"' + b"x" * 40 + b'"}\n']))
    return Program(columns, delimiter, tuple(members), end, escaping, quote)


@st.composite
def tables(draw: st.DrawFn, program: Program) -> list[list[str]]:
    """Rows that the program may be given."""
    bare = st.characters(codec="utf-8", exclude_characters=program.delimiter + "\r\n\"'")
    held = st.characters(codec="utf-8")
    free = st.text(held if program.quote else bare, max_size=40)
    value = st.one_of(st.sampled_from(["", "NA", "a long word for null", "1"]), free)
    if program.quote:  # a word with a quote in it is doubled in the text, and no word for null
        value = value.map(lambda text: text.replace("\r", "\n"))
    row = st.lists(value, min_size=program.columns, max_size=program.columns)
    return draw(st.lists(row, max_size=6))


@given(st.data(), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=400)
def test_it_says_what_a_few_lines_of_python_say(data: st.DataObject, ends: str) -> None:
    """Any program, any rows that it fits, in one range and in one for each record."""
    program = data.draw(programs())
    rows = data.draw(tables(program))
    if program.columns == 1 and program.escaping:
        rows = [row for row in rows if row != [""]]  # a blank line is no record to a CSV writer
    parts = [csv_of([row], program, ends if program.escaping else "\n") for row in rows]
    wanted = [record_of(program, row) for row in rows]
    assert (transcribed(program, b"".join(parts)) or b"") == b"".join(wanted)
    borders = [0]
    for part in parts:
        borders.append(borders[-1] + len(part))
    ranges = list(pairwise(borders))
    found = kernel.transcribe(program, b"".join(parts), ranges)
    assert found is not None
    assert found.records == [1] * len(rows)
    assert [found.data[a:b] for a, b in pairwise([0, *found.ends])] == wanted
    assert found.longest == max(map(len, wanted), default=0)


@pytest.mark.parametrize("escaping", [False, True])
def test_values_and_literals_of_every_length(escaping: bool) -> None:
    """Below, at and above the sixteen bytes that are looked at and copied at once."""
    quote = '"' if escaping else None
    for length in LENGTHS:
        value, name = "v" * length, "n" * length
        start = b',"' + name.encode() + b'":"'
        members = (Member(1, start, b'"'), Member(0, b',"k":'))
        program = Program(2, ",", members, END, escaping, quote)
        assert transcribed(program, f"1,{value}\n".encode() * 2) == (
            b'{"%s":"%s","k":1}\n' % (name.encode(), value.encode()) * 2
        )


@pytest.mark.parametrize("byte", range(128))
def test_every_character_at_every_place(byte: int) -> None:
    """In quotes: as it is, or escaped as JSON wants it."""
    program = Program(2, ",", (Member(0, b',"v":"', b'"'),), END, True, '"')
    for length in (0, 1, 15, 16, 17, 33):
        text = "x" * length + chr(byte) + "é" * (length % 3)
        data = '"{}",1\n'.format(text.replace('"', '""')).encode()
        assert transcribed(program, data) == b'{"v":' + orjson.dumps(text) + b"}\n"


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_records_and_ranges(count: int) -> None:
    """None, one, two, many of either; and nothing between ranges is looked at."""
    program = Program(1, ",", (Member(0, b',"v":'),), END)
    assert transcribed(program, b"7\n" * count) == (b'{"v":7}\n' * count if count else None)
    data = b"7\n?,?,?\n" * count
    ranges = [(8 * at, 8 * at + 2) for at in range(count)]
    found = kernel.transcribe(program, data, ranges)
    assert found is not None
    assert (found.data, found.records) == (b'{"v":7}\n' * count, [1] * count)
    assert found.ends == [8 * at for at in range(1, count + 1)]


def test_what_ranges_say_of_all_their_records() -> None:
    """Their texts are cells behind the record's own."""
    members = (Member(1, b',"file":'), Member(0, b',"v":'), Member(2, b',"path":'))
    program = Program(1, ",", members, END, texts=2)
    texts = [[b'"a"', b'"' + b"long" * 9 + b'"'], [b'""', b"null"]]
    assert transcribed(program, b"1\n2\n3\n", [(0, 4), (4, 6)], texts) == (
        b'{"file":"a","v":1,"path":"%s"}\n{"file":"a","v":2,"path":"%s"}\n' % ((b"long" * 9,) * 2)
        + b'{"file":"","v":3,"path":null}\n'
    )


def test_values_that_are_respelt() -> None:
    """Cut at their end, and one character for another: the first one only, words for null not."""
    cut = Member(0, b',"i":', strip=2, nulls=(b"NA",), instead=b',"i":null')
    swapped = Member(1, b',"d":"', b'"', swap=(" ", "T"))
    program = Program(2, ",", (cut, swapped), END)
    assert transcribed(program, b"12.0,a b c\n0.0,ab\nNA, \n") == (
        b'{"i":12,"d":"aTb c"}\n{"i":0,"d":"ab"}\n{"i":null,"d":"T"}\n'
    )


def test_members_that_are_left_out() -> None:
    """The first, the last, all of them: the commas are where they belong."""
    members = tuple(Member(at, b',"%c":' % (97 + at), b"", (b"",), b"") for at in range(3))
    program = Program(3, ",", members, END)
    assert transcribed(program, b"1,2,3\n,2,3\n1,2,\n,,\n,2,\n") == (
        b'{"a":1,"b":2,"c":3}\n{"b":2,"c":3}\n{"a":1,"b":2}\n{}\n{"b":2}\n'
    )


@pytest.mark.parametrize("escaping", [False, True])
def test_what_must_not_be_is_told(escaping: bool) -> None:
    """A null that is refused, and a text that is too long: then there is no output."""
    member = Member(0, b',"v":"', b'"', (b"", b"NA"), None, most_bytes=3)
    program = Program(2, ",", (member,), END, escaping)
    assert transcribed(program, b"abc,1\n") == b'{"v":"abc"}\n'
    for value in (b"", b"NA", b"abcd"):
        assert transcribed(program, b"abc,1\n" + value + b",1\nabc,1\n") is None


@given(st.data(), st.binary(max_size=200), st.integers(0, 200), st.integers(0, 200))
@settings(max_examples=300)
def test_bytes_that_are_no_records_do_no_harm(
    data: st.DataObject, noise: bytes, start: int, end: int
) -> None:
    """Whatever comes out or not: nothing is raised, and the next one gets its answer."""
    program = data.draw(programs())
    ranges = [(min(start, len(noise)), min(end, len(noise)))]
    kernel.transcribe(program, noise, ranges)
    sound = Program(1, ",", (Member(0, b',"v":'),), END)
    assert transcribed(sound, b"1\n") == b'{"v":1}\n'


def test_a_text_without_any_end_is_a_trap_and_no_crash() -> None:
    """The kernel runs against the edge of its memory, and is thrown away."""
    program = Program(3, ",", (Member(2, b',"v":'),), END, True, '"')
    for noise in (b'"' + b"a" * 1000, b"a" * 1000):
        machine._idle.clear()  # in a new memory there is no mark of an earlier text
        assert kernel.transcribe(program, noise, [(0, len(noise))]) is None
        assert machine._idle == []
    assert transcribed(program, b"1,2,3\n") == b'{"v":3}\n'


def test_a_block_after_a_larger_one() -> None:
    """What is left of the one before is not taken for a part of it, in the same machine."""
    program = Program(2, ",", (Member(1, b',"v":"', b'"'),), END)
    for rows in (5000, 1, 300, 2):
        assert transcribed(program, b"1,some text\n" * rows) == b'{"v":"some text"}\n' * rows


def test_many_threads_at_once() -> None:
    """Each has a machine of its own, and programs go from one to the other."""
    wide = Program(2, ",", (Member(0, b',"a":'), Member(1, b',"b":"', b'"')), END)
    works = [(replace(wide, end=b"}" + b" " * n), b"%d,x\n" % n * 20_000) for n in range(8)]
    alone = [transcribed(*work) for work in works]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda work: transcribed(*work), works * 3)) == alone * 3
    assert alone[3] == b'{"a":3,"b":"x"}   ' * 20_000


def test_more_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What might need more than a 32-bit memory is not begun."""
    monkeypatch.setattr(machine, "_most_bytes", lambda *_: 2**32)
    program = Program(1, ",", (Member(0, b',"v":'),), END)
    assert transcribed(program, b"1\n") is None


@pytest.fixture
def _anew() -> Iterator[None]:
    """The kernel is looked for anew, and once more behind the test."""
    machine._code.cache_clear()
    idle, machine._idle[:] = machine._idle[:], []
    yield
    machine._code.cache_clear()
    machine._idle[:] = idle


@pytest.mark.usefixtures("_anew")
@pytest.mark.parametrize("error", [ImportError, RuntimeError, OSError])
def test_a_machine_that_has_no_wasmtime(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """It is not installed, has no build for this machine, or can't be loaded."""

    def fails(name: str, *args: Any) -> Any:
        if name == "wasmtime":
            raise error(name)
        return real(name, *args)

    real = __import__
    monkeypatch.setattr("builtins.__import__", fails)
    assert not kernel.is_there()
    assert kernel.transcribe(Program(1, ",", (), END), b"1\n", [(0, 2)]) is None


@pytest.mark.usefixtures("_anew")
def test_a_text_of_the_kernel_that_can_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a zip of the program, say: there is no kernel."""
    monkeypatch.setattr(machine, "__file__", "/nowhere/machine.py")
    assert not kernel.is_there()


@pytest.mark.usefixtures("_anew")
def test_a_system_that_grants_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the address space is limited, say: it is found out once, and there is no kernel."""
    import wasmtime  # noqa: PLC0415 - a machine without it runs the other tests

    def refuses(*_: object) -> object:
        raise wasmtime.WasmtimeError("mmap failed")

    monkeypatch.setattr(wasmtime, "Instance", refuses)
    assert not kernel.is_there()


def test_the_interpreter_ends_without_a_word() -> None:
    """Wasmtime's finalizers need modules that the interpreter takes apart."""
    script = (
        "from ingest.kernel import Member, Program, transcribe\n"
        "program = Program(1, ',', (Member(0, b',\"v\":'),), b'}')\n"
        "assert transcribe(program, b'1\\n', [(0, 2)]).data == b'{\"v\":1}'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_limited_address_space_is_no_trouble() -> None:
    """`ulimit -v` below what a memory reserves: no kernel, and nothing breaks."""
    script = (
        "import resource\n"
        "from ingest import kernel\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))\n"
        "assert not kernel.is_there()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
