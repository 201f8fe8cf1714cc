"""A Discord for tests of the transport: real HTTP, a real gateway socket, and every fault as a field.

async with WireDiscord() as wire:
    ...  # start a bot with DISCORD_API_URL=wire.api_url, here or in another process
    await wire.ready()
    job = await wire.slash("imagine", {"prompt": "a fox"})
    await job.wait_for(lambda message: message.attachments)
"""

from tests.wire.discord_server import WireDiscord
from tests.wire.files import Attachment
from tests.wire.interactions import WireInteraction
from tests.wire.messages import WireMessage
from tests.wire.options import OptionError
from tests.wire.places import WireChannel, WireGuild, WireRole
from tests.wire.snowflakes import guild_id
from tests.wire.state import Rate, WireState

__all__ = [
    "Attachment",
    "OptionError",
    "Rate",
    "WireChannel",
    "WireDiscord",
    "WireGuild",
    "WireInteraction",
    "WireMessage",
    "WireRole",
    "WireState",
    "guild_id",
]
