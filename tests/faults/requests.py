"""One order of one member, and what a reader of its message can tell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image

from bot.ui.page import Tone
from tests.faults.images import png
from tests.wire import Attachment, WireInteraction, WireMessage
from tests.wire.components import walk

ENDS = {Tone.DONE.value: "shown", Tone.FAILED.value: "told"}
COLUMNS = 24
"""Widths before the next height: sizes stay small, and no two orders have the same."""


@dataclass(eq=False)
class Order:
    """One picture that somebody wants. Its size names it; its words name the attempt, of which only one is answered."""

    number: int
    steps: int = 4
    brings_picture: bool = False
    """Whether it is `/upscale` of a picture of this size, by a factor of one; else `/imagine`."""
    attempts: list[WireInteraction] = field(default_factory=list[WireInteraction])
    refusals: list[str] = field(default_factory=list[str])
    """What was answered instead of accepting it."""
    accepted: WireInteraction | None = None
    member: int = 0
    """Who orders it; 0 for somebody who orders nothing else."""
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further options of the command."""

    @property
    def user_id(self) -> int:
        """Who orders it."""
        return self.member or 1000 + self.number

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that no other order has."""
        return 64 + 8 * (self.number % COLUMNS), 64 + 8 * (self.number // COLUMNS)

    @property
    def words(self) -> str:
        """The prompt of the newest attempt."""
        return f"order {self.number} attempt {len(self.attempts)}."

    @property
    def command(self) -> str:
        """What its member types."""
        return "upscale" if self.brings_picture else "imagine"

    def options(self) -> dict[str, Any]:
        """Return the options of the command."""
        if self.brings_picture:
            return {"image": Attachment("in.png", png(self.size)), "factor": 1.0}
        width, height = self.size
        options = {"prompt": self.words, "width": width, "height": height, "steps": self.steps}
        return {**options, "seed": str(self.number), **self.more}

    @property
    def has_ended(self) -> bool:
        """Whether its message shows an end."""
        return self.accepted is not None and self.accepted.message is not None and bool(end_of(self.accepted.message))


def end_of(message: WireMessage) -> str:
    """Return "shown" or "told" for a message that shows the end of a job, and "" for one that does not, by colour."""
    colours = [entry["accent_color"] for entry in walk(message.components) if entry.get("accent_color") is not None]
    return next((ENDS[colour] for colour in colours if colour in ENDS), "")


def is_over(message: WireMessage) -> bool:
    """Whether a job's message shows its end."""
    return bool(end_of(message))


def shows(message: WireMessage) -> list[str]:
    """Return the buttons that bring a fresh token."""
    return [custom_id for custom_id in message.buttons if custom_id.startswith("cc:show:")]


def sizes(message: WireMessage) -> list[tuple[int, int]]:
    """Return width and height of each picture of a message."""
    return [size_of(file.data) for file in message.attachments]


def size_of(data: bytes) -> tuple[int, int]:
    """Return width and height of a picture that can be read to its end."""
    with Image.open(BytesIO(data)) as picture:
        picture.load()
        return picture.size
