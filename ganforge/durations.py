"""How often something happens: ``100 steps`` or ``1 epoch``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_core import core_schema

from ganforge.engine.clock import Clock

_UNIT = "(step|steps|epoch|epochs)"
_TEXT = re.compile(rf"(\d+)\s*{_UNIT}")


@dataclass(frozen=True)
class Every:
    """A period in steps or in epochs; in recipes ``100 steps``, ``1 epoch``, or a number of steps.

    Args:
        count: How many, at least 1.
        unit: Of what.
    """

    count: int
    unit: Literal["steps", "epochs"] = "steps"

    @classmethod
    def parse(cls, value: object) -> Every:
        """Read what a recipe says.

        Raises:
            ValueError: It is no period.
        """
        if isinstance(value, Every):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            value = f"{value} steps"
        match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None or int(match[1]) < 1:
            raise ValueError("should be a period such as '100 steps' or '1 epoch'")
        return cls(int(match[1]), "epochs" if match[2].startswith("epoch") else "steps")

    def due(self, clock: Clock) -> bool:
        """Whether the step just completed ends a period."""
        if self.unit == "steps":
            return clock.step % self.count == 0
        return any(epoch % self.count == 0 for epoch in clock.ended_epochs)

    def __str__(self) -> str:
        return f"{self.count} {self.unit if self.count != 1 else self.unit[:-1]}"

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """As a recipe may write it, for editors."""
        text = {"type": "string", "pattern": rf"^\s*0*[1-9]\d*\s*{_UNIT}\s*$"}
        return {"anyOf": [{"type": "integer", "minimum": 1}, text]}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Lets a component's constructor say ``every: Every``."""
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.to_string_ser_schema()
        )
