"""The work of bin/score.py: scores images, and writes and draws the scores."""

import dataclasses

import numpy as np
from absl import flags, logging

from agave_tf.commands.flags import with_flags
from agave_tf.commands.score import NUM_SHOWN
from agave_tf.data.exact_pictures import read_pictures_of_any_size
from agave_tf.data.image_set import Images, describe_sizes
from agave_tf.data.source import parts_named
from agave_tf.errors import InputError
from agave_tf.evaluation.evaluator import Evaluator
from agave_tf.evaluation.outlier_table import (
    described,
    medians,
    shown_name,
    write_table,
)
from agave_tf.evaluation.outliers import (
    LONGEST_SIDE,
    OutlierScores,
    check_coder_takes,
    outlier_scores,
    percentile_of,
)
from agave_tf.pictures.contact_sheet import write_contact_sheet
from agave_tf.runs.open_run import open_run
from agave_tf.runs.run_data import is_same, load_run_data
from agave_tf.runs.run_directory import RunDirectory
from agave_tf.settings.image_size import MOST_PIXELS
from agave_tf.settings.networks import AuxiliaryConfig
from agave_tf.settings.scoring import ScoringSettings

# Settings that say where images are kept, and not which they are.
_WHERE = ("data_dir", "cache_dir")


def run(values: flags.FlagValues, settings: ScoringSettings) -> None:
    """Writes --output, and --contact_sheet.

    Args:
      values: of the flags.
      settings: those that they describe.
    """
    source = open_run(values.run_dir)
    _check_flags(source, settings, values)
    images, names = _images(source, settings, values)
    source.check_images(images, bool(settings.tile_size))
    check_coder_takes(images)
    held_out = _held_out_images(source, settings, values)
    logging.info("Reading the weights of %s", source.path)
    model = source.load_model()
    evaluator = Evaluator(model, settings.evaluation_batch_size)
    logging.info("Compiling the evaluation, for which the first images wait")
    scores = outlier_scores(
        evaluator, images, settings, settings.max_images, "Scoring", names
    )
    num_reference = 0
    if held_out is not None:
        reference = outlier_scores(
            evaluator, held_out, settings, settings.reference_images, "Held-out images"
        )
        scores = scores.with_percentiles(reference)
        num_reference = len(reference.index)
        _say_other_sizes(scores.size, reference.size)
    write_table(values.output, scores)
    _print(source, scores, num_reference)
    _print_strangest(scores, settings.rank_by)
    if values.contact_sheet:
        logging.info("Drawing %s", values.contact_sheet)
        write_contact_sheet(
            values.contact_sheet, model, images, scores, settings, NUM_SHOWN
        )


def _check_flags(
    source: RunDirectory, settings: ScoringSettings, values: flags.FlagValues
) -> None:
    """Refuses flags that do not suit the run."""
    if values.files and source.num_classes:
        raise InputError(
            "`files` must not be given for a class-conditional model, which scores "
            "with labels, because picture files have none; --dataset has images with "
            "labels."
        )
    if settings.rank_by == "kl" and not source.stage.has("vae"):
        raise InputError(
            "`rank_by` must be bits_per_dim or ratio for a run without latent "
            f"variables; got kl, and {source.path} is of stage {source.stage.name}."
        )
    is_of_y = not source.stage.has("pixel_cnn")
    if is_of_y and source.config.auxiliary != AuxiliaryConfig():
        logging.warning(
            "%s is a VAE alone: its bits_per_dim are of the auxiliary image, while the "
            "coder codes the whole image.",
            source.path,
        )


def _images(
    source: RunDirectory, settings: ScoringSettings, values: flags.FlagValues
) -> tuple[Images, list[str]]:
    """Returns the images to score, and the names of those that come from files."""
    if values.files:
        named = read_pictures_of_any_size(
            values.files,
            source.image_shape[-1],
            LONGEST_SIDE if settings.tile_size else MOST_PIXELS,
            "" if settings.tile_size else " --tile_size scores larger ones in tiles.",
        )
        for sentence in named.notes:
            logging.warning("%s", sentence)
        return Images(named.image, None), named.names
    config = with_flags(source.config, "data", values).data
    loaded = load_run_data(source, config, parts_named(settings.split))
    loaded.check_labels(source.num_classes)
    images = loaded.part(settings.split)
    images.check_labels(source.num_classes)
    return images, []


def _held_out_images(
    source: RunDirectory, settings: ScoringSettings, values: flags.FlagValues
) -> Images | None:
    """Returns the run's held-out images; None if no percentiles are wanted."""
    if not settings.reference_images:
        return None
    config = with_flags(source.config, "data", values).data
    if not values.files:
        # The flags are about the images to score; but for where all of them are kept.
        where = {name: getattr(config, name) for name in _WHERE}
        config = dataclasses.replace(source.config.data, **where)
    try:
        loaded = load_run_data(source, config, ["test"])
    except InputError as error:
        raise InputError(
            f"{error} The percentiles are relative to these images of the run; "
            "--reference_images=0 does without."
        ) from error
    if source.data is not None and not is_same(source.data, loaded.record):
        logging.warning(
            "The percentiles are relative to other images than those of the run, %s.",
            source.config.data.dataset,
        )
    images = loaded.part("test")
    source.check_images(images, bool(settings.tile_size))
    return images


def _say_other_sizes(sizes: np.ndarray, reference: np.ndarray) -> None:
    """Warns that images of other sizes are compared with those of the run's."""
    known = {tuple(size) for size in reference.tolist()}
    others = [size for size in sizes.tolist() if tuple(size) not in known]
    if others:
        logging.warning(
            "Percentiles are relative to images of %s; %d of the %d scored images have "
            "other sizes, and other bits/dim for that alone.",
            describe_sizes(reference),
            len(others),
            len(sizes),
        )


def _print(source: RunDirectory, scores: OutlierScores, num_reference: int) -> None:
    count, sizes = len(scores.index), describe_sizes(scores.size)
    print(f"{source.path}, step {source.step}: {count} images, {sizes}")
    among = f"   percentile among {num_reference} held-out images"
    print(f"  {'median of':<20}{'value':>9}{among if num_reference else ''}")
    for line in medians(scores):
        print(f"  {line}")


def _print_strangest(scores: OutlierScores, rank_by: str) -> None:
    percentile = " (percentile)" if percentile_of(rank_by) in scores.values else ""
    print(f"  strangest by {rank_by}{percentile}")
    for rank, row in enumerate(scores.strangest(rank_by, NUM_SHOWN), start=1):
        found = described(scores, rank_by, row)
        print(f"  {rank:>4}  {found}  {shown_name(scores.name[row])}")
