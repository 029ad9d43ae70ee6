"""The feature network ``inception``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.api import UsageError

HASH = "6726825d"
"""The SHA-256 of the weights begins with it."""
FILE = f"weights-inception-2015-12-05-{HASH}.pth"
ADDRESS = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE}"


class Inception(nn.Module):
    """InceptionV3 with the weights of 2015 that FID is defined by; 2,048 features, 1,008 logits.

    By torch-fidelity (extra ``inception``). Images are resized to 299 x 299 as in the original
    TensorFlow graph; grey ones get three equal channels. The weights are part of no package:
    download them once and name the file.

    Source: Szegedy et al. 2016, arXiv:1512.00567; Heusel et al. 2017, arXiv:1706.08500.

    Args:
        weights: The file of the weights.
    Raises:
        UsageError: There is no such file, it is another one, or torch-fidelity is not installed.
    """

    def __init__(self, *, weights: Path = Path(FILE)) -> None:
        super().__init__()
        check(weights)
        if importlib.util.find_spec("torch_fidelity") is None:
            raise UsageError(
                "this feature network needs torch-fidelity, which is not installed",
                hint="Install it with: pip install 'ganforge[inception]'",
            )
        module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
        self.network: Any = module.FeatureExtractorInceptionV3(
            "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights)
        )

    def forward(self, samples: Tensor) -> dict[str, Tensor]:
        """Features ``(N, 2048)`` and logits ``(N, 1008)`` of images ``(N, 1 or 3, H, W)``.

        Raises:
            UsageError: The samples are no such images.
        """
        if samples.dim() != 4 or samples.shape[1] not in (1, 3):
            raise UsageError(
                f"inception looks at images of 1 or 3 channels, not {tuple(samples.shape[1:])}"
            )
        pixels = ((samples + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
        features, logits = self.network(pixels.expand(-1, 3, -1, -1))
        return {"features": features, "logits": logits}


def check(weights: Path) -> None:
    """See that a file is the weights; torch-fidelity would run whatever a pickle says.

    Raises:
        UsageError: It is not.
    """
    if not weights.is_file():
        raise UsageError(
            f"there is no file '{weights}', which should be the weights of InceptionV3",
            hint=f"Download {ADDRESS} and name it: features: {{use: inception, weights: FILE}}",
        )
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    if not digest.startswith(HASH):
        raise UsageError(
            f"'{weights}' is not the file that FID is defined by: its SHA-256 begins with "
            f"{digest[:8]}, not with {HASH}",
            hint=f"Download it again: {ADDRESS}",
        )
