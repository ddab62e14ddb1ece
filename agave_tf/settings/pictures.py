"""What pictures to draw from a model; each field is a flag of bin/sample.py."""

import dataclasses

from agave_tf.settings.config import require, setting

# What a person can ask for.
MODES = {
    "prior": "f(z) of z ~ p(z), and images finished from it",
    "reconstruct": "images, f(z) of z ~ q(z|x), and images finished from it",
    "interpolate": "from one image to another, along z",
    "condition": "as prior, with ten images finished from every f(z)",
    "complete": "keeps some pixels of images, and draws the rest",
}


@dataclasses.dataclass(frozen=True)
class PictureConfig:
    """Which pictures, of what, and how they are drawn."""

    mode: str = setting(
        "prior", "; ".join(f"{name}: {text}" for name, text in MODES.items()) + "."
    )
    num_images: int = setting(16, "Columns; of interpolate, images, two for a pair.")
    num_samples: int = setting(
        0, "Finished images of every column; 0: 1, or 10 with --mode=condition."
    )
    num_steps: int = setting(8, "Images from one end of an interpolation to the other.")
    split: str = setting("test", "Where images come from: test or train.")
    first_image: int = setting(0, "Number of the first image to take.")
    keep_top: float = setting(0.5, "Share of the rows, from the top, that are kept.")
    mask: str = setting(
        "", "PNG of the images' size, white where pixels are kept, for --keep_top."
    )
    z_from: str = setting(
        "image", "z of complete: image (of what is kept of it) or prior."
    )
    z_temperature: float = setting(1.0, "Multiplies the noise of z; 0: no noise.")
    pixel_temperature: float = setting(
        1.0, "Below 1 pixels are likelier than the model's, at 0 the likeliest."
    )
    seed: int = setting(0, "Seed of every draw; the same seed, the same pictures.")
    sampling_batch_size: int = setting(16, "Images that are drawn at a time.")

    def __post_init__(self):
        for name, choices in {
            "mode": list(MODES),
            "split": ["test", "train"],
            "z_from": ["image", "prior"],
        }.items():
            value = getattr(self, name)
            require(value in choices, name, f"one of {', '.join(choices)}", value)
        for names, least in {
            ("num_steps",): 2,
            ("num_images", "sampling_batch_size"): 1,
            ("num_samples", "first_image", "seed"): 0,
        }.items():
            for name in names:
                value = getattr(self, name)
                require(value >= least, name, f"at least {least}", value)
        require(self.seed < 2**31, "seed", "below 2**31", self.seed)
        require(0 <= self.keep_top <= 1, "keep_top", "from 0 to 1", self.keep_top)
        for name in ("z_temperature", "pixel_temperature"):
            value = getattr(self, name)
            # A higher one would be noise; infinity or NaN would not be a picture.
            require(0 <= value <= 10, name, "from 0 to 10", value)

    @property
    def shows_images(self) -> bool:
        """Whether the mode starts from images."""
        return self.mode not in ("prior", "condition")

    @property
    def samples_each(self) -> int:
        """Finished images of every column."""
        return self.num_samples or (10 if self.mode == "condition" else 1)
