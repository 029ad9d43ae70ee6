"""The public names that components build on. Importing this module imports torch."""

from typing import Annotated

from torch import nn

from ganforge.durations import Every
from ganforge.engine.adversarial import AdversarialLoss, AdversarialRound, Regularizer, Side
from ganforge.engine.augmentation import Augmentation
from ganforge.engine.callback import Callback
from ganforge.engine.calling import asks_for, call, class_weights
from ganforge.engine.checkpoint import prune as prune_checkpoints
from ganforge.engine.clock import Clock
from ganforge.engine.data import AnyDataset, Batch, Dataset, MapDataset, normalised
from ganforge.engine.draw import Draw
from ganforge.engine.files import cache_folder, write_atomic
from ganforge.engine.finite import NotFiniteError
from ganforge.engine.game import Game, Phase, Term, join, judge_scores
from ganforge.engine.latent import Latent
from ganforge.engine.round import Play, Round
from ganforge.engine.run import Run
from ganforge.engine.show import Panel, Show, class_rows
from ganforge.engine.tally import Later, Scalar, Values
from ganforge.engine.terms import discriminator_term
from ganforge.errors import DataError, GanforgeError, PluginError, UsageError
from ganforge.evaluation.evaluator import Evaluation, improves
from ganforge.evaluation.evidence import Evidence
from ganforge.evaluation.metric import Better, Metric
from ganforge.evaluation.moments import Moments
from ganforge.nested import Nested
from ganforge.pictures import draw, grid, save_png

__all__ = [
    "AdversarialLoss",
    "AdversarialRound",
    "AnyDataset",
    "Augmentation",
    "Batch",
    "Better",
    "Callback",
    "Clock",
    "DataError",
    "Dataset",
    "DatasetOption",
    "Draw",
    "Evaluation",
    "Every",
    "Evidence",
    "FeatureNetworkOption",
    "Game",
    "GanforgeError",
    "Latent",
    "Later",
    "MapDataset",
    "Metric",
    "MetricOption",
    "Moments",
    "NotFiniteError",
    "Panel",
    "Phase",
    "Play",
    "PluginError",
    "Regularizer",
    "Round",
    "Run",
    "Scalar",
    "Show",
    "Side",
    "Term",
    "UsageError",
    "Values",
    "asks_for",
    "cache_folder",
    "call",
    "class_rows",
    "class_weights",
    "discriminator_term",
    "draw",
    "grid",
    "improves",
    "join",
    "judge_scores",
    "normalised",
    "prune_checkpoints",
    "save_png",
    "write_atomic",
]

DatasetOption = Annotated[AnyDataset, Nested("dataset")]
"""An option that is a data set itself: the recipe writes ``{use: NAME, option: value}``."""

FeatureNetworkOption = Annotated[nn.Module, Nested("feature_network")]
"""An option that is a feature network."""

MetricOption = Annotated[Metric, Nested("metric")]
"""An option that is a metric; ``list[MetricOption]`` is a list of them."""
