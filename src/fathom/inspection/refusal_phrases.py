"""Phrases in Chinese: what the studio refuses, and why.

Written as in `fathom.inspection.phrases`.
"""

from types import MappingProxyType

REFUSAL_PHRASES: MappingProxyType[str, str] = MappingProxyType(
    {
        # the network page
        "the name of an example: hand_worked, softmax or exclusive_or":
            "例子的名称：hand_worked、softmax 或 exclusive_or",
        "{n} weights for each neuron of layer {m}": "第 {m} 层的每个神经元有 {n} 个权重",
        "more or fewer": "更多或更少",
        "give each neuron a weight for each input of its layer":
            "请给每个神经元的每个输入各一个权重",
        "{n} biases in layer {m}": "第 {m} 层有 {n} 个偏置",
        "examples of {n} inputs and {m} targets": "每个样本有 {n} 个输入和 {m} 个目标值",
        "an example of another length": "长度不同的样本",
        "give each example as many numbers as the network has inputs and outputs":
            "请给每个样本与网络的输入和输出一样多的数",
        "an example from {n} to {m}": "第 {n} 到 {m} 号样本",
        "an activation function for each of {n} layers": "{n} 层各有一个激活函数",
        # descent and depth
        "a scene by its name, or a network": "场景的名称，或者一个网络",
        "both or neither": "两者都有或都没有",
        "an activation function for hidden layers": "可用于隐藏层的激活函数",
        "choose another one, for example relu": "请换一个，例如 relu",
        # digits and lessons
        "dnn or cnn": "dnn 或 cnn",
        "the training ended before there was a network": "训练在有网络之前就结束了",
        "an answer to what is asked": "对所问问题的回答",
        "another kind of answer": "另一类回答",
        "a step of a lesson": "课程中的一步",
        "none of this name and number": "没有这个名称和编号的",
        # a model, its rows and its pages
        "two numbers of classes": "两个类的编号",
        "choose a cell of the table of mistakes": "请在错误表中选择一格",
        "one that is {state}": "状态为 {state!d}的一个",
        "running": "运行中", "stopping": "正在停止", "done": "已完成", "failed": "已失败",
        "a model of classes, and rows kept apart to judge it": "分类的模型，以及留出用来评判的行",
        "a model of numbers, or no rows kept apart": "数值的模型，或没有留出的行",
        "start a search that keeps rows apart": "请开始一次留出行的搜索",
        "a page: {names}": "一个页面：{names}", "a file: {names}": "一个文件：{names}",
        "{name} of this search": "这次搜索的 {name}",
        "a model for the {kind} page": "可用于 {kind} 页面的模型",
        "download the model and ask the command for it": "请下载模型，用命令生成",
        # the door
        "the studio's page": "工作室的页面",
        "a Fathom without it, as an editable install has":
            "没有页面的 Fathom（可编辑安装就是这样）",
        "build it: cd frontend && npm ci && npm run build (or pip install .)":
            "请构建它：cd frontend && npm ci && npm run build（或 pip install .）",
        "--port that is free": "未被占用的 --port", "leave it out for any": "不写则任选一个",
        "JSON in UTF-8": "UTF-8 的 JSON", "bytes that are not": "不是 UTF-8 的字节",
        "JSON nested at most {n} deep": "最多嵌套 {n} 层的 JSON", "deeper": "更深的",
        "send it flatter": "请减少嵌套",
        "a request from the studio's own page": "来自工作室自己页面的请求",
        "one from elsewhere": "来自别处的请求",
        "open the link in the terminal": "请打开终端里的链接",
        "the address in the terminal": "终端里的地址", "another": "另一个",
        "open the link the terminal shows": "请打开终端显示的链接",
        "a page that was opened by its link": "由链接打开的页面",
        "one without its key": "没有钥匙的页面",
        "open the newest link in the terminal": "请打开终端里最新的链接",
        "GET, POST or DELETE": "GET、POST 或 DELETE", "another method": "另一种方法",
        "content of the type {kind}": "类型为 {kind} 的内容", "another type": "另一种类型",
        "one header {name}": "只有一个 {name} 头", "{n} of them": "{n} 个",
        "at most {n} bytes": "最多 {n} 字节", "more": "更多",
        "a whole request in time": "及时到达的完整请求", "a part of it": "其中一部分",
        "try again": "请再试一次", "an answer": "一个回答", "a mistake of ours": "我们的差错",
        "try again, and report it if it comes again": "请再试一次；若再出现，请报告",
        "there is nothing at this address": "这个地址上什么也没有",
        "the newest link": "最新的链接", "an older one": "较旧的链接",
        "open the one in the terminal": "请打开终端里的那个",
    }
)  # fmt: skip
"""What is said in Chinese, by what is said in English."""
