"""A bot that is asked to stop while it is still starting."""

import asyncio
from pathlib import Path

import pytest

from bot.app.app import App, load_catalog
from bot.app.resources import open_resources
from bot.sandbox.comfyui import StandIn
from bot.settings import Settings
from tests.transport.conftest import WORKFLOWS, until
from tests.wire import WireDiscord
from tests.wire.bots import pointed_at


async def test_it_starts_no_more_and_leaves_nothing_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with WireDiscord() as wire, StandIn() as comfy, pointed_at(wire):
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
            discord_token="wire-token",
            discord_api_url=wire.api_url,
            comfyui_urls=(comfy.url,),
            database_url=f"sqlite:///{tmp_path / 'comfycord.db'}",
            data_dir=tmp_path,
        )
        for number in range(8):
            async with open_resources(settings) as resources:
                app = App(settings, load_catalog(WORKFLOWS), resources)
                connection = asyncio.create_task(app.bot.start("wire-token"))
                await until(lambda app=app: app.bot.user)
                await asyncio.sleep(number * 0.004)
                await app.bot.close()
                await asyncio.gather(connection, return_exceptions=True)
            await until(lambda: comfy.state.seen.sockets_open == 0)
    assert "crashed" not in caplog.text
