"""Grids of samples as picture files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.errors import GanforgeError
from ganforge.pictures import grid, save_png, to_pixels


def test_the_range_is_mapped_to_grey_levels_and_clipped() -> None:
    values = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]).reshape(1, 1, 1, 5)
    assert to_pixels(values).ravel().tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_goes_row_by_row_with_a_margin(channels: int) -> None:
    images = torch.linspace(-1, 1, 5).reshape(5, 1, 1, 1).expand(5, channels, 4, 6)
    picture = grid(images, columns=3)
    assert picture.size == (3 * 8 + 2, 2 * 6 + 2)
    assert picture.mode == ("L" if channels == 1 else "RGB")
    pixels = np.asarray(picture.convert("L"))
    assert [pixels[3, 3 + 8 * i] for i in range(3)] == [0, 64, 128]
    assert [pixels[9, 3 + 8 * i] for i in range(3)] == [191, 255, 0]  # the sixth place is empty
    assert pixels[:2].max() == 0


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(GanforgeError, match=r"shape \(2,\) cannot be drawn"):
        grid(torch.zeros(4, 2))


def test_a_picture_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.png"
    for value in (-1.0, 1.0):
        save_png(grid(torch.full((1, 1, 2, 2), value), padding=0), path)
        expected = 0 if value < 0 else 255
        assert np.asarray(Image.open(path)).tolist() == [[expected] * 2] * 2
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]
