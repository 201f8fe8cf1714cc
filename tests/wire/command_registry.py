"""The commands an application has registered, globally and per guild."""

import re

from tests.wire.api_errors import ApiError, invalid_form
from tests.wire.http_json import Json
from tests.wire.snowflakes import Snowflakes
from tests.wire.state import WireCounters, WireState

SLASH_NAME = re.compile(r"[-_'\w]{1,32}")
MAX_PER_KIND = {1: 100, 2: 15, 3: 15, 4: 1}
MAX_OPTIONS = 25
MAX_DESCRIPTION = 100
MAX_ROOT_TEXT = 8000
SUBCOMMANDS = (1, 2)


class CommandRegistry:
    """Keeps command payloads by scope; None is the global scope."""

    def __init__(
        self, *, application_id: int, state: WireState, counters: WireCounters, snowflakes: Snowflakes
    ) -> None:
        self._application_id = application_id
        self._state = state
        self._counters = counters
        self._snowflakes = snowflakes
        self._created_today: dict[int | None, int] = {}
        self.scopes: dict[int | None, list[Json]] = {}
        self.puts: list[tuple[int | None, list[Json]]] = []
        """Every bulk PUT as it came: scope and payloads."""

    def replace(self, scope: int | None, payloads: list[Json]) -> list[Json]:
        """Overwrite a scope, as a bulk PUT does. Raises ApiError 50035 or 30034."""
        for payload in payloads:
            _check_command(payload)
        _check_counts(payloads)
        known = {(entry["type"], entry["name"]): entry["id"] for entry in self.scopes.get(scope, [])}
        new = sum((payload.get("type", 1), payload["name"]) not in known for payload in payloads)
        self._count_creates(scope, new)
        self.puts.append((scope, payloads))
        self._counters.command_puts += 1
        self.scopes[scope] = [self._registered(payload, scope, known) for payload in payloads]
        return self.scopes[scope]

    def find(self, name: str, guild_id: int | None, kind: int = 1) -> Json:
        """Return the command a person in this guild would reach; the guild's own comes first. Raises LookupError."""
        for scope in dict.fromkeys((guild_id, None)):
            for command in self.scopes.get(scope, []):
                if command["name"] == name and command["type"] == kind:
                    return command
        raise LookupError(f"no command {name!r}; registered are {sorted(self.by_name())}")

    def by_name(self) -> dict[str, Json]:
        """Return all commands of all scopes by name."""
        return {command["name"]: command for commands in self.scopes.values() for command in commands}

    def _count_creates(self, scope: int | None, new: int) -> None:
        created = self._created_today.get(scope, 0) + new
        if created > self._state.daily_command_creates:
            raise ApiError(30034)
        self._created_today[scope] = created

    def _registered(self, payload: Json, scope: int | None, known: dict[tuple[int, str], str]) -> Json:
        kind = payload.get("type", 1)
        made = {
            "id": known.get((kind, payload["name"])) or str(self._snowflakes.next()),
            "application_id": str(self._application_id),
            "version": str(self._snowflakes.next()),
            "type": kind,
        }
        place = {} if scope is None else {"guild_id": str(scope)}
        return {"description": "", "nsfw": False, **payload, **made, **place}


def _check_counts(payloads: list[Json]) -> None:
    for kind, most in MAX_PER_KIND.items():
        if sum(payload.get("type", 1) == kind for payload in payloads) > most:
            raise invalid_form("_misc", "APPLICATION_COMMAND_TOO_MANY", f"Maximum number of commands reached ({most})")


def _check_command(payload: Json) -> None:
    if payload.get("type", 1) == 1:
        _check_named(payload)
        if _text_of(payload) > MAX_ROOT_TEXT:
            raise invalid_form("_misc", "APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (8000)")


def _check_named(payload: Json) -> None:
    name, description = payload.get("name", ""), payload.get("description", "")
    if not SLASH_NAME.fullmatch(name) or name != name.lower():
        raise invalid_form("name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    if not 1 <= len(description) <= MAX_DESCRIPTION:
        raise invalid_form("description", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    options: list[Json] = payload.get("options") or []
    if len(options) > MAX_OPTIONS or len(payload.get("choices") or []) > MAX_OPTIONS:
        raise invalid_form("options", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    required = [bool(option.get("required")) for option in options if option["type"] not in SUBCOMMANDS]
    if required != sorted(required, reverse=True):
        message = "Required options must be placed before non-required options"
        raise invalid_form("options", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message)
    for option in options:
        _check_named(option)


def _text_of(payload: Json) -> int:
    choices: list[Json] = payload.get("choices") or []
    options: list[Json] = payload.get("options") or []
    own = _longest(payload, "name") + _longest(payload, "description")
    own += sum(_longest(choice, "name") + len(str(choice["value"])) for choice in choices)
    return own + sum(_text_of(option) for option in options)


def _longest(payload: Json, key: str) -> int:
    localised: dict[str, str] = payload.get(f"{key}_localizations") or {}
    return max(len(text) for text in (payload.get(key, ""), *localised.values()))
