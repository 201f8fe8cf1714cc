"""The settings of one installation: environment variables, or lines of a `.env` file, read once in `bot.__main__`.

A misspelled setting is an error, not a silence. What differs per guild lives in the database, not here.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.errors import StartupError
from bot.i18n import _, verbatim

NOT_OURS = {"COMFYUI_TEST_URL"}
"""Variables that look like a misspelled setting and are none."""
CLOSE = 0.85
"""How alike a foreign variable and a setting must be for it to count as misspelled."""


class Settings(BaseSettings):
    """Every setting, with its default. Names in the environment are the field names in capitals."""

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
            raise ValueError("ids of servers are whole numbers, separated by commas")
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
            raise ValueError("name at least one server, such as http://127.0.0.1:8188")
        if len(set(urls)) < len(urls):
            raise ValueError("the same server is named twice")
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
        raise ValueError("an address begins with http:// or https://")
    return value.rstrip("/")


def load_settings(*, env_file: Path | None = Path(".env"), environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises `StartupError` with a line for each one that is wrong."""
    _refuse_misspelled(os.environ if environ is None else environ)
    try:
        return Settings(_env_file=env_file)  # pyright: ignore[reportCallIssue]  # pydantic-settings' own parameter
    except ValidationError as error:
        lines = "\n".join(_explain(dict(part)) for part in error.errors(include_url=False))
        raise StartupError(verbatim(lines)) from error
    except UnicodeDecodeError as error:
        raise StartupError(_("{file} is not a text file in UTF-8.", file=str(env_file))) from error


def _refuse_misspelled(environ: Mapping[str, str]) -> None:
    known = [name.upper() for name in Settings.model_fields]
    for name in environ:
        if name in known or name in NOT_OURS:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=CLOSE)
        if near:
            raise StartupError(_("{name}: there is no such setting. Did you mean {near}?", name=name, near=near[0]))


def _explain(error: dict[str, Any]) -> str:
    name = str(error["loc"][0]).upper() if error["loc"] else "settings"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, [field.upper() for field in Settings.model_fields], n=1, cutoff=0.6)
        text = _("{name}: there is no such setting. Did you mean {near}?", name=name, near=near[0]) if near else None
        return str(text or _("{name}: there is no such setting. See .env.example for all of them.", name=name))
    reason = str(error["msg"]).removeprefix("Value error, ")
    return str(_("{name}: {reason}", name=name, reason=reason))
