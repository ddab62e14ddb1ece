"""Sizes of a reproduction: the paper's, three for two CPU cores, one for tests."""

from typing import Any, NamedTuple

from agave_tf.settings.evaluation import EvaluationSettings


class Scale(NamedTuple):
    """The size of all runs of a reproduction, and of their evaluation.

    preset: name of the flag file that every run starts from.
    evaluation: how the runs are scored; `probe` is set for those that are probed.
    hardware: the machine that the estimated times are for, and the runs at a time.
    start_seconds: estimated seconds before a run's first step.
    num_seeds: trainings of each run, which differ in their seed.
    more_for_table1: further trainings of the runs of Table 1, whose claim has the least
      margin.
    step_seconds: estimated seconds of one step, by stage, with these runs at a time.
    settings: values in which every run differs from the preset, by flag.
    pretraining: values in which runs of a pretraining stage that start from no other
      run differ from the preset too, by flag. Their scores are of images of the
      preset's size, also where these have another.
    main_lambda: lambda of the figures that show one model, or several auxiliary images.
      Ours is 4, at which these shorter trainings still use z; the paper takes 8 in
      Figures 5 and 8.
    reduced_levels: colour levels of y at the reduced sizes of Figure 9. Ours are 32, so
      that only the size is compared with the full-size y of 32; the paper has 256.
    """

    preset: str
    evaluation: EvaluationSettings
    hardware: str
    start_seconds: float
    num_seeds: int
    more_for_table1: int
    step_seconds: dict[str, float]
    settings: dict[str, Any] = {}
    pretraining: dict[str, Any] = {}
    main_lambda: int = 4
    reduced_levels: int = 32

    def with_seeds(self, num_seeds: int) -> "Scale":
        """Returns this scale with other seeds.

        Args:
          num_seeds: trainings of each run; 0: as many as now. With fewer than now,
            Table 1 has no more than other runs; with more, it never has fewer than now.
        """
        if not num_seeds:
            return self
        total = self.num_seeds + self.more_for_table1
        further = total - num_seeds if num_seeds >= self.num_seeds else 0
        return self._replace(num_seeds=num_seeds, more_for_table1=max(0, further))


SCALES: dict[str, Scale] = {
    "small": Scale(
        preset="reproduce_small.flags",
        evaluation=EvaluationSettings(
            num_importance_samples=4, max_images=2_000, probe_images=5_000
        ),
        hardware="two cores of an AMD EPYC with AVX512, two runs at a time",
        start_seconds=20,
        num_seeds=3,
        more_for_table1=2,
        step_seconds={
            "pretrain_vae": 0.029,
            "pretrain_pixel_cnn": 0.060,
            "joint": 0.098,
            "ablation": 0.098,
        },
    ),
    "two_hours": Scale(
        preset="two_hours.flags",
        evaluation=EvaluationSettings(
            num_importance_samples=16, max_images=2_000, probe_images=10_000
        ),
        hardware="two cores of an Intel Xeon with AVX512, two runs at a time",
        start_seconds=20,
        num_seeds=3,
        more_for_table1=0,
        step_seconds={
            "pretrain_vae": 0.13,
            "pretrain_pixel_cnn": 0.8,
            "joint": 1.0,
            "ablation": 1.0,
        },
        # Crops, and a learning rate that does not fall before the joint stage.
        pretraining={
            "image_size": 16,
            "crop": "random",
            "batch_size": 16,
            "cooldown_steps": 0,
        },
    ),
    "medium": Scale(
        preset="reproduce_medium.flags",
        evaluation=EvaluationSettings(
            num_importance_samples=8, max_images=2_000, probe_images=5_000
        ),
        hardware="two cores of an AMD EPYC with AVX512, two runs at a time",
        start_seconds=15,
        num_seeds=3,
        more_for_table1=2,
        step_seconds={
            "pretrain_vae": 0.08,
            "pretrain_pixel_cnn": 0.23,
            "joint": 0.40,
            "ablation": 0.40,
        },
    ),
    "paper": Scale(
        preset="cifar10.flags",
        # 150 samples: Lucas & Verbeek 2018, section 4.2.
        evaluation=EvaluationSettings(
            num_importance_samples=150, max_images=10_000, probe_images=10_000
        ),
        hardware="one NVIDIA H100, steps compiled by XLA",
        start_seconds=300,
        num_seeds=1,
        more_for_table1=0,
        step_seconds={
            "pretrain_vae": 0.047,
            "pretrain_pixel_cnn": 0.094,
            "joint": 0.159,
            "ablation": 0.159,
        },
        # Lucas & Verbeek 2018, section 4.1: a learning rate of 0.002 throughout.
        settings={"warmup_steps": 0},
        main_lambda=8,
        reduced_levels=256,
    ),
    "toy": Scale(
        preset="smoke.flags",
        evaluation=EvaluationSettings(
            num_importance_samples=2, max_images=8, probe_images=16
        ),
        hardware="two cores of an AMD EPYC with AVX2",
        start_seconds=30,
        num_seeds=1,
        more_for_table1=0,
        step_seconds={"pretrain_vae": 0.1},
        pretraining={"image_size": 4},
    ),
}
