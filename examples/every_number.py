"""Why a number in a network is what it is, and what that is made of, and so on down."""

from fathom import trace, why
from fathom.inspection.example import INPUT, TARGET, hand_worked


def explain(seen, name, depth):
    """Print why a number is what it is, then the same of what it is made of."""
    explanation = why(seen, name)
    print(explanation, end="\n\n")
    if depth > 1:
        for operand in explanation.operands:
            if operand.name and "weight" not in operand.name and "bias" not in operand.name:
                explain(seen, operand.name, depth - 1)


network, architecture = hand_worked()
seen = trace(network, [INPUT], [TARGET], loss=architecture.loss)
print(seen, end="\n\n")
explain(seen, "output.neuron1.a", depth=3)
