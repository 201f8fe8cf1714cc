import pytest

from bot.workflow.importer.ui_format.texts import dynamic_prompt, fill_tokens


@pytest.mark.parametrize(
    ("written", "first", "last"),
    [
        ("a {red|green} {big {cat|dog}|bird}", "a red big cat", "a green bird"),
        (r"\{x\|y\} \n", r"{x|y} \n", r"{x|y} \n"),
        ("{one} {} {|z}", "one  ", "one  z"),
        ("no | choice }", "no | choice }", "no | choice }"),
        ("open {a|b", "open a", "open b"),
        (r"{a\|b|c}", "a|b", "c"),
        ("see http://x.y // z\nnext /* a\nb */ end", "see http:\nnext  end", "see http:\nnext  end"),
        ("never /* closed", "never /* closed", "never /* closed"),
        ("/*/ still */ out", " out", " out"),
    ],
)
def test_choices_are_made_and_comments_cut(written: str, first: str, last: str):
    assert dynamic_prompt(written) == first
    assert dynamic_prompt(written, lambda count: count - 1) == last


@pytest.mark.parametrize("hostile", ["{" * 3_000_000, "/*" * 1_000_000, "{a|" * 1_000_000, "//" * 1_000_000])
def test_a_hostile_prompt_takes_no_time(hostile: str):
    assert len(dynamic_prompt(hostile)) <= len(hostile)


def test_tokens_that_nobody_knows_stay():
    known = {("Sampler", "seed"): "5", ("Text", "text"): "a/b:c"}

    def lookup(node: str, widget: str) -> str | None:
        return known.get((node, widget))

    assert fill_tokens("%Sampler.seed%_%Text.text%", lookup) == "5_a_b_c"
    assert fill_tokens("%Sampler.cfg% %date:yyyy% %width% 100% %a.b.c%", lookup) == (
        "%Sampler.cfg% %date:yyyy% %width% 100% %a.b.c%"
    )
