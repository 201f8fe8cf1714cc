"""Starting and stopping a Discord client in order, even when it is closed while it starts."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import discord

CANCEL_RETRY_INTERVAL = 1.0
"""Seconds until a step that is still running is cancelled again."""

Hook = Callable[[], Awaitable[None]]


class Lifetime(discord.Client):
    """Runs `on_setup` once after login, and `on_close` once before the connection ends, never both at a time.

    `close` cancels a step of starting that is under way, and its callers with it.
    """

    def __init__(self, *, on_setup: Hook, on_close: Hook, **options: Any) -> None:
        """`options` are those of `discord.Client`."""
        super().__init__(**options)
        self._on_setup = on_setup
        self._on_close = on_close
        self._step: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def login(self, token: str) -> None:
        """Log in and run `on_setup`. Raises what `discord.Client.login` raises."""
        await self._run_step(super().login(token))

    async def setup_hook(self) -> None:
        await self._on_setup()

    async def close(self) -> None:
        """Run `on_close` while messages can still be edited, then disconnect. All callers wait for the same closing."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="close")
        await asyncio.shield(self._closing)

    async def _run_step(self, step: Coroutine[Any, Any, None]) -> None:
        """Run one step of starting so that `close` can cancel it."""
        if self._closing is not None:
            step.close()
            raise asyncio.CancelledError
        self._step = asyncio.create_task(step, name="start")
        await self._step

    async def _close(self) -> None:
        while self._step is not None and not self._step.done():
            self._step.cancel()
            # `wait_for` of Python 3.11, on which discord.py relies, loses some cancellations
            await asyncio.wait({self._step}, timeout=CANCEL_RETRY_INTERVAL)
        await self._on_close()
        if self._step is not None:  # discord.py cannot close what has not begun
            await super().close()
