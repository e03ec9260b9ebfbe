"""Lessons on learning: descent, backpropagation, depth, overfitting."""

from fathom.studio.lessons.computing import HAND
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
)
from fathom.studio.messages import NetworkState
from fathom.studio.networks import EXCLUSIVE_OR, example

ROWS = [(row[:2], row[2:]) for row in EXCLUSIVE_OR]
TOO_FAST = HAND.model_copy(update={"learning_rate": 200.0})
ONE_NEURON = network(
    ("sigmoid", ((0.5, -0.5),), (0.1,)), rows=ROWS, loss="binary_cross_entropy"
)  # fmt: skip
SWAMP = network(
    *[("sigmoid", ((0.5, -0.4), (-0.3, 0.6)), (0.0, 0.0)) for _ in range(6)],
    rows=[((1.0, -1.0), (1.0, 0.0))],
)  # fmt: skip


def _has_descended(state: NetworkState) -> bool:
    return loss_of(state) < 0.1


def _computes_with_hidden(state: NetworkState) -> bool:
    return len(state.layers) >= 2 and len(state.examples) == 4 and is_all_right(state)


DESCENT = Lesson(
    "descent",
    both("Gradient descent and its valleys", "梯度下降与它的山谷"),
    both("A step against the slope, again and again.", "一次次逆着斜率走一步。"),
    (
        Step(
            both(
                "The curve under “Why this number?” is the loss along one bias, all else fixed. "
                "Its slope, 0.117, says how the loss changes when the bias grows. A step goes "
                "against it, with the learning rate η = 0.5.",
                "“这个数字从何而来？”里的曲线是沿一个偏置的损失，其余不变。"
                "斜率 0.117 说明偏置增大时损失怎样变化。一步逆着它走，学习率 η = 0.5。",
            ),
            Number(
                both(
                    "The bias is 2. What does one step make of it?",
                    "偏置是 2。走一步后变成多少？",
                ),
                "output.neuron2.bias.new",
            ),
            HAND, "output.neuron2.bias", formula="b ← b − η · ∂L/∂b",
        ),
        Step(
            both(
                "Every weight and bias takes its step at once; then everything is computed anew "
                "and the next step is taken.",
                "每个权重和偏置同时走一步；然后全部重新计算，再走下一步。",
            ),
            Reach(
                both(
                    "Descend until the loss is below 0.1.",
                    "下降到损失小于 0.1。",
                ),
                _has_descended,
                both(
                    "Press “50 steps of descent” again.", "再按“下降 50 步”。"
                ),
            ),
            HAND, "loss",
        ),
        Step(
            both(
                "Here η = 200. Take single steps with “Take the step” or 50 at once, and watch the "
                "loss.",
                "这里 η = 200。用“走这一步”单步走，或一次走 50 步，观察损失。",
            ),
            Choice(
                both(
                    "What happens where a step is far longer than the valley is wide?",
                    "步子远大于山谷的宽度时会怎样？",
                ),
                (
                    both("It arrives sooner, at the same place", "更快到达同一处"),
                    both(
                        "It jumps over the valley, often onto a flat plain where slopes vanish",
                        "跳过山谷，常落到斜率消失的平地上",
                    ),
                    both("Nothing: the slope sets the length alone", "没有影响：步长只由斜率决定"),
                ),
                1,
                both(
                    "Right. A rate is good when the loss falls steadily; schedules make it smaller "
                    "towards the end.",
                    "正确。损失稳步下降时学习率才合适；到后期还会逐渐减小。",
                ),
            ),
            TOO_FAST, "loss",
        ),
        Step(
            both(
                "A landscape may have many valleys: where one arrives depends on where one starts. "
                "The Descent page lets several starts race, with and without sight.",
                "地形可能有许多山谷：到达哪里取决于从哪里出发。"
                "“下降”页让几个起点赛跑，有视野或没有视野。",
            ),
            Choice(
                both(
                    "What is the simple way out of a poor valley?",
                    "走出差的山谷，最简单的办法是什么？",
                ),
                (
                    both("Several starts, keep the best", "多个起点，保留最好的"),
                    both("Smaller steps", "更小的步子"),
                    both("More training in the same valley", "在同一山谷里多训练"),
                ),
                0,
                both(
                    "Right: Fathom's search trains many networks together and cuts those that "
                    "have stopped improving.",
                    "正确：Fathom 的搜索同时训练许多网络，淘汰不再进步的。",
                ),
            ),
            page="descent",
        ),
    ),
)  # fmt: skip

BACKPROPAGATION = Lesson(
    "backpropagation",
    both("Backpropagation", "反向传播"),
    both("Who is to blame, layer by layer.", "逐层追究：谁造成了误差。"),
    (
        Step(
            both(
                "The node error δ = ∂L/∂z says how the loss changes with a neuron's sum. At the "
                "output, with a squared error, it is how far the output is off, times the slope of "
                "the sigmoid, which is a (1 − a).",
                "节点误差 δ = ∂L/∂z 说明损失怎样随神经元的加权和变化。在输出层，用平方误差时，"
                "它等于输出的偏差乘以 sigmoid 的斜率 a (1 − a)。",
            ),
            Number(
                both(
                    "The first output is a = 0.6177, wanted is 1. What is its δ, to 3 decimals?",
                    "第一个输出 a = 0.6177，应为 1。它的 δ 是多少（3 位小数）？",
                ),
                "output.neuron1.delta", 3,
            ),
            HAND, "output.neuron1.a", hides=True, formula="δ = (a − t) · a (1 − a)",
        ),
        Step(
            both(
                "A hidden neuron is to blame through every synapse that leaves it. The first "
                "neuron of layer 2 feeds the outputs with weights 3 and −1; their δ are −0.0903 "
                "and 0.1175; its own slope is 0.1179.",
                "隐藏神经元通过每个离开它的突触承担责任。"
                "第 2 层第一个神经元以权重 3 和 −1 通向输出；它们的 δ 是 −0.0903 和 0.1175；"
                "它自己的斜率是 0.1179。",
            ),
            Number(
                both("What is its δ, to 3 decimals?", "它的 δ 是多少（3 位小数）？"),
                "layer2.neuron1.delta", 3,
            ),
            HAND, "output.neuron1.delta", hides=True, formula="δ = (w₁δ₁ + w₂δ₂) · a (1 − a)",
        ),
        Step(
            both(
                "The gradient of a weight is the δ behind it times the activation before it. That "
                "of a bias is δ itself.",
                "权重的梯度等于它后面的 δ 乘以它前面的激活值。偏置的梯度就是 δ。",
            ),
            Number(
                both(
                    "What is the gradient of the weight from the first neuron of layer 2 to the "
                    "first output, to 3 decimals?",
                    "从第 2 层第一个神经元到第一个输出的权重，梯度是多少（3 位小数）？",
                ),
                "output.neuron1.weight1.gradient", 3,
            ),
            HAND, "output.neuron1.delta", formula="∂L/∂w = δ · a",
        ),
        Step(
            both(
                "Six sigmoid layers. Compare the δ of the output with those of the first layer: "
                "each layer multiplies by a slope of at most ¼ and by small weights.",
                "六个 sigmoid 层。比较输出层和第一层的 δ：每一层都乘以至多 ¼ 的斜率和很小的权重。",
            ),
            Choice(
                both("What follows for the first layers?", "前几层会怎样？"),
                (
                    both("They learn fastest", "学得最快"),
                    both("They hardly learn: the gradient vanishes", "几乎不学：梯度消失"),
                    both("Nothing changes", "没有变化"),
                ),
                1,
                both(
                    "Right. Rectifiers, good initial weights, normalization and residual "
                    "connections keep it alive.",
                    "正确。整流函数、好的初始权重、归一化和残差连接能保住梯度。",
                ),
            ),
            SWAMP, "layer1.neuron1.delta",
        ),
    ),
)  # fmt: skip

DEPTH = Lesson(
    "depth",
    both("Why deep", "为什么要深"),
    both("What one layer cannot do, and several can.", "一层做不到，几层可以。"),
    (
        Step(
            both(
                "One neuron draws one straight line. Exclusive or has its ones in opposite "
                "corners. Try: descend as long as you like, draw new weights.",
                "一个神经元画一条直线。异或的 1 在相对的两角。试一试：随意下降，重新取权重。",
            ),
            Choice(
                both(
                    "How many of the four examples can one neuron get right at most?",
                    "一个神经元最多能答对四个样本中的几个？",
                ),
                (both("2", "2"), both("3", "3"), both("4", "4")),
                1,
                both("Right: three, but never all four.", "正确：三个，但不可能四个全对。"),
            ),
            ONE_NEURON, "output.neuron1.z",
        ),
        Step(
            both(
                "A hidden layer bends the plane first, so that a straight line then suffices.",
                "隐藏层先把平面弯曲，之后一条直线就够了。",
            ),
            Reach(
                both(
                    "With a hidden layer, get all four right.",
                    "用隐藏层，把四个都答对。",
                ),
                _computes_with_hidden,
                both(
                    "Keep the four examples, add a layer of two neurons or more, and descend.",
                    "保留四个样本，加一层两个以上的神经元，然后下降。",
                ),
            ),
            example("exclusive_or"), "layer1.neuron1.a",
        ),
        Step(
            both(
                "A layer of n neurons that sees m inputs has n · m weights and n biases.",
                "一层 n 个神经元看 m 个输入，有 n · m 个权重和 n 个偏置。",
            ),
            Number(
                both(
                    "How many parameters has a network 2 → 8 → 8 → 1?",
                    "网络 2 → 8 → 8 → 1 有多少个参数？",
                ),
                (2 * 8 + 8) + (8 * 8 + 8) + (8 + 1), 0,
            ),
        ),
        Step(
            both(
                "Is a tall network better than a fat one with as many parameters? The Depth page "
                "trains both many times over and shows the errors as distributions: one run says "
                "little.",
                "参数一样多时，高的网络比胖的好吗？“深度”页把两者各训练许多次，"
                "用分布显示误差：一次运行说明不了什么。",
            ),
            Choice(
                both("When does depth pay?", "深度何时有用？"),
                (
                    both("Always", "总是"),
                    both(
                        "When what is to be learned is made of parts that are made of parts",
                        "当要学的东西由部分组成，部分又由部分组成时",
                    ),
                    both("Only with very many examples", "只在样本极多时"),
                ),
                1,
                both(
                    "Right: then deep layers use again what earlier ones found. On other material "
                    "a shallow network does as well; measure it.",
                    "正确：深层会重复使用前面找到的东西。在其他材料上浅网络同样好；要靠测量。",
                ),
            ),
            page="depth",
        ),
    ),
)  # fmt: skip

OVERFITTING = Lesson(
    "overfitting",
    both("Overfitting and how to guard", "过拟合与防范"),
    both("Learned by heart is not understood.", "背下来不等于学会。"),
    (
        Step(
            both(
                "Train a network here and watch its two curves: the share read right of the "
                "pictures learned from, and of pictures held out.",
                "在这里训练一个网络，观察两条曲线：学习的图片和留出的图片各读对多少。",
            ),
            Choice(
                both("What is a sign of overfitting?", "过拟合的迹象是什么？"),
                (
                    both("Both curves rise together", "两条曲线一起上升"),
                    both(
                        "Loss on what is learned from falls on, loss on what is held out rises",
                        "学习集的损失继续下降，留出集的损失上升",
                    ),
                    both("Both stand still", "两条都不动"),
                ),
                1,
                both(
                    "Right: from there on it learns the examples, not what they have in common.",
                    "正确：从那里起它记的是样本本身，而不是它们的共同之处。",
                ),
            ),
            page="digits",
        ),
        Step(
            both(
                "The guards: stop where the held-out loss is least; decay of weights; dropout; "
                "changing every picture a little each time; averaging several networks.",
                "防范办法：在留出损失最小处停止；权重衰减；随机失活；每次把图片稍作改变；"
                "平均几个网络。",
            ),
            Choice(
                both(
                    "On this page held-out pictures are often read better than those learned from. "
                    "Why?",
                    "在这一页，留出的图片常比学习的图片读得更好。为什么？",
                ),
                (
                    both("The held-out ones were learned in secret", "留出的图片被偷偷学了"),
                    both(
                        "Those learned from are shifted, turned and bent each time, so harder",
                        "学习的图片每次都被平移、旋转、弯曲，更难读",
                    ),
                    both("By chance", "碰巧"),
                ),
                1,
                both(
                    "Right: the network never sees the same picture twice, so it cannot learn "
                    "pictures by heart.",
                    "正确：网络从不两次看到同一张图片，所以背不下来。",
                ),
            ),
            page="digits",
        ),
        Step(
            both(
                "Who chooses among networks by held-out examples uses these up a little, too. A "
                "figure to be believed comes from a test part that had no say in anything.",
                "用留出样本来挑选网络，也会消耗它们一点。可信的数字来自从未参与任何决定的测试部分。",
            ),
            Number(
                both(
                    "The test part has 359 pictures; 95 % are read right. How many are misread, to "
                    "the nearest whole?",
                    "测试部分有 359 张图片，读对 95 %。大约读错几张（取整）？",
                ),
                359 * 0.05, 0,
            ),
            page="digits",
        ),
    ),
)  # fmt: skip

LEARNING = (DESCENT, BACKPROPAGATION, DEPTH, OVERFITTING)
