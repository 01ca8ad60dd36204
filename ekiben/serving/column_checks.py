"""A column of a request's values, checked as a whole: with numpy, or by pydantic where they are texts.

The look only ever says yes: where it does not know for good, the validator of rows decides.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ekiben.schemas.base import Personal, Row
from ekiben.use_cases.columns import Column

Kind = Literal["whole", "real", "truth", "text"]

_DESCRIPTION = frozenset(["json_schema_extra", "title"])
"""What a row's configuration may say without a change to what it accepts."""


@dataclass(frozen=True)
class Check:
    """What the values of one field have to be.

    `take` gets an array of numbers or truth values, or a list of texts, as `kind` says,
    and returns the values, or None when one of them may be wrong. Of numbers that are not
    *bounded* it asks only that they are finite.
    """

    kind: Kind
    take: Callable[[Any], Column | None]
    bounded: bool = True


def checks_of(row: type[Row]) -> Mapping[str, Check] | None:
    """Return the check of each field; None: *row* is not checked by field."""
    if _has_own_checks(row):
        return None
    found: dict[str, Check] = {}
    for name, field in row.model_fields.items():
        check = _check_of(field)
        if check is None:
            return None
        found[name] = check
    return found


def _has_own_checks(row: type[Row]) -> bool:
    """Whether more is asked of a row than each of its fields says."""
    told = row.__pydantic_decorators__
    own = {k: v for k, v in row.model_config.items() if k not in _DESCRIPTION}
    return bool(
        told.validators
        or told.field_validators
        or told.root_validators
        or told.model_validators
        or row.__pydantic_post_init__
        or row.__pydantic_custom_init__
        or own != Row.model_config
    )


def _check_of(field: FieldInfo) -> Check | None:
    """Return the check of *field*; None: it is checked only with the whole row."""
    if not field.is_required() or field.validation_alias or field.alias:
        return None
    kind = field.annotation
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if kind is str or (choices and all(isinstance(one, str) for one in choices)):
        return Check("text", _texts(field))
    bounds = _bounds(field.metadata)
    if kind is bool and bounds == []:
        return Check("truth", lambda values: values)
    if bounds is None or kind not in (int, float):
        return None
    return Check(
        "whole" if kind is int else "real",
        _numbers(bounds, whole=kind is int),
        bounded=bool(bounds),
    )


Bound = tuple[Callable[[Any, Any], Any], Any]


def _bounds(metadata: Sequence[Any]) -> list[Bound] | None:
    """Return the bounds that *metadata* state; None: they state something else."""
    found: list[Bound] = []
    for one in metadata:
        match one:
            case Ge():
                found.append((operator.ge, one.ge))
            case Gt():
                found.append((operator.gt, one.gt))
            case Le():
                found.append((operator.le, one.le))
            case Lt():
                found.append((operator.lt, one.lt))
            case Personal():
                pass
            case _:
                return None
    return found


def _numbers(
    bounds: Sequence[Bound], *, whole: bool
) -> Callable[[NDArray[Any]], NDArray[Any] | None]:
    def take(given: NDArray[Any]) -> NDArray[Any] | None:
        values = given.astype(np.int64 if whole else np.float64, copy=False)
        if whole and (values < 0).any() and given.dtype.kind == "u":
            return None  # beyond 64 bits with a sign
        right = np.isfinite(values).all() and all(
            holds(values, limit).all() for holds, limit in bounds
        )
        return values if right else None

    return take


def _texts(field: FieldInfo) -> Callable[[list[Any]], list[str] | None]:
    """Let pydantic look at the column as a list: the same code as for a row, in one call."""
    one = field.annotation
    for rule in field.metadata:
        one = Annotated[one, rule]  # type: ignore[assignment]
    adapter: TypeAdapter[list[str]] = TypeAdapter(
        list[one],  # type: ignore[valid-type]
        config=ConfigDict(strict=True),
    )

    def take(values: list[Any]) -> list[str] | None:
        try:
            return adapter.validate_python(values)
        except ValidationError:
            return None

    return take
