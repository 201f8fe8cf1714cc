"""The first response to an interaction: what each type may do, and how late is too late."""

import time

from tests.wire.api_errors import ApiError, invalid_form
from tests.wire.board import MessageBoard
from tests.wire.http_json import Body, Json
from tests.wire.interactions import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL_SUBMIT, WireInteraction
from tests.wire.messages import EPHEMERAL
from tests.wire.world import World

MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
ALLOWED = {
    COMMAND: {MESSAGE, DEFERRED_MESSAGE, MODAL},
    COMPONENT: {MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE, MODAL},
    AUTOCOMPLETE: {CHOICES},
    MODAL_SUBMIT: {MESSAGE, DEFERRED_MESSAGE, DEFERRED_UPDATE, UPDATE},
}
MAX_CHOICES = 25
MAX_CHOICE_TEXT = 100


class Callbacks:
    """Gives interactions their first response."""

    def __init__(self, *, world: World, board: MessageBoard) -> None:
        self._world = world
        self._board = board

    def answer(self, interaction_id: int, token: str, body: Body) -> Json:
        """Apply a callback and return what `with_response` shows. Raises ApiError 10062, 40060 or 50035."""
        interaction = self._world.interactions.get(interaction_id)
        if interaction is None or interaction.token != token:
            raise ApiError(10062)
        if interaction.answered_at is not None:
            raise ApiError(40060)
        now = time.monotonic()
        if now - interaction.sent > self._world.state.ack_seconds:
            raise ApiError(10062)
        response_type = self._check_type(interaction, body.payload.get("type"))
        self._perform(interaction, response_type, body.part("data"))
        interaction.response_type, interaction.response, interaction.answered_at = response_type, body.payload, now
        interaction.changes.notify()
        return self._resource(interaction, response_type)

    def _check_type(self, interaction: WireInteraction, response_type: int | None) -> int:
        allowed = ALLOWED[interaction.kind]
        if interaction.kind == MODAL_SUBMIT and interaction.source is None:
            allowed = allowed - {DEFERRED_UPDATE, UPDATE}
        if response_type not in allowed:
            raise invalid_form("type", "BASE_TYPE_CHOICES", f"Value must be one of {sorted(allowed)}.")
        return response_type

    def _perform(self, interaction: WireInteraction, response_type: int, data: Body) -> None:
        if response_type == MESSAGE:
            interaction.message = self._board.respond(interaction, data, via="callback")
        elif response_type == DEFERRED_MESSAGE:
            only_flags = Body({"flags": (data.payload.get("flags") or 0) & EPHEMERAL})
            interaction.message = self._board.respond(interaction, only_flags, via="callback", loading=True)
        elif response_type in (DEFERRED_UPDATE, UPDATE):
            interaction.message = interaction.source
            if response_type == UPDATE and interaction.source is not None:
                self._board.edit_by_token(interaction, interaction.source, data, via="callback")
        elif response_type == CHOICES:
            interaction.choices = _checked_choices(data.payload.get("choices") or [])
        else:
            interaction.modal = _checked_modal(data.payload)

    def _resource(self, interaction: WireInteraction, response_type: int) -> Json:
        summary: Json = {"id": str(interaction.id), "type": interaction.kind}
        message = interaction.message
        if message is None or response_type in (CHOICES, MODAL):
            return {"interaction": summary}
        summary |= {
            "response_message_id": str(message.id),
            "response_message_loading": message.is_loading,
            "response_message_ephemeral": message.is_ephemeral,
        }
        resource: Json = {"type": response_type}
        if response_type != DEFERRED_UPDATE:
            resource["message"] = self._world.message_payload(message)
        return {"interaction": summary, "resource": resource}


def _checked_choices(choices: list[Json]) -> list[Json]:
    if len(choices) > MAX_CHOICES:
        raise invalid_form("data.choices", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    for choice in choices:
        if not 1 <= len(choice["name"]) <= MAX_CHOICE_TEXT or len(str(choice["value"])) > MAX_CHOICE_TEXT:
            raise invalid_form("data.choices.name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    return choices


def _checked_modal(modal: Json) -> Json:
    if not 1 <= len(modal.get("title", "")) <= 45:
        raise invalid_form("data.title", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 45 in length.")
    if not 1 <= len(modal.get("components", [])) <= 5:
        raise invalid_form("data.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    return modal
