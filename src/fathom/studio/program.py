"""A network of the network page as a short program, which gives the numbers of the page."""

from pprint import pformat

from fathom.studio.messages import LayerState, NetworkState, Program

WIDTH = 96
PROGRAM = '''"""A network as it stood in the Fathom studio."""

import jax.numpy as jnp

from fathom import trace, why
from fathom.nn.dense import DenseLayer
from fathom.nn.network import Network

# In each layer a row of weights is a neuron; then come the biases.
network = Network((
{layers}
))
x = {x}
y = {y}

seen = trace(network, x, y, loss="{loss}", learning_rate={learning_rate})
print(seen)
print(why(seen, "{name}"))
'''


def write_script(state: NetworkState) -> Program:
    """Return a program that builds a network, computes it on its examples, and explains a number.

    Examples
    --------
    >>> from fathom.studio.networks import example
    >>> print(write_script(example("softmax")).text.splitlines()[-3])
    seen = trace(network, x, y, loss="cross_entropy", learning_rate=0.5)
    """
    name = "output.neuron1.a"
    if len(state.examples) > 1:
        name = f"row{state.row + 1}.{name}"
    text = PROGRAM.format(
        layers="\n".join(map(_written, state.layers)), loss=state.loss,
        x=_rows([list(one.x) for one in state.examples]),
        y=_rows([list(one.target) for one in state.examples]),
        learning_rate=state.learning_rate, name=name,
    )  # fmt: skip
    return Program(text=text)


def _written(layer: LayerState) -> str:
    weights = pformat([list(row) for row in layer.weights], width=WIDTH - 18).replace(
        "\n", "\n" + " " * 18
    )
    biases = list(layer.biases)
    return (
        f"    DenseLayer(\n        jnp.array({weights}),\n"
        f'        jnp.array({biases}), "{layer.activation}",\n    ),'
    )


def _rows(rows: list[list[float]]) -> str:
    return pformat(rows, width=WIDTH - 4).replace("\n", "\n    ")
