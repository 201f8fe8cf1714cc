"""Where one server is: reads the URL that the owner wrote, and keeps its password apart from what is logged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from yarl import URL

from bot.errors import StartupError
from bot.i18n import _


@dataclass(frozen=True, slots=True)
class Address:
    """The root of a server, which may lie under a path of a reverse proxy, and the headers every request needs."""

    root: URL
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `http[s]://[user:password@]host[:port][/path][/]`. Raises `StartupError`."""
        try:
            parsed = URL(url.strip())
        except ValueError as err:
            raise StartupError(_("This is not the address of a ComfyUI server.")) from err
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise StartupError(_("The address of a ComfyUI server looks like http://127.0.0.1:8188."))
        root = parsed.with_user(None).with_query(None).with_fragment(None)
        return cls(root.with_path(root.raw_path.rstrip("/") or "/", encoded=True), _authorization(parsed))

    def url(self, *parts: str) -> URL:
        """Return the URL of a route; each part is encoded as one step of the path."""
        return self.root.joinpath(*parts)


def _authorization(url: URL) -> Mapping[str, str]:
    if not url.user and not url.password:
        return {}
    return {"Authorization": aiohttp.encode_basic_auth(url.user or "", url.password or "", encoding="utf-8")}
