"""Makes components, and tells whose fault it is when that fails."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Any, get_args

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ganforge.engine.augmentation import Augmentation
from ganforge.engine.callback import Callback
from ganforge.engine.data import AnyDataset
from ganforge.engine.game import Game
from ganforge.engine.memory import ran_out
from ganforge.errors import GanforgeError, PluginError, UsageError
from ganforge.evaluation.metric import Metric
from ganforge.recipe.schema import Spec
from ganforge.registry import Component

MADE: dict[str, type | UnionType] = {
    "dataset": AnyDataset,
    "generator": nn.Module,
    "discriminator": nn.Module,
    "encoder": nn.Module,
    "game": Game,
    "augmentation": Augmentation,
    "optimizer": Optimizer,
    "schedule": LRScheduler,
    "feature_network": nn.Module,
    "metric": Metric,
    "callback": Callback,
}
"""What a component of each kind must be."""


def construct(spec: Spec, **injected: Any) -> Any:
    """Make a component; a fault in its code is reported as its plugin's.

    Raises:
        PluginError: The constructor raised something that is not meant for the user, or made
            something that its kind is not.
    """
    options = dict(spec.options)
    for name, inner in spec.nested.items():
        options[name] = inner.each(options[name], lambda one, _: construct(one))
    made = guarded(spec.component, lambda: spec.target(**options, **injected))
    wanted = MADE.get(spec.component.kind, object)
    if not isinstance(made, wanted):
        names = " or ".join(f"{cls.__module__}.{cls.__qualname__}" for cls in one_of(wanted))
        raise PluginError(f"{spec.component} is no {names} but {type(made)}")
    return made


def one_of(wanted: type | UnionType) -> tuple[type, ...]:
    """The classes that will do."""
    return get_args(wanted) or (wanted,)


def guarded(component: Component, call: Callable[[], Any]) -> Any:
    """Run a plugin's code; its own clear errors pass, others are reported as the plugin's."""
    try:
        return call()
    except GanforgeError as error:
        error.message = f"{component.kind} '{component.name}': {error.message}"
        raise
    except Exception as error:
        if ran_out(error):
            raise UsageError(
                f"{component.kind} '{component.name}' needs more memory than there is",
                hint="Make it smaller by its options, or lower train.batch_size or latent.dim.",
            ) from error
        raise PluginError(f"{component} failed: {error!r}") from error
