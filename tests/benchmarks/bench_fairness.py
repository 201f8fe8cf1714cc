"""Who waits how long, by who chooses the next job: `uv run python -m tests.benchmarks.bench_fairness`.

Scenes, simulated, the same for all policies: one member floods two servers; an hour in which everybody wants more than
there is; a large guild and a small one; three models on two servers. Prints waiting times, Jain's index of GPU time by
weight (1 is perfectly fair), the small guild's part of the time, and how often models are loaded.
"""

import statistics
import sys
from random import Random

from tests.benchmarks.fairness import (
    Community,
    FairShare,
    Fifo,
    Outcome,
    Policy,
    RoundRobin,
    checkpoints,
    flood,
    jain,
    mixed_hour,
    simulate,
    two_guilds,
)

SEED = 7
HOUR = 3600.0
SWITCH = 12.0
"""Seconds that loading a model takes."""


def policies(community: Community) -> dict[str, Policy]:
    """Return what is compared."""
    return {"first come": Fifo(), "round robin": RoundRobin(), "fair share": FairShare(community)}


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
    guilds()
    models()


def guilds() -> None:
    """Print which part of the time a small guild has beside one three times as large."""
    community = two_guilds(Random(SEED))
    sys.stdout.write(f"{'two guilds':<22} {'the small one':>12}\n")
    for name, policy in policies(community).items():
        used = simulate(community, policy, servers=2, until=HOUR).used
        small = sum(seconds for member, seconds in used.items() if member.startswith("small"))
        sys.stdout.write(f"{name:<22} {100 * small / sum(used.values()):>10.0f} %\n")


def models() -> None:
    """Print how often models are loaded, and what that costs."""
    community = checkpoints(Random(SEED))
    compared = {**policies(community), "without affinity": FairShare(community, affinity=False)}
    sys.stdout.write(f"{'three models':<22} {'loads':>12} {'all done':>12} {'longest wait':>14} {'mean wait':>11}\n")
    for name, policy in compared.items():
        outcome = simulate(community, policy, servers=2, switch=SWITCH)
        waits = of(outcome, "busy")
        sys.stdout.write(
            f"{name:<22} {outcome.switches:>12} {outcome.end:>10.0f} s {max(waits):>12.0f} s "
            f"{statistics.mean(waits):>9.0f} s\n"
        )


if __name__ == "__main__":
    main()
