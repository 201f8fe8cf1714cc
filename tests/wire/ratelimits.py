"""Rate limits as Discord keeps them: a fixed window per route and major parameter, told in headers, refused by 429."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.wire.api_errors import ApiError
from tests.wire.state import Rate, WireState

PRUNE_ABOVE = 4096
VIA = {"Via": "1.1 google"}
"""discord.py takes a 429 without this header for a ban by Cloudflare and gives up."""


@dataclass(slots=True)
class Window:
    """What is left of one bucket until it resets."""

    remaining: int
    resets_at: float


class RateLimits:
    """Counts requests into buckets. Knows routes by their template, and nothing of what they do."""

    def __init__(self, *, state: WireState) -> None:
        self._state = state
        self._windows: dict[tuple[str, ...], Window] = {}

    def headers_for(self, method: str, template: str, params: Mapping[str, str]) -> dict[str, str]:
        """Count one request and return the headers of its answer. Raises ApiError (429) when the bucket is empty."""
        if not self._state.rate_limits:
            return {}
        self._take_global(template)
        bucket = self._bucket(method, template, params)
        if bucket is None:
            return {}
        key, rate = bucket
        window, allowed = self._take(key, rate)
        headers = _headers(key[0], rate, window)
        if not allowed:
            raise _too_many(window, headers={**headers, "X-RateLimit-Scope": "user"})
        return headers

    def take_old_edit(self, channel_id: int) -> None:
        """Count an edit of a message older than an hour. Raises ApiError 429/30046."""
        if not self._state.rate_limits:
            return
        rate = self._state.old_edit_rate
        window, allowed = self._take(("old-edit", str(channel_id)), rate)
        if not allowed:
            headers = {**_headers("old-edit", rate, window), "X-RateLimit-Scope": "user"}
            raise _too_many(window, code=30046, headers=headers)

    def _take_global(self, template: str) -> None:
        if template.startswith(("/webhooks/", "/interactions/")):
            return
        window, allowed = self._take(("global",), self._state.global_rate)
        if not allowed:
            raise _too_many(
                window, is_global=True, headers={"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
            )

    def _bucket(self, method: str, template: str, params: Mapping[str, str]) -> tuple[tuple[str, ...], Rate] | None:
        if template.startswith("/webhooks/"):
            return ("webhook", params["token"]), self._state.webhook_rate
        if template.startswith("/channels/{channel_id}/messages") and method in ("POST", "PATCH"):
            return (f"message-{method.lower()}", params["channel_id"]), self._state.channel_rate
        return None

    def _take(self, key: tuple[str, ...], rate: Rate) -> tuple[Window, bool]:
        now = time.monotonic()
        window = self._windows.get(key)
        if window is None or now >= window.resets_at:
            self._prune(now)
            window = self._windows[key] = Window(rate.limit, now + rate.seconds)
        if window.remaining <= 0:
            return window, False
        window.remaining -= 1
        return window, True

    def _prune(self, now: float) -> None:
        if len(self._windows) > PRUNE_ABOVE:
            self._windows = {key: window for key, window in self._windows.items() if window.resets_at > now}


def _headers(bucket: str, rate: Rate, window: Window) -> dict[str, str]:
    left = _left(window)
    return {
        "X-RateLimit-Bucket": bucket,
        "X-RateLimit-Limit": str(rate.limit),
        "X-RateLimit-Remaining": str(window.remaining),
        "X-RateLimit-Reset-After": f"{left:.3f}",
        "X-RateLimit-Reset": f"{time.time() + left:.3f}",
    }


def _left(window: Window) -> float:
    """Return the seconds until the window resets, rounded up: who waits that long must find it open."""
    return max(0.001, math.ceil((window.resets_at - time.monotonic()) * 1000) / 1000)


def _too_many(window: Window, *, headers: dict[str, str], code: int = 0, is_global: bool = False) -> ApiError:
    left = _left(window)
    message = None if code else "You are being rate limited."
    return ApiError(
        code,
        status=429,
        message=message,
        extra={"retry_after": left, "global": is_global},
        headers={**VIA, "Retry-After": str(int(left) + 1), **headers},
    )
