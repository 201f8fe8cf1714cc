"""`python -m bot check`: finds mistakes in workflows before members do, offline or against the servers."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import SystemRandom

from bot.app import load_catalog
from bot.clock import SystemClock
from bot.comfy.fleet import new_session
from bot.comfy.server import ComfyServer
from bot.errors import BotError
from bot.i18n import _
from bot.settings import Settings
from bot.workflow.catalog import Catalog, Workflow
from bot.workflow.check import check as check_against

ONLINE_TIMEOUT = 15.0
"""Seconds for a server to answer."""


async def check(settings: Settings, files: Sequence[Path], *, online: bool) -> list[str]:
    """Return one line for each problem in `files`, or in all workflows when none is named."""
    catalogs = await asyncio.to_thread(_load, settings, files)
    stems = {file.stem for file in files}
    lines = [line for catalog in catalogs for line in _offline(catalog, stems)]
    if online:
        chosen = [flow for catalog in catalogs for name, flow in catalog.workflows.items() if _wanted(name, stems)]
        async with new_session() as session:
            for number, url in enumerate(settings.comfyui_urls, start=1):
                server = ComfyServer(
                    name=f"gpu{number}", url=url, session=session, clock=SystemClock(), random=SystemRandom()
                )
                lines.extend(await _online(server, chosen))
    return lines


def _load(settings: Settings, files: Sequence[Path]) -> list[Catalog]:
    if not files:
        return [load_catalog(settings.workflows_dir)]
    return [Catalog.load(folder) for folder in dict.fromkeys(file.parent for file in files)]


def _wanted(name: str, stems: set[str]) -> bool:
    return not stems or name in stems


def _offline(catalog: Catalog, stems: set[str]) -> Iterator[str]:
    for problem in catalog.problems:
        if _wanted(Path(problem.file).stem, stems):
            yield str(problem)
    known = set(catalog.workflows) | {Path(problem.file).stem for problem in catalog.problems}
    for stem in sorted(stems - known):
        yield str(_("{name}: there is no such workflow.", name=stem))


async def _online(server: ComfyServer, workflows: Sequence[Workflow]) -> list[str]:
    await server.start()
    try:
        async with asyncio.timeout(ONLINE_TIMEOUT):
            await server.wait_online()
            definitions = await server.refresh_definitions()
    except (TimeoutError, BotError):
        return [
            str(_("{server}: ComfyUI cannot be reached. Is it running, and is COMFYUI_URLS right?", server=server.name))
        ]
    finally:
        await server.close()
    return [
        f"{server.name}: {workflow.name}: {problem}"
        for workflow in workflows
        for problem in check_against(workflow, definitions)
    ]
