"""Phrases in Chinese: what is said as text on the pages of studies: descent, space, depth.

Written as in `fathom.inspection.phrases`.
"""

from types import MappingProxyType

STUDY_PHRASES: MappingProxyType[str, str] = MappingProxyType(
    {
        # which network on which rows
        "network {which} of {model}, {n} weights, on {those}":
            "{model} 的网络 {which}，{n} 个权重，{those!t}",
        "{model}, {n} weights, on {those}": "{model}，{n} 个权重，{those!t}",
        "network {which} of {model}, on {those}": "{model} 的网络 {which}，{those!t}",
        "{model}, on {those}": "{model}，{those!t}",
        "{n} of {all} row⟨s|⟩ of {name}": "{name} 的 {all} 行中的 {n} 行",
        "{n} row⟨s|⟩ of {name}": "{name} 的 {n} 行", "{n} row⟨s|⟩": "{n} 行",
        "learning rates": "学习率", "optimizers": "优化器", "initializers": "初始化方法",
        # the page on descent
        "three layers of two sigmoid neurons, learning to add two bits":
            "三层，每层两个 sigmoid 神经元，学习两个比特相加",
        "How a network descends": "网络如何下降",
        "One weight": "一个权重", "Two weights": "两个权重",
        "Two random directions": "两个随机方向",
        "A descent": "一次下降", "The way it went": "走过的路",
        "Several starts": "多个起点", "What it could see": "途中能看到的",
        "The map revealed": "揭开的地图", "Learning rates": "学习率", "Optimizers": "优化器",
        "Initializers": "初始化方法",
        "The loss along one weight, all others held: the slope says which way is down, and the "
        "next step is the learning rate times the slope.":
            "固定其余权重，沿一个权重的损失：斜率说明哪边向下，下一步等于学习率乘斜率。",
        "The loss over two weights, all others held.": "固定其余权重，两个权重上的损失。",
        "The loss over two random directions, in which every neuron moves by a share of its own "
        "length.": "两个随机方向上的损失，每个神经元按自身长度的一定比例移动。",
        "All weights go down at once, every step against the slope of each.":
            "所有权重同时下降，每一步都与各自的斜率相反。",
        "The plane in which that descent mostly lies.": "这次下降大体所在的平面。",
        "Where a descent ends depends on where it begins.": "下降在哪里结束，取决于从哪里开始。",
        "One who descends knows only what is near the way taken.": "下降者只知道路旁的情形。",
        "The same map without the fog.": "同一张地图，没有迷雾。",
        "Too small a step does not arrive, too large a one leaps out of the valley.":
            "步子太小走不到，步子太大会跳出山谷。",
        "Each from the same start, at the learning rate that suits it best.":
            "从同一起点出发，各用最适合自己的学习率。",
        "How weights are drawn decides how long a descent takes, and whether it arrives at all.":
            "权重怎样随机取得，决定下降要多久，以及能否走到。",
        "loss": "损失",
        "slope": "斜率", "steps": "步子", "now": "现在", "epochs": "轮", "epoch": "轮",
        "median": "中位数", "median {value}": "中位数 {value}",
        "path taken": "走过的路", "the network": "这个网络",
        "another network": "另一个网络",
        "Loss along one weight: {name}": "沿一个权重的损失：{name}",
        "Loss over two weights": "两个权重上的损失",
        "Loss over two random directions": "两个随机方向上的损失",
        "Loss over the plane of the path": "路径所在平面上的损失",
        "Loss over the plane of start, end and another network":
            "起点、终点与另一个网络所在平面上的损失",
        "from a random start": "从随机起点", "from these weights": "从这些权重",
        "start {n}": "起点 {n}", "What the descent has seen": "下降途中所见",
        "final loss": "最终损失", "Spread of the final losses": "最终损失的分布",
        "too small": "太小", "right": "合适", "too large": "太大", "diverges": "发散",
        "{name} ({verdict})": "{name}（{verdict!t}）",
        "Learning rates side by side": "学习率并排比较",
        "Optimizers side by side": "优化器并排比较",
        "Initializers side by side": "初始化方法并排比较",
        "Epochs to a loss of {loss}": "到达损失 {loss} 所需的轮数",
        "random direction {n}": "随机方向 {n}", "main direction {n}": "主方向 {n}",
        "main direction {n} ({share})": "主方向 {n}（{share}）",
        "towards the other network": "朝向另一个网络", "away from the start": "离开起点",
        "{name} →": "{name!t} →", "↑ {name}": "↑ {name!t}",
        "{name} = {value}: loss {loss}, slope {slope}":
            "{name} = {value}：损失 {loss}，斜率 {slope}",
        "next step: -η · slope = {sum}, so {name} = {value}":
            "下一步：-η · 斜率 = {sum}，于是 {name} = {value}",
        "lowest on this curve: {loss} at {value}": "这条曲线上的最低处：{loss}，位于 {value}",
        "{n} step⟨s|⟩ from {first} (loss {high}) to {last} (loss {low})":
            "{n} 步，从 {first}（损失 {high}）到 {last}（损失 {low}）",
        "loss over {where}: {x} and {y}, {n} × {m} places":
            "{where!t}上的损失：{x!d} 与 {y!d}，{n} × {m} 处",
        "two weights": "两个权重", "two random directions": "两个随机方向",
        "the principal plane of the path": "路径的主平面",
        "the plane through start, end and another network": "经过起点、终点与另一个网络的平面",
        "the network at {place}: loss {loss}": "这个网络位于 {place}：损失 {loss}",
        "lowest on the map at {place}: {low}; highest: {high}":
            "地图最低处 {place}：{low}；最高：{high}",
        "the path: {n} places, from loss {first} to {last}; at most {far} off this plane":
            "路径：{n} 处，损失从 {first} 到 {last}；偏离此平面至多 {far}",
        "another network at {place}: loss {loss}": "另一个网络位于 {place}：损失 {loss}",
        "seen from {n} places, {radius} of the map around each: {share} of the map":
            "从 {n} 处看去，每处周围看到地图的 {radius}：共看到 {share}",
        "lowest seen: {loss} at {place}": "所见最低：{loss}，位于 {place}",
        "the map revealed: {loss} at {place} is lower, and was never seen":
            "揭开地图：{place} 处的 {loss} 更低，却从未见过",
        "the map revealed: nothing notably lower lies on it": "揭开地图：上面没有明显更低的地方",
        "{name} ({rule}, η = {rate}): loss {first} → {last} in {n} epochs, {state}":
            "{name!t}（{rule!d}，η = {rate}）：{n} 轮内损失 {first} → {last}，{state!t}",
        "diverged": "已发散", "still falling": "仍在下降", "settled": "已稳定",
        "{n} starts, {m} valley⟨s|⟩": "{n} 个起点，{m} 个山谷",
        "final loss: {low} at best, {middle} in the middle (half of them from {first} to {third}), "
        "{high} at worst":
            "最终损失：最好 {low}，居中 {middle}（一半在 {first} 到 {third} 之间），最差 {high}",
        "{n} start⟨s|⟩ diverged": "{n} 个起点发散",
        "{n} start⟨ was|s were⟩ still moving at the end": "结束时仍有 {n} 个起点在移动",
        "the best of 1 start reaches the deepest valley {one} of the time, the best of 5 starts "
        "{five}": "1 个起点有 {one} 的机会到达最深的山谷，5 个起点中最好的有 {five}",
        "{what} side by side, medians over {n} starts; epochs to a loss of {loss}":
            "{what!t}并排比较，{n} 个起点的中位数；到达损失 {loss} 的轮数",
        "{what} side by side, from the same start; epochs to a loss of {loss}":
            "{what!t}并排比较，从同一起点出发；到达损失 {loss} 的轮数",
        "valley": "山谷", "starts": "起点", "share": "占比", "which": "哪些",
        "learning rate": "学习率", "optimizer": "优化器", "initializer": "初始化方法",
        "gradient descent": "梯度下降", "momentum": "动量", "nesterov": "Nesterov 动量",
        "zeros": "全零", "orthogonal": "正交", "data scaled": "按数据缩放",
        "glorot uniform": "Glorot 均匀", "glorot normal": "Glorot 正态",
        "he normal": "He 正态", "lecun normal": "LeCun 正态",
        "{name} ({n} ∞)": "{name!d}（{n} 个 ∞）",
        "quartiles": "四分位", "arrived": "到达", "never": "未到达",
        "{n} to {m}": "{n} 到 {m}", "{n} to never": "{n} 到未到达", "{n} of {m}": "{m} 中 {n}",
        # the page on space
        "What each layer does to the space": "每一层如何变换空间",
        "How plain each layer makes it": "每一层使问题变得多简单",
        "Each layer in the plane": "平面上的每一层",
        "Each layer where its classes lie farthest apart": "每一层中各类分得最开之处",
        "The plane of the inputs, bent": "弯曲的输入平面",
        "From simple features to abstract ones": "从简单特征到抽象特征",
        "What the first layer looks for": "第一层在找什么",
        "A neuron of the first hidden layer": "第一个隐藏层的一个神经元",
        "A neuron of the last hidden layer": "最后一个隐藏层的一个神经元",
        "The kernel it has learned": "它学到的核",
        "Beside fixed kernels and boosting": "与固定核和提升相比",
        "What a linear model can read off a layer, that layer has made plain.":
            "线性模型能从一层读出的，就是该层已经理清的。",
        "The two directions along which the rows differ most.": "各行差异最大的两个方向。",
        "Fisher's two best discriminants, chosen on other rows where there are enough.":
            "Fisher 的两个最佳判别方向；行数足够时在另外的行上选出。",
        "Lines of a grid on the two inputs, followed through the layers.":
            "两个输入上的网格线，逐层跟踪。",
        "A deep network may lead from many simple features to few abstract ones.":
            "深的网络可能从许多简单特征走向少数抽象特征。",
        "Weights as pictures, the largest first.": "把权重画成图，最大的在前。",
        "The rows it answers to most strongly, and an input made for it.":
            "它响应最强的行，以及为它造出的输入。",
        "Two rows are alike to a network where its last hidden layer answers alike.":
            "若最后一个隐藏层的响应相似，两行对网络而言就相似。",
        "Support vector machines and boosted trees on the same split of the same rows.":
            "在同样的行、同样的划分上的支持向量机与提升树。",
        "A linear {kind} on each layer": "每一层上的线性模型（{kind}）",
        "layers from the input": "从输入起的层数", "layers": "层", "layer": "层",
        "numbers": "数值个数", "low": "下限", "high": "上限", "model": "模型", "setting": "设置",
        "{n} rows by the two main directions of each layer": "{n} 行，按每一层的两个主方向",
        "{n} rows by the two best discriminants of each layer":
            "{n} 行，按每一层的两个最佳判别方向",
        "first direction, both show {share}": "第一方向，两个方向共显示 {share}",
        "second direction": "第二方向", "input: {share}": "输入：{share}",
        "the plane from {low} to {high}, bent by each layer":
            "从 {low} 到 {high} 的平面，被每一层弯曲",
        "{layer}: the picture shows {share}": "{layer!n}：图中显示 {share}",
        "effective dimensions": "有效维数", "Effective dimensions": "有效维数",
        "class selectivity": "类选择性", "Class selectivity": "类选择性",
        "correlation with the target": "与目标的相关性",
        "Correlation with the target": "与目标的相关性",
        "share of neurons active in a row": "一行中活跃神经元的比例",
        "Share of neurons active in a row": "一行中活跃神经元的比例",
        "neurons": "神经元", "alive": "有响应", "active": "活跃", "selectivity": "选择性",
        "dimensions": "维数", "row": "行", "label": "标签",
        "Neuron {n} of {layer}": "{layer!n} 的神经元 {n}",
        "neuron {n} of {layer}": "{layer!n} 的神经元 {n}",
        "active in {share} of the rows": "在 {share} 的行上活跃",
        "the input that excites it most": "最能激发它的输入",
        "the input that excites it most has z = {z}": "最能激发它的输入，z = {z}",
        "input {n}": "输入 {n}", "row {n}": "第 {n} 行", "made for it": "为它造出的",
        "weights of {n} neurons of {layer}, {h}×{w} each":
            "{layer!n} 的 {n} 个神经元的权重，每个 {h}×{w}",
        "Weights of {layer}: orange above 0, blue below":
            "{layer!n} 的权重：橙色大于 0，蓝色小于 0",
        "kernel": "核", "agreement with the target": "与目标的一致程度",
        "RBF on the input": "输入上的 RBF", "agreement, 0 to 1": "一致程度，0 到 1",
        "Agreement of kernels with the target": "核与目标的一致程度",
        "Which rows are alike: the last hidden layer, {layer}":
            "哪些行相似：最后一个隐藏层，{layer!n}",
        "Which rows are alike: RBF on the input": "哪些行相似：输入上的 RBF",
        "A support vector machine with the learned kernel: {score} {value} ({low} to {high})":
            "用学到的核的支持向量机：{score!n} {value}（{low} 到 {high}）",
        "Other models": "其他模型", "linear kernel": "线性核", "RBF kernel": "RBF 核",
        "polynomial kernel": "多项式核", "SVM, {kernel}": "支持向量机，{kernel!t}",
        "AdaBoost of stumps": "树桩的 AdaBoost", "gradient boosting of trees": "树的梯度提升",
        "{n} stages": "{n} 个阶段", "stages or layers": "阶段或层",
        "Stages of boosting, layers of a network": "提升的阶段与网络的层",
        "layers of the network, a linear model on each": "网络的各层，每层上一个线性模型",
        # tall against fat
        "Depth pays on {data}: networks of more than {layers} err less.":
            "在{data!d}上，深是值得的：多于 {layers!t}的网络错得更少。",
        "Depth pays on {data}, though not surely on other rows than these: networks of more than "
        "{layers} err less.":
            "在{data!d}上，深是值得的，但在别的行上不一定：多于 {layers!t}的网络错得更少。",
        "Depth does not pay on {data}: networks of more than {layers} err more.":
            "在{data!d}上，深并不值得：多于 {layers!t}的网络错得更多。",
        "Depth does not pay on {data}: networks of more than {layers} do not err less.":
            "在{data!d}上，深并不值得：多于 {layers!t}的网络并没有错得更少。",
        "Whether depth pays on {data} cannot be told from so few starts: give more time or more "
        "seeds.": "起点太少，看不出在{data!d}上深是否值得：请给更多时间。",
        "One depth only: nothing to compare.": "只有一种深度，无从比较。",
        "one hidden layer": "1 个隐藏层", "{n} hidden layers": "{n} 个隐藏层",
        "digits": "手写数字", "spirals": "两条螺旋", "checkerboard": "棋盘",
        "Equal parameters": "权重总数相等",
        "Equal neurons": "神经元总数相等", "Equal width": "每层宽度相等",
        "{shape}: {deep} ({widths}) err less than {shallow} ({others}): {rest}":
            "{shape!t}：{deep!t}（{widths}）比 {shallow!a} 层的（{others}）错得少：{rest!t}",
        "{shape}: {deep} ({widths}) err more than {shallow} ({others}): {rest}":
            "{shape!t}：{deep!t}（{widths}）比 {shallow!a} 层的（{others}）错得多：{rest!t}",
        "{shape}: {deep} ({widths}) cannot be told from {shallow} ({others}): {rest}":
            "{shape!t}：{deep!t}（{widths}）与 {shallow!a} 层的（{others}）分不出高下：{rest!t}",
        "median {one} against {other}, difference {gap} (95 % interval {low} to {high}; "
        "Mann-Whitney p = {p}).":
            "中位数 {one} 对 {other}，相差 {gap!p}（95 % 区间 {low} 到 {high!p}；"
            "Mann-Whitney p = {p}）。",
        "median {one} against {other}, difference {gap} (95 % interval {low} to {high}; "
        "Mann-Whitney p = {p}). {more}":
            "中位数 {one} 对 {other}，相差 {gap!p}（95 % 区间 {low} 到 {high!p}；"
            "Mann-Whitney p = {p}）。{more!t}",
        "That is for these test rows; with others it may come out differently.":
            "这是就这些测试行而言；换成别的行结果可能不同。",
        "That is for these test rows; with others it may come out differently. {more}":
            "这是就这些测试行而言；换成别的行结果可能不同。{more!t}",
        "The tall one beats the fat one.": "高的胜过胖的。",
        "The fat one beats the tall one.": "胖的胜过高的。",
        "Lowest with {layers} ({error}).": "错误率最低的是 {layers!t}（{error}）。",
        "Lowest with {layers} ({error}), from which {others} cannot be told.":
            "错误率最低的是 {layers!t}（{error}），与 {others!a} 层的分不出高下。",
        "Lowest with {layers} ({error}); {others} err more than {first}.":
            "错误率最低的是 {layers!t}（{error}）；{others!a} 层的比 {first!a} 层的错得多。",
        "Lowest with {layers} ({error}), from which {alike} cannot be told; {others} err more than "
        "{first}.": "错误率最低的是 {layers!t}（{error}），与 {alike!a} 层的分不出高下；"
        "{others!a} 层的比 {first!a} 层的错得多。",
        "no time for learning curves; give more time": "没有时间画学习曲线；请给更多时间",
        "time for {n} epochs rather than {all}: deep networks may want more":
            "时间只够 {n} 轮，而不是 {all} 轮：深的网络可能需要更多",
        "no time to choose every learning rate well; give more time":
            "没有时间仔细选择每个学习率；请给更多时间",
        "no time to train hidden layers: {names}; give more time":
            "没有时间训练这些隐藏层数：{names}；请给更多时间",
    }
)  # fmt: skip
"""What is said in Chinese, by what is said in English."""
