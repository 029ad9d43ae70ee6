"""ganforge: one adversarial trainer, everything else a plugin.

This module is torch-free: a plugin's hook module imports ``hookimpl`` from here, and whatever
builds on torch imports from :mod:`ganforge.api`.
"""

from ganforge.hookspecs import Register, RegisterRecipe, hookimpl

__all__ = ["Register", "RegisterRecipe", "__version__", "hookimpl"]

__version__ = "0.1.0"
