"""Server URLs: parsed from the settings (`ServerUrl`) or checked as members enter them (`check_server_url`).

Credentials are kept out of everything that is logged.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from yarl import URL

from bot.errors import InputError, StartupError
from bot.i18n import Message, _

MAX_URL = 300
_INVALID = re.compile(r"[^!-~]|\\")
_NOT_A_ROOT = re.compile(r"(?:^|/)\.{1,2}(?:/|$)|//|%(?:2e|2f|5c|00)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A server's root URL, possibly below a reverse proxy's path, and the headers that every request needs."""

    root: URL
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse `http[s]://[user:password@]host[:port][/path][/]`. Raises `StartupError`."""
        try:
            parsed = URL(url.strip())
        except ValueError as err:
            raise StartupError(_("This isn't the address of a ComfyUI server.")) from err
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise StartupError(_("A ComfyUI server's address looks like http://127.0.0.1:8188."))
        root = parsed.with_user(None).with_query(None).with_fragment(None)
        return cls(root.with_path(root.raw_path.rstrip("/") or "/", encoded=True), _authorization(parsed))

    def url(self, *parts: str) -> URL:
        """Return the URL of a route; each part is encoded as one path segment."""
        return self.root.joinpath(*parts)


def check_server_url(url: str) -> ServerUrl:
    """Parse an address entered in Discord, more strictly than one from the settings. Raises `InputError`.

    Private addresses are allowed, because ComfyUI usually has one; only mistakes and tricks are refused.
    """
    url = url.strip()
    try:
        address = ServerUrl.parse(url)
    except StartupError as err:
        raise InputError(err.user_message) from err
    problem = _problem(url, address.root)
    if problem:
        raise InputError(problem)
    return address


def _problem(url: str, root: URL) -> Message | None:
    if len(url) > MAX_URL:
        return _("This address is too long (limit: {limit} characters).", limit=MAX_URL)
    if _INVALID.search(url):
        return _("This address contains invalid characters. Write it like http://127.0.0.1:8188.")
    path = "/" + url.partition("://")[2].partition("/")[2]
    if "?" in url or "#" in url or _NOT_A_ROOT.search(path):
        return _("Enter only the server's address, like http://127.0.0.1:8188, without a page or query.")
    if _is_unusable(root.host or ""):
        return _("This address can't belong to a ComfyUI server. Enter the address of the machine it runs on.")
    return None


def _is_unusable(host: str) -> bool:
    """Whether it is link-local, where clouds expose instance credentials, or a multicast or reserved address."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_link_local or ip.is_multicast or ip.is_reserved


def _authorization(url: URL) -> Mapping[str, str]:
    if not url.user and not url.password:
        return {}
    return {"Authorization": aiohttp.encode_basic_auth(url.user or "", url.password or "", encoding="utf-8")}
