"""`python -m bot run`: runs the bot until it is stopped."""

import argparse
import asyncio

from bot.app.process_role import ProcessConfig, ProcessRole, process_config
from bot.cli.options import stop_signal
from bot.log import configure_logging
from bot.settings import Settings, load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    roles = [str(role) for role in ProcessRole]
    parser.add_argument(
        "--role", choices=roles, default=str(ProcessRole.ALL), help="what this process does (default: all)"
    )
    parser.add_argument(
        "--shards", metavar="SPEC", help="Discord shards of this process, e.g. 0-3/8 or 0,2/4 (default: all)"
    )
    parser.add_argument("--shard-ids", metavar="IDS", help="shard ids, e.g. 0,2 (needs --shard-count)")
    parser.add_argument("--shard-count", type=int, metavar="N", help="total number of shards")
    parser.add_argument(
        "--servers", metavar="NAMES", help="ComfyUI servers of this process, e.g. gpu1,gpu2 (default: all)"
    )


def run(arguments: argparse.Namespace) -> int:
    config = process_config(
        role=arguments.role,
        shards=arguments.shards,
        shard_ids=arguments.shard_ids,
        shard_count=arguments.shard_count,
        servers=arguments.servers,
    )
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    asyncio.run(_until_stopped(settings, config))
    return 0


async def _until_stopped(settings: Settings, config: ProcessConfig) -> None:
    stop = stop_signal()  # before anything that takes long, such as this import
    from bot.app.serve import serve

    await serve(settings, stop, config)
