"""The settings: environment variables or lines of a `.env` file, read once by `bot.__main__`.

A misspelled name is an error. Per-guild settings are in the database, not here.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.errors import StartupError
from bot.i18n import _, verbatim

ENV_FILE = Path(".env")
NOT_OURS = {"COMFYUI_TEST_URL"}
"""Variables that look like a misspelled setting but are not."""
_PLAINER = {
    "Input should be": "must be", "a valid integer": "a whole number", "a valid number": "a number",
    "greater than or equal to": "at least", "less than or equal to": "at most",
}  # fmt: skip
"""Phrases in pydantic's messages, and what owners read instead."""
CLOSE = 0.85
"""Similarity from which a foreign variable counts as a misspelled setting."""


class Settings(BaseSettings):
    """All settings with their defaults. Environment variables are the field names in capitals."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8", env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    discord_token: SecretStr | None = None
    discord_api_url: str | None = None
    discord_guild_ids: Annotated[tuple[int, ...], NoDecode] = ()
    comfyui_urls: Annotated[tuple[str, ...], NoDecode] = ("http://127.0.0.1:8188",)
    database_url: SecretStr = SecretStr("sqlite:///data/comfycord.db")
    database_listen_url: SecretStr | None = None
    database_synchronous: Literal["full", "normal"] = "full"
    workflows_dir: Path = Path("workflows")
    data_dir: Path = Path("data")
    results_kept_days: Annotated[float, Field(ge=0, le=3650)] = 2.0
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 0
    queue_depth: Annotated[int, Field(ge=1, le=16)] = 2

    @field_validator("comfyui_urls", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _parts(value) if isinstance(value, str) else value

    @field_validator("discord_guild_ids", mode="before")
    @classmethod
    def _ids(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = _parts(value)
        if not all(part.isdecimal() and part.isascii() for part in parts):
            raise ValueError("must be Discord server ids (whole numbers), separated by commas")
        return tuple(int(part) for part in parts)

    @field_validator("discord_api_url", mode="after")
    @classmethod
    def _api_url(cls, value: str | None) -> str | None:
        return value if value is None else _http_url(value)

    @field_validator("comfyui_urls", mode="after")
    @classmethod
    def _urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        urls = tuple(_http_url(url) for url in value)
        if not urls:
            raise ValueError("is empty; set it to at least one server, such as http://127.0.0.1:8188")
        if len(set(urls)) < len(urls):
            raise ValueError("lists the same server twice")
        return urls

    @field_validator("database_synchronous", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value


def _parts(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _http_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return value.rstrip("/")


def load_settings(*, env_file: Path | None = ENV_FILE, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises `StartupError` with one line per mistake."""
    _refuse_misspelled(os.environ if environ is None else environ)
    try:
        return Settings(_env_file=env_file)  # pyright: ignore[reportCallIssue]  # pydantic-settings' own parameter
    except ValidationError as error:
        lines = "\n".join(_explain(dict(part), env_file) for part in error.errors(include_url=False))
        raise StartupError(verbatim(lines)) from error
    except UnicodeDecodeError as error:
        raise StartupError(_("{file} is not UTF-8 text. Save it as UTF-8.", file=str(env_file))) from error


def _refuse_misspelled(environ: Mapping[str, str]) -> None:
    known = [name.upper() for name in Settings.model_fields]
    for name in environ:
        if name in known or name in NOT_OURS:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=CLOSE)
        if near:
            raise StartupError(_("There is no setting {name}. Did you mean {near}?", name=name, near=near[0]))


def _explain(error: dict[str, Any], env_file: Path | None) -> str:
    name = str(error["loc"][0]).upper() if error["loc"] else "settings"
    where = _where(name, env_file)
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, [field.upper() for field in Settings.model_fields], n=1, cutoff=0.6)
        cure = _("Did you mean {near}?", near=near[0]) if near else _("See .env.example for all of them.")
        return str(_("There is no setting {name}{where}. {cure}", name=name, where=where, cure=cure))
    reason = str(error["msg"]).removeprefix("Value error, ").partition(", unable")[0]
    if error["type"] != "value_error":  # pydantic's own checks, of numbers and choices: they hold no secrets
        for theirs, ours in _PLAINER.items():
            reason = reason.replace(theirs, ours)
        reason = f'{reason}, not "{error["input"]}"'
    return str(_("{name} {reason}{where}.", name=name, reason=reason, where=where))


def _where(name: str, env_file: Path | None) -> str:
    """Return the line of the file that sets `name`; empty if the environment does."""
    if env_file is None or not env_file.is_file() or any(key.upper() == name for key in os.environ):
        return ""
    setting = re.compile(rf"\s*(?:export\s+)?{re.escape(name)}\s*=", re.IGNORECASE)
    numbers = [n for n, line in enumerate(env_file.read_text(encoding="utf-8").splitlines(), 1) if setting.match(line)]
    return f" ({env_file} line {numbers[-1]})" if numbers else ""
