"""Hours that pass in a moment, while the bot is away."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from tests.wire import WireInteraction

THREE_HOURS = 10_800


def hours_pass(database: Path, interactions: Iterable[WireInteraction]) -> None:
    """Let everything in a database of SQLite have happened three hours ago, and the tokens be over."""
    with sqlite3.connect(database) as file:
        for column in ("created", "started", "token_expires"):
            file.execute(f"UPDATE job SET {column} = {column} - {THREE_HOURS} WHERE {column} > 0")  # noqa: S608
    file.close()
    for interaction in interactions:
        interaction.expire()
