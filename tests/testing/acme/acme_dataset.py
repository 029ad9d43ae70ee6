"""A plugin with a data set that keeps its contract."""

import torch
from PIL import Image
from torch import Tensor

from ganforge import Register, hookimpl
from ganforge.api import Dataset


@hookimpl
def register_datasets(register: Register) -> None:
    register("acme", "acme_dataset:AcmeDataset", summary="grey noise in two classes")


class AcmeDataset(Dataset):
    """Images of noise, and as many points of another domain.

    Args:
        count: How many.
    """

    def __init__(self, *, count: int = 6) -> None:
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (count, 1, 8, 8), generator=generator)
        labels = torch.arange(count) % 2
        super().__init__(samples=images.to(torch.uint8), labels=labels, num_classes=2)
        points = torch.rand(count, 3, generator=generator)
        self.source_dataset = Dataset(samples=points)
        self.source_paired = True

    def picture(self, samples: Tensor, columns: int | None = None) -> Image.Image:
        row = torch.cat([*((samples + 1) * 127.5).to(torch.uint8)[:, 0]], dim=1)
        return Image.fromarray(row.numpy())
