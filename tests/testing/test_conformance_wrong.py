"""The kit rejects plugins that are wrong in one way, each for its own reason and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
import wrong_augmentations
import wrong_constructors
import wrong_discriminators
import wrong_games
import wrong_generators
import wrong_metrics
import wrong_terms
import wrong_watchers
from wrongs import Wrong

from ganforge.testing import constructor, examine
from ganforge.testing.examine import KINDS

ACME = Path(__file__).parent / "acme"
WRONGS = [
    *wrong_constructors.WRONGS,
    *wrong_generators.WRONGS,
    *wrong_discriminators.WRONGS,
    *wrong_terms.WRONGS,
    *wrong_games.WRONGS,
    *wrong_augmentations.WRONGS,
    *wrong_metrics.WRONGS,
    *wrong_watchers.WRONGS,
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_plugin_passes_every_check(kind: str) -> None:
    found = examine(ACME / f"acme_{kind}.py")
    other = [str(finding) for finding in found if finding.outcome != "ok"]
    assert len(other) == 1
    assert other[0].startswith(f"plugin acme_{kind}: hook-imports: a plugin file may hold networks")
    assert {"target", "constructor", "build"} <= {finding.check for finding in found}


@pytest.mark.parametrize("wrong", WRONGS, ids=str)
def test_a_wrong_plugin_is_told_what_to_change(wrong: Wrong, tmp_path: Path) -> None:
    source = (ACME / f"acme_{wrong.kind}.py").read_text()
    for old, new in ((wrong.old, wrong.new), wrong.then):
        assert old in source
        source = source.replace(old, new) if old else source
    path = tmp_path / f"acme_{wrong.kind}.py"
    path.write_text(source)
    found = examine(path)
    (told,) = (
        finding
        for finding in found
        if finding.check == wrong.check and finding.component == f"{wrong.kind} acme"
    )
    assert told.outcome == wrong.outcome, told
    assert wrong.told in told.message
    assert wrong.change in told.change
    failed = {finding.check for finding in found if finding.failed}
    assert failed == {*wrong.also, *([wrong.check] if told.failed else [])}


def test_every_check_of_every_kind_rejects_something() -> None:
    asked = {kind: (*constructor.CHECKS, *found.checks) for kind, found in KINDS.items()}
    everything = {check.ask for checks in asked.values() for check in checks}
    rejecting = {
        check.ask for wrong in WRONGS for check in asked[wrong.kind] if check.name == wrong.check
    }
    assert [ask.__qualname__ for ask in everything - rejecting] == []
