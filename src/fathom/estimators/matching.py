"""Matching: whether an architecture goes with what comes in and what is asked for."""

import math

from fathom.data.schema import Schema, Target
from fathom.errors import InputError
from fathom.nn.architecture import Architecture
from fathom.nn.combination import Combination
from fathom.nn.dense import Dense
from fathom.search.factors import with_factors


def require_match(given: Architecture, schema: Schema) -> None:
    """Refuse an architecture that does not go with what comes in or what is asked for.

    Raises
    ------
    InputError
        If the inputs or the outputs do not agree.
    """
    if math.prod(given.input_shape) != schema.input.n_features:
        raise InputError(
            f"an architecture for {schema.input.n_features} numbers per row",
            got=f"input_shape={given.input_shape}",
            hint=f"give it input_shape={schema.input.shape}",
        )
    allowed = _allowed_outputs(schema.target)
    if isinstance(given.layers[-1], Combination):
        if with_factors(_without_factors(given), schema.target) == given:
            return
        raise InputError(
            "a combination of the target's own factors", got=str(given.layers[-1]),
            hint=f"end in {allowed[0][0]} {allowed[0][1]}",
        )  # fmt: skip
    is_numbers = schema.target.task == "numbers" and given.output_activation != "softmax"
    if (given.n_outputs, given.output_activation) not in allowed and (
        not is_numbers or given.n_outputs != schema.target.n_outputs
    ):
        wanted = " or ".join(f"{units} {name}" for units, name in allowed)
        raise InputError(
            f"an output layer of {wanted} for this target",
            got=f"{given.n_outputs} {given.output_activation}",
            hint="change the last layer of the architecture",
        )


def _allowed_outputs(target: Target) -> tuple[tuple[int, str], ...]:
    """Return the sizes and activation functions an output layer may have for a target."""
    if target.task == "labels":
        return ((target.n_outputs, "sigmoid"),)
    if target.task == "numbers":
        return ((target.n_outputs, "identity"),)
    if target.task == "text":
        return ((len(target.signs) + 1, "softmax"),)
    if target.factors:  # one output for each class of each; the combination is put behind them
        return ((sum(len(factor.classes) for factor in target.factors), "softmax"),)
    n = len(target.classes)
    single = ((1, "sigmoid"),) if n == 2 else ()
    return ((n, "softmax"), (n, "sigmoid"), *single)


def _without_factors(given: Architecture) -> Architecture:
    """Return the network with a plain output layer in place of its combination."""
    parts = given.layers[-2] if len(given.layers) > 1 else None
    if not isinstance(parts, Dense):
        return given
    plain = parts.model_copy(update={"activation": "softmax"})
    return given.model_copy(update={"layers": (*given.layers[:-2], plain)})
