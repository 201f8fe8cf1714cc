"""`python -m bot copy`: what stands in its way, and that what is not finished cannot be used by mistake."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.clock import SystemClock
from bot.errors import StartupError
from bot.i18n import Message
from bot.storage import copy as copying
from bot.storage.database import migrate, open_database, open_store
from tests.storage.copy.sample_database import (
    copied,
    dump,
    fill,
    opened,
)
from tests.storage.samples import (
    GPU,
    ME,
    TTL,
    job,
)
from tests.storage.test_database import prepare


async def refused(source: str, target: str, folder: Path, reason: str) -> None:
    with pytest.raises(StartupError, match=reason):
        await copied(source, target, folder)


async def test_a_database_that_is_not_empty_is_left_alone(both: tuple[str, str], tmp_path: Path) -> None:
    source, target = both
    async with AsyncExitStack() as stack:
        for url in both:
            await (await opened(url, stack)).jobs.add(job(1))
    await refused(source, target, tmp_path, r"not empty \(account, guild, job.*Nothing was changed")
    async with AsyncExitStack() as stack:
        assert await (await opened(target, stack)).jobs.get("job1") is not None


async def test_what_a_first_start_left_is_no_hindrance(both: tuple[str, str], tmp_path: Path) -> None:
    source, target = both
    async with AsyncExitStack() as stack:
        old, new = await opened(source, stack), await opened(target, stack)
        await fill(old)
        await new.fleet.register({"http://c:8188": "http://c:8188"})
        await new.fleet.database_id()
        before = await dump(old)
    await copied(source, target, tmp_path)
    async with AsyncExitStack() as stack:
        assert await dump(await opened(target, stack)) == before


async def test_a_server_that_somebody_added_is_not_thrown_away(both: tuple[str, str], tmp_path: Path) -> None:
    source, target = both
    async with AsyncExitStack() as stack:
        await opened(source, stack)
        await (await opened(target, stack)).fleet.add("http://c:8188", "http://c:8188", "", 1)
    await refused(source, target, tmp_path, r"not empty \(server\)")


async def test_a_bot_that_works_with_either_is_in_the_way(both: tuple[str, str], tmp_path: Path) -> None:
    source, target = both
    await migrate(source)
    for url in both:
        async with AsyncExitStack() as stack:
            busy = await opened(url, stack)
            await busy.fleet.heartbeat("w1", "worker", 30.0)
            await refused(source, target, tmp_path, "Another bot process|A bot or another copy is using")
            await busy.fleet.deregister("w1")
    await copied(source, target, tmp_path)


async def test_a_held_lease_shows_a_bot_too(tmp_path: Path, new_postgres: str) -> None:
    async with AsyncExitStack() as stack:
        await (await opened(new_postgres, stack)).jobs.acquire_leases([GPU], ME, TTL)
    await refused(new_postgres, f"sqlite:///{tmp_path / 'new.db'}", tmp_path, "A bot or another copy is using")


async def test_a_newer_database_is_left_alone(both: tuple[str, str], tmp_path: Path) -> None:
    source, target = both
    for url in both:
        await migrate(url)
    await prepare(target, "UPDATE comfycord_version SET version_num = '9999'")
    await refused(source, target, tmp_path, "newer version of Comfycord")


async def test_one_database_under_two_addresses_is_found_out(tmp_path: Path, new_postgres: str) -> None:
    await migrate(f"sqlite:///{tmp_path / 'old.db'}")
    (tmp_path / "link").symlink_to(tmp_path)
    await refused(
        f"sqlite:///{tmp_path / 'old.db'}", f"sqlite:///{tmp_path / 'link' / 'old.db'}", tmp_path, "--to is the current"
    )
    separator = "&" if "?" in new_postgres else "?"
    await refused(
        new_postgres, f"{new_postgres}{separator}application_name=x", tmp_path, "--to is the current database"
    )
    parsed = sa.make_url(new_postgres)
    alias = parsed.update_query_dict({"host": f"{parsed.query['host']}/."})
    await refused(new_postgres, alias.render_as_string(hide_password=False), tmp_path, "Both URLs point to the same")
    await migrate(new_postgres)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nonsense", "--to is not a valid database URL"),
        ("mysql://ann:hunter2@localhost/jobs", "--to is not a valid database URL"),
        ("sqlite:///:memory:", "In-memory"),
        ("sqlite:///new.db", r"Nothing to copy: .*old\.db does not exist"),
    ],
)
async def test_addresses_that_will_not_do_are_told_apart(
    tmp_path: Path, target: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StartupError, match=reason) as caught:
        await copied(f"sqlite:///{tmp_path / 'old.db'}", target, tmp_path)
    assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "new.db").exists()


# ------------------------------------------------------------------ breaking off


async def test_a_copy_that_broke_off_is_no_database_and_is_begun_anew(
    both: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = both
    async with AsyncExitStack() as stack:
        old = await opened(source, stack)
        await fill(old)
        before = await dump(old)

    async def breaks(_copy: copying.DatabaseCopy, _what: Message) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(copying.DatabaseCopy, "beat", breaks)
        with pytest.raises(KeyboardInterrupt):
            await copied(source, target, tmp_path)
    for attempt in (open_store(target), open_store(target, exclusive=False), migrate(target)):
        with pytest.raises(StartupError, match="was interrupted"):
            await attempt
    await copied(source, target, tmp_path)
    async with AsyncExitStack() as stack:
        assert await dump(await opened(target, stack)) == before


async def test_a_bot_that_starts_meanwhile_spoils_the_copy(tmp_path: Path, new_postgres: str) -> None:
    target = f"sqlite:///{tmp_path / 'new.db'}"
    async with AsyncExitStack() as stack:
        old, new = await opened(new_postgres, stack), await open_database(target, unfinished=True)
        stack.push_async_callback(new.close)
        copy = copying.DatabaseCopy(old.engine, new.engine, clock=SystemClock(), say=lambda _word: None)

        async def disturbed() -> None:
            async with copy.started():
                await copy.tables()
                await old.fleet.heartbeat("late", "worker", 30.0)

        with pytest.raises(StartupError, match="is using one of the two"):
            await disturbed()
    with pytest.raises(StartupError, match="was interrupted"):
        await open_store(target)


async def test_a_row_that_the_new_database_refuses_is_named(tmp_path: Path, new_postgres: str) -> None:
    source = f"sqlite:///{tmp_path / 'old.db'}"
    async with AsyncExitStack() as stack:
        await (await opened(source, stack)).jobs.add(job(1))
    await prepare(source, "UPDATE job SET attempts = 5000000000")
    await refused(source, new_postgres, tmp_path, r"refused a row of job \(at or after 1\): .*out of")
