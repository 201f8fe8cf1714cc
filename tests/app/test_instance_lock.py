"""Who a process is: the same after a restart, and nobody else's meanwhile."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.app.instance_lock import acquire_instance_id
from bot.errors import StartupError

CLAIM = """
import sys, time
from pathlib import Path
from bot.app.instance_lock import acquire_instance_id
with acquire_instance_id(Path(sys.argv[1])) as owner:
    print(owner, flush=True)
    sys.stdin.readline()
"""


def test_a_restart_is_the_same_instance(tmp_path: Path) -> None:
    with acquire_instance_id(tmp_path) as first:
        pass
    with acquire_instance_id(tmp_path) as second:
        assert second == first


def test_two_at_once_are_two_instances(tmp_path: Path) -> None:
    with acquire_instance_id(tmp_path) as first, acquire_instance_id(tmp_path) as second:
        assert first != second
    with acquire_instance_id(tmp_path) as again:
        assert again == first


def test_each_role_has_its_own_back_whichever_starts_first(tmp_path: Path) -> None:
    def ids(*roles: str) -> list[str]:
        with ExitStack() as living:
            return [living.enter_context(acquire_instance_id(tmp_path, role)) for role in roles]

    gateway, first, second, alone = ids("gateway", "worker", "worker", "all")
    assert len({gateway, first, second, alone}) == 4
    assert ids("worker", "all", "worker", "gateway") == [first, alone, second, gateway]


def test_a_killed_process_lets_go_of_its_identity(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = other.stdout.readline().strip()
        with acquire_instance_id(tmp_path) as ours:
            assert ours != theirs
        other.kill()
    with acquire_instance_id(tmp_path) as ours:
        assert ours == theirs


def test_a_damaged_identity_is_made_anew(tmp_path: Path) -> None:
    with acquire_instance_id(tmp_path):
        pass
    (tmp_path / "instance-1.id").write_bytes(b"\xff\x00 not an id")
    with acquire_instance_id(tmp_path) as owner:
        assert len(owner) == 36


@pytest.mark.skipif(os.name == "nt", reason="a file in the way is another error there")
def test_a_folder_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(StartupError, match="DATA_DIR"), acquire_instance_id(tmp_path / "file"):
        pass
