"""The public names that components build on. Importing this module imports torch."""

from ganforge.durations import Every
from ganforge.engine.adversarial import AdversarialLoss, AdversarialRound, Regularizer, Side
from ganforge.engine.callback import Callback
from ganforge.engine.checkpoint import prune as prune_checkpoints
from ganforge.engine.data import Batch, Dataset, MapDataset
from ganforge.engine.files import write_atomic
from ganforge.engine.game import Game, Phase, Term
from ganforge.engine.round import Draw, Play, Round
from ganforge.engine.run import Run
from ganforge.engine.tally import Values
from ganforge.errors import DataError, GanforgeError, PluginError, UsageError
from ganforge.pictures import grid, save_png

__all__ = [
    "AdversarialLoss",
    "AdversarialRound",
    "Batch",
    "Callback",
    "DataError",
    "Dataset",
    "Draw",
    "Every",
    "Game",
    "GanforgeError",
    "MapDataset",
    "Phase",
    "Play",
    "PluginError",
    "Regularizer",
    "Round",
    "Run",
    "Side",
    "Term",
    "UsageError",
    "Values",
    "grid",
    "prune_checkpoints",
    "save_png",
    "write_atomic",
]
