"""Whose fault an unexpected exception is."""

from __future__ import annotations

import traceback

from ganforge.registry import Plugin, Registry

_SHARED = ("ganforge", "torch")
"""A plugin may register classes of these, but what goes wrong in them need not be its fault."""


def blame(error: BaseException, registry: Registry) -> Plugin | None:
    """The plugin whose code is innermost in a traceback; None where it is ganforge itself."""
    owners = {plugin.module.partition(".")[0]: plugin for plugin in registry.plugins}
    for component in registry.components():
        target = component.target
        module = target if isinstance(target, str) else getattr(target, "__module__", "")
        owners.setdefault(module.partition(":")[0].partition(".")[0], component.plugin)
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    for frame in reversed(frames):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in owners and package not in _SHARED:
            return owners[package]
    return None
