"""How large a reproduction is: the paper's, for two CPU cores, or for a test."""

from agave_tf.reproduction.workspace import Scale

# Forward passes of the paper's networks, 1e9 floating-point operations for an image
# (bin/benchmark.py, column GFLOP/image); a step is three, times the batch size.
_PAPER_GIGAFLOP = {"pretrain_vae": 21.4, "pretrain_pixel_cnn": 49.0, "joint": 80.5}
_PAPER_BATCH_SIZE = 64
# What one GPU is supposed to reach: a quarter of an A100's TensorFloat-32 peak. An
# estimate; it was not run.
_GIGAFLOPS = 40e3


def _paper_step_seconds() -> dict[str, float]:
    seconds = {
        stage: 3 * gigaflop * _PAPER_BATCH_SIZE / _GIGAFLOPS
        for stage, gigaflop in _PAPER_GIGAFLOP.items()
    }
    return seconds | {"ablation": seconds["joint"]}


SCALES: dict[str, Scale] = {
    "small": Scale(
        preset="reproduce_small.flags",
        hardware="two cores of an AMD EPYC with AVX2",
        num_importance_samples=10,
        max_images=256,
        probe_images=5_000,
        start_seconds=40,
        step_seconds={
            "pretrain_vae": 0.1,
            "pretrain_pixel_cnn": 0.25,
            "joint": 0.4,
            "ablation": 0.4,
        },
    ),
    "paper": Scale(
        preset="cifar10.flags",
        hardware="a GPU that reaches 40 TFLOP/s, by counting operations",
        num_importance_samples=150,
        max_images=10_000,
        probe_images=10_000,
        start_seconds=0,
        step_seconds=_paper_step_seconds(),
    ),
    "toy": Scale(
        preset="smoke.flags",
        hardware="two cores of an AMD EPYC with AVX2",
        num_importance_samples=2,
        max_images=8,
        probe_images=16,
        start_seconds=30,
        step_seconds={"pretrain_vae": 0.1},
    ),
}
