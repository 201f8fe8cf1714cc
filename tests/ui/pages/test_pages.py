"""The pages of moderators, owners and members: true, short enough for Discord, and safe whatever anybody wrote."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.i18n import _, verbatim
from bot.jobs.job import Job
from bot.jobs.server_registry import ServerRecord
from bot.jobs.status import QueuePosition as Place
from bot.jobs.status import QueueStatus
from bot.policy.pauses import EVERYTHING, Pause, of_guild, of_member, of_workflow
from bot.policy.quotas import Usage
from bot.policy.role_rules import Allowance, RoleRule
from bot.ui.locale import Languages
from bot.ui.pages.account import AccountPage, AccountSummary
from bot.ui.pages.moderation import ModerationPage
from bot.ui.pages.queue import QueuePage, Reader
from bot.ui.pages.servers import ServersPage, ServerView
from bot.workflow.run.needs import MissingKind, MissingResource
from tests.jobs.doubles import place, requester, spec
from tests.ui.pages.text import text_of

LANGUAGES = Languages()
NOW = 1_800_000_000.0
HERE, ANN = 4, 7
HOSTILE = "**bold** [link](http://evil.example) `code`\n# heading @everyone <@1>"
MODERATE, ME, FLEET = ModerationPage(LANGUAGES), AccountPage(LANGUAGES), ServersPage(LANGUAGES)
HEADING = _("Your usage and limits")


def job(number: int = 1, user_id: int = ANN, title: str = "Imagine") -> Job:
    return Job(
        id=f"job-{number}", spec=spec(title=title), requester=requester(user_id), place=place(number), created=NOW
    )


def account(**changes: object) -> AccountSummary:
    base = AccountSummary(HERE, Allowance(), Usage(), running=(), waiting=(), pauses=(), now=NOW)
    return replace(base, **changes)  # type: ignore[arg-type]


def is_harmless(text: str) -> bool:
    """Whether nothing of `HOSTILE` formats anything."""
    return not re.search(r"(?<![\\*])\*\*bold|(?<!\\)\[link\]\(|(?<!\\)`c|^# ", text, re.MULTILINE)


# ------------------------------------------------------------------ pauses and roles


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (EVERYTHING, "everything"),
        (of_guild(HERE), "this Discord server"),
        (of_guild(None), "direct messages"),
        (of_guild(999), "another Discord server (999)"),
        (of_workflow("imagine", HERE), "`/imagine` in this Discord server"),
        (of_workflow("imagine", anywhere=True), "`/imagine` in all Discord servers"),
        (of_member(HERE, ANN), f"<@{ANN}>'s requests"),
        ("what is this", "what is this"),
    ],
)
def test_pauses_say_what_is_paused(scope: str, words: str) -> None:
    assert words in text_of(MODERATE.pauses([Pause(scope, by=9, at=NOW)], HERE, "en-US"))


def test_a_pause_tells_who_since_when_until_when_and_why() -> None:
    pause = Pause(EVERYTHING, by=9, reason="new cooling", at=NOW, until=NOW + 60)
    text = text_of(MODERATE.pauses([pause], HERE, "en-US"))
    for fact in ("<@9>", f"<t:{int(NOW)}:R>", f"ends <t:{int(NOW) + 60}:R>", "> new cooling"):
        assert fact in text
    assert "Nothing is paused" in text_of(MODERATE.pauses([], HERE, "en-US"))


def test_reasons_format_nothing() -> None:
    assert is_harmless(text_of(MODERATE.pauses([Pause(EVERYTHING, by=9, reason=HOSTILE)], HERE, "en-US")))


def test_any_number_of_pauses_fits_a_message() -> None:
    pauses = [Pause(of_member(HERE, number), by=9, reason="x" * 200, at=NOW) for number in range(500)]
    assert "…" in text_of(MODERATE.pauses(pauses, HERE, "en-US"))


def test_roles_say_what_they_may_have() -> None:
    rules = [
        RoleRule(HERE, 50, weight=2.5, running=3, waiting=10, lane=True, cooldown=30.0),
        RoleRule(HERE, HERE, day_seconds=600.0, week_seconds=90.0, day_pictures=1, week_pictures=20, cooldown=0.0),
    ]
    everybody, patrons = text_of(MODERATE.rules(rules, HERE, "en-US")).split("<@&50>")
    for fact in (
        "@everyone",
        "10 GPU minutes/day",
        "1.5 GPU minutes/week",
        "1 image/day",
        "20 images/week",
    ):
        assert fact in everybody
    for fact in ("priority ×2.5", "served first", "up to 3 running", "up to 10 queued", "cooldown: 30 seconds"):
        assert fact in patrons
    assert "No role limits" in text_of(MODERATE.rules([], HERE, "en-US"))
    many = [RoleRule(HERE, number, weight=1.0, running=1, waiting=1, day_seconds=60.0) for number in range(250)]
    assert "…" in text_of(MODERATE.rules(many, HERE, "en-US"))


# ------------------------------------------------------------------ accounts


def test_a_member_reads_what_was_used_and_what_is_left() -> None:
    allowance = Allowance(
        weight=2.0, day_seconds=600.0, day_pictures=20, cooldown=60.0, running=1, waiting=5, lane=True
    )
    usage = Usage(
        day_seconds=200.0, day_pictures=3, pending=2, pending_seconds=90.0, pending_pictures=4, last_asked=NOW - 20
    )
    text = text_of(ME.view(account(allowance=allowance, usage=usage), HEADING, "en-US"))
    for fact in (
        "3.4 of 10 GPU minutes (5.1 left)",
        "3 of 20 images (13 left)",
        "Last 7 days: 0 GPU minutes, 0 images",
        "2 active requests (about 1.5 GPU minutes)",
        "×2",
        "Always served first",
        "1 request runs at a time",
        "Up to 5 requests in the queue",
        "(ready in 40 seconds)",
        "No active requests",
    ):
        assert fact in text


def test_a_member_reads_what_waits_and_why() -> None:
    places = [Place(job(1), 2, 40.0), Place(job(2), 9, None, verbatim("Paused by a moderator."))]
    pauses = [Pause(of_member(HERE, ANN), by=9, reason="slow down", at=NOW)]
    text = text_of(ME.view(account(running=[job(3)], waiting=places, pauses=pauses), HEADING, "en-US"))
    assert "⚙️ Imagine" in text
    assert "2\\. Imagine · starts in about 40 s" in text
    assert "9\\. Imagine · ⏸️ Paused by a moderator." in text
    assert "> slow down" in text


def test_a_crowded_account_fits_a_message() -> None:
    places = [Place(job(number, title=HOSTILE * 5), number, None, verbatim(HOSTILE * 9)) for number in range(1, 300)]
    pauses = [Pause(EVERYTHING, by=9, reason="*" * 200) for _number in range(50)]
    text = text_of(ME.view(account(waiting=places, pauses=pauses), HEADING, "en-US"))
    assert "289 more" in text or "…" in text
    assert is_harmless(text)


@given(st.floats(0, 1e7), st.floats(0, 1e7), st.integers(0, 10**9))
def test_nobody_is_promised_more_than_is_left(limit: float, used: float, pictures: int) -> None:
    text = text_of(
        ME.view(
            account(
                allowance=Allowance(day_seconds=limit, day_pictures=pictures),
                usage=Usage(day_seconds=used, day_pictures=pictures),
            ),
            HEADING,
            "en-US",
        )
    )
    left = float(text.split("GPU minutes (")[1].split(" left")[0])
    assert left * 60 <= max(0.0, limit - used) + 1e-3
    assert "(0 left)" in text


# ------------------------------------------------------------------ servers


def server(**changes: object) -> ServerRecord:
    base = ServerRecord("http://10.0.0.7:8188", "http://user:secret@10.0.0.7:8188", "gpu1", health="online")
    base = replace(base, vram=24_000_000_000, version="0.3.64")
    return replace(base, **changes)  # type: ignore[arg-type]


def test_the_list_of_servers_says_how_they_are() -> None:
    lacks = (MissingResource(MissingKind.MODEL, "flux.safetensors", "UNETLoader.unet_name"),)
    views = [
        ServerView(server(), jobs=2, incompatible_jobs=3, missing=lacks),
        ServerView(server(name="gpu2", health="offline")),
        ServerView(server(name="gpu3", drained=True)),
        ServerView(server(name="gpu4", health="resting")),
        ServerView(server(name="gpu5", health="")),
    ]
    text = text_of(FLEET.view(views, "en-US", addresses=False))
    for fact in (
        "🟢 **gpu1** · online · 24 GB · ComfyUI 0.3.64 · 2 active requests",
        "3 waiting requests",
        "flux.safetensors",
    ):
        assert fact in text
    for fact in (
        "🔴 **gpu2** · offline",
        "🔧 **gpu3** · drained",
        "🟠 **gpu4** · cooling down",
        "⚪ **gpu5** · connecting",
    ):
        assert fact in text
    assert "10.0.0.7" not in text


def test_addresses_are_for_those_who_rule_the_servers_and_never_with_a_password() -> None:
    text = text_of(FLEET.view([ServerView(server())], "en-US", addresses=True))
    assert "`http://10.0.0.7:8188`" in text
    assert "secret" not in text


def test_many_servers_with_hostile_names_fit_a_message() -> None:
    views = [ServerView(server(name=HOSTILE, version=HOSTILE), incompatible_jobs=1) for _number in range(200)]
    assert is_harmless(text_of(FLEET.view(views, "en-US", addresses=True)))
    assert "No ComfyUI servers" in text_of(FLEET.view([], "en-US", addresses=True))


# ------------------------------------------------------------------ the queue


def test_why_something_waits_is_told_to_its_member_only() -> None:
    reason = verbatim("Paused by a moderator: spam")
    survey = QueueStatus(
        running=(), waiting=[Place(job(1), 1, None, reason), Place(job(2, user_id=8), 2, 5.0)], total=2
    )
    page = QueuePage(LANGUAGES)
    mine = text_of(page.view(survey, Reader(ANN, HERE, "en-US")))
    assert "1\\. **you** · Imagine · ⏸️ Paused by a moderator: spam" in mine
    theirs = text_of(page.view(survey, Reader(8, HERE, "en-US")))
    assert "1\\. Ann · Imagine · ⏸️\n" in theirs
    assert "spam" not in theirs


def test_the_queue_says_how_far_running_jobs_are() -> None:
    page = QueuePage(LANGUAGES, {"far": 0.42}.get)
    running = [replace(job(), id=job_id) for job_id in ("far", "new")]
    shown = text_of(page.view(QueueStatus(running=running, waiting=(), total=0), Reader(ANN, HERE, "en-US")))
    assert shown.count("**you** · Imagine") == 2
    assert shown.count("**you** · Imagine · 42%") == 1
