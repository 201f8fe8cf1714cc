"""How a result is divided into messages: by number, by size, and the same again after a restart."""

from dataclasses import dataclass, field, replace

import pytest

from bot.errors import InputError
from bot.i18n import _
from bot.images.fit import FittedFile
from bot.images.service import ImageService
from bot.jobs.job import Job
from bot.ui.messages.packing import MAX_REQUEST, Packer, Result
from bot.workflow.run.events import OutputFile, OutputRef
from tests.jobs.doubles import place, requester, spec

MIB = 1024 * 1024


@dataclass
class Scissors(ImageService):
    """Cuts every file to the limit; those that begin with an exclamation mark cannot be cut."""

    limits: list[int] = field(default_factory=list[int])

    async def fit(self, data: bytes, limit: int) -> FittedFile:
        self.limits.append(limit)
        if data.startswith(b"!") and len(data) > limit:
            raise InputError(_("too large"))
        return FittedFile(data[:limit], "png", "image/png")


def files(*sizes: int, start: bytes = b"") -> list[OutputFile]:
    return [
        OutputFile(OutputRef(node_id="9", filename="x.png", subfolder="", folder="output"), start + bytes(size))
        for size in sizes
    ]


def job(*, bot_can_edit: bool = True, upload_limit: int = 10 * MIB) -> Job:
    where = replace(place(), bot_can_edit=bot_can_edit, upload_limit=upload_limit)
    return Job("0123456789", spec(), requester(), where, created=0.0)


def numbers(result: Result) -> list[list[int]]:
    return [[piece.number for piece in batch] for batch in result.batches]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1], [[1]]),
        ([1] * 11, [list(range(1, 11)), [11]]),
        ([9 * MIB] * 3, [[1, 2], [3]]),
        ([8 * MIB, 8 * MIB, 8 * MIB], [[1, 2, 3]]),
        ([10 * MIB, 1, 10 * MIB, 10 * MIB], [[1, 2, 3], [4]]),
    ],
)
async def test_a_message_holds_ten_files_and_24_mib(sizes: list[int], expected: list[list[int]]) -> None:
    assert numbers(await Packer(images=Scissors()).pack(job(), files(*sizes))) == expected


async def test_a_file_beyond_the_request_of_an_unboosted_server_goes_alone() -> None:
    result = await Packer(images=Scissors()).pack(job(upload_limit=100 * MIB), files(1, 60 * MIB, 1))
    assert numbers(result) == [[1], [2], [3]]


async def test_one_message_is_filled_with_smaller_files_where_there_can_be_no_second() -> None:
    result = await Packer(images=Scissors()).pack(job(bot_can_edit=False), files(*[9 * MIB] * 12))
    assert numbers(result) == [list(range(1, 11))]
    assert sum(len(piece.attached.data) for piece in result.batches[0]) <= MAX_REQUEST
    assert (result.unfit, result.surplus) == (0, 2)


async def test_what_cannot_be_made_to_fit_is_counted_and_the_others_keep_their_names() -> None:
    outputs = [*files(1), *files(11 * MIB, start=b"!"), *files(1)]
    result = await Packer(images=Scissors()).pack(job(), outputs)
    assert [piece.attached.filename for piece in result.batches[0]] == [
        "imagine_01234567_1.png",
        "imagine_01234567_3.png",
    ]
    assert result.unfit == 1


async def test_shrinking_starts_from_the_largest_file() -> None:
    scissors = Scissors()
    packer = Packer(images=scissors)
    [batch] = (await packer.pack(job(), files(1000, 10))).batches
    smaller = await packer.shrink(job(), batch, 0.5)
    assert [len(piece.attached.data) for piece in smaller] == [500, 10]


async def test_nothing_that_fits_is_no_message() -> None:
    result = await Packer(images=Scissors()).pack(job(), files(11 * MIB, start=b"!"))
    assert result == Result([], unfit=1)
