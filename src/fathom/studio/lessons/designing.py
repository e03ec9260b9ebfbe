"""Lessons on what lies beyond one network: representations and rivals, and designing by itself."""

from fathom.studio.lessons.plan import Choice, Lesson, Number, Step, both

REPRESENTATION = Lesson(
    "representation",
    both("Representation, kernels and boosting", "表示、核与提升"),
    both("Other ways to make a straight line suffice.", "让一条直线就够用的其他办法。"),
    (
        Step(
            both(
                "Draw a digit, then click neurons of the first layer: their weights are pictures "
                "of strokes they look for. Later layers join strokes to parts, parts to digits: "
                "each layer represents the drawing anew.",
                "画一个数字，然后点击第一层的神经元：权重就是它们寻找的笔画的图。"
                "后面的层把笔画合成部件，把部件合成数字：每一层都重新表示这幅画。",
            ),
            Choice(
                both(
                    "A weight of the first layer is blue at a place. What does ink there do?",
                    "第一层某处的权重是蓝色。那里有墨会怎样？",
                ),
                (
                    both("It raises the neuron's sum", "提高神经元的加权和"),
                    both("It lowers it", "降低它"),
                    both("Nothing", "没有影响"),
                ),
                0,
                both(
                    "Right: blue is above 0, so ink there speaks for what it looks for.",
                    "正确：蓝色大于 0，那里有墨就支持它寻找的东西。",
                ),
            ),
            page="digits",
        ),
        Step(
            both(
                "A support vector machine does not learn its representation: a kernel "
                "k(x, y) compares two points as if they had been taken to a space of many "
                "products. This is the quadratic one:",
                "支持向量机不学习表示：核函数 k(x, y) 比较两个点，"
                "仿佛它们已被送到由许多乘积构成的空间。这是二次核：",
            ),
            Number(
                both("What is k of (1, −1) and (2, 1)?", "(1, −1) 与 (2, 1) 的 k 是多少？"),
                (1 * 2 + -1 * 1 + 1) ** 2, 0,
            ),
            page="depth", formula="k(x, y) = (x · y + 1)²",
        ),
        Step(
            both(
                "Boosting adds many weak learners, each fitted to what is left over. Say that each "
                "stage takes away half of what is left.",
                "提升把许多弱学习器相加，每个拟合剩下的部分。假设每一步去掉剩余的一半。",
            ),
            Number(
                both(
                    "The target is 8 and one begins at 0. What is the sum after three stages?",
                    "目标是 8，从 0 开始。三步之后的和是多少？",
                ),
                8 * (1 - 0.5**3), 0,
            ),
            page="depth",
        ),
        Step(
            both(
                "On tables boosted trees are strong rivals of networks; on pictures, sound and "
                "text learned representations win. On your own data, compare.",
                "在表格上，提升树是网络的强劲对手；在图片、声音和文本上，学到的表示更胜一筹。"
                "在你自己的数据上，比一比。",
            ),
            Choice(
                both(
                    "What do a kernel machine and the last layer of a network have in common?",
                    "核机器与网络的最后一层有什么共同点？",
                ),
                (
                    both("Both are linear in a space of features", "在某个特征空间里都是线性的"),
                    both("Both learn that space", "都学习那个空间"),
                    both("Neither has weights", "都没有权重"),
                ),
                0,
                both(
                    "Right: the network learns its features, the kernel has them given.",
                    "正确：网络学习特征，核的特征是给定的。",
                ),
            ),
            page="data",
        ),
    ),
)  # fmt: skip

DESIGN = Lesson(
    "design",
    both("Designing a network by itself", "让机器自己设计网络"),
    both("What the search does when you press Go.", "按下“开始”后，搜索做了什么。"),
    (
        Step(
            both(
                "Drop a table and choose what to predict. The columns are understood first, and a "
                "fifth of the rows is kept apart. Then many networks are trained together, of "
                "different depth, width, rate and strength of the guards.",
                "放入一个表格，选择要预测什么。先理解各列，并留出五分之一的行。"
                "然后一起训练许多网络，深度、宽度、学习率和防范强度各不相同。",
            ),
            Choice(
                both("Why are rows kept apart?", "为什么留出一些行？"),
                (
                    both("To train faster", "为了训练更快"),
                    both(
                        "Because figures on rows that chose the model are too good",
                        "因为在挑选模型所用的行上，数字会好得不真实",
                    ),
                    both("Because they are damaged", "因为它们坏了"),
                ),
                1,
                both("Right: the test has no say in anything.", "正确：测试不参与任何决定。"),
            ),
            page="data",
        ),
        Step(
            both(
                "Networks that have stopped improving are cut, and their places are refilled with "
                "changed copies of the best: a little deeper, wider, slower. That is how a "
                "population finds a structure nobody wrote down.",
                "不再进步的网络被淘汰，空位由最好网络的变体填补：深一点、宽一点、慢一点。"
                "群体就这样找到没有人写下过的结构。",
            ),
            Choice(
                both("What does cutting early save?", "尽早淘汰节省了什么？"),
                (
                    both("Time for better candidates", "留给更好候选者的时间"),
                    both("Rows", "数据行"),
                    both("Nothing: a cut network would have won", "什么也没省：被淘汰的本会赢"),
                ),
                0,
                both(
                    "Right: within a time limit this is what matters.",
                    "正确：在时间限制内，这才是关键。",
                ),
            ),
            page="data",
        ),
        Step(
            both(
                "The model is an ensemble: the probabilities of a few networks are averaged, "
                "because they err in different places.",
                "模型是一个集成：把几个网络的概率取平均，因为它们错在不同的地方。",
            ),
            Number(
                both(
                    "Three networks say 0.9, 0.6 and 0.3. What does the ensemble say?",
                    "三个网络说 0.9、0.6 和 0.3。集成说多少？",
                ),
                (0.9 + 0.6 + 0.3) / 3,
            ),
            page="data",
        ),
        Step(
            both(
                "At any moment there is a best model so far, so you may stop whenever you like and "
                "give more time later. Then look inside: the leaderboard and why, who is taken for "
                "whom, what each column is worth, what if a value were another.",
                "任何时刻都有目前最好的模型，所以可以随时停止，以后再加时间。"
                "然后看看里面：排行榜及原因、谁被当成谁、每一列值多少、换一个值会怎样。",
            ),
            page="data",
        ),
    ),
)  # fmt: skip

DESIGNING = (REPRESENTATION, DESIGN)
