"""How often something happens (``100 steps``, ``1 epoch``) and how long it may take (``2h``)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic_core import core_schema

from ganforge.engine.clock import Clock

_UNIT = "(step|steps|epoch|epochs)"
_TEXT = re.compile(rf"(\d+)\s*{_UNIT}")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = r"(\d+(?:\.\d+)?)\s*(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)"
_SPAN = re.compile(rf"{_PART}(?:\s*{_PART})*")


@dataclass(frozen=True)
class Every:
    """A period in steps or in epochs; in recipes ``100 steps``, ``1 epoch``, or a number of steps.

    Args:
        count: How many, at least 1.
        unit: Of what.
    """

    in_words: ClassVar[str] = "a period such as 100 steps or 1 epoch"

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
        ended = clock.ended_epochs  # by far the most steps end none
        return bool(ended) and any(epoch % self.count == 0 for epoch in ended)

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


@dataclass(frozen=True)
class Span:
    """A length of time; in recipes ``2h``, ``90 min`` or ``1h 30m``.

    Args:
        seconds: How long, above 0.
        text: As it was written.
    """

    in_words: ClassVar[str] = "a time such as 2h or 90 min"

    seconds: float
    text: str

    @classmethod
    def parse(cls, value: object) -> Span:
        """Read what a recipe says.

        Raises:
            ValueError: It is no length of time.
        """
        if isinstance(value, Span):
            return value
        text = value.strip() if isinstance(value, str) else ""
        if _SPAN.fullmatch(text):
            parts = re.findall(_PART, text)
            seconds = sum(float(count) * _SECONDS[unit[0]] for count, unit in parts)
            if 0 < seconds < math.inf:
                return cls(seconds, text)
        raise ValueError("should be a time such as '2h', '90 min' or '1h 30m'")

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """As a recipe may write it, for editors."""
        return {"type": "string", "pattern": rf"^\s*{_PART}(\s*{_PART})*\s*$"}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Lets a block of a recipe have a field of this type."""
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.to_string_ser_schema()
        )
