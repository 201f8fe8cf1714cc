"""A server that fails one job after the other is spared jobs for a while; what was asked of it is not its fault."""

from bot.jobs.execution.circuit_breaker import (
    FIRST_COOLDOWN,
    MAX_COOLDOWN,
    TRIP_AFTER,
    CircuitBreaker,
)
from tests.clocks import ManualClock


def tripped(clock: ManualClock) -> CircuitBreaker:
    breaker = CircuitBreaker(clock)
    for _ in range(TRIP_AFTER):
        breaker.begin()
        breaker.failed()
    return breaker


def test_a_few_faults_are_no_reason_to_rest() -> None:
    breaker = CircuitBreaker(ManualClock())
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
    assert breaker.open_for == FIRST_COOLDOWN
    await clock.advance(FIRST_COOLDOWN)
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
        rests.append(breaker.open_for)
        await clock.advance(breaker.open_for)
        breaker.begin()
        breaker.failed()
    assert rests[:3] == [FIRST_COOLDOWN, 2 * FIRST_COOLDOWN, 4 * FIRST_COOLDOWN]
    assert rests[-1] == MAX_COOLDOWN


async def test_a_probe_that_tells_nothing_makes_room_for_another() -> None:
    clock = ManualClock()
    breaker = tripped(clock)
    await clock.advance(FIRST_COOLDOWN)
    breaker.begin()
    breaker.left()
    assert breaker.allows
