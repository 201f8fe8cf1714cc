"""Where one server is: reads the URL that the owner wrote, and keeps its password apart from what is logged."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from yarl import URL

from bot.errors import InputError, StartupError
from bot.i18n import Message, _

MAX_LENGTH = 300
_ODD = re.compile(r"[^!-~]|\\")
_TRICK = re.compile(r"(?:^|/)\.{1,2}(?:/|$)|//|%(?:2e|2f|5c|00)", re.IGNORECASE)


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


def check_address(url: str) -> Address:
    """Read an address that somebody typed into Discord, more strictly than the owner's settings. Raises `InputError`.

    No machine is refused but those that can only be a mistake or a trick: ComfyUI runs on private addresses.
    """
    url = url.strip()
    try:
        address = Address.parse(url)
    except StartupError as err:
        raise InputError(err.user_message) from err
    complaint = _complaint(url, address.root)
    if complaint:
        raise InputError(complaint)
    return address


def _complaint(url: str, root: URL) -> Message | None:
    if len(url) > MAX_LENGTH:
        return _("This address is too long: {limit} characters are enough.", limit=MAX_LENGTH)
    if _ODD.search(url):
        return _("This address holds characters that no address has. Write it like http://127.0.0.1:8188.")
    path = "/" + url.partition("://")[2].partition("/")[2]
    if "?" in url or "#" in url or _TRICK.search(path):
        return _("Write the address of the server alone, like http://127.0.0.1:8188, without a page or a query.")
    if _is_nobodys(root.host or ""):
        return _("No ComfyUI can be at this address. Write the address of the machine that it runs on.")
    return None


def _is_nobodys(host: str) -> bool:
    """Whether it is a link-local address, under which clouds keep their secrets, or one of many machines."""
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
