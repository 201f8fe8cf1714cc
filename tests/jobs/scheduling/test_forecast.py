"""What members are told of their turn: in the order of the fair share, at the times that are to be expected."""

import pytest

from bot.jobs.scheduling.forecast import QueuedJob, forecast
from bot.jobs.scheduling.run_times import DEFAULT_SECONDS, SMOOTHING, RunTimeEstimates
from bot.policy.fair_share import Share

NOW = 2e9


def waits(name: str, account: str, guild: str = "g", seconds: float = 10.0) -> QueuedJob:
    return QueuedJob(name, account, guild, seconds)


def ids(line: list[QueuedJob], shares: dict[str, Share] | None = None, places: tuple[float, ...] = (0.0,)) -> list[str]:
    return [turn.job_id for turn in forecast(line, shares or {}, places, now=NOW, limit=100)]


def test_alone_one_is_served_in_order() -> None:
    line = [waits("1", "a"), waits("2", "a"), waits("3", "a")]
    turns = forecast(line, {}, (4.0,), now=NOW, limit=2)
    assert [(turn.job_id, turn.position, turn.starts_in) for turn in turns] == [("1", 1, 4.0), ("2", 2, 14.0)]


def test_who_comes_after_a_flood_is_not_last() -> None:
    line = [waits(f"w{n}", "whale") for n in range(5)] + [waits("c", "casual")]
    assert ids(line)[:3] in (["w0", "c", "w1"], ["c", "w0", "w1"])


def test_what_was_used_before_counts() -> None:
    used = Share().charged(35.0, weight=1.0, now=NOW)
    assert ids([waits("h1", "heavy"), waits("n1", "new"), waits("n2", "new")], {"heavy": used}) == ["n1", "n2", "h1"]


def test_weights_count() -> None:
    line = [QueuedJob(f"a{n}", "a", "g", 10.0, 2.0) for n in range(4)] + [
        QueuedJob(f"b{n}", "b", "g", 10.0) for n in range(4)
    ]
    assert sum(name.startswith("a") for name in ids(line)[:6]) == 4


def test_guilds_share_before_their_members_do() -> None:
    line = [waits(f"x{n}", f"x{n}", "large") for n in range(4)] + [waits(f"y{n}", "y", "small") for n in range(2)]
    first = ids(line)[:4]
    assert sum(name.startswith("y") for name in first) == 2


def test_several_places_share_the_work() -> None:
    line = [waits(str(n), "a") for n in range(4)]
    turns = forecast(line, {}, (0.0, 5.0), now=NOW, limit=10)
    assert [turn.starts_in for turn in turns] == [0.0, 5.0, 10.0, 15.0]


def test_without_a_server_there_is_an_order_but_no_time() -> None:
    turns = forecast([waits("1", "a"), waits("2", "a")], {}, (), now=NOW, limit=10)
    assert [(turn.position, turn.starts_in) for turn in turns] == [(1, 0.0), (2, 0.0)]


def test_durations_are_learnt_by_workflow_and_server() -> None:
    run_times = RunTimeEstimates()
    assert run_times.expect("imagine", "gpu1") == DEFAULT_SECONDS
    run_times.record("imagine", "gpu1", 10.0)
    run_times.record("imagine", "gpu2", 20.0)
    assert run_times.expect("imagine", "gpu1") == 10.0
    assert run_times.expect("imagine", "gpu3") == pytest.approx(10.0 + SMOOTHING * 10.0)
    assert run_times.expect("upscale") == run_times.expect("imagine")
    for _ in range(50):
        run_times.record("imagine", "gpu1", 40.0)
    assert run_times.expect("imagine", "gpu1") == pytest.approx(40.0, rel=0.01)


def test_whatever_runs_on_a_server_takes_as_long_as_runs_took_there() -> None:
    run_times = RunTimeEstimates()
    for _ in range(20):
        run_times.record("imagine", "gpu1", 30.0)
        run_times.record("upscale", "gpu2", 2.0)
    assert run_times.expect("", "gpu1") == 30.0
    assert run_times.expect("", "gpu2") == 2.0
