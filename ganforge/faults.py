"""Whose fault an unexpected exception is."""

from __future__ import annotations

import traceback

from ganforge.registry import Plugin, Registry


def blame(error: BaseException, registry: Registry) -> Plugin | None:
    """The plugin whose code is innermost in a traceback; None where it is ganforge itself."""
    owners: dict[str, Plugin] = {}
    for component in registry.components():
        target = component.target
        module = target.partition(":")[0] if isinstance(target, str) else target.__module__
        owners[module.partition(".")[0]] = component.plugin
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in owners:
            return owners[package]
    return None
