"""How a program lies in memory: what the kernel can't say itself."""

from __future__ import annotations

import pytest

from ingest.kernel import Member, Program
from ingest.kernel.program import CELL_BYTES, HEAD, MEMBER, image_of

END = b"}\n"


def test_the_same_program_has_the_same_image() -> None:
    """The very bytes: by that a machine knows that it has them already."""
    made = [Program(1, ",", (Member(0, b',"v":'),), END) for _ in range(2)]
    assert image_of(made[0]) is image_of(made[1])
    assert image_of(made[0]) is not image_of(Program(1, ";", (Member(0, b',"v":'),), END))


def test_where_the_parts_lie() -> None:
    """Head, cells, members, one behind the other, as the head says."""
    program = Program(3, ";", (Member(2, b',"v":', b'"'), Member(0, b',"w":')), END, texts=1)
    image = image_of(program)
    head = HEAD.unpack_from(image)
    cells, cells_end, members, members_end = head[3:7]
    assert (cells, cells_end - cells) == (HEAD.size, 3 * CELL_BYTES)
    assert (members - cells_end, members_end - members) == (CELL_BYTES, 2 * MEMBER.size)
    before, size, cell = MEMBER.unpack_from(image, members)[:3]
    assert (image[before : before + size], cell) == (b',"v":', cells + 2 * CELL_BYTES)
    end, end_size = head[11:13]
    assert image[end : end + end_size] == END


def test_what_stands_behind_a_value_is_short() -> None:
    """It is written at one go."""
    image_of(Program(1, ",", (Member(0, b',"v":', b"12345678"),), END))
    with pytest.raises(ValueError, match="123456789"):
        image_of(Program(1, ",", (Member(0, b',"v":', b"123456789"),), END))
