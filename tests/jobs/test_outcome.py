"""Which results of a run are shown."""

import pytest

from bot.jobs.outcome import outcome_note, selected_outputs, text_outputs
from bot.workflow.run.events import OutputRef, OutputText, RunResult
from bot.workflow.run.spec import RunSpec

PICTURE, FILM = OutputRef("9", "a.png", "", "output"), OutputRef("9", "b.MP4", "", "output")
WORDS = OutputText("5", "a fox")


def spec(*outputs: str, **kinds: str) -> RunSpec:
    return RunSpec(
        "it", "It", {}, outputs=outputs, output_kinds={name.lstrip("n"): kind for name, kind in kinds.items()}
    )


@pytest.mark.parametrize(
    ("run", "shown"),
    [
        (spec(), [PICTURE, FILM]),
        (spec("9"), [PICTURE, FILM]),
        (spec("9", n9="images"), [PICTURE]),
        (spec("9", n9="video"), [FILM]),
        (spec("9", n9="audio"), []),
        (spec("5", "9", n5="text"), [PICTURE, FILM]),
    ],
)
def test_a_node_shows_what_its_author_declared(run: RunSpec, shown: list[OutputRef]) -> None:
    assert selected_outputs(RunResult((PICTURE, FILM)), run) == shown


def test_texts_are_shown_when_they_are_asked_for_or_all_there_is() -> None:
    both = RunResult((PICTURE,), (WORDS,))
    assert text_outputs(both, spec(), [PICTURE]) == []
    assert [each.data for each in text_outputs(both, spec("5", "9"), [PICTURE])] == [b"a fox"]
    assert text_outputs(both, spec("5", "9", n5="images"), [PICTURE]) == []
    assert [each.data for each in text_outputs(RunResult((), (WORDS,)), spec(), [])] == [b"a fox"]
    assert text_outputs(RunResult((), (WORDS,)), spec("9"), []) == []


def test_what_was_not_made_is_said() -> None:
    assert outcome_note(RunResult((PICTURE,)), [PICTURE], None, spec("9")) is None
    assert "outputs is missing" in str(outcome_note(RunResult((PICTURE,)), [PICTURE], None, spec("9", "5")))
