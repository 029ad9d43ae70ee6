"""``python -m ganforge``."""

import sys
from pathlib import Path

# 'python -m' puts the working folder first on the path; nothing is imported from there by itself.
if sys.path[:1] == [str(Path.cwd())] and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

from ganforge.cli import main

main()
