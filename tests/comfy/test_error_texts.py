import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.comfy.errors import MAX_TEXT, sanitize


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("boom\n", "boom"),
        ("cannot read /home/u/ComfyUI/models/checkpoints/x.safetensors", "cannot read x.safetensors"),
        ("/home/John Doe/My Models/x.py failed", "x.py failed"),
        ("No such file: '/srv/Comfy UI/in put/a b.png'", "No such file: 'a b.png'"),
        (r"cannot open C:\Users\John Doe\models\x.safetensors now", "cannot open x.safetensors now"),
        (r"share \\nas\models\a.pt is gone", "share a.pt is gone"),
        ("D:/ComfyUI/x.png", "x.png"),
        ("~/models/a.pt is missing", "a.pt is missing"),
        ("copy /a/b.x to /c/d", "copy b.x to d"),
        ("see http://user:pass@10.0.0.7:8188/view?x", "see …"),
        ("no route to 10.0.0.7:8188", "no route to …"),
        ("got tensor([[1.0, 2.0],\n [3.0, 4.0]], device='cuda:0') here", "got … here"),
        ("boom\nTraceback (most recent call last):\n  File x", "boom"),
    ],
)
def test_what_is_for_the_terminal_only_is_taken_out(message: str, shown: str):
    assert sanitize(message) == shown


@pytest.mark.parametrize(
    "message",
    [
        "step 1/4, cpu and/or cuda:0",
        "size 768 / 512 does not match",
        "ckpt_name: 'nope.safetensors' not in ['SDXL/a.safetensors']",
        "invalid literal for int() with base 10: 'abc'",
    ],
)
def test_what_helps_the_reader_stays(message: str):
    assert sanitize(message) == message


def test_a_list_of_numbers_is_not_poured_out():
    assert sanitize(f"values {[0.123] * 50} differ").startswith("values […]")


def test_long_texts_are_cut():
    shown = sanitize("word " * 1000)

    assert len(shown) <= MAX_TEXT
    assert shown.endswith("…")


@given(st.text() | st.text(alphabet="/\\ .:'\"()[]a1", min_size=200))
def test_any_text_ends_short_and_on_one_line(message: str):
    shown = sanitize(message)

    assert len(shown) <= MAX_TEXT
    assert "\n" not in shown
