"""A model card shows what files say as text: nothing of it becomes Markdown or HTML."""

import re

import pytest
from damaged_files import make_run, scores_of
from tiny import tiny_config

from agave_tf.errors import InputError
from agave_tf.interop.model_card import run_card
from agave_tf.interop.provenance import about_run
from agave_tf.runs.run_directory import RunDirectory

HOSTILE = "<script>alert(1)</script>\n\n# Title\n[a](javascript:b) ``x` \u202e ![](c)"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunDirectory:
    return make_run(tmp_path_factory.mktemp("card") / "run")


def card_of(run, **facts):
    about = about_run(run) | {"settings": {"data": vars(run.config.data)}}
    about["settings"]["train"] = vars(run.config.train)
    about["versions"] = {"agave_tf": "0.2.0", "numpy": "2.4.6"}
    return run_card(run.make_model(), about | facts)


def outside_code(card):
    """The card without its code spans and blocks."""
    card = re.sub(r"```.*?\n```", "", card, flags=re.DOTALL)
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", card)


def hostile_facts(run):
    data = run.data._asdict()
    data |= {"held_out": HOSTILE, "fingerprint": HOSTILE}
    source = {"stage": HOSTILE, "step": 3, "weights": HOSTILE}
    return {
        "stage": HOSTILE,
        "weights": HOSTILE,
        "data": data,
        "sources": {"init_from": source},
        "versions": {HOSTILE: HOSTILE, "numpy": HOSTILE},
    }


def test_hostile_texts_stand_in_code(run):
    plain = outside_code(card_of(run))
    config = tiny_config(dataset=f"folder:{HOSTILE}")
    hostile = run.with_config(config)
    scores = scores_of(run) | {"data": {"dataset": HOSTILE}}
    facts = hostile_facts(run) | {"evaluations": [scores]}
    cards = [card_of(hostile, **facts), card_of(hostile, **facts, origin=HOSTILE)]
    assert not re.search(r"[<\[!\u202e]", plain)
    for card in cards:
        assert "<script>" in card and "\u202e" not in card
        assert not re.search(r"[<\[!]|# Title", outside_code(card)), card
        assert re.findall("^#.*", card, re.M) == re.findall("^#.*", plain, re.M)


@pytest.mark.parametrize("value", ["<script>", 1.5, True, None])
def test_a_count_that_is_no_number_is_refused(run, value):
    scores = scores_of(run) | {"num_images": value}
    data = run.data._asdict() | {"num_train": value}
    for facts in ({"evaluations": [scores]}, {"step": value}, {"data": data}):
        with pytest.raises(InputError, match="must have whole numbers as counts; got"):
            card_of(run, **facts)


def test_a_score_that_is_no_bound_is_not_named(run):
    scores = {"bits_per_dim": 3.5, "bits_per_dim_<b>_samples": 3.0, "kl": 9.0}
    scores["bits_per_dim_x"] = None
    card = card_of(run, evaluations=[scores_of(run) | {"scores": scores}])
    assert "- 3.500 or 3.000 bits/dim" in card and "<b>" not in card


def test_usual_texts_stand_as_they_are(run):
    card = card_of(run)
    assert "6 held out (its split test); fingerprint `aaaaaaaaaaaaaaaa`." in card
    assert "Exported with agave_tf 0.2.0, numpy 2.4.6." in card
