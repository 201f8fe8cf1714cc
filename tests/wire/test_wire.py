"""The fake as a bot and a person meet it: commands, answers, files, components."""

import io
from typing import Any

import discord
import pytest

from tests.wire import Attachment, OptionError, WireGuild, guild_id
from tests.wire.bots import Trial

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (3).to_bytes(4, "big") + (2).to_bytes(4, "big") + bytes(9)


def file(name: str = "out.png", data: bytes = PNG) -> discord.File:
    return discord.File(io.BytesIO(data), name)


def gallery(text: str, *names: str) -> discord.ui.LayoutView:
    view = discord.ui.LayoutView()
    items = [discord.MediaGalleryItem(f"attachment://{name}") for name in names]
    shown = discord.ui.MediaGallery[discord.ui.LayoutView](*items)
    text_display = discord.ui.TextDisplay[discord.ui.LayoutView](text)
    view.add_item(discord.ui.Container[discord.ui.LayoutView](text_display, *([shown] if names else [])))
    return view


async def test_command_is_deferred_and_its_answer_edited(trial: Trial) -> None:
    job = await trial.wire.slash("echo", {"text": "hello"})
    message = await job.wait_for(lambda message: message.text == "hello")
    assert job.response_type == 5
    assert [(edit.via, edit.text) for edit in job.edits] == [("callback", ""), ("token", "hello")]
    assert not message.is_loading
    assert job.edits[0].at <= job.edits[1].at


async def test_requests_are_logged_by_template(trial: Trial) -> None:
    job = await trial.wire.slash("echo", {"text": "hello"})
    await job.wait_for(lambda message: message.text == "hello")
    await trial.wire.world.changes.until(lambda: trial.wire.requests[-1].method == "PATCH", 5, "the logged edit")
    last = trial.wire.requests[-1]
    assert (last.template, last.status) == ("/webhooks/{application_id}/{token}/messages/{message_id}", 200)


async def test_commands_are_kept_as_registered(trial: Trial) -> None:
    commands = await trial.wire.commands()
    assert [option["name"] for option in commands["echo"]["options"]] == ["text", "picture"]
    assert trial.wire.counters.command_puts == 1
    fetched = await trial.bot.tree.fetch_commands()
    assert {command.name for command in fetched} == {"probe", "echo", "Use as input"}


async def test_app_sends_only_what_the_command_allows(trial: Trial) -> None:
    for options in ({}, {"text": ""}, {"text": "a" * 101}, {"text": 3}, {"text": "a", "nonsense": 1}):
        with pytest.raises(OptionError):
            await trial.wire.slash("echo", options)
    with pytest.raises(LookupError):
        await trial.wire.slash("missing")


async def test_autocompletion_returns_the_choices(trial: Trial) -> None:
    choices = await trial.wire.autocomplete("echo", "text", "ab")
    assert [choice["value"] for choice in choices] == ["ab", "abab"]


async def test_attached_file_is_downloaded(trial: Trial) -> None:
    job = await trial.wire.slash("echo", {"text": "size", "picture": Attachment("in.png", PNG)})
    await job.wait_for(lambda message: message.text == f"size {len(PNG)}")
    attached = trial.bot.seen[-1].namespace.picture
    assert (attached.filename, attached.width, attached.height, attached.content_type) == ("in.png", 3, 2, "image/png")


@pytest.mark.parametrize(("status", "error"), [(404, discord.NotFound), (403, discord.Forbidden)])
async def test_download_may_fail(trial: Trial, status: int, error: type[discord.HTTPException]) -> None:
    lost = Attachment("in.png", PNG, size=99, status=status)
    await trial.wire.slash("echo", {"text": "size", "picture": lost})
    attached = trial.bot.seen[-1].namespace.picture
    assert attached.size == 99
    with pytest.raises(error):
        await attached.read()


async def test_edits_keep_add_and_replace_files(trial: Trial) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        first = await interaction.edit_original_response(attachments=[file("a b.png")])
        await interaction.edit_original_response(content="only text")
        await interaction.edit_original_response(attachments=[*first.attachments, file("b.png", b"second")])
        await interaction.edit_original_response(attachments=[file("c.png")])

    job, outcome = await trial.probe(act)
    await outcome
    files = [edit.files for edit in job.edits]
    assert files == [(), ("a_b.png",), ("a_b.png",), ("a_b.png", "b.png"), ("c.png",)]
    assert job.edits[3].uploaded == ("b.png",)
    assert job.message is not None
    assert job.message.attachments[0].data == PNG


async def test_files_shown_by_components_are_not_listed_again(trial: Trial) -> None:
    async def act(interaction: discord.Interaction) -> discord.Message:
        await interaction.response.defer()
        return await interaction.edit_original_response(
            view=gallery("two", "a.png", "b.png"), attachments=[file("a.png"), file("b.png"), file("c.png")]
        )

    job, outcome = await trial.probe(act)
    message = await outcome
    assert [attachment.filename for attachment in message.attachments] == ["c.png"]
    assert job.text == "two"
    assert job.message is not None
    assert [stored.name for stored in job.message.attachments] == ["a.png", "b.png", "c.png"]
    [shown] = [part for part in message.components[0].children if isinstance(part, discord.MediaGalleryComponent)]
    assert [item.media.width for item in shown.items] == [3, 3]
    assert await trial.bot.http.get_from_cdn(shown.items[0].media.url) == PNG


def many(count: int) -> dict[str, Any]:
    return {"attachments": [file(f"{number}.png") for number in range(count)]}


REFUSED: list[tuple[dict[str, Any], int, int]] = [
    (many(11), 400, 30015),
    ({"attachments": [file(data=bytes(2000))]}, 413, 40005),
    ({"content": "a" * 2001}, 400, 50035),
    ({"view": gallery("a" * 4001)}, 400, 50035),
    ({"view": gallery("fine"), "content": "not fine"}, 400, 50035),
    ({"view": gallery("fine", "absent.png")}, 400, 50035),
    ({"content": "", "embeds": []}, 400, 50006),
]


@pytest.mark.parametrize(("changes", "status", "code"), REFUSED)
async def test_messages_that_discord_refuses(trial: Trial, changes: dict[str, Any], status: int, code: int) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(**changes)

    job, outcome = await trial.probe(act, size_limit=1000)
    with pytest.raises(discord.HTTPException) as caught:
        await outcome
    assert (caught.value.status, caught.value.code) == (status, code)
    assert len(job.edits) == 1


async def test_components_v2_is_for_ever(trial: Trial) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message(view=gallery("here"))
        await interaction.edit_original_response(content="back to text", view=None)

    with pytest.raises(discord.HTTPException, match="50035"):
        await trial.result(act)


async def test_pressed_button_edits_its_message(trial: Trial) -> None:
    class Buttons(discord.ui.View):
        @discord.ui.button(label="More", custom_id="more")
        async def more(self, interaction: discord.Interaction, _: discord.ui.Button[Any]) -> None:
            await interaction.response.edit_message(content=f"pressed by {interaction.user.id}", view=None)

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("press", view=Buttons())

    job, outcome = await trial.probe(act)
    await outcome
    assert job.message is not None
    with pytest.raises(LookupError, match="more"):
        await trial.wire.component(job.message, "less")
    press = await trial.wire.component(job.message, "more", user_id=77)
    assert press.response_type == 7
    assert press.message is job.message
    assert job.text == "pressed by 77"


async def test_modal_is_filled_in_with_text_and_file(trial: Trial) -> None:
    class Form(discord.ui.Modal, title="Change"):
        prompt = discord.ui.Label[Any](text="Prompt", component=discord.ui.TextInput[Any](custom_id="prompt"))
        picture = discord.ui.Label[Any](text="Picture", component=discord.ui.FileUpload[Any](custom_id="picture"))

        async def on_submit(self, interaction: discord.Interaction) -> None:
            assert isinstance(self.prompt.component, discord.ui.TextInput)
            assert isinstance(self.picture.component, discord.ui.FileUpload)
            data = await self.picture.component.values[0].read()
            await interaction.response.send_message(f"{self.prompt.component.value} {len(data)}", ephemeral=True)

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Form())

    job, outcome = await trial.probe(act)
    await outcome
    sent = await trial.wire.submit_modal(job, {"prompt": "a fox", "picture": [Attachment("in.png", PNG)]})
    assert sent.text == f"a fox {len(PNG)}"
    assert sent.message is not None
    assert sent.message.is_ephemeral


async def test_context_menu_starts_from_a_message(trial: Trial) -> None:
    target = trial.wire.user_message("look", [Attachment("in.png", PNG)])
    assert (await trial.wire.context_menu("Use as input", target)).text == f"look: {len(PNG)}"


async def test_first_follow_up_after_a_defer_fills_the_answer(trial: Trial) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(ephemeral=True)
        await interaction.followup.send("first")
        await interaction.followup.send("second")

    job, outcome = await trial.probe(act)
    await outcome
    assert job.text == "first"
    assert job.message is not None
    assert job.message.is_ephemeral
    assert [message.text for message in job.followups] == ["second"]


async def test_user_installed_bot_among_strangers(trial: Trial) -> None:
    trial.wire.state.rate_limits = False

    async def act(interaction: discord.Interaction) -> None:
        assert interaction.is_user_integration()
        assert not interaction.is_guild_integration()
        await interaction.response.send_message("hi")
        for number in range(6):
            await interaction.followup.send(str(number))

    job, outcome = await trial.probe(act, user_install=True, force_ephemeral=True)
    with pytest.raises(discord.HTTPException, match="40094"):
        await outcome
    assert job.message is not None
    assert job.message.is_ephemeral
    stranger = trial.bot.get_partial_messageable(job.origin.channel.id)
    with pytest.raises(discord.Forbidden, match="50001"):
        await stranger.send("hi")


@pytest.mark.parametrize(
    ("context", "owners"), [(1, {"0": "0"}), (2, {"1": "4242"})], ids=["direct message", "private channel"]
)
async def test_contexts_outside_guilds(trial: Trial, context: int, owners: dict[str, str]) -> None:
    async def act(interaction: discord.Interaction) -> tuple[bool, bool, int | None]:
        await interaction.response.send_message("hi")
        return interaction.context.dm_channel, interaction.context.private_channel, interaction.guild_id

    job, outcome = await trial.probe(act, context=context)
    assert await outcome == (context == 1, context == 2, None)
    assert job.origin.owners == owners


async def test_language_of_user_and_guild(trial: Trial) -> None:
    trial.wire.guild.locale = "fr"
    await trial.wire.slash("echo", {"text": "hallo"}, locale="de")
    assert trial.bot.seen[-1].locale is discord.Locale.german
    assert trial.bot.seen[-1].guild_locale is discord.Locale.french


async def test_member_has_the_given_rights(trial: Trial) -> None:
    await trial.wire.slash("echo", {"text": "a"}, permissions=discord.Permissions(manage_guild=True).value)
    assert trial.bot.seen[-1].permissions.manage_guild
    assert not trial.bot.seen[-1].permissions.send_messages


async def test_age_makes_the_token_old(trial: Trial) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("late")
        assert interaction.is_expired()
        await interaction.edit_original_response(content="later")

    with pytest.raises(discord.HTTPException, match="50027"):
        await trial.result(act, age=901)


def test_guild_ids_spread_over_shards() -> None:
    assert [(WireGuild(guild_id(number)).id >> 22) % 2 for number in range(4)] == [0, 1, 0, 1]
