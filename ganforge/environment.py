"""What a result, or a bug, may depend on: versions, device, plugins."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import ganforge
from ganforge.registry import Plugin

PACKAGES = ("torch", "pluggy", "click", "pyyaml", "rich", "pydantic", "numpy", "pillow",
            "matplotlib", "safetensors", "packaging")  # fmt: skip


def versions() -> dict[str, Any]:
    """Versions of ganforge, of Python, and of every package that ganforge builds on."""
    return {
        "ganforge": ganforge.__version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def origins(plugins: Iterable[Plugin]) -> dict[str, str]:
    """The package and version, or the file, of every plugin in use."""
    return {p.name: p.origin for p in plugins if not (p.error or p.blocked)}


def identity(plugin: Plugin) -> str:
    """What tells one version of a plugin from another: its package's, or its file's content."""
    if plugin.path is None:
        return plugin.origin
    files = sorted(plugin.path.rglob("*.py")) if plugin.path.is_dir() else [plugin.path]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    return f"{plugin.path.name} sha256:{digest[:16]}"


def report(plugins: Iterable[Plugin]) -> dict[str, Any]:
    """Everything that a bug report should say."""
    plugins = list(plugins)
    return {
        **versions(),
        "installed in": str(Path(ganforge.__file__).parent),
        "interpreter": sys.executable,
        "devices": _devices(),
        "threads": torch.get_num_threads(),
        "plugins": origins(plugins),
        "not loaded": {p.name: p.error or p.blocked for p in plugins if p.error or p.blocked},
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith("GANFORGE_")},
    }


def device_name(device: torch.device) -> str:
    """What a device is called by its maker."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return _processor() if device.type == "cpu" else device.type.upper()


def _devices() -> dict[str, str]:
    devices = {"cpu": f"{_processor()}, {os.cpu_count()} cores"}
    for index in range(torch.cuda.device_count()):
        name = torch.cuda.get_device_name(index)
        devices[f"cuda:{index}"] = f"{name}, CUDA {torch.version.cuda}"
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple GPU"
    return devices


def _processor() -> str:
    """The processor's name; Linux alone tells it in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
