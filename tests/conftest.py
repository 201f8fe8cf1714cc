"""Options of the whole test run."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from bot.log import QUIET
from tests.storage.engines import postgres_server


@pytest.fixture(autouse=True)
def log_levels() -> Iterator[None]:
    """Put back how much is logged: the command line sets it for the whole process."""
    loggers = [logging.getLogger(name) for name in ("", *QUIET)]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server that all tests of this process share."""
    with postgres_server() as url:
        yield url


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let whoever runs the tests ask for more of the faults, or for the very same ones."""
    group = parser.getgroup("comfycord")
    group.addoption("--soak", action="store_true", help="run the fault suite at full length: many jobs, many crashes")
    group.addoption("--fault-seed", type=int, default=None, metavar="N", help="let chance be the same as in that run")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, and let properties be tried more often in a long run."""
    # How fast examples are made says more about the machine's load than about a test
    any_speed = [HealthCheck.too_slow]
    settings.register_profile("short", max_examples=40, suppress_health_check=any_speed)
    settings.register_profile("long", suppress_health_check=any_speed)
    settings.load_profile("long" if config.getoption("--soak") else "short")
    config.addinivalue_line("markers", "soak: takes long, and runs with --soak only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless asked for."""
    if config.getoption("--soak"):
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]
