"""The seam through which every wait without a foreseeable end is awaited.

Normally it does nothing. A simulated Discord that waits for the bot to come to rest marks such waits there, so that a
silent socket does not count as work.
"""

from collections.abc import Awaitable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Park(Protocol):
    """Awaits what it is given and returns its result."""

    def __call__(self, wait: Awaitable[T], /) -> Awaitable[T]:
        """See the class."""
        ...


def unparked(wait: Awaitable[T], /) -> Awaitable[T]:
    """Wait plainly."""
    return wait
