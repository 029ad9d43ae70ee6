"""A plugin with a schedule that keeps its contract."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ganforge import Register, hookimpl


@hookimpl
def register_schedules(register: Register) -> None:
    register("acme", "acme_schedule:Falling", summary="falls in a straight line")


class Falling(LRScheduler):
    """The learning rate falls in a straight line.

    Args:
        end: Its share at the end.
    """

    def __init__(self, *, optimizer: Optimizer, total_steps: int, end: float = 0.0) -> None:
        self.total_steps = total_steps
        self.end = end
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        share = 1.0 - (1.0 - self.end) * self.last_epoch / self.total_steps
        return [rate * share for rate in self.base_lrs]
