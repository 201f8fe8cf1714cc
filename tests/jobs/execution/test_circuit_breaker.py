"""A server that fails one job after the other is spared jobs for a while; what was asked of it is not its fault."""

from bot.jobs.execution.circuit_breaker import (
    FIRST_REST,
    LONGEST_REST,
    TRIP_AFTER,
    Breaker,
)
from tests.clocks import ManualClock


def tripped(clock: ManualClock) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(TRIP_AFTER):
        breaker.begin()
        breaker.failed()
    return breaker


def test_a_few_faults_are_no_reason_to_rest() -> None:
    breaker = Breaker(ManualClock())
    for _ in range(TRIP_AFTER - 1):
        breaker.failed()
    assert breaker.allows
    breaker.succeeded()
    for _ in range(TRIP_AFTER - 1):
        breaker.failed()
    assert breaker.allows


async def test_after_its_rest_one_job_is_the_probe() -> None:
    clock = ManualClock()
    breaker = tripped(clock)
    assert not breaker.allows
    assert breaker.rests_for == FIRST_REST
    await clock.advance(FIRST_REST)
    assert breaker.allows
    breaker.begin()
    assert not breaker.allows
    breaker.succeeded()
    assert breaker.allows


async def test_each_probe_that_fails_doubles_the_rest_up_to_a_limit() -> None:
    clock = ManualClock()
    breaker = tripped(clock)
    rests: list[float] = []
    for _ in range(7):
        rests.append(breaker.rests_for)
        await clock.advance(breaker.rests_for)
        breaker.begin()
        breaker.failed()
    assert rests[:3] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST]
    assert rests[-1] == LONGEST_REST


async def test_a_probe_that_tells_nothing_makes_room_for_another() -> None:
    clock = ManualClock()
    breaker = tripped(clock)
    await clock.advance(FIRST_REST)
    breaker.begin()
    breaker.left()
    assert breaker.allows
