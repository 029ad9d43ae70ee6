"""A plugin with a data set that keeps its contract."""

import torch

from ganforge import Register, hookimpl
from ganforge.api import Dataset


@hookimpl
def register_datasets(register: Register) -> None:
    register("acme", "acme_dataset:AcmeDataset", summary="grey noise in two classes")


class AcmeDataset(Dataset):
    """Images of noise.

    Args:
        count: How many.
    """

    def __init__(self, *, count: int = 6) -> None:
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (count, 1, 8, 8), generator=generator)
        labels = torch.arange(count) % 2
        super().__init__(samples=images.to(torch.uint8), labels=labels, num_classes=2)
