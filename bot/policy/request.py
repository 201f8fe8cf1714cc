"""What a decision is made about: who wants what, where, and how much of it."""

from dataclasses import dataclass

from bot.workflow.measure import RunSize


@dataclass(frozen=True, slots=True)
class Request:
    """One run that somebody asks for, before it is a job."""

    user_id: int
    guild_id: int | None
    workflow: str
    size: RunSize
    waiting: int = 0
    """Jobs of this member that wait already."""
    text_length: int = 0
    """Characters of the longest text that the member wrote."""
