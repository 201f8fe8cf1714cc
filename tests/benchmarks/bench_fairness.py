"""Who waits how long, by who chooses the next job: `uv run python -m tests.benchmarks.bench_fairness`.

Two scenes, simulated, the same for all policies: one member floods two servers, and an hour in which everybody wants
more than there is. Prints waiting times, and for the hour Jain's index of GPU time by weight (1 is perfectly fair).
"""

import statistics
import sys
from random import Random

from bot.jobs.fairshare import jain
from tests.benchmarks.fairness import (
    Community,
    FairShare,
    Fifo,
    Outcome,
    Policy,
    RoundRobin,
    flood,
    mixed_hour,
    simulate,
)

SEED = 7
HOUR = 3600.0


def policies(community: Community) -> dict[str, Policy]:
    """Return what is compared."""
    return {"first come": Fifo(), "round robin": RoundRobin(), "fair share": FairShare(community.weights)}


def of(outcome: Outcome, kind: str) -> list[float]:
    """Return the waits of all members of a kind."""
    return [wait for member, waits in outcome.waits.items() if member.startswith(kind) for wait in waits]


def fairness(community: Community, outcome: Outcome) -> float:
    """Return Jain's index among those who always had work waiting."""
    busy = [member for member in community.weights if member.startswith("busy")]
    return jain(outcome.used[member] / community.weights[member] for member in busy)


def main() -> None:
    """Simulate and print."""
    community = flood(Random(SEED))
    sys.stdout.write(f"{'a flood, 2 servers':<22} {'others wait':>12} {'at worst':>10} {'the flooder':>12}\n")
    for name, policy in policies(community).items():
        outcome = simulate(community, policy, servers=2)
        others, whale = of(outcome, "casual"), of(outcome, "whale")
        sys.stdout.write(
            f"{name:<22} {statistics.mean(others):>10.0f} s {max(others):>8.0f} s {statistics.mean(whale):>10.0f} s\n"
        )
    community = mixed_hour(Random(SEED))
    sys.stdout.write(f"{'a mixed hour':<22} {'Jain index':>12} {'others wait':>12}\n")
    for name, policy in policies(community).items():
        outcome = simulate(community, policy, servers=2, until=HOUR)
        others = of(outcome, "casual")
        waited = f"{statistics.mean(others):>10.0f} s" if others else f"{'never':>12}"
        sys.stdout.write(f"{name:<22} {fairness(community, outcome):>12.3f} {waited}\n")


if __name__ == "__main__":
    main()
