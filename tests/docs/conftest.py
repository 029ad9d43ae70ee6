"""The generator of the reference pages, as mkdocs imports it."""

from __future__ import annotations

import sys

from docpages import DOCS

sys.path.insert(0, str(DOCS / "hooks"))
