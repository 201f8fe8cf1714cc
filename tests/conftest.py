"""Options of the whole test run."""

import pytest
from hypothesis import settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let whoever runs the tests ask for more of the faults, or for the very same ones."""
    group = parser.getgroup("comfycord")
    group.addoption("--soak", action="store_true", help="run the fault suite at full length: many jobs, many crashes")
    group.addoption("--fault-seed", type=int, default=None, metavar="N", help="let chance be the same as in that run")


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, and let properties be tried more often in a long run."""
    settings.register_profile("short", max_examples=40)
    settings.load_profile("default" if config.getoption("--soak") else "short")
    config.addinivalue_line("markers", "soak: takes long, and runs with --soak only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless asked for; let tests that mostly wait run beside those that mostly reckon."""
    _spread(items)
    if config.getoption("--soak"):
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


def _spread(items: list[pytest.Item]) -> None:
    """Spread the tests with real processes evenly over the run, the first ones at its beginning."""
    slow = [item for item in items if "faults" in item.path.parts]
    quick = [item for item in items if "faults" not in item.path.parts]
    if not slow or not quick:
        return
    place = {id(item): number / len(slow) for number, item in enumerate(slow)}
    place |= {id(item): number / len(quick) for number, item in enumerate(quick)}
    items.sort(key=lambda item: place[id(item)])
