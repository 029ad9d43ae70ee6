"""``python -m benchmarks NAME``: run one of the benchmarks; without a name, list them."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

HELPERS = {"__main__", "loops", "peer_loops", "peer_side", "tables", "turns"}


def main() -> None:
    folder = Path(__file__).parent
    names = sorted({module.name for module in pkgutil.iter_modules([str(folder)])} - HELPERS)
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in names:
        modules = {each: importlib.import_module(f"benchmarks.{each}") for each in names}
        print("python -m benchmarks NAME [OPTIONS]\n")
        for each, module in modules.items():
            print(f"  {each:18} {(module.__doc__ or '').splitlines()[0].partition(': ')[2]}")
        sys.exit(0 if name in ("", "-h", "--help") else 2)
    sys.argv = [f"python -m benchmarks {name}", *sys.argv[2:]]
    importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
