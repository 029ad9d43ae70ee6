"""The public names that components build on. Importing this module imports torch."""

from ganforge.engine.data import Batch, Dataset
from ganforge.errors import DataError, GanforgeError, PluginError, UsageError

__all__ = [
    "Batch",
    "DataError",
    "Dataset",
    "GanforgeError",
    "PluginError",
    "UsageError",
]
