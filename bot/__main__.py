"""The command line: `python -m bot <command>`, or `comfycord <command>`.

Failures that the owner can fix print one sentence and exit with code 1. Modules are imported only when needed.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bot.app.process_role import ProcessConfig, ProcessRole, process_config
from bot.clock import SystemClock
from bot.errors import BotError, StartupError
from bot.i18n import _
from bot.jobs.job import JobState
from bot.log import configure_logging
from bot.settings import Settings, load_settings

MOST_LISTED = 10_000
"""Upper limit of `jobs list --limit`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except BotError as error:
        print(error.user_message, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="comfycord", description="ComfyUI workflows as Discord slash commands.")
    commands = parser.add_subparsers(required=True, metavar="command")

    _add_run(commands.add_parser("run", help="start the bot"))

    demo = commands.add_parser("demo", help="try it in a browser: no Discord, no GPU")
    demo.add_argument("--exit", action="store_true", help="exit after the first image")
    demo.add_argument("--comfyui", metavar="URL", help="use this ComfyUI server instead of a simulated one")
    demo.add_argument("--port", type=_port, default=0, help="the page's port (default: a free one)")
    demo.add_argument("--no-browser", action="store_true", help="only print the page's address")
    demo.set_defaults(run=_demo)

    checks = commands.add_parser("check", help="check settings and workflows for mistakes")
    checks.add_argument("files", nargs="*", type=Path, metavar="FILE", help="workflows to check (default: all)")
    checks.add_argument("--online", action="store_true", help="also check against the ComfyUI servers")
    checks.set_defaults(run=_check)

    schema = commands.add_parser("schema", help="print the JSON Schema of manifests, for editors")
    schema.set_defaults(run=_schema)

    _add_import(commands.add_parser("import", help="create a command from a workflow file or ComfyUI image"))

    migrate = commands.add_parser("migrate", help="update the database (also done at every start)")
    migrate.set_defaults(run=_migrate)
    _add_copy(commands.add_parser("copy", help="copy everything into an empty database"))
    _add_jobs(commands.add_parser("jobs", help="list, show, requeue or fail jobs"))

    sandbox = commands.add_parser("sandbox", help="start only the simulated ComfyUI")
    sandbox.add_argument("--port", type=_port, default=8188, help="its port on this machine (default: 8188)")
    sandbox.set_defaults(run=_sandbox)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    roles = [str(role) for role in ProcessRole]
    run.add_argument(
        "--role", choices=roles, default=str(ProcessRole.ALL), help="what this process does (default: all)"
    )
    run.add_argument(
        "--shards", metavar="SPEC", help="Discord shards of this process, e.g. 0-3/8 or 0,2/4 (default: all)"
    )
    run.add_argument("--shard-ids", metavar="IDS", help="shard ids, e.g. 0,2 (needs --shard-count)")
    run.add_argument("--shard-count", type=int, metavar="N", help="total number of shards")
    run.add_argument(
        "--servers", metavar="NAMES", help="ComfyUI servers of this process, e.g. gpu1,gpu2 (default: all)"
    )
    run.set_defaults(run=_run)


def _add_import(imports: argparse.ArgumentParser) -> None:
    imports.add_argument("files", nargs="+", type=Path, metavar="FILE", help="API exports, saved workflows, or images")
    imports.add_argument("--into", type=Path, metavar="DIR", help="folder for the new command (default: WORKFLOWS_DIR)")
    imports.add_argument(
        "--object-info",
        type=Path,
        metavar="FILE",
        help="a saved /object_info response, .json or .json.gz (default: ask the servers)",
    )
    imports.set_defaults(run=_import)


def _add_copy(copy: argparse.ArgumentParser) -> None:
    copy.add_argument("--to", required=True, metavar="URL", help="URL of the new database, as in DATABASE_URL")
    copy.add_argument("--without-results", action="store_true", help="don't copy the results in DATA_DIR")
    copy.set_defaults(run=_copy)


def _add_jobs(jobs: argparse.ArgumentParser) -> None:
    actions = jobs.add_subparsers(required=True, metavar="action")

    listing = actions.add_parser("list", help="list recent jobs")
    listing.add_argument(
        "--state",
        action="append",
        default=[],
        choices=[str(state) for state in JobState],
        help="only jobs in this state; repeatable",
    )
    listing.add_argument("--limit", type=_count, default=50, help="maximum number of jobs (default: 50)")
    listing.set_defaults(run=_jobs, action="list")

    show = actions.add_parser("show", help="show one job")
    requeue = actions.add_parser("requeue", help="queue a failed, cancelled or running job again")
    fail = actions.add_parser("fail", help="fail a job and notify its member")
    for action, parser in (("show", show), ("requeue", requeue), ("fail", fail)):
        parser.add_argument("id", help="the job's id, or its first characters")
        parser.set_defaults(run=_jobs, action=action)
    fail.add_argument("--reason", default="", help="reason shown to the member")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_LISTED:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST_LISTED}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("must be a port number from 0 to 65535")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    part = process_config(
        role=arguments.role,
        shards=arguments.shards,
        shard_ids=arguments.shard_ids,
        shard_count=arguments.shard_count,
        servers=arguments.servers,
    )
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    asyncio.run(_until_stopped(settings, part))
    return 0


async def _until_stopped(settings: Settings, part: ProcessConfig) -> None:
    stop = _stop_signal()  # before anything that takes long
    from bot.cli.run import serve

    await serve(settings, stop, part)


def _stop_signal() -> asyncio.Event:
    """Return an event that Ctrl-C and SIGTERM set."""
    stop = asyncio.Event()
    with suppress(NotImplementedError):  # Windows: Ctrl-C still arrives as KeyboardInterrupt
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _migrate(_arguments: argparse.Namespace) -> int:
    from bot.storage.database import migrate

    configure_logging("ERROR", "console")
    revision = asyncio.run(migrate(load_settings().database_url.get_secret_value()))
    print(_("The database is up to date (revision {revision}).", revision=revision))
    return 0


def _copy(arguments: argparse.Namespace) -> int:
    from bot.cli.copy_database import DatabaseCopier

    configure_logging("ERROR", "console")
    command = DatabaseCopier(load_settings(), clock=SystemClock(), say=lambda word: print(word, file=sys.stderr))
    for line in asyncio.run(command.copy(arguments.to, with_results=not arguments.without_results)):
        print(line)
    return 0


def _jobs(arguments: argparse.Namespace) -> int:
    configure_logging("ERROR", "console")
    for line in asyncio.run(_on_jobs(arguments)):
        print(line)
    return 0


async def _on_jobs(arguments: argparse.Namespace) -> Sequence[str]:
    from bot.cli.jobs import JobCommands, opened_beside

    async with opened_beside(load_settings()) as store:
        commands = JobCommands(store=store, clock=SystemClock())
        match arguments.action:
            case "list":
                return await commands.list([JobState(state) for state in arguments.state], arguments.limit)
            case "show":
                return await commands.show(arguments.id)
            case "requeue":
                return await commands.requeue(arguments.id)
            case _:
                return await commands.fail(arguments.id, arguments.reason)


def _demo(arguments: argparse.Namespace) -> int:
    try:
        from bot.sandbox.demo.run import run_demo
    except ModuleNotFoundError as error:
        raise StartupError(
            _("The demo needs extra packages: pip install 'comfycord[demo]' ({name} is missing).", name=error.name)
        ) from error
    configure_logging("ERROR", "console")
    return asyncio.run(
        run_demo(
            comfyui=arguments.comfyui,
            port=arguments.port,
            browser=not (arguments.no_browser or arguments.exit),
            exit_after_first=arguments.exit,
            out=sys.stdout,
        )
    )


def _check(arguments: argparse.Namespace) -> int:
    from bot.cli.check import check

    configure_logging("ERROR", "console")
    problems = asyncio.run(check(load_settings(), arguments.files, online=arguments.online))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def _schema(_arguments: argparse.Namespace) -> int:
    from bot.workflow.manifest.schema import schema_text

    print(schema_text(), end="")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from bot.cli.import_workflow import WorkflowImporter, known_from_file, known_from_servers

    configure_logging("ERROR", "console")
    settings = load_settings()
    saved: Path | None = arguments.object_info
    known = known_from_file(saved) if saved else None
    command = WorkflowImporter(
        arguments.into or settings.workflows_dir,
        lambda: known or known_from_servers(settings),
        say=lambda line: print(line),
        complain=lambda line: print(line, file=sys.stderr),
    )
    return 1 if command.run(arguments.files) else 0


def _sandbox(arguments: argparse.Namespace) -> int:
    asyncio.run(_serve_stand_in(arguments.port))
    return 0


async def _serve_stand_in(port: int) -> None:
    from bot.sandbox.comfyui import StandIn

    stop, server = _stop_signal(), StandIn()
    try:
        await server.start(port)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StartupError(
            _("Can't listen on port {port}: {reason}. Choose another one with --port.", port=port, reason=reason)
        ) from error
    try:
        print(_("A simulated ComfyUI is listening at {url}. Press Ctrl-C to stop.", url=server.url), flush=True)
        await stop.wait()
    finally:
        await server.close()


if __name__ == "__main__":
    sys.exit(main())
