"""`python -m bot check`: finds mistakes in workflows, offline or against the servers."""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import SystemRandom

from bot.app.workflow_dirs import load_catalog
from bot.clock import SystemClock
from bot.comfy.fleet import Fleet
from bot.comfy.server import ComfyServer
from bot.errors import BotError
from bot.i18n import _
from bot.log import configure_logging
from bot.settings import Settings, load_settings
from bot.workflow.graph.definitions import Definitions
from bot.workflow.importer.add import KnownNodes
from bot.workflow.library.catalog import Catalog, Workflow
from bot.workflow.library.library import graph_file
from bot.workflow.run.check import check as check_against

ONLINE_TIMEOUT = 15.0  # seconds

_NO_NODES = KnownNodes({}, Definitions())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="workflows to check (default: all)")
    parser.add_argument("--online", action="store_true", help="also check against the ComfyUI servers")


def run(arguments: argparse.Namespace) -> int:
    configure_logging("ERROR", "console")
    problems = asyncio.run(check(load_settings(), arguments.files, online=arguments.online))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


async def check(settings: Settings, files: Sequence[Path], *, online: bool) -> list[str]:
    """Return one line per problem in `files`, or in all workflows if none are given."""
    if not online:
        folders = await asyncio.to_thread(_load, settings, files, _NO_NODES)
        return [line for catalog, names in folders for line in _offline(catalog, names)]
    fleet = Fleet.of(settings.comfyui_urls, clock=SystemClock(), random=SystemRandom())
    try:
        answers = await fleet.object_infos()
        folders = await asyncio.to_thread(_load, settings, files, KnownNodes.of(answers) if answers else _NO_NODES)
        lines = [line for catalog, names in folders for line in _offline(catalog, names)]
        chosen = [flow for catalog, names in folders for flow in catalog.workflows.values() if _wanted(flow, names)]
        return [*lines, *await _online(fleet.servers, chosen)]
    finally:
        await fleet.close()


def _load(settings: Settings, files: Sequence[Path], known: KnownNodes) -> list[tuple[Catalog, set[str]]]:
    """Return the catalogues to check, each with the stems of the requested files; an empty set means all."""
    if not files:
        return [(load_catalog(settings.workflows_dir, known), set())]
    names: dict[Path, set[str]] = {}
    for file in files:
        if file.is_dir():
            names.setdefault(file, set())
        else:
            names.setdefault(file.parent, set()).add(file.stem)
    return [(Catalog.load(folder, known), stems) for folder, stems in names.items()]


def _wanted(workflow: Workflow, names: set[str]) -> bool:
    return not names or not names.isdisjoint(_stems(workflow))


def _stems(workflow: Workflow) -> set[str]:
    """Return the names that select a workflow: its command and the stems of its files."""
    return {workflow.name, Path(workflow.source).stem, Path(graph_file(workflow)).stem}


def _offline(catalog: Catalog, names: set[str]) -> Iterator[str]:
    for problem in catalog.problems:
        if not names or Path(problem.file).stem in names:
            yield str(problem)
    known = {stem for workflow in catalog.workflows.values() for stem in _stems(workflow)}
    for name in sorted(names - known - {Path(problem.file).stem for problem in catalog.problems}):
        yield str(_("{name}: no such workflow.", name=name))


async def _online(servers: Sequence[ComfyServer], workflows: Sequence[Workflow]) -> list[str]:
    async with asyncio.TaskGroup() as group:
        asked = {server.name: group.create_task(_definitions_of(server)) for server in servers}
    definitions_of = {name: task.result() for name, task in asked.items()}
    addresses = {server.name: server.key for server in servers}
    lines: list[str] = []
    for name, definitions in definitions_of.items():
        if not definitions.nodes:
            away = _("{server}: no answer from {url}. Is ComfyUI running there, and is COMFYUI_URLS right?",
                     server=name, url=addresses[name])  # fmt: skip
            lines.append(str(away))
            continue
        others = {other: each for other, each in definitions_of.items() if other != name and each.nodes}
        lines += [
            f"{name}: {workflow.source or workflow.name}: {' '.join(str(problem).split())}"
            for workflow in workflows
            for problem in check_against(workflow, definitions, others)
        ]
    return lines


async def _definitions_of(server: ComfyServer) -> Definitions:
    """Return a server's definitions; empty if it doesn't answer."""
    try:
        async with asyncio.timeout(ONLINE_TIMEOUT):
            return await server.refresh_definitions()
    except (TimeoutError, BotError):
        return Definitions()
