"""InfoGAN's networks: what guesses the codes that an image was made of.

Source: Chen et al. 2016, "InfoGAN: Interpretable Representation Learning by Information Maximizing
Generative Adversarial Nets", arXiv:1606.03657; the convolutions are those of DCGAN.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganforge.api import UsageError
from ganforge_conditional.blocks import LEAKY_SLOPE, Norm, downsampling, head, initialize

Count = Annotated[int, Field(ge=1)]


def needed_codes(code_dim: int) -> int:
    """How many numbers of the latent are codes.

    Raises:
        UsageError: None are.
    """
    if code_dim < 1:
        raise UsageError(
            "infogan guesses codes, and the latent has none",
            hint="Write in the recipe: latent: {dim: 62, categorical: [10], continuous: 2}.",
        )
    return code_dim


class CodeHead(nn.Module):
    """Features ``(N, F)`` to ``codes`` ``(N, code_dim)`` and, if learned, ``code_log_variance``.

    A hidden layer with LeakyReLU 0.2, and batch norm if wanted, then a linear layer, as the
    authors' code has it for MNIST. Behind the logits of all categorical codes stand the means of
    the continuous ones.

    Args:
        features: How many numbers come in.
        code_dim: How many numbers of the latent are codes.
        hidden: Units of the hidden layer.
        variance: Whether to guess how sure each guess is, too.
        norm: ``batch``, ``spectral`` or ``none``.
    """

    def __init__(
        self, *, features: int, code_dim: int, hidden: int, variance: bool, norm: Norm
    ) -> None:
        super().__init__()
        batch = norm == "batch"
        self.layers = nn.Sequential(
            head(features, hidden, norm, bias=not batch),
            nn.BatchNorm1d(hidden) if batch else nn.Identity(),
            nn.LeakyReLU(LEAKY_SLOPE),
        )
        if batch:
            self.layers[1].apply(initialize)
        self.guess = head(hidden, needed_codes(code_dim), norm)
        self.doubt = head(hidden, code_dim, norm) if variance else None

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        hidden = self.layers(features)
        found = {"codes": self.guess(hidden)}
        if self.doubt is not None:
            found["code_log_variance"] = self.doubt(hidden)
        return found


class InfoGANDiscriminator(nn.Module):
    """Images ``(N, C, H, W)`` to ``logits`` ``(N,)`` and ``codes`` ``(N, code_dim)``.

    D and Q share all convolutions, as in the paper; Q is :class:`CodeHead`. The regularizer
    ``mutual_information`` trains Q.

    Source: Chen et al. 2016, arXiv:1606.03657, section 6 and appendix C.1.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        code_dim: How many numbers of the latent are codes.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.
        norm: ``batch`` as in the paper, ``spectral`` normalisation of every layer, or ``none``.
        hidden: Units of Q's hidden layer.
        learn_variance: Let Q guess the variance of continuous codes; else it is 1.
    Raises:
        UsageError: The latent has no codes, or the architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        code_dim: int,
        channels: Count = 64,
        norm: Norm = "batch",
        hidden: Count = 128,
        learn_variance: bool = False,
    ) -> None:
        super().__init__()
        self.downsample, features = downsampling(
            image_shape, "infogan", channels=channels, norm=norm
        )
        self.judge = head(features, 1, norm)
        self.code_head = CodeHead(
            features=features, code_dim=code_dim, hidden=hidden, variance=learn_variance, norm=norm
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.downsample(images)
        return {"logits": self.judge(features).flatten(), **self.code_head(features)}


class InfoGANEncoder(nn.Module):
    """Images ``(N, C, H, W)`` to ``codes`` ``(N, code_dim)``: Q as a network of its own.

    As :class:`InfoGANDiscriminator` without its judgement, for the game ``infogan``.

    Source: Chen et al. 2016, arXiv:1606.03657, equation 5.

    Args:
        image_shape: ``(C, H, W)``, square, with a side of ``4 * 2**k`` or ``7 * 2**k``, k >= 1.
        code_dim: How many numbers of the latent are codes.
        channels: Feature maps at the highest inner resolution; they double whenever the side
            halves.
        norm: ``batch``, ``spectral`` normalisation of every layer, or ``none``.
        hidden: Units of the hidden layer.
        learn_variance: Guess the variance of continuous codes; else it is 1.
    Raises:
        UsageError: The latent has no codes, or the architecture has no such image size.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, ...],
        code_dim: int,
        channels: Count = 64,
        norm: Norm = "batch",
        hidden: Count = 128,
        learn_variance: bool = False,
    ) -> None:
        super().__init__()
        self.downsample, features = downsampling(
            image_shape, "infogan", channels=channels, norm=norm
        )
        self.code_head = CodeHead(
            features=features, code_dim=code_dim, hidden=hidden, variance=learn_variance, norm=norm
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self.code_head(self.downsample(images))
        return found
