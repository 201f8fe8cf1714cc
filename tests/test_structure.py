"""The limits of the tree: few files at the top, small folders, files and functions, and names that a stranger knows."""

import pytest

from tests.structure import Tree

TREE = Tree.of_checkout()

MAX_AT_TOP = 9
MAX_MODULES = 15
MAX_LINES = 400
MAX_FUNCTION_LINES = 60


def test_few_files_stand_at_the_top() -> None:
    assert len(TREE.top()) <= MAX_AT_TOP


def test_no_folder_holds_too_many_modules() -> None:
    assert {folder: number for folder, number in TREE.folders().items() if number > MAX_MODULES} == {}


def test_no_file_is_too_long() -> None:
    assert [str(module.path) for module in TREE.modules if module.lines > MAX_LINES] == []


def test_no_function_is_too_long() -> None:
    functions = [entry for module in TREE.modules for entry in module.functions()]
    assert [name for lines, name in functions if lines > MAX_FUNCTION_LINES] == []


def test_names_are_those_of_the_field() -> None:
    assert TREE.misread() == []


@pytest.mark.parametrize(("package", "room"), [("bot.jobs", "execution"), ("bot", "storage")])
def test_the_figures_see_the_tree(package: str, room: str) -> None:
    assert TREE.rooms(package) > (5, 5)
    assert any(module.name.startswith(f"{package}.{room}.") for module in TREE.modules)
