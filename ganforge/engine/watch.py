"""Learns what was not finite on an accelerator without making it wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganforge.engine.finite import Finding


def skips_on_device(optimizer: Optimizer) -> bool:
    """Whether an optimizer can be told on the device not to step.

    torch's fused ones can: it is how their ``GradScaler`` spares itself a wait.
    """
    fused = all(group.get("fused") for group in optimizer.param_groups)
    momentum = any(group.get("momentum") for group in optimizer.param_groups)
    if momentum and not optimizer.state:
        return False  # torch's SGD would leave its momentum as it lay in memory
    return fused and bool(getattr(optimizer, "_step_supports_amp_scaling", False))


def step_unless(bad: Tensor, optimizer: Optimizer) -> None:
    """Step a fused optimizer, but not if ``bad``, a boolean on the device, is true."""
    optimizer.grad_scale = None  # type: ignore[attr-defined]
    optimizer.found_inf = bad.float()  # type: ignore[attr-defined]
    try:
        optimizer.step()
    finally:
        del optimizer.grad_scale, optimizer.found_inf  # type: ignore[attr-defined]


@dataclass(frozen=True)
class _Report:
    step: int
    phase: str
    terms: int
    names: Sequence[str]
    finite: Tensor
    arrived: torch.cuda.Event | None

    @property
    def ready(self) -> bool:
        return self.arrived is None or self.arrived.query()  # type: ignore[no-untyped-call]


class Watch:
    """Reports on their way from the device, read when they have come.

    A play that was not finite has changed nothing: its optimizers were told so on the device. The
    run hears of it some steps later.
    """

    def __init__(self) -> None:
        self._reports: deque[_Report] = deque()

    def send(self, step: int, phase: str, terms: int, names: Sequence[str], finite: Tensor) -> None:
        """Send a play's report.

        Args:
            step: The step under way, counted from 1.
            phase: Its name.
            terms: How many of the names are terms'; networks' follow, and their sum.
            names: What was looked at.
            finite: Booleans ``(len(names),)`` on the device.
        """
        arrived = None
        if finite.device.type == "cuda":
            stream = torch.cuda.current_stream(finite.device)
            host = torch.empty(finite.shape, dtype=torch.bool, pin_memory=True)
            finite = host.copy_(finite, non_blocking=True)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(stream)
        self._reports.append(_Report(step, phase, terms, names, finite, arrived))

    def read(self, *, wait: bool) -> list[tuple[str, Finding | None]]:
        """The phases of the plays that have come in, oldest first, and what was not finite.

        Args:
            wait: Wait for all that are on their way.
        """
        findings = []
        while self._reports and (wait or self._reports[0].ready):
            report = self._reports.popleft()
            if report.arrived is not None:
                report.arrived.synchronize()
            findings.append((report.phase, _finding(report)))
        return findings

    def clear(self) -> None:
        """Forget what is on its way."""
        self._reports.clear()


def _finding(report: _Report) -> Finding | None:
    bad = [i for i, finite in enumerate(report.finite.tolist()) if not finite]
    if not bad:
        return None
    networks = range(report.terms, len(report.names) - 1)
    return Finding(
        report.step,
        report.phase,
        terms=[report.names[i] for i in bad if i < report.terms],
        gradients=[report.names[i] for i in bad if i in networks],
    )
