"""Shapes: networks of few and many hidden layers that are equal in one respect."""

from itertools import groupby, pairwise
from typing import Literal, TypeAlias, get_args

from fathom.errors import InputError
from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.named import ActivationName, LossName

Shape: TypeAlias = Literal["parameters", "neurons", "width"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
TITLES: dict[Shape, str] = {
    "parameters": "equal parameters",
    "neurons": "equal neurons",
    "width": "equal width",
}
ANCHOR_DEPTH = 2  # hidden layers of the network that all three have in common


def choose_widths(
    shape: Shape, depth: int, width: int, n_inputs: int, n_outputs: int
) -> tuple[int, ...]:
    """Return the widths of the hidden layers of one network of a shape.

    All shapes start from the same network, two hidden layers of the given width:

    ========== ====================================================================
    parameters as many weights and biases as it has: thin and tall, or fat and short
    neurons    as many hidden neurons as it has
    width      every layer as wide as its layers
    ========== ====================================================================

    Parameters
    ----------
    shape : {"parameters", "neurons", "width"}
        What is equal.
    depth : int
        Hidden layers, 1 or more.
    width : int
        Neurons in each hidden layer of the network they start from.
    n_inputs, n_outputs : int
        Width of the input and of the output layer.

    Returns
    -------
    tuple of int
        One for each hidden layer, differing by 1 at most.

    Raises
    ------
    InputError
        If there are fewer neurons or parameters than so many layers need.

    Examples
    --------
    >>> choose_widths("neurons", 3, 64, 16, 26)
    (43, 43, 42)
    >>> choose_widths("parameters", 1, 64, 16, 26), count_parameters(16, (161,), 26)
    ((161,), 6949)
    >>> count_parameters(16, (64, 64), 26)
    6938

    References
    ----------
    Seide, Li, Yu (2011). Conversational speech transcription using context-dependent deep neural
    networks. Interspeech, 437-440: deep against wide at an equal number of parameters.
    """
    n_neurons = ANCHOR_DEPTH * width
    if shape == "width":
        return (width,) * depth
    if shape == "parameters":
        budget = count_parameters(n_inputs, (width,) * ANCHOR_DEPTH, n_outputs)
        n_neurons = _neurons_for(budget, depth, n_inputs, n_outputs)
    if n_neurons < depth:
        raise InputError(
            f"a width that leaves each of {depth} hidden layers a neuron",
            got=f"{width} with equal {shape}",
            hint="give a larger width, or fewer layers",
        )
    return divide(n_neurons, depth)


def divide(n_neurons: int, depth: int) -> tuple[int, ...]:
    """Divide neurons among layers as evenly as can be, the wider layers first."""
    each, rest = divmod(n_neurons, depth)
    return (each + 1,) * rest + (each,) * (depth - rest)


def count_parameters(n_inputs: int, widths: tuple[int, ...], n_outputs: int) -> int:
    """Return the number of weights and biases: Σ (n_in + 1) n_out over the layers."""
    chain = (n_inputs, *widths, n_outputs)
    return sum((a + 1) * b for a, b in pairwise(chain))


def _neurons_for(budget: int, depth: int, n_inputs: int, n_outputs: int) -> int:
    """Return the number of hidden neurons, evenly divided, that comes nearest to a budget."""

    def excess(n_neurons: int) -> int:
        return count_parameters(n_inputs, divide(n_neurons, depth), n_outputs) - budget

    low, high = 0, depth  # every further neuron adds parameters, so bisect
    while excess(high) < 0:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return high if low < depth or excess(high) <= -excess(low) else low


def describe(
    widths: tuple[int, ...],
    n_inputs: int,
    n_outputs: int,
    activation: ActivationName,
    output: tuple[ActivationName, LossName],
) -> Architecture:
    """Describe the network: dense layers only, each drawn as suits its activation function."""
    hidden = [Dense(units=width, activation=activation) for width in widths]
    last = Dense(units=n_outputs, activation=output[0])
    return Architecture(input_shape=(n_inputs,), layers=(*hidden, last), loss=output[1])


def written(widths: tuple[int, ...]) -> str:
    """Write widths briefly.

    Examples
    --------
    >>> written((161,)), written((64, 64, 64)), written((28, 28, 27))
    ('161', '3×64', '2×28 27')
    """
    runs = [(width, len(list(run))) for width, run in groupby(widths)]
    return " ".join(f"{width}" if n == 1 else f"{n}×{width}" for width, n in runs)
