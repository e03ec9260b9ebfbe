"""The base of every frozen value: plain data that prints well and goes to JSON and back."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from fathom.errors import FathomError, InputError


class Value(BaseModel):
    """Plain data that never changes; what it refuses becomes one of Fathom's own errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error_type: ClassVar[type[FathomError]] = InputError

    def __init__(self, **data: object) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise self.error_type.from_validation(error) from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return the value with some fields changed, checked like a new one."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**fields, **(update or {})})
