"""The refusals of Discord's REST interface, by the JSON code that bots act on."""

from typing import Any

CATALOGUE: dict[int, tuple[int, str]] = {
    0: (401, "401: Unauthorized"),
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10013: (404, "Unknown User"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    30015: (400, "Maximum number of attachments in a message reached (10)"),
    30034: (400, "Max number of daily application command creates has been reached (200)"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
    40003: (400, "You are opening direct messages too fast"),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    40094: (400, "Followup messages for this interaction have reached the limit"),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50013: (403, "Missing Permissions"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50045: (413, "File uploaded exceeds the maximum size"),
    50083: (400, "Thread is archived"),
    50278: (403, "Cannot send messages to this user due to having no mutual guilds"),
    160002: (400, "You cannot reply without permission to read message history"),
    160005: (400, "Thread is locked"),
}


class ApiError(Exception):
    """A request is refused with this status, JSON code and body."""

    def __init__(
        self,
        code: int,
        *,
        status: int | None = None,
        message: str | None = None,
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        known_status, known_message = CATALOGUE.get(code, (400, "Bad Request"))
        super().__init__(message or known_message)
        self.status = status or known_status
        self.headers = headers or {}
        self.body: dict[str, Any] = {"message": message or known_message, "code": code, **(extra or {})}


def invalid_form(field: str, code: str, message: str) -> ApiError:
    """Return the refusal of one field of a body (400/50035), in the nested form that Discord uses."""
    nested: dict[str, Any] = {"_errors": [{"code": code, "message": message}]}
    for part in reversed(field.split(".")):
        nested = {part: nested}
    return ApiError(50035, extra={"errors": nested})
