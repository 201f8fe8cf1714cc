"""Whatever is asked of the store, in whatever order, it agrees with a model that a child could have built."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bot.jobs.job import Delivery, Job, JobState, StaleJobError
from bot.jobs.repository import DuplicateJobError
from bot.policy import pauses
from bot.policy.terms import QueueTerms
from bot.storage.jobs.repository import SqlJobRepository
from bot.workflow.run.needs import Needs
from tests.jobs.doubles import place, spec
from tests.storage.engines import Database, empty, execute
from tests.storage.model import Model
from tests.storage.samples import job

T = TypeVar("T")

START = 1_000_000.0
LONG = 1e6
SERVERS = st.sampled_from(["gpu1", "gpu2"])
OWNERS = st.sampled_from(["ann", "bob"])
LOADED = st.sampled_from(["", "a", "b"])
PICK = st.integers(0, 10**6)
ALL_NEEDS = [Needs(), Needs(nodes=frozenset({"A"}), models=("a",)), Needs(nodes=frozenset({"B"}), models=("b",))]
NEEDS = st.sampled_from([Needs(), *ALL_NEEDS])
TERMS = st.none() | st.builds(
    QueueTerms, st.sampled_from([1.0, 2.5]), st.sampled_from([None, None, 1]), st.sampled_from([0, 0, 0, -1])
)
SCOPES = st.sampled_from([
    pauses.EVERYTHING, pauses.of_guild(4), pauses.of_member(5, 1), pauses.of_member(4, 2),
    pauses.of_workflow("imagine", 5), pauses.of_workflow("video", anywhere=True),
])  # fmt: skip
REQUEST = st.fixed_dictionaries({
    "user": st.integers(1, 3), "guild_id": st.sampled_from([4, 5]), "needs": NEEDS, "terms": TERMS,
    "workflow": st.sampled_from(["imagine", "video"]), "estimate": st.sampled_from([7.0, 31.0]),
})  # fmt: skip
END = st.sampled_from([Delivery.PENDING, Delivery.PENDING, Delivery.SENT, Delivery.UNDELIVERABLE])


class Machine(RuleBasedStateMachine):
    """Asks the store and the model the same, and compares all that they say and all that they know."""

    def __init__(self, runner: asyncio.Runner, store: SqlJobRepository) -> None:
        super().__init__()
        self.runner, self.store, self.model = runner, store, Model()
        self.now = START
        self.number = 0
        self.versions: list[Job] = []
        """Every version of a job that anybody ever had in hand, old ones too."""
        store.clock = lambda: self.now

    def ask(self, question: Awaitable[T]) -> T | None:
        async def answer() -> T | None:
            try:
                return await question
            except StaleJobError:
                return None

        return self.runner.run(answer())

    def agree(self, real: Any, expected: Any) -> None:
        assert real == expected
        self.versions += [each for each in (real if isinstance(real, list) else [real]) if isinstance(each, Job)]

    def pick(self, number: int, *states: JobState) -> Job | None:
        """Choose one of the versions; mostly recent ones, in one of these states."""
        some = [each for each in self.versions[-12:] if not states or each.state in states]
        return some[number % len(some)] if some else None

    @initialize()
    def begin(self) -> None:
        self.runner.run(empty(self.store))
        for server, owner in (("gpu1", "ann"), ("gpu2", "bob")):
            self.hold(server, owner)
            for cls in ({each.cls for each in ALL_NEEDS} - {""}) if server == "gpu1" else ():
                self.judge_class(server, cls, fits=True)

    # ------------------------------------------------------------------ what may happen

    @rule(state=st.sampled_from([JobState.QUEUED, JobState.QUEUED, JobState.HELD]),
          holder=st.sampled_from(["", "ann", "bob"]), request=REQUEST)  # fmt: skip
    def add_one(self, state: JobState, holder: str, request: dict[str, Any]) -> None:
        self.add(state, holder=holder, **request)

    def add(
        self, state: JobState, user: int, holder: str, guild_id: int, needs: Needs, terms: QueueTerms | None,
        workflow: str, estimate: float,
    ) -> None:  # fmt: skip
        self.number += 1
        holder = holder if state is JobState.HELD else ""
        where = replace(place(self.number), guild_id=guild_id)
        new = job(
            self.number, user, state=state, created=self.now, holder=holder, place=where, estimate=estimate,
            spec=spec(needs=needs, workflow=workflow),
        )  # fmt: skip
        assert self.model.add(new, terms, self.now)
        self.runner.run(self.store.add(new, terms))
        self.versions.append(new)

    @rule(requests=st.lists(REQUEST, min_size=2, max_size=6), server=SERVERS, loaded=LOADED, pause=st.integers(0, 400))
    def crowd(self, requests: list[dict[str, Any]], server: str, loaded: str, pause: int) -> None:
        """Let some ask, one after the other, and be served for a while."""
        for request in requests:
            self.add(JobState.QUEUED, holder="", **request)
            self.now += pause // 7
        for _turn in range(len(requests)):
            self.now += pause
            self.claim(server, self.model.leases.get(server, ""), loaded)

    @rule(scope=SCOPES, holds=st.sampled_from([True, False, False]))
    def pause(self, scope: str, holds: bool) -> None:
        self.model.paused = self.model.paused - {scope} | ({scope} if holds else set())
        self.runner.run(execute(self.store, "DELETE FROM pause WHERE scope = :s", s=scope))
        if holds:
            self.runner.run(execute(self.store, "INSERT INTO pause (scope) VALUES (:s)", s=scope))

    @rule(server=SERVERS, holds=st.sampled_from([True, False, False]))
    def drain(self, server: str, holds: bool) -> None:
        self.hold(server, "ann")
        self.model.drained = self.model.drained - {server} | ({server} if holds else set())
        change = "UPDATE server SET paused = :p WHERE server_id = :s"
        self.runner.run(execute(self.store, change, p=holds, s=server))

    @rule(server=SERVERS, needs=NEEDS, fits=st.sampled_from([True, True, False]))
    def compatibility(self, server: str, needs: Needs, fits: bool) -> None:
        self.judge_class(server, needs.cls, fits)

    def judge_class(self, server: str, cls: str, fits: bool) -> None:
        verdict = {"s": server, "c": cls}
        self.model.fits = self.model.fits - {(server, cls)} | ({(server, cls)} if fits else set())
        self.runner.run(execute(self.store, "DELETE FROM fit WHERE server_id = :s AND cls = :c", **verdict))
        added = "INSERT INTO fit (server_id, cls, fits) VALUES (:s, :c, :f)"
        self.runner.run(execute(self.store, added, **verdict, f=fits))

    @rule(number=PICK, same_id=st.booleans())
    def add_again(self, number: int, same_id: bool) -> None:
        old = self.pick(number)
        if old is None:
            return
        again = old if same_id else job(self.number + 1, place=place(old.place.interaction_id))
        if self.model.add(again, None, self.now):
            self.runner.run(self.store.add(again))
            self.number += not same_id
        else:
            with pytest.raises(DuplicateJobError):
                self.runner.run(self.store.add(again))

    @rule(number=PICK)
    def admit(self, number: int) -> None:
        held = self.pick(number, JobState.HELD)
        if held is not None:
            self.agree(self.ask(self.store.queue(held)), self.model.admit(held, self.now))

    @rule(server=SERVERS, owner=OWNERS)
    def hold(self, server: str, owner: str) -> None:
        held = self.runner.run(self.store.acquire_leases([server], owner, LONG))
        assert bool(held) == self.model.hold(server, owner)

    @rule(server=SERVERS)
    def lapse(self, server: str) -> None:
        """Let a lease run out."""
        self.runner.run(execute(self.store, "UPDATE server SET lease_until = 0 WHERE server_id = :s", s=server))
        self.model.leases.pop(server, None)

    @rule(owner=OWNERS)
    def release(self, owner: str) -> None:
        self.runner.run(self.store.release_leases(owner))
        self.model.release(owner)

    @rule(server=SERVERS, owner=OWNERS, loaded=LOADED)
    def hold_and_claim(self, server: str, owner: str, loaded: str) -> None:
        self.hold(server, owner)
        self.claim(server, owner, loaded)

    @rule(server=SERVERS, owner=OWNERS, loaded=LOADED)
    def claim(self, server: str, owner: str, loaded: str) -> None:
        self.number += 1
        prompt_id = f"prompt{self.number}"
        taken = self.ask(self.store.claim(server, owner, prompt_id, self.now, loaded=loaded))
        self.agree(taken, self.model.claim(server, owner, prompt_id, self.now, loaded))
        if taken is not None:
            assert self.runner.run(self.store.claim(server, owner, prompt_id, self.now + 1)) == taken

    @rule(number=PICK)
    def post(self, number: int) -> None:
        entry = self.pick(number, JobState.RUNNING)
        if entry is not None:
            self.agree(self.ask(self.store.update(entry, posted=True)), self.model.note(entry, posted=True))

    @rule(number=PICK)
    def lose(self, number: int) -> None:
        entry = self.pick(number, JobState.RUNNING)
        if entry is not None:
            self.move(entry, JobState.QUEUED, losses=entry.losses + 1)

    @rule(number=PICK)
    def finish(self, number: int) -> None:
        entry = self.pick(number, JobState.RUNNING)
        if entry is not None:
            self.move(entry, JobState.DELIVERING, delivery=Delivery.PENDING, finished=self.now)

    @rule(number=PICK, delivery=END)
    def deliver(self, number: int, delivery: Delivery) -> None:
        entry = self.pick(number, JobState.DELIVERING)
        if entry is not None:
            self.move(entry, JobState.DONE, delivery=delivery)

    @rule(number=PICK, delivery=END, state=st.sampled_from(JobState))
    def move_anything(self, number: int, delivery: Delivery, state: JobState) -> None:
        entry = self.pick(number)
        if entry is not None and state is not JobState.RUNNING:
            self.move(entry, state, **({"delivery": delivery} if state.is_final else {}))

    def move(self, entry: Job, state: JobState, **changes: Any) -> None:
        real = self.ask(self.store.transition(entry, state, **changes))
        self.agree(real, self.model.move(entry, state, self.now, **changes))

    @rule(number=PICK, pause=st.integers(0, 200))
    def put_off(self, number: int, pause: int) -> None:
        entry = self.pick(number)
        if entry is not None:
            changes: dict[str, Any] = {"not_before": self.now + pause, "tries": entry.tries + 1}
            self.agree(self.ask(self.store.update(entry, **changes)), self.model.note(entry, **changes))

    @rule(number=PICK)
    def renew_token(self, number: int) -> None:
        entry = self.pick(number)
        if entry is None:
            return
        expires = entry.place.token_expires + 1
        renewed = self.runner.run(self.store.renew_token(entry.id, f"token{expires}", expires))
        known = self.model.jobs.get(entry.id)
        if known is not None and known.place.token_expires < expires:
            known = replace(known, place=replace(known.place, token=f"token{expires}", token_expires=expires))
            self.model.jobs[entry.id] = known
        assert renewed == known

    @rule(number=PICK)
    def seize(self, number: int) -> None:
        entry = self.pick(number)
        if entry is not None:
            self.agree(self.ask(self.store.take_over(entry.id)), self.model.seize(entry.id))

    @rule(server=SERVERS, owner=OWNERS)
    def adopt(self, server: str, owner: str) -> None:
        self.agree(self.ask(self.store.take_over_server(server, owner)), self.model.adopt(server, owner))

    @rule(owner=OWNERS, servers=st.sets(SERVERS), alone=st.booleans())
    def strays(self, owner: str, servers: set[str], alone: bool) -> None:
        real = self.ask(self.store.orphans(owner, servers, self.now, alone=alone))
        self.agree(real, self.model.strays(owner, servers, self.now, alone))

    @rule(owner=OWNERS)
    def take_untold(self, owner: str) -> None:
        until = self.now + 30
        real = self.ask(self.store.claim_due_delivery(owner, self.now, until))
        self.agree(real, self.model.take_untold(owner, self.now, until))

    @rule(seconds=st.sampled_from([1, 61, 1000, 1900]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def prune(self) -> None:
        before = self.now - 50
        assert set(self.runner.run(self.store.prune(before, limit=1000))) == self.model.prune(before)

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def both_know_the_same(self) -> None:
        known = self.runner.run(self.store.browse([], limit=1000))
        assert {each.id: each for each in known} == self.model.jobs
        snapshot = self.runner.run(self.store.snapshot(1000))
        assert {each.job_id for each in snapshot.waiting} == set(self.model.line())
        assert snapshot.total == len(snapshot.waiting)
        for name, account in snapshot.accounts.items():
            known = self.model.accounts[name]
            assert (account.terms, account.waits_since) == (known.terms, known.waits_since)
            assert account.share.used == pytest.approx(known.share.used)
        assert {name: share.used for name, share in snapshot.guilds.items()} == {
            name: pytest.approx(self.model.guilds[name].used) for name in snapshot.guilds
        }

    @invariant()
    def counters_are_right(self) -> None:
        assert self.runner.run(self.store.recount()) == []

    def teardown(self) -> None:
        rows = self.runner.run(execute(self.store, "SELECT job_id, epoch, gpu_seconds FROM usage"))
        assert {(row["job_id"], row["epoch"]): row["gpu_seconds"] for row in rows} == self.model.charged


@pytest.mark.timeout(90)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_store_agrees_with_the_model(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}" if engine == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url)
    with asyncio.Runner() as runner:
        store = runner.run(database.open())
        try:
            run_state_machine_as_test(
                lambda: Machine(runner, store),  # pyright: ignore[reportArgumentType]  # any factory will do
                settings=settings(
                    max_examples=8,
                    stateful_step_count=40,
                    deadline=None,
                    print_blob=True,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
                ),
            )
        finally:
            runner.run(database.close())
