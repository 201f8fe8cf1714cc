"""What the terminal tells about the first job."""

import io
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app.app import App, load_catalog
from bot.app.resources import open_resources
from bot.errors import FailedError
from bot.sandbox.comfyui import OUT_OF_MEMORY, ServerState, StandIn
from bot.sandbox.demo.first_job import FirstJob, ProgressLine
from bot.sandbox.demo.simulation import SimulatedDiscord
from bot.settings import Settings
from bot.workflow.library.catalog import Catalog
from tests.paths import WORKFLOWS


class Terminal(io.StringIO):
    """Can move its cursor."""

    def isatty(self) -> bool:
        return True


@asynccontextmanager
async def first_job(tmp_path: Path, state: ServerState, catalog: Catalog) -> AsyncGenerator[FirstJob]:
    """Put the real bot on the simulated Discord, in front of a stand-in that plays `state`."""
    sim = SimulatedDiscord()
    async with StandIn(state) as comfyui:
        settings = Settings.model_construct(
            comfyui_urls=(comfyui.url,), data_dir=tmp_path, database_url=SecretStr("sqlite://")
        )
        async with open_resources(settings) as resources:
            app = App(settings, catalog, resources, keep_alive=False)
            async with sim.running(app.bot):
                await app.fleet.servers[0].wait_online()
                yield FirstJob(sim, sim.channel("studio"), sim.member("you"))


async def test_the_picture_is_saved(tmp_path: Path) -> None:
    state, out = ServerState(seconds_per_step=0.0), io.StringIO()
    async with first_job(tmp_path, state, load_catalog(WORKFLOWS)) as job:
        picture = await job.run(tmp_path / "pictures", ProgressLine(out))
    assert picture.path.parent == tmp_path / "pictures"
    assert picture.path.read_bytes().startswith(b"\x89PNG")
    assert out.getvalue().endswith("100%\n")


async def test_a_failed_job_says_what_the_channel_says(tmp_path: Path) -> None:
    state = ServerState(seconds_per_step=0.0, node_faults={"KSampler": OUT_OF_MEMORY})
    async with first_job(tmp_path, state, load_catalog(WORKFLOWS)) as job:
        with pytest.raises(FailedError, match="memory"):
            await job.run(tmp_path / "pictures", ProgressLine(io.StringIO()))
    assert not (tmp_path / "pictures").exists()


async def test_an_owner_without_imagine_is_told_so(tmp_path: Path) -> None:
    async with first_job(tmp_path, ServerState(), Catalog({})) as job:
        with pytest.raises(FailedError, match="/imagine"):
            await job.run(tmp_path / "pictures", ProgressLine(io.StringIO()))


def test_a_terminal_has_one_line_that_moves() -> None:
    out = Terminal()
    progress = ProgressLine(out)
    for percent in (3, 3, 58, 40, 100):
        progress.show(percent)
    progress.end()
    assert [line[-4:] for line in out.getvalue().split("\r")] == ["", "  3%", " 58%", "00%\n"]


def test_a_file_has_a_line_for_each_quarter() -> None:
    out = io.StringIO()
    progress = ProgressLine(out)
    for percent in (0, 12, 26, 49, 77, 100):
        progress.show(percent)
    progress.end()
    assert [line[-4:] for line in out.getvalue().splitlines()] == ["  0%", " 25%", " 75%", "100%"]
