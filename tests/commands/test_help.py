"""--help fits a screen and --helpfull has every flag; a wrong argument is one line."""

import dataclasses
import re

import pytest
from absl import flags

from agave_tf.commands import (
    benchmark,
    compress,
    decompress,
    evaluate,
    export,
    import_openai,
    reproduce,
    sample,
    score,
    train,
)
from agave_tf.commands.arguments import check_arguments, required_flag_error
from agave_tf.commands.flags import about
from agave_tf.commands.help import first_sentence, full_help, short_help
from agave_tf.errors import InputError
from agave_tf.settings.coding import CodecSettings
from agave_tf.settings.config import PARTS, config_from_settings
from agave_tf.settings.evaluation import EvaluationSettings
from agave_tf.settings.flag_files import expand_flag_files
from agave_tf.settings.pictures import PictureSettings
from agave_tf.settings.scoring import ScoringSettings

COMMANDS = [
    *(train, evaluate, sample, score, compress, decompress),
    *(export, import_openai, reproduce, benchmark),
]
SETTINGS = [
    *PARTS.values(),
    *(EvaluationSettings, PictureSettings, ScoringSettings, CodecSettings),
]


def values_of(command) -> flags.FlagValues:
    """The flags of a command, not yet parsed."""
    values = flags.FlagValues()
    command.define_flags(values)
    return values


@pytest.fixture(autouse=True)
def _screen(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def flags_in(text: str) -> set[str]:
    """The names of the flags that a help text lists."""
    return set(re.findall(r"^  --(?:\[no\])?(\w+)", text, re.M))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen_and_has_what_must_be_given(command):
    values = values_of(command)
    text = short_help(command.__doc__, values)
    lines = text.splitlines()
    assert len(lines) <= 48
    assert max(map(len, lines)) <= 100
    assert "--helpfull shows all flags, by group" in " ".join(lines[-2:])
    required = {n for n in values if f"--{n}=None" in refusal(command, n)}
    assert required <= flags_in(text)
    shown = [n for n in flags_in(text) if values[n].default is None]
    assert required == {n for n in shown if about(values[n]).no_default == "required"}


@pytest.mark.parametrize("columns", ["1", "0", "-5", "abc", "9" * 30])
def test_help_can_be_read_whatever_width_is_claimed(columns, monkeypatch):
    # Not longer than the texts take: pytest -v reads it, too, and does not survive.
    with monkeypatch.context() as within:
        within.setenv("COLUMNS", columns)
        texts = [text("", values_of(evaluate)) for text in (short_help, full_help)]
    for text in texts:
        assert 55 < max(map(len, text.splitlines())) <= 100


def refusal(command, name: str) -> str:
    """What absl says if a flag keeps its default; empty if that can be."""
    values = values_of(command)
    try:
        for validator in values[name].validators:
            values.mark_as_parsed()
            validator.verify(values)
    except flags.ValidationError:
        return f"--{name}=None"
    return ""


@pytest.mark.parametrize("command", COMMANDS)
def test_the_full_help_has_every_flag_in_a_group(command):
    values = values_of(command)
    assert flags_in(full_help(command.__doc__, values)) == set(values)
    assert all(about(values[name]) for name in values)


def test_help_of_train_names_the_flags_that_matter_by_group():
    text = short_help(train.__doc__, values_of(train))
    assert "bin/train.py --flagfile=small.flags" in text
    wanted = "run_dir stage dataset image_size joint_steps batch_size strategy"
    assert flags_in(text) >= set(wanted.split())
    assert "open_tails" not in flags_in(text)
    headings = re.findall(r"\n\n(\w[^\n]*)\n  --", text)
    assert headings[:2] == ["Run", "Images"]
    assert "Training steps of the stage joint. [10000]" in text
    assert "pretrain_pixel_cnn, joint, ablation, all. [required]" in " ".join(
        text.split()
    )


def test_defaults_of_a_run_and_set_later_are_shown():
    text = short_help(sample.__doc__, values_of(sample))
    assert "[as in the run]" in text
    text = " ".join(short_help("", values_of(import_openai)).split())
    assert "npz:PATH, or dead_leaves. [cifar10]" in text


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_first_sentence_of_every_help_is_whole(settings):
    assert settings.title != "Settings"
    for field in dataclasses.fields(settings):
        sentence = first_sentence(field.metadata["help"])
        assert sentence.endswith(".") and len(sentence) > 12, sentence
        assert sentence.count("(") == sentence.count(")"), sentence


def test_first_sentences_end_where_a_reader_would_end_them():
    assert first_sentence("lambda in Eq. 7: it. More.") == "lambda in Eq. 7: it."
    assert first_sentence("Devices. one: a GPU.") == "Devices."
    assert first_sentence("All (Kim et al. 2016). 0: none.") == (
        "All (Kim et al. 2016). 0: none."
    )


@pytest.mark.parametrize(
    "line,message",
    [
        ("--joint_step=3", "There is no flag --joint_step; .* Did you mean --joint_st"),
        ("--batch-size=3", "Did you mean --batch_size?"),
        ("--no_show_samples", "Did you mean --noshow_samples?"),
        ("--qqq=3", r"There is no flag --qqq; got '--qqq=3'\.$"),
        ("--stage=jont", "`stage` must be pretr.* or all; got 'jont'. Did you mean jo"),
        ("--stage=Joint", "Did you mean joint?"),
        ("--auxiliary_color=red", "`auxiliary_color` must be rgb or gray; got 'red'"),
        ("--batch_size=many", "`batch_size` must be an integer; got 'many'"),
        ("--learning_rate=1,5", "`learning_rate` must be a number; got '1,5'"),
        ("--show_samples=maybe", "`show_samples` must be true or false; got 'maybe'"),
        ("--noshow_samples=false", "Did you mean --show_samples=false?"),
        ("--show_samples true", "Arguments must be --flags; got 'true'. A flag that"),
        ("run_dir=x", "Arguments must be --flags; got 'run_dir=x'. Did you mean --run"),
        ("\N{EM DASH}run_dir=x", "Did you mean --run_dir=x?"),
        ("runs/x", r"Arguments must be --flags; got 'runs/x'\.$"),
        ("--run_dir --stage=joint", "`run_dir` must have a value.* got the next flag"),
        ("--run_dir", "`run_dir` must have a value, --run_dir=...; got nothing"),
        ("-- x", "got '--'"),
    ],
)
def test_a_wrong_argument_is_one_line_with_a_hint(line, message):
    with pytest.raises(InputError, match=message) as refused:
        check_arguments(line.split(), values_of(train))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [
        "--stage joint --run_dir runs/x",
        "-stage=joint --noshow_samples --jit_compile=true",
        "--undefok=old,older --old=3 --older",
        "--learning_rate=1e-3 --num_logical_cpus=-1",
    ],
)
def test_what_absl_takes_is_taken(line):
    check_arguments(line.split(), values_of(train))


def test_a_wrong_flag_in_a_flag_file_is_named_with_file_and_line(tmp_path):
    outer, inner = tmp_path / "outer.flags", tmp_path / "inner.flags"
    outer.write_text("# comment\n\n--flagfile=inner\n--batch_sise=3\n")
    inner.write_text("--seed=1\n")
    with pytest.raises(InputError, match=r"outer.flags, line 4: There is.*batch_size"):
        check_arguments(expand_flag_files([f"--flagfile={outer}"]), values_of(train))
    inner.write_text("--seed=1\n--stage=jont\n")
    with pytest.raises(InputError, match="inner.flags, line 2: `stage` must be"):
        check_arguments(expand_flag_files([f"--flagfile={outer}"]), values_of(train))
    outer.write_text("\n--flagfile=smal\n")
    with pytest.raises(InputError, match="outer.flags, line 2: .*mean small.flags?"):
        expand_flag_files([f"--flagfile={outer}"])


def test_a_required_flag_is_asked_for_by_its_name():
    with pytest.raises(flags.Error) as missing:
        values_of(export)(["export", "--run_dir=x"])
    message = str(required_flag_error(missing.value))
    assert (
        message == "`--output_dir` must be given; got nothing. --help shows an example."
    )


def test_wrong_settings_in_python_suggest_the_near_one():
    with pytest.raises(InputError, match="No such setting: `joint_stepz`. Did you mea"):
        config_from_settings({"joint_stepz": 3})
    with pytest.raises(InputError, match="got 'interpolat'. Did you mean interpolate"):
        PictureSettings(mode="interpolat")
