"""The fast ends of DCGANs against torch's own convolutions: values, gradients, second gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.nn import functional

from ganforge_dcgan.ends import MOST, FromImages, ToImages


def random(*shape: int) -> Tensor:
    return torch.randn(
        *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape))
    ).requires_grad_()


def sides(channels: int) -> list[tuple[nn.Module, nn.Module, Tensor]]:
    """Both ends with torch's own layer of the same weights, and an input."""
    to, own_to = ToImages(6, channels).double(), nn.ConvTranspose2d(6, channels, 4, 2, 1).double()
    made, own_from = FromImages(channels, 6).double(), nn.Conv2d(channels, 6, 4, 2, 1).double()
    own_to.load_state_dict(to.state_dict())
    own_from.load_state_dict(made.state_dict())
    return [(to, own_to, random(3, 6, 5, 7)), (made, own_from, random(3, channels, 10, 14))]


@pytest.mark.parametrize("channels", [1, 3, MOST + 1])
def test_values_and_gradients_are_those_of_torch(channels: int) -> None:
    for fast, own, inputs in sides(channels):
        one, other = fast(inputs), own(inputs)
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
        weights = torch.linspace(-1, 1, one.numel(), dtype=one.dtype).view_as(one)
        found = grad((one * weights).sum(), [inputs, *fast.parameters()])
        expected = grad((other * weights).sum(), [inputs, *own.parameters()])
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_gradients_by_finite_differences_of_first_and_second_order() -> None:
    """A gradient penalty goes backward through a gradient."""
    for fast, _, inputs in sides(1):
        small = inputs[:1, :, :4, :4].detach().requires_grad_()
        arguments = (small, *fast.parameters())

        def call(images: Tensor, weight: Tensor, bias: Tensor, fast: nn.Module = fast) -> Tensor:
            named = {"weight": weight, "bias": bias}
            result: Tensor = torch.func.functional_call(fast, named, (images,))
            return result

        assert gradcheck(call, arguments)
        assert gradgradcheck(call, arguments)


def test_what_is_frozen_gets_no_gradient() -> None:
    for fast, _, inputs in sides(1):
        fast.requires_grad_(False)
        functional.softplus(fast(inputs)).sum().backward()
        assert inputs.grad is not None
        assert all(parameter.grad is None for parameter in fast.parameters())


def test_images_in_channels_last_are_as_good() -> None:
    for fast, own, inputs in sides(3):
        last = inputs.detach().to(memory_format=torch.channels_last)
        torch.testing.assert_close(fast(last), own(inputs), rtol=1e-12, atol=1e-12)


def test_autocast_keeps_its_say() -> None:
    for fast, _, inputs in sides(1):
        with torch.autocast("cpu", torch.bfloat16):
            assert fast.float()(inputs.float()).dtype == torch.bfloat16
