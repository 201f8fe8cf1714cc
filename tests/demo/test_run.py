"""`python -m bot demo` in a terminal."""

import re
from pathlib import Path

import pytest

from tests.demo.process import URL, demo

pytestmark = pytest.mark.timeout(120)


def test_exit_ends_after_the_first_picture(tmp_path: Path) -> None:
    with demo(tmp_path, "--exit", "--no-browser") as process:
        assert process.wait(90) == 0
        output = "\n".join(process.lines)
    assert "100%" in output
    assert URL.search(output)
    printed = re.search(r"Done in \d+ s: (\S+)", output)
    assert printed is not None
    assert (tmp_path / printed[1]).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_ctrl_c_during_the_first_job_closes_everything(tmp_path: Path) -> None:
    with demo(tmp_path, "--no-browser") as process:
        process.find(re.compile("First job"))
        process.interrupt()
        assert process.wait(15) == 0
    assert "Traceback" not in "\n".join(process.lines)


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with demo(tmp_path, "--exit", "--comfyui", "http://127.0.0.1:1") as process:
        assert process.wait(60) == 1
    assert process.lines[-1].startswith("No answer from ComfyUI.")
    assert "Traceback" not in "\n".join(process.lines)
