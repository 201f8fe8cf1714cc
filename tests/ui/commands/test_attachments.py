"""What is said when a file cannot be read: by whom it was to be handed out, and what to do."""

import asyncio
from pathlib import Path

import pytest

from bot.app.app import load_catalog
from bot.errors import InputError
from bot.images.input import InputLimits
from bot.images.pool import ImagePool
from bot.images.service import ImageService
from bot.jobs.delivery.result_files import FileResultStore
from bot.ui.commands import attachments
from bot.ui.commands.attachments import Attachments, KeptFile
from bot.workflow.run.events import OutputFile
from tests.paths import WORKFLOWS


class StuckShelf(FileResultStore):
    """A shelf whose disk does not answer."""

    async def get(self, job_id: str) -> list[OutputFile]:
        await asyncio.Event().wait()
        raise AssertionError(job_id)


@pytest.mark.parametrize(
    ("results", "says"),
    [
        (StuckShelf, "**image**: I can't read this result right now"),
        (FileResultStore, "**image**: This result has expired"),
    ],
)
async def test_a_kept_result_that_cannot_be_read_is_not_laid_to_discord(
    results: type[FileResultStore], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "DOWNLOAD_TIMEOUT", 0.5)
    upscale = load_catalog(WORKFLOWS).workflows["upscale"]
    pool = ImagePool(workers=1)
    reader = Attachments(pictures=ImageService(pool=pool, limits=InputLimits()))
    with pytest.raises(InputError) as caught:
        await reader.read(upscale, {"image": KeptFile("a.png", "job1", 0, results(tmp_path, durable=False))})
    await pool.close()
    assert says in str(caught.value)
    assert "attach it" in str(caught.value)
