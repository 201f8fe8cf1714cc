"""A hook around every wait of unlimited duration.

A no-op in production. The simulated Discord waits for the bot to become idle and uses the hook to tell an idle wait
from work in progress.
"""

from collections.abc import Awaitable
from typing import Protocol, TypeVar

T = TypeVar("T")


class IdleHook(Protocol):
    """Awaits its argument and returns the result."""

    def __call__(self, wait: Awaitable[T], /) -> Awaitable[T]: ...


def no_idle_hook(wait: Awaitable[T], /) -> Awaitable[T]:
    """The no-op hook."""
    return wait
