import base64

import pytest

from bot.comfy.url import ServerUrl, check_server_url
from bot.errors import InputError, StartupError


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
    assert str(ServerUrl.parse(url).url("queue")) == queue


def test_steps_of_a_path_cannot_break_out():
    assert str(ServerUrl.parse("http://h/c").url("history", "a b?c#d")) == "http://h/c/history/a%20b%3Fc%23d"


def test_a_password_becomes_a_header_and_is_shown_nowhere():
    address = ServerUrl.parse("http://us%40er:geheim%C3%BC@host:8188/")

    encoded = address.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded).decode() == "us@er:geheimü"
    assert "geheim" not in repr(address)
    assert "geheim" not in str(address.url("ws"))


@pytest.mark.parametrize("url", ["", "127.0.0.1:8188", "host", "ftp://host", "http://", "http://host:99999"])
def test_what_is_no_address_is_refused(url: str):
    with pytest.raises(StartupError):
        ServerUrl.parse(url)


@pytest.mark.parametrize(
    ("url", "root"),
    [
        (" http://192.168.0.7:8188/\n", "http://192.168.0.7:8188/"),
        ("https://me:pass@gpu.example/comfy", "https://gpu.example/comfy"),
        ("http://[fd00::7]:8188", "http://[fd00::7]:8188/"),
        ("http://localhost:8188", "http://localhost:8188/"),
    ],
)
def test_addresses_that_members_may_add(url: str, root: str):
    assert str(check_server_url(url).root) == root


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gpu",
        "ftp://gpu/",
        "file:///etc/passwd",
        "http://",
        "http://:8188",
        "http://gpu:99999",
        "http://gpu:port",
        "http://gpu:8188/queue?x=1",
        "http://gpu:8188/#x",
        "http://gpu:8188/a/../b",
        "http://gpu:8188/a/..",
        "http://gpu:8188/%2e%2e/b",
        "http://gpu:8188/a%2Fb",
        "http://gpu:8188//b",
        "http://gpu\\@other:8188",
        "http://gpu:8188/a b",
        "http://gpu:8188/a\r\nHost: b",
        "http://gpü:8188/",
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]:8188",
        "http://224.0.0.1",
        "http://gpu/" + "a" * 300,
    ],
)
def test_what_cannot_be_the_address_of_a_server_is_refused(url: str):
    with pytest.raises(InputError):
        check_server_url(url)


def test_a_refusal_does_not_repeat_the_password():
    with pytest.raises(InputError) as caught:
        check_server_url("http://me:secret@gpu:8188/?a")
    assert "secret" not in str(caught.value.user_message)
