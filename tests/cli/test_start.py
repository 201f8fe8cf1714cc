"""How the command line starts: quickly, and with what each command says of itself."""

import subprocess
import sys

import pytest

from bot.__main__ import COMMANDS, main


def test_help_names_every_command_and_loads_no_large_library() -> None:
    program = (
        "import sys; from bot.__main__ import main\n"
        "try: main(['--help'])\n"
        "finally: print({'discord', 'aiohttp', 'sqlalchemy', 'pydantic', 'PIL'} & set(sys.modules), file=sys.stderr)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [name for name in COMMANDS if f"\n    {name} " not in said.stdout] == []
    assert said.stderr == "set()\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: comfycord {name}" in capsys.readouterr().out
