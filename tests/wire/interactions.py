"""One interaction, from the press of a key to the last edit: the handle that tests hold."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.wire.api_errors import ApiError
from tests.wire.changes import Changes
from tests.wire.http_json import Json
from tests.wire.messages import Edit, WireMessage
from tests.wire.places import WireChannel, WireGuild, WireUser

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5


@dataclass(frozen=True, slots=True)
class Origin:
    """Who caused an interaction, where, and with which rights."""

    user: WireUser
    channel: WireChannel
    guild: WireGuild | None
    context: int
    owners: dict[str, str]
    locale: str
    permissions: int
    roles: list[int]
    size_limit: int
    force_ephemeral: bool
    age: float

    @property
    def is_user_install_only(self) -> bool:
        """Whether the bot is here only because this user brought it."""
        return set(self.owners) == {"1"}


class WireInteraction:
    """What Discord knows of one interaction. `message` is what `@original` means, once there is one."""

    def __init__(
        self, *, interaction_id: int, kind: int, name: str, origin: Origin, source: WireMessage | None = None
    ) -> None:
        self.id = interaction_id
        self.kind = kind
        self.name = name
        self.origin = origin
        self.source = source
        self.token = f"{interaction_id}.{secrets.token_urlsafe(24)}"
        self.sent = time.monotonic()
        self.opened = self.sent - origin.age
        self.answered_at: float | None = None
        self.response_type: int | None = None
        self.response: Json = {}
        self.choices: list[Json] = []
        self.modal: Json | None = None
        self.message: WireMessage | None = None
        self.followups: list[WireMessage] = []
        self.followups_sent = 0
        self.changes = Changes() if source is None else source.changes
        self._expired = False
        self._revoked = False

    @property
    def text(self) -> str:
        """What `message` says; empty while there is none."""
        return self.message.text if self.message else ""

    @property
    def edits(self) -> list[Edit]:
        """The edit log of `message`."""
        return self.message.edits if self.message else []

    @property
    def ack_seconds(self) -> float:
        """How long the bot took to answer. Raises ValueError before it did."""
        if self.answered_at is None:
            raise ValueError("not answered")
        return self.answered_at - self.sent

    def expire(self) -> None:
        """End the life of the token now: every later use is 401/50027."""
        self._expired = True

    def revoke(self) -> None:
        """Let Discord forget the token: every later use is 404/10015."""
        self._revoked = True

    def check_token(self, token_seconds: float) -> None:
        """Raise ApiError 50027 or 10015 when the token is of no use, or of no use yet."""
        if self._revoked:
            raise ApiError(10015)
        if self._expired or time.monotonic() - self.opened > token_seconds:
            raise ApiError(50027)
        if self.answered_at is None:
            raise ApiError(10015)

    async def answered(self, timeout: float = 5.0) -> "WireInteraction":
        """Return once the bot has given its first response. Raises TimeoutError."""
        await self.changes.until(lambda: self.answered_at is not None, timeout, f"an answer to {self.name!r}")
        return self

    async def wait_for(self, predicate: Callable[[WireMessage], bool], timeout: float = 5.0) -> WireMessage:
        """Return `message` as soon as `predicate` holds for it. Raises TimeoutError that shows the message."""
        try:
            await self.changes.until(
                lambda: self.message is not None and predicate(self.message),
                timeout,
                f"the awaited state of {self.name!r}",
            )
        except TimeoutError as err:
            files = [file.name for file in self.message.attachments] if self.message else []
            raise TimeoutError(f"{err}; the message says {self.text!r} with files {files}") from err
        assert self.message is not None
        return self.message

    def metadata(self) -> Json:
        """Return the interaction_metadata of the messages it makes."""
        return {
            "id": str(self.id),
            "type": self.kind,
            "user": self.origin.user.payload(),
            "authorizing_integration_owners": self.origin.owners,
        }
