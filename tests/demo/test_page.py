"""The demo's page, driven in a browser as a newcomer would."""

import os
import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect, sync_playwright

from tests.demo.process import URL, demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 40_000
"""Milliseconds for anything that a job does."""


def find_browser() -> str:
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    if os.environ.get("CI"):
        pytest.fail("CI must have a chromium: apt-get install -y chromium")
    pytest.skip("no chromium on this machine")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    browser = find_browser()
    with demo(tmp_path / "demo", "--no-browser") as process, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=browser, args=FLAGS, viewport={"width": 1280, "height": 900}
        )
        page = context.pages[0]
        mistakes: list[str] = []
        page.on("pageerror", lambda error: mistakes.append(str(error)))
        page.goto(process.find(URL))
        yield page
        page.screenshot(path=tmp_path / "last.png")
        context.close()
        process.interrupt()
        assert process.wait(15) == 0
        assert mistakes == []


def card(page: Page, text: str) -> Locator:
    """Return the newest message with `text`."""
    return page.locator("#channel-message-list [data-message-id]").filter(has_text=text).last


def type_command(page: Page, name: str) -> None:
    page.locator("#channel-composer-input").click()
    page.keyboard.type(f"/{name}")
    expect(page.locator(".command-popup")).to_contain_text(f"/{name}")
    page.keyboard.press("Enter")
    expect(page.locator(".command-chip")).to_have_text(f"/{name}")


def option(page: Page, name: str, value: str) -> None:
    page.locator(f'input.command-option-input[data-option="{name}"]').click()
    page.keyboard.type(value)


def png(size: int = 64) -> bytes:
    """Draw a picture without a library: one colour, RGB, 8 bit."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))

    header = struct.pack("!IIBBBBB", size, size, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x20\x60\xa0" * size) * size)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_newcomer_gets_pictures(page: Page, tmp_path: Path) -> None:
    expect(page).to_have_title("Comfycord demo")
    expect(page.locator("#channel-message-list")).to_contain_text("Welcome to Comfycord")
    expect(page.locator(".demo-guide")).to_contain_text("moderator")

    # the first job runs while nobody clicks, and what it says changes by itself
    first = card(page, "a lighthouse by the sea at dawn")
    expect(first).to_contain_text(re.compile(r"\d+%"), timeout=PATIENCE)
    page.screenshot(path=tmp_path / "progress.png")
    expect(first.locator("img[src]").last).to_be_visible(timeout=PATIENCE)
    expect(first).to_contain_text("seed", timeout=PATIENCE)

    # the list of commands has the workflows
    page.locator("#channel-composer-input").click()
    page.keyboard.type("/")
    for name in ("/imagine", "/img2img", "/upscale", "/inpaint"):
        expect(page.locator(".command-popup")).to_contain_text(name)
    page.screenshot(path=tmp_path / "picker.png")
    page.keyboard.press("Backspace")

    # a job of one's own, its options filled in
    type_command(page, "imagine")
    option(page, "prompt", "a red fox in the snow")
    page.keyboard.press("Enter")
    own = card(page, "a red fox in the snow")
    expect(own).to_contain_text(re.compile(r"\d+%"), timeout=PATIENCE)
    before = own.inner_text()
    expect(own).not_to_have_text(before, timeout=PATIENCE)
    expect(own).to_contain_text("seed", timeout=PATIENCE)
    expect(own.locator("img[src]").last).to_be_visible(timeout=PATIENCE)
    assert own.locator("img[src]").last.evaluate("image => image.decode().then(() => image.naturalWidth)") >= 256

    # the buttons under it go on with it
    own.get_by_role("button", name="Upscale").click()
    larger = card(page, "Upscale")
    expect(larger).to_contain_text("factor 2", timeout=PATIENCE)
    expect(larger.locator("img[src]").last).to_be_visible(timeout=PATIENCE)
    page.screenshot(path=tmp_path / "larger.png")

    # and one with a picture
    type_command(page, "img2img")
    picture: FilePayload = {"name": "in.png", "mimeType": "image/png", "buffer": png()}
    page.locator(".command-file-input").set_input_files(picture)
    option(page, "prompt", "make it blue")
    page.keyboard.press("Enter")
    changed = card(page, "make it blue")
    expect(changed).to_contain_text("seed", timeout=PATIENCE)
    expect(changed.locator("img[src]").last).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#action-status")).not_to_contain_text(re.compile("uncertain|not completed"))


def test_typing_goes_on_while_a_job_runs(page: Page) -> None:
    expect(card(page, "a lighthouse by the sea at dawn")).to_contain_text(re.compile(r"\d+%"), timeout=PATIENCE)
    type_command(page, "imagine")
    for letter in "a slow owl":
        page.keyboard.type(letter)
        page.wait_for_timeout(150)
    page.keyboard.press("Enter")
    expect(card(page, "a slow owl")).to_contain_text("seed", timeout=PATIENCE)


def test_a_refusal_is_a_sentence_and_no_alarm(page: Page) -> None:
    type_command(page, "upscale")
    text: FilePayload = {"name": "in.png", "mimeType": "image/png", "buffer": b"not a picture"}
    page.locator(".command-file-input").set_input_files(text)
    page.locator("#send-message").click()
    expect(card(page, "Upscale")).to_contain_text("can't read that file as an image", timeout=PATIENCE)
    expect(page.locator("#action-status")).not_to_contain_text(re.compile("uncertain|not completed"))
