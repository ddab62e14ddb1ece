"""Table 1: bits/dim of ours, beside the paper's whole table."""

from typing import Any

from agave_tf.reproduction.planned_runs import LAMBDAS, lambda_run
from agave_tf.reproduction.report import Claim, Report
from agave_tf.reproduction.workspace import Workspace

# Bits/dim on CIFAR-10 at 32x32, as remembered from their papers and not read again;
# bounds are <=.
PUBLISHED = {
    "NICE (Dinh et al. 2015)": "4.48",
    "Conv. DRAW (Gregor et al. 2016)": "<= 3.58",
    "Real NVP (Dinh et al. 2017)": "3.49",
    "MatNet (Bachman 2016)": "<= 3.24",
    "PixelCNN (van den Oord et al. 2016)": "3.14",
    "VAE-IAF (Kingma et al. 2016)": "<= 3.11",
    "Gated PixelCNN (van den Oord et al. 2016)": "3.03",
    "Pixel-RNN (van den Oord et al. 2016)": "3.00",
    "Lossy VAE (Chen et al. 2017)": "<= 2.95",
    "PixelCNN++ (Salimans et al. 2017)": "2.92",
    "AGAVE, lambda 12 (Lucas & Verbeek 2018)": "<= 2.92",
}


def table1(workspace: Workspace) -> Report:
    """Bounds of the VAE, the PixelCNN++ and AGAVE, bits/dim of x."""
    names = {
        "VAE-IAF alone": "pretrain_vae",
        "PixelCNN++ alone, before joint training": "pretrain_pixel_cnn",
        "PixelCNN++ alone, as many steps as AGAVE's": "longer_pixel_cnn",
        f"AGAVE, lambda {LAMBDAS[-1]}": lambda_run(LAMBDAS[-1]),
    }
    bounds = {title: workspace.bound(name) for title, name in names.items()}
    vae, _, pixel_cnn, agave = bounds.values()
    size = "x".join(map(str, workspace.run("pretrain_vae").image_shape[:2]))
    rows: list[list[Any]] = [
        [title, "ours", size, f"{bound:.4f}"] for title, bound in bounds.items()
    ]
    rows += [[title, "published", "32x32", bits] for title, bits in PUBLISHED.items()]
    numbers = {"VAE": vae, "PixelCNN++": pixel_cnn, "AGAVE": agave}
    claims = [
        Claim(
            "AGAVE is within 0.02 bits/dim of PixelCNN++ alone, after as many steps",
            agave - pixel_cnn <= 0.02,
            numbers | {"difference": agave - pixel_cnn},
        ),
        Claim("AGAVE is far (0.15) below the VAE", agave < vae - 0.15, numbers),
    ]
    columns = ["model", "whose", "images", "bits/dim"]
    return Report("Table 1: bits/dim on CIFAR-10", columns, rows, claims)
