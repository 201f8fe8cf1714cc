"""Pages: what people read, safe whatever a member wrote."""

from dataclasses import replace

import discord
import pytest

from bot.i18n import _
from bot.jobs.job import Job, JobState
from bot.jobs.status import (
    FetchingStatus,
    JobUpdate,
    QueuedStatus,
    RunningStatus,
    ServerOffline,
)
from bot.ui.locale import Languages
from bot.ui.messages.render import Renderer
from bot.ui.page import Page, Tone, layout
from bot.workflow.graph.graph import Target
from bot.workflow.run.events import InputFile
from bot.workflow.run.spec import Upload
from tests.jobs.doubles import place, requester, spec

RENDER = Renderer(Languages())


def job(**values: object) -> Job:
    entry = Job(id="0123456789", spec=spec(values=values), requester=requester(), place=place(), created=0.0)
    return replace(entry, started=10.0, finished=22.4)


def size(page: Page) -> int:
    return layout(page).content_length()


@pytest.mark.parametrize(
    ("update", "words"),
    [
        (QueuedStatus(1, 1), "in a moment"),
        (QueuedStatus(3, 7), "#3 of 7"),
        (QueuedStatus(1, 1, offline=True), "offline"),
        (
            QueuedStatus(9, 9, offline=True, reason=_("Paused by a moderator: {reason}", reason="*tea*")),
            "moderator: \\*tea",
        ),
        (RunningStatus(elapsed=0.0), "next"),
        (RunningStatus(elapsed=0.0, fraction=0.0), "Starting"),
        (
            RunningStatus(elapsed=12.3, fraction=0.42, node="KSampler", step=8, steps=20),
            "42% · step 8/20 · 12 s elapsed",
        ),
        (RunningStatus(elapsed=3.0, fraction=0.9, node="VAE Decode"), "VAE Decode"),
        (RunningStatus(elapsed=3.0, fraction=0.1, resubmitted=True), "started over"),
        (ServerOffline(), "Lost contact"),
        (FetchingStatus(), "Fetching"),
    ],
)
def test_what_those_who_wait_read(update: JobUpdate, words: str) -> None:
    assert words in RENDER.update(job(prompt="a fox"), update).status


def test_the_result_shows_prompt_seed_and_settings_but_no_file_names() -> None:
    picture = InputFile("cc_abc.png", b"", 1, 1)
    done = job(prompt="a fox", image=picture.name, seed=2**64 - 1, steps=20, negative="")
    done = replace(done, spec=replace(done.spec, uploads=(Upload(picture, (Target("3", "image"),)),)))
    page = RENDER.result(done, ["one.png", "two.png"], None)
    assert page.quote == "a fox"
    assert page.details == "seed 18446744073709551615 · steps 20 · 12 s"
    assert [picture.filename for picture in page.pictures] == ["one.png", "two.png"]
    assert page.pictures[0].description == "a fox"
    assert page.tone is Tone.DONE


def test_a_prompt_cannot_format_the_message() -> None:
    page = RENDER.update(job(prompt="**bold** `code`\n# title\n> quote <@1> https://x.test/a_b_c"), QueuedStatus(1, 1))
    assert "\n" not in page.quote
    assert "\\*\\*bold" in page.quote
    assert "\\`code" in page.quote


@pytest.mark.parametrize("text", ["x" * 6000, "*" * 6000, "🦊" * 6000, "\n" * 6000, " "])
def test_every_page_fits_discord(text: str) -> None:
    entry = job(prompt=text, negative=text, style=text, **{f"option{number}": text for number in range(20)})
    pages = [
        RENDER.update(entry, RunningStatus(elapsed=1.0, fraction=0.5, node=text)),
        RENDER.result(entry, [f"{number}.png" for number in range(10)], _("{text}", text=text)),
        RENDER.failure(entry, _("{text}", text=text)),
        RENDER.refusal("title", _("{text}", text=text), "en-US"),
        RENDER.offer(entry, RENDER.update(entry, RunningStatus(elapsed=1.0, fraction=0.5, node=text))),
        RENDER.more(entry, [f"{number}.png" for number in range(10)], 2, 3),
        RENDER.kept(entry, _("{text}", text=text)),
    ]
    for page in pages:
        assert size(page) <= 4000
        assert all(len(picture.description) <= 1024 for picture in page.pictures)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING])
def test_the_offer_of_a_fresh_token_keeps_what_is_said_and_adds_one_button(state: JobState) -> None:
    entry = replace(job(prompt="a fox"), state=state)
    page = RENDER.under_way(entry)
    offered = RENDER.offer(entry, page)
    assert page.status in offered.status
    assert [button.custom_id for button in offered.buttons] == ["cc:show:0123456789"]
    buttons = [item for item in layout(offered).walk_children() if isinstance(item, discord.ui.Button)]
    assert [button.custom_id for button in buttons] == ["cc:show:0123456789"]
