"""Settings of a file of coded images; each is a flag of agave-compress."""

import dataclasses
from typing import ClassVar

from agave_tf.settings.setting import Settings, at_least, between, setting


@dataclasses.dataclass(frozen=True)
class CodecSettings(Settings):
    """Settings of the code; a file stores those that its decoder needs."""

    title: ClassVar[str] = "Code"

    lanes: int = setting(
        64,
        "Images in the network at a time, each with a stream of its own, which takes "
        "some 5 bytes; the decoder takes as many. 1: smallest for a single image.",
        between(1, 65_536),
        main=True,
    )
    block_bits: float = setting(
        16.0,
        "KL of a block of latents, in bits. Fewer bits make more blocks, so more "
        "indices, and latents that fit the image better.",
        at_least(1),
    )
    index_bits: int = setting(
        12,
        "Bits of the index of a block's candidate: the best of 2**index_bits draws "
        "from the prior is taken. More fit better, and take longer.",
        between(1, 16),
    )
