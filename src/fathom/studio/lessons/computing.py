"""Lessons on computing: neurons, networks as functions, outputs, losses."""

from fathom.inspection.example import BIASES, INPUT, TARGET, WEIGHTS
from fathom.studio.lessons.plan import (
    Choice,
    Lesson,
    Number,
    Reach,
    Step,
    both,
    is_all_right,
    loss_of,
    network,
    number_of,
)
from fathom.studio.messages import NetworkState
from fathom.studio.networks import example, trace_state

HAND = example("hand_worked")
SOFTMAX = example("softmax")
AT_ZERO = network(
    *[("sigmoid", w, b) for w, b in zip(WEIGHTS, BIASES, strict=True)],
    rows=[((0.0, 0.0), TARGET)],
)  # fmt: skip
ONE_LAYER = network(("sigmoid", WEIGHTS[0], BIASES[0]), rows=[(INPUT, TARGET)])
LINEAR = network(
    *[("identity", w, b) for w, b in zip(WEIGHTS, BIASES, strict=True)],
    rows=[((0.0, 0.0), TARGET), ((1.0, -1.0), TARGET), ((2.0, -2.0), TARGET)],
)  # fmt: skip
IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
LABELS = network(
    ("sigmoid", IDENTITY, (0.0, 0.0, 0.0)), rows=[((3.0, 1.0, -3.0), (1.0, 1.0, 0.0))],
    loss="binary_cross_entropy",
)  # fmt: skip
SURE_AND_WRONG = network(
    ("softmax", IDENTITY, (0.0, 0.0, 0.0)), rows=[((3.0, 1.0, -3.0), (0.0, 0.0, 1.0))],
    loss="cross_entropy",
)  # fmt: skip


def _are_silent_by_bias(state: NetworkState) -> bool:
    first = state.layers[0]
    kept = [list(row) for row in first.weights] == [list(row) for row in WEIGHTS[0]]
    return kept and bool((trace_state(state).layers[0].z < 0).all())


def _third_wins(state: NetworkState) -> bool:
    return state.layers[-1].activation == "softmax" and (
        len(state.layers[-1].biases) >= 3 and number_of(state, "output.neuron3.a") > 0.9
    )


def _is_low(state: NetworkState) -> bool:
    return loss_of(state) < 0.05


NEURON = Lesson(
    "neuron",
    both("Neuron, layer and bias", "神经元、层与偏置"),
    both("What one neuron computes, and many side by side.", "一个神经元算什么，一层算什么。"),
    (
        Step(
            both(
                "A neuron multiplies each input by a weight and adds the products and its bias. "
                "The weights are on the synapses, the bias is in the box. The sum of the first "
                "neuron is worked out under “Why this number?”, product by product.",
                "神经元把每个输入乘以一个权重，把乘积相加再加上偏置。权重写在突触上，偏置在方框里。"
                "“这个数字从何而来？”里逐项算出了第一个神经元的加权和。",
            ),
            Number(
                both("What is the sum z of the second neuron?", "第二个神经元的加权和 z 是多少？"),
                "output.neuron2.z",
            ),
            ONE_LAYER, "output.neuron1.z", hides=True, formula="z = w₁x₁ + w₂x₂ + b",
        ),
        Step(
            both(
                "The sum then goes through an activation function, here the sigmoid: far below 0 "
                "it says nearly 0, far above nearly 1. This is the whole worked example, three "
                "such layers one after another.",
                "加权和再经过激活函数，这里是 sigmoid：远小于 0 时接近 0，远大于 0 时接近 1。"
                "这是完整的手算例子，三个这样的层依次相连。",
            ),
            Number(
                both(
                    "The first neuron has z = 4. What is its activation a?",
                    "第一个神经元的 z = 4，它的激活值 a 是多少？",
                ),
                "layer1.neuron1.a",
            ),
            HAND, "layer1.neuron1.z", hides=True, formula="a = σ(z) = 1 / (1 + e⁻ᶻ)",
        ),
        Step(
            both(
                "Now both inputs are 0, so every product is 0. What is left of the sum is the "
                "bias: it says how ready a neuron is to fire before it has seen anything.",
                "现在两个输入都是 0，每个乘积都是 0，加权和里只剩下偏置："
                "它说明神经元在什么都没看到之前有多容易激活。",
            ),
            Number(
                both("What is z of the first neuron now?", "现在第一个神经元的 z 是多少？"),
                "layer1.neuron1.z",
            ),
            AT_ZERO, "", hides=True,
        ),
        Step(
            both(
                "Neurons side by side are a layer: they see the same inputs, each with weights of "
                "its own. Drag a bias, or click it and type, and watch everything behind follow.",
                "并排的神经元组成一层：它们看到同样的输入，各有各的权重。"
                "拖动一个偏置，或点击后输入，看后面的一切随之改变。",
            ),
            Reach(
                both(
                    "Change only the two biases of layer 1 so that both its sums z are below 0.",
                    "只改第 1 层的两个偏置，使它的两个加权和 z 都小于 0。",
                ),
                _are_silent_by_bias,
                both(
                    "Both sums of layer 1 must be below 0, with its weights as they were.",
                    "第 1 层的两个加权和都要小于 0，权重保持原样。",
                ),
            ),
            HAND, "layer1.neuron1.bias",
        ),
    ),
)  # fmt: skip

FUNCTION = Lesson(
    "function",
    both("A network is a function", "网络是一个函数"),
    both("Inputs in, outputs out; why the bend matters.", "输入进去，输出出来；为什么弯曲很重要。"),
    (
        Step(
            both(
                "With its weights fixed, a network is a function: the same inputs always give the "
                "same outputs. This one takes (1, −1) to (0.62, 0.83).",
                "权重固定后，网络就是一个函数：同样的输入总给出同样的输出。"
                "这一个把 (1, −1) 变成 (0.62, 0.83)。",
            ),
            Number(
                both(
                    "Set both inputs to 0. What is the first output?",
                    "把两个输入都设为 0。第一个输出是多少？",
                ),
                lambda: number_of(AT_ZERO, "output.neuron1.a"),
            ),
            HAND, "output.neuron1.a",
        ),
        Step(
            both(
                "Here every activation function is the identity, a = z, and there are three "
                "examples: (0, 0), (1, −1) and (2, −2). Choose each and compare the first outputs. "
                "However many layers: sums of sums are one sum.",
                "这里每个激活函数都是恒等函数 a = z，有三个样本：(0, 0)、(1, −1) 和 (2, −2)。"
                "逐个选择，比较第一个输出。不论多少层，和的和还是一个和。",
            ),
            Choice(
                both("How does the first output move?", "第一个输出怎样变化？"),
                (
                    both("By the same amount each time", "每次变化同样多"),
                    both("More the second time", "第二次变得更多"),
                    both("Less the second time", "第二次变得更少"),
                ),
                0,
                both(
                    "Right: without a bend, three layers are a single one: only straight lines "
                    "and planes can come out.",
                    "正确：没有弯曲，三层等于一层，只能得到直线和平面。",
                ),
            ),
            LINEAR, "output.neuron1.a",
        ),
        Step(
            both(
                "Bends make the difference. Exclusive or wants 1 where exactly one input is 1; no "
                "straight line parts these four points. Two hidden neurons can.",
                "弯曲带来不同。异或要求恰有一个输入为 1 时输出 1；没有一条直线能分开这四个点，"
                "两个隐藏神经元就可以。",
            ),
            Reach(
                both(
                    "Make every output right: by hand, or press “50 steps of descent” until it is.",
                    "让每个输出都正确：可以手动改，也可以反复按“下降 50 步”。",
                ),
                is_all_right,
                both(
                    "Some output is still on the wrong side of ½. Go on descending; if it does "
                    "not move any more, draw new weights.",
                    "还有输出在 ½ 的错误一侧。继续下降；如果不再变化，就重新随机取权重。",
                ),
            ),
            example("exclusive_or"), "output.neuron1.a",
        ),
    ),
)  # fmt: skip

OUTPUTS = Lesson(
    "outputs",
    both("Softmax and sigmoid outputs", "Softmax 与 sigmoid 输出"),
    both("One of several, or each for itself.", "几个里选一个，还是各自独立。"),
    (
        Step(
            both(
                "Where exactly one class is right, softmax turns the sums into shares that add up "
                "to 1. The exponentials of 3, 1 and −3 are 20.09, 2.72 and 0.05.",
                "恰好只有一类正确时，softmax 把加权和变成加起来等于 1 的份额。"
                "3、1、−3 的指数是 20.09、2.72 和 0.05。",
            ),
            Number(
                both("What is the share of the first class?", "第一类的份额是多少？"),
                "output.neuron1.a",
            ),
            SOFTMAX, "output.neuron1.exp", hides=True, formula="aₖ = e^zₖ / (e^z₁ + e^z₂ + e^z₃)",
        ),
        Step(
            both(
                "Shares depend on differences of sums alone. Add 1 to each of the three biases and "
                "look at the outputs.",
                "份额只取决于加权和之间的差。给三个偏置各加 1，看看输出。",
            ),
            Choice(
                both("What becomes of the outputs?", "输出变成怎样？"),
                (
                    both("All grow", "都变大"),
                    both("Nothing changes", "没有变化"),
                    both("The largest grows, the others shrink", "最大的变大，其余变小"),
                ),
                1,
                both(
                    "Right: every exponential is multiplied by e, and so is their sum.",
                    "正确：每个指数都乘以 e，它们的和也乘以 e。",
                ),
            ),
            SOFTMAX, "output.neuron1.a",
        ),
        Step(
            both(
                "Where several labels may hold at once, each output has a sigmoid of its own and "
                "answers yes or no for itself. The sums are the same 3, 1 and −3.",
                "若几个标签可以同时成立，每个输出各有一个 sigmoid，各自回答是或否。"
                "加权和仍是 3、1 和 −3。",
            ),
            Number(
                both("What do the three outputs add up to?", "三个输出加起来是多少？"),
                lambda: sum(number_of(LABELS, f"output.neuron{k}.a") for k in (1, 2, 3)),
            ),
            LABELS, "output.neuron1.a",
        ),
        Step(
            both(
                "Back to softmax. What one class gains, the others lose.",
                "回到 softmax。一类得到的，就是其他类失去的。",
            ),
            Reach(
                both(
                    "Raise the share of the third class above 0.9.",
                    "把第三类的份额提高到 0.9 以上。",
                ),
                _third_wins,
                both(
                    "Its sum has to be well above both others: change its bias, or the input.",
                    "它的加权和要明显高于另外两个：改它的偏置，或改输入。",
                ),
            ),
            SOFTMAX, "output.neuron3.bias",
        ),
    ),
)  # fmt: skip

LOSS = Lesson(
    "loss",
    both("Loss: squared error and cross entropy", "损失：平方误差与交叉熵"),
    both("One number for how wrong a network is.", "用一个数说明网络错得多厉害。"),
    (
        Step(
            both(
                "The squared error is half the sum of squared differences between outputs and "
                "targets. The outputs are 0.6177 and 0.8291, wanted are 1 and 0.",
                "平方误差是输出与目标之差的平方和的一半。"
                "输出是 0.6177 和 0.8291，应为 1 和 0。",
            ),
            Number(both("What is the loss?", "损失是多少？"), "loss"),
            HAND, "output.neuron2.a", hides=True, formula="L = ½ · ((a₁ − t₁)² + (a₂ − t₂)²)",
        ),
        Step(
            both(
                "For classes there is the cross entropy: minus the logarithm of the share given "
                "to the right class. Here the first class is right, its share is 0.88.",
                "对于类别用交叉熵：正确类份额的负对数。这里第一类是正确的，它的份额是 0.88。",
            ),
            Number(both("What is the loss?", "损失是多少？"), "loss"),
            SOFTMAX, "output.neuron1.a", hides=True, formula="L = −ln aₖ",
        ),
        Step(
            both(
                "The same outputs, but now the third class is the right one. Its share is 0.002.",
                "输出相同，但现在第三类才是正确的。它的份额是 0.002。",
            ),
            Choice(
                both("What does the cross entropy do?", "交叉熵怎样？"),
                (
                    both("It can be 1 at most", "最多是 1"),
                    both("It is above 6: sure and wrong costs most", "大于 6：自信而错误代价最大"),
                    both("It is the same as before", "与之前相同"),
                ),
                1,
                both(
                    "Right: as the share goes to 0 the loss grows without end.",
                    "正确：份额趋于 0 时，损失无限增大。",
                ),
            ),
            SURE_AND_WRONG, "loss",
        ),
        Step(
            both(
                "To learn is to make the loss small. Do it by hand once: a machine does the same "
                "with all weights at a time.",
                "学习就是让损失变小。先用手做一次；机器对所有权重同时做同样的事。",
            ),
            Reach(
                both(
                    "Change weights and biases until the loss is below 0.05.",
                    "改变权重和偏置，直到损失小于 0.05。",
                ),
                _is_low,
                both(
                    "The first output has to rise, the second to fall. Their biases are quickest.",
                    "第一个输出要升高，第二个要降低；改它们的偏置最快。",
                ),
            ),
            HAND, "output.neuron2.bias",
        ),
    ),
)  # fmt: skip

COMPUTING = (NEURON, FUNCTION, OUTPUTS, LOSS)
