"""`python -m bot check`: finds mistakes in workflows before members do, offline or against the servers."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import SystemRandom

from bot.app import load_catalog
from bot.clock import SystemClock
from bot.comfy.fleet import Fleet
from bot.comfy.server import ComfyServer
from bot.errors import BotError
from bot.i18n import _
from bot.settings import Settings
from bot.workflow.catalog import Catalog, Workflow
from bot.workflow.check import check as check_against
from bot.workflow.definitions import Definitions

ONLINE_TIMEOUT = 15.0
"""Seconds for a server to answer."""


async def check(settings: Settings, files: Sequence[Path], *, online: bool) -> list[str]:
    """Return one line for each problem in `files`, or in all workflows when none is named."""
    folders = await asyncio.to_thread(_load, settings, files)
    lines = [line for catalog, names in folders for line in _offline(catalog, names)]
    if online:
        chosen = [
            flow for catalog, names in folders for name, flow in catalog.workflows.items() if _wanted(name, names)
        ]
        fleet = Fleet.of(settings.comfyui_urls, clock=SystemClock(), random=SystemRandom())
        try:
            lines.extend(await _online(fleet.servers, chosen))
        finally:
            await fleet.close()
    return lines


def _load(settings: Settings, files: Sequence[Path]) -> list[tuple[Catalog, set[str]]]:
    """Return the catalogues to look at, each with the names that were asked for; none means all."""
    if not files:
        return [(load_catalog(settings.workflows_dir), set())]
    names: dict[Path, set[str]] = {}
    for file in files:
        if file.is_dir():
            names.setdefault(file, set())
        else:
            names.setdefault(file.parent, set()).add(file.stem)
    return [(Catalog.load(folder), stems) for folder, stems in names.items()]


def _wanted(name: str, names: set[str]) -> bool:
    return not names or name in names


def _offline(catalog: Catalog, names: set[str]) -> Iterator[str]:
    for problem in catalog.problems:
        if _wanted(Path(problem.file).stem, names):
            yield str(problem)
    known = set(catalog.workflows) | {Path(problem.file).stem for problem in catalog.problems}
    for name in sorted(names - known):
        yield str(_("{name}: there is no such workflow.", name=name))


async def _online(servers: Sequence[ComfyServer], workflows: Sequence[Workflow]) -> list[str]:
    async with asyncio.TaskGroup() as group:
        asked = {server.name: group.create_task(_told(server)) for server in servers}
    told = {name: task.result() for name, task in asked.items()}
    lines: list[str] = []
    for name, definitions in told.items():
        if not definitions.nodes:
            away = _("{server}: ComfyUI cannot be reached. Is it running, and is COMFYUI_URLS right?", server=name)
            lines.append(str(away))
            continue
        others = {other: each for other, each in told.items() if other != name and each.nodes}
        lines += [
            f"{name}: {workflow.source or workflow.name}: {' '.join(str(problem).split())}"
            for workflow in workflows
            for problem in check_against(workflow, definitions, others)
        ]
    return lines


async def _told(server: ComfyServer) -> Definitions:
    """Return what a server can do; nothing when it does not answer."""
    try:
        async with asyncio.timeout(ONLINE_TIMEOUT):
            return await server.refresh_definitions()
    except (TimeoutError, BotError):
        return Definitions()
