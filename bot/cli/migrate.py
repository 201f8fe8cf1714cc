"""`python -m bot migrate`: brings the database schema up to date."""

import argparse
import asyncio

from bot.i18n import _
from bot.log import configure_logging
from bot.settings import load_settings
from bot.storage.database import migrate


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(_arguments: argparse.Namespace) -> int:
    configure_logging("ERROR", "console")
    revision = asyncio.run(migrate(load_settings().database_url.get_secret_value()))
    print(_("The database is up to date (revision {revision}).", revision=revision))
    return 0
