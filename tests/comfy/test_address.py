import base64

import pytest

from bot.comfy.address import Address
from bot.errors import StartupError


@pytest.mark.parametrize(
    ("url", "queue"),
    [
        ("http://127.0.0.1:8188", "http://127.0.0.1:8188/queue"),
        ("http://127.0.0.1:8188/", "http://127.0.0.1:8188/queue"),
        ("https://gpu.example/comfy/one/", "https://gpu.example/comfy/one/queue"),
        ("http://[::1]:8188", "http://[::1]:8188/queue"),
        (" http://host?x=1#y ", "http://host/queue"),
    ],
)
def test_urls_as_owners_write_them(url: str, queue: str):
    assert str(Address.parse(url).url("queue")) == queue


def test_steps_of_a_path_cannot_break_out():
    assert str(Address.parse("http://h/c").url("history", "a b?c#d")) == "http://h/c/history/a%20b%3Fc%23d"


def test_a_password_becomes_a_header_and_is_shown_nowhere():
    address = Address.parse("http://us%40er:geheim%C3%BC@host:8188/")

    encoded = address.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded).decode() == "us@er:geheimü"
    assert "geheim" not in repr(address)
    assert "geheim" not in str(address.url("ws"))


@pytest.mark.parametrize("url", ["", "127.0.0.1:8188", "host", "ftp://host", "http://", "http://host:99999"])
def test_what_is_no_address_is_refused(url: str):
    with pytest.raises(StartupError):
        Address.parse(url)
