"""Which servers a test may run against. Tests of one generation only name it; a live server decides at run time."""

import os

import pytest

from bot.sandbox.comfyui import Generation

LIVE_URL = os.environ.get("COMFYUI_TEST_URL", "").rstrip("/")

_SLOW = pytest.mark.timeout(120)  # it may draw on a CPU
_LIVE = [pytest.param(None, id="live", marks=[pytest.mark.live, _SLOW])] if LIVE_URL else []
NEW = [pytest.param(Generation.NEW, id="standin-new"), *_LIVE]
OLD = [pytest.param(Generation.OLD, id="standin-old"), *_LIVE]
ALL = [*NEW, pytest.param(Generation.OLD, id="standin-old")]

only_new = pytest.mark.parametrize("server_url", NEW, indirect=True)
only_old = pytest.mark.parametrize("server_url", OLD, indirect=True)
