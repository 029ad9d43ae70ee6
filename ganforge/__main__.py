"""``python -m ganforge``."""

import os
import sys

# 'python -m' puts the working folder first on the path; nothing is imported from there by itself.
if not getattr(sys.flags, "safe_path", False):
    try:
        here = os.getcwd()  # noqa: PTH109
    except OSError:  # the folder is gone
        here = ""
    if sys.path[:1] == [here]:
        del sys.path[0]

from ganforge.cli import main

main()
