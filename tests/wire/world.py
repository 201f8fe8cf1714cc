"""All that exists on the fake Discord. It knows no HTTP and no sockets."""

from tests.wire.api_errors import ApiError
from tests.wire.changes import Changes
from tests.wire.command_registry import CommandRegistry
from tests.wire.files import Attachment, StoredFile
from tests.wire.http_json import Json
from tests.wire.interactions import WireInteraction
from tests.wire.messages import WireMessage
from tests.wire.places import DM, WireChannel, WireGuild, WireUser
from tests.wire.snowflakes import Snowflakes
from tests.wire.state import WireCounters, WireState


class World:
    """Guilds, people, messages, interactions and files, by id."""

    def __init__(self, *, guilds: list[WireGuild], state: WireState, application_id: int | None = None) -> None:
        self.state = state
        self.counters = WireCounters()
        self.changes = Changes()
        self.snowflakes = Snowflakes()
        self.base = ""
        self.application_id = application_id or self.snowflakes.next(age=86_400)
        self.bot = WireUser(self.application_id, "comfycord", bot=True)
        self.users: dict[int, WireUser] = {self.bot.id: self.bot}
        self.guilds: dict[int, WireGuild] = {}
        self.channels: dict[int, WireChannel] = {}
        self.deleted_channels: set[int] = set()
        self.messages: dict[int, WireMessage] = {}
        self.interactions: dict[int, WireInteraction] = {}
        self.tokens: dict[str, WireInteraction] = {}
        self.files: dict[int, StoredFile] = {}
        self.commands = CommandRegistry(
            application_id=self.application_id, state=state, counters=self.counters, snowflakes=self.snowflakes
        )
        self._dms: dict[int, WireChannel] = {}
        for guild in guilds:
            self.add_guild(guild)

    def add_guild(self, guild: WireGuild) -> WireGuild:
        """Make a guild exist; one without channels gets a first one."""
        if not guild.channels:
            guild.channels.append(WireChannel(self.snowflakes.next()))
        for channel in guild.channels:
            channel.guild_id = guild.id
            self.channels[channel.id] = channel
        self.guilds[guild.id] = guild
        return guild

    def delete_channel(self, channel: WireChannel) -> None:
        """Let a channel and all that was said in it be gone."""
        self.channels.pop(channel.id, None)
        self.deleted_channels.add(channel.id)
        if channel.guild_id is not None:
            self.guilds[channel.guild_id].channels.remove(channel)
        for message in self.messages.values():
            if message.channel.id == channel.id:
                message.delete()

    def user(self, user_id: int) -> WireUser:
        """Return a person, who begins to exist when first asked for."""
        return self.users.setdefault(user_id, WireUser(user_id, f"user{user_id}"))

    def dm_with(self, user_id: int) -> WireChannel:
        """Return the direct message channel of the bot and this user."""
        if user_id not in self._dms:
            channel = WireChannel(self.snowflakes.next(), kind=DM, recipient_id=self.user(user_id).id)
            self._dms[user_id] = self.channels[channel.id] = channel
        return self._dms[user_id]

    def private_channel(self, user_id: int) -> WireChannel:
        """Return a conversation of this user with somebody else, which the bot cannot reach by itself."""
        return WireChannel(self.snowflakes.next(), kind=DM, recipient_id=self.user(user_id).id)

    def channel_payload(self, channel: WireChannel) -> Json:
        """Return the channel object, with its people when it is a conversation."""
        data = channel.payload(self.bot.id)
        if channel.recipient_id is not None:
            data["recipients"] = [self.user(channel.recipient_id).payload()]
        return data

    def is_reachable(self, channel_id: int) -> bool:
        """Tell whether the bot token has access to a channel: its own conversations, and guilds it has joined."""
        channel = self.channels.get(channel_id)
        if channel is None:
            return False
        return channel.guild_id is None or self.guilds[channel.guild_id].joined

    def open(self, interaction: WireInteraction) -> WireInteraction:
        """Make an interaction known to the REST interface."""
        self.interactions[interaction.id] = interaction
        self.tokens[interaction.token] = interaction
        return interaction

    def by_token(self, token: str) -> WireInteraction:
        """Return the interaction of a usable token. Raises ApiError 50027 or 10015."""
        interaction = self.tokens.get(token)
        if interaction is None:
            raise ApiError(50027)
        interaction.check_token(self.state.token_seconds)
        return interaction

    def upload(self, attachment: Attachment, channel: WireChannel) -> StoredFile:
        """Put a file that a person attached on the CDN, where it lies under `/ephemeral-attachments`."""
        return self.store(
            StoredFile(
                self.snowflakes.next(),
                attachment.filename,
                attachment.data,
                channel.id,
                attachment.content_type,
                ephemeral=True,
                announced_size=attachment.size,
                status=attachment.status,
                delay=attachment.delay,
            )
        )

    def store(self, file: StoredFile) -> StoredFile:
        """Put a file on the CDN."""
        self.files[file.id] = file
        return file

    def message_payload(self, message: WireMessage) -> Json:
        """Return the message object with addresses of this server."""
        return message.payload(self.base, self.state.cdn_seconds)

    def forget(self) -> None:
        """Drop messages, interactions and files, for measurements over many jobs."""
        for gone in (self.messages, self.interactions, self.tokens, self.files):
            gone.clear()
