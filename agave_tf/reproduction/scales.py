"""How large a reproduction is: the paper's, for two CPU cores, or for a test."""

from agave_tf.reproduction.workspace import Scale

SCALES: dict[str, Scale] = {
    # Seconds of a step: two cores of an AMD EPYC with AVX2.
    "small": Scale(
        preset="reproduce_small.flags",
        num_importance_samples=10,
        max_images=256,
        probe_images=5_000,
        step_seconds={
            "pretrain_vae": 0.13,
            "pretrain_pixel_cnn": 0.25,
            "joint": 0.4,
            "ablation": 0.4,
        },
    ),
    # Seconds of a step: not measured; 0 says so.
    "paper": Scale(
        preset="cifar10.flags",
        num_importance_samples=150,
        max_images=10_000,
        probe_images=10_000,
        step_seconds={},
    ),
    "toy": Scale(
        preset="smoke.flags",
        num_importance_samples=2,
        max_images=8,
        probe_images=16,
        step_seconds={"pretrain_vae": 0.1},
    ),
}
