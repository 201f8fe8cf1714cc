"""The demo without its extra packages."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from bot.errors import StartupError
from bot.sandbox.demo import extra


def missing(_name: str) -> str:
    raise PackageNotFoundError


def newer(_name: str) -> str:
    return "4.0.0"


def test_it_is_there() -> None:
    extra.require_extra()


def test_a_missing_part_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "version", missing)
    with pytest.raises(StartupError, match=r"pip install 'comfycord\[demo\]'"):
        extra.require_extra()


def test_another_version_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "version", newer)
    with pytest.raises(StartupError, match=r"3\.2\.1, but 4\.0\.0"):
        extra.require_extra()


def test_the_command_line_loads_without_it() -> None:
    code = "import sys, bot.sandbox.demo.run; sys.exit('simcord' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
