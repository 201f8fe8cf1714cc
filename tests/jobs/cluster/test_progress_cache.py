"""How far jobs are, here and elsewhere, for whoever shows many of them."""

import json

from bot.jobs.cluster.bus import LocalBus, Topic
from bot.jobs.cluster.progress_cache import MAX_AGE, MAX_JOBS, ProgressCache
from tests.clocks import ManualClock


class Stage:
    """A board, and what the other processes hear of it."""

    def __init__(self) -> None:
        self.clock, self.bus = ManualClock(), LocalBus()
        self.said: list[dict[str, float]] = []
        self.bus.subscribe(Topic.PROGRESS, lambda payload: self.said.append(json.loads(payload)))
        self.board = ProgressCache(bus=self.bus, clock=self.clock)


def test_what_is_told_here_is_known_here_and_said_to_the_others() -> None:
    stage = Stage()
    assert stage.board.fraction("a") is None
    stage.board.report("a", 0.25)
    stage.board.report("a", 0.251)
    stage.board.report("a", 0.5)
    assert stage.board.fraction("a") == 0.5
    assert stage.said == [{"a": 0.25}, {"a": 0.5}], "not for less than a percent"


def test_what_others_say_is_known_here() -> None:
    stage = Stage()
    stage.bus.send(Topic.PROGRESS, '{"a": 0.25, "b": 1}')
    stage.bus.send(Topic.PROGRESS, '{"a": 0.5}')
    assert (stage.board.fraction("a"), stage.board.fraction("b")) == (0.5, 1.0)


def test_what_makes_no_sense_is_not_believed() -> None:
    stage = Stage()
    stage.said = []
    board = ProgressCache(bus=(bus := LocalBus()), clock=stage.clock)
    for payload in ("", "{", "[1]", "null", '{"a": 2}', '{"a": -0.1}', '{"a": NaN}', '{"a": "x"}', '{"a": null}'):
        bus.send(Topic.PROGRESS, payload)
    bus.send(Topic.PROGRESS, '{"a": ' + "9" * 400 + "}")
    bus.send(Topic.PROGRESS, "[" * 100_000)
    assert board.fraction("a") is None


async def test_without_news_it_is_forgotten_after_a_minute() -> None:
    stage = Stage()
    stage.board.report("a", 0.25)
    await stage.clock.advance(MAX_AGE)
    assert stage.board.fraction("a") == 0.25
    await stage.clock.advance(1)
    assert stage.board.fraction("a") is None


async def test_a_job_that_stands_still_is_not_forgotten_while_its_server_tells_of_it() -> None:
    stage = Stage()
    for _ in range(20):
        stage.board.report("a", 0.25)
        await stage.clock.advance(10)
    assert stage.board.fraction("a") == 0.25
    assert 2 <= len(stage.said) <= 8


def test_a_job_that_has_ended_is_forgotten() -> None:
    stage = Stage()
    stage.board.report("a", 0.25)
    stage.board.forget("a")
    stage.board.forget("a")
    assert stage.board.fraction("a") is None


def test_it_remembers_the_newest_of_many() -> None:
    stage = Stage()
    for number in range(MAX_JOBS + 10):
        stage.board.report(str(number), 0.5)
    assert stage.board.fraction("9") is None
    assert stage.board.fraction(str(MAX_JOBS + 9)) == 0.5
