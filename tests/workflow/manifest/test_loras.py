"""Lists of LoRAs: how people write them, and what becomes of the loader."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.workflow.errors import RefusedValueError
from bot.workflow.manifest.loras import (
    Lora,
    chain,
    is_loader,
    read_loras,
    written,
)
from bot.workflow.manifest.values import AllowedValues

LIVE = AllowedValues(live=("styles/Ink.safetensors", "detail.safetensors", "old/detail.safetensors", "neon.pt"))


@pytest.mark.parametrize(
    ("text", "loras"),
    [
        ("neon", [Lora("neon.pt")]),
        ("NEON.pt:0.5", [Lora("neon.pt", 0.5)]),
        ("ink: -0,75 ; neon", [Lora("styles/Ink.safetensors", -0.75), Lora("neon.pt")]),
        ("<lora:ink:0.8> <lora:neon:1.2:0.9>", [Lora("styles/Ink.safetensors", 0.8), Lora("neon.pt", 1.2)]),
        ("styles/ink\nold/detail:2", [Lora("styles/Ink.safetensors"), Lora("old/detail.safetensors", 2.0)]),
        ("detail", [Lora("detail.safetensors")]),
        ("neon:", [Lora("neon.pt")]),
        (" , ", []),
    ],
)
def test_people_write_them_in_many_ways(text: str, loras: list[Lora]) -> None:
    assert list(read_loras(text, LIVE, 4)) == loras


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a, b, c, d, e", "up to 4 LoRAs, not 5"),
        ("neon, NEON:0.5", "names “neon.pt” twice"),
        ("neon:11", "from -10 to 10"),
        ("neo", "Did you mean “neon.pt”"),
        ("../../etc/passwd", "names an unknown LoRA"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(RefusedValueError, match=words):
        read_loras(text, LIVE, 4)


@given(
    st.lists(
        st.tuples(st.sampled_from(LIVE.live or ()), st.integers(-1000, 1000)), max_size=4, unique_by=lambda x: x[0]
    )
)
def test_what_is_written_is_read_again(entries: list[tuple[str, int]]) -> None:
    loras = tuple(Lora(name, hundredths / 100) for name, hundredths in entries)
    assert read_loras(written(loras), LIVE, 4) == loras


def graph() -> dict[str, dict[str, Any]]:
    return {
        "1": {"class_type": "Loader", "inputs": {}},
        "2": {
            "class_type": "LoraLoader",
            "inputs": {
                "model": ["1", 0],
                "clip": ["1", 1],
                "lora_name": "x",
                "strength_model": 1.0,
                "strength_clip": 1.0,
            },
        },
        "3": {"class_type": "Sampler", "inputs": {"model": ["2", 0]}},
        "4": {"class_type": "Encode", "inputs": {"clip": ["2", 1]}},
    }


@given(st.integers(1, 8), st.randoms(use_true_random=False))
def test_every_lora_is_loaded_once_between_the_model_and_its_readers(count: int, chance: random.Random) -> None:
    loras = [Lora(f"{number}.safetensors", chance.uniform(-2, 2)) for number in range(count)]
    changed = graph()
    chain(changed, "2", loras)
    way = [changed["3"]["inputs"]["model"][0]]
    assert changed["4"]["inputs"]["clip"] == [way[0], 1]
    while way[-1] != "1":
        inputs = changed[way[-1]]["inputs"]
        assert inputs["model"][0] == inputs["clip"][0]
        way.append(inputs["model"][0])
    way.reverse()
    assert [changed[each]["inputs"]["lora_name"] for each in way[1:]] == [lora.name for lora in loras]
    assert [changed[each]["inputs"]["strength_model"] for each in way[1:]] == [lora.strength for lora in loras]
    assert len(set(way)) == len(way) == count + 1
    assert all(before != after for before, after in pairwise(way))


def test_what_a_loader_is() -> None:
    assert is_loader(graph()["2"]["inputs"])
    assert not is_loader({"lora_name": "x"})
