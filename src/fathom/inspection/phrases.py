"""Phrases in Chinese: what is said as text of tables, columns, searches and the studio's refusals.

In English, ``{name}`` stands for whatever is said at the time and ``⟨s|⟩`` for one of several
endings. In Chinese the same names come back; ``{name!t}`` is a text that is translated in its turn,
``{name!l}`` a list of names.
"""

from types import MappingProxyType

PHRASES: MappingProxyType[str, str] = MappingProxyType(
    {
        # a file
        "the separator tab was found": "找到的分隔符是制表符",
        "the separator {sign} was found": "找到的分隔符是 {sign}",
        "{signs} would fit as well; name the separator with --separator":
            "{signs} 也说得通；可用 --separator 指明分隔符",
        "quotes within values were taken as they are": "值里面的引号按原样保留",
        "quotes were taken as they are written: those in line {n} are not closed, and every line "
        "has {m} tab⟨s|⟩": "引号按原样保留：第 {n} 行的引号没有闭合，而每一行都有 {m} 个制表符",
        "{n} of {all} rows are shorter than the first (one is in line {line}); their last values "
        "are missing": "{all} 行中有 {n} 行比第一行短（例如第 {line} 行）；它们末尾的值算作缺失",
        "{n} blank lines between rows were left out": "行与行之间的 {n} 个空行已略去",
        "the encoding {name} was found by its mark": "由文件开头的标记得知编码为 {name}",
        "the file is not UTF-8 ({why}) and was read as {name}; if letters look wrong, name its "
        "encoding with --encoding":
            "文件不是 UTF-8（{why}），按 {name} 读取；若文字有误，可用 --encoding 指明编码",
        "spaces around column names were removed": "列名前后的空格已去掉",
        "{n} column⟨s|⟩ without name and values ⟨was|were⟩ left out":
            "没有名称也没有值的 {n} 列已略去",
        "column {n} had no name and is called {name}": "第 {n} 列没有名称，现称为 {name}",
        "column {n} {old} was there twice and is called {name}":
            "第 {n} 列的名称 {old} 出现了两次，现称为 {name}",
        "of {n} sheets the first was read, {name}; --sheet names another":
            "共 {n} 张工作表，读取了第一张 {name}；可用 --sheet 指明另一张",
        "the table {name} was read, the only one": "读取了唯一的一张表 {name}",
        "the file was unpacked ({how})": "文件已解压（{how}）",
        "the decimal comma was found; numbers were rewritten in {columns}":
            "找到逗号小数点；{columns!l} 中的数字已改写",
        "commas in {name} may mark decimals; if so, give --decimal ','":
            "{name} 中的逗号可能是小数点；若是，命令的 --decimal ',' 会这样读",
        "the file holds {what}, not {claimed} as its name says":
            "文件内容是 {what}，而不是名称所说的 {claimed}",
        "the decimal comma was found": "找到逗号小数点",
        "{n} of {all} rows were drawn for the search": "从 {all} 行中抽取了 {n} 行用于搜索",
        # a column: what is said of it
        "column {name}: {said}": "列 {name}：{said!t}",
        "target {name}: {said}": "目标 {name}：{said!t}",
        "the same of {n} more columns: {names}": "另有 {n} 列同样如此：{names!l}",
        "read as missing: {words}": "读作缺失：{words}",
        "{share} % of the values are missing; it is kept": "{share} % 的值缺失；仍保留",
        "every value is missing, so it is left out": "所有值都缺失，因此不用",
        "no value is a finite number, so it is left out": "没有一个值是有限的数，因此不用",
        "no date can be read, so it is left out": "没有可读的日期，因此不用",
        "always {value}, so it is left out": "总是 {value}，因此不用",
        "{what} are codes, taken as categories; --kind {kind} reads them as numbers":
            "{what!t}是代码，当作类别；如当作数字，把这一列改为“数字”",
        "{what}: taken as categories; --kind {kind} takes them as numbers":
            "{what!t}：当作类别；如当作数字，把这一列改为“数字”",
        "{what} are taken as words": "{what!t}按词处理",
        "numbers with leading zeros (such as {example})": "以 0 开头的数字（例如 {example}）",
        "numbers that name things, by the column's name": "从列名看，这些数字是代号",
        "whole numbers too long to be told apart as numbers": "整数太长，作为数字无法区分",
        "{n} infinite or beyond 1.8e308 (first in row {row}: {cell}), taken as missing":
            "{n} 个值无穷大或超过 1.8e308（最先在第 {row} 行：{cell}），算作缺失",
        "whole numbers above 9,007,199,254,740,992 lose their last digits; --kind {kind} keeps "
        "them apart": "大于 9,007,199,254,740,992 的整数会丢失末尾几位；改为“类别”可加以区分",
        "{share} % are {what}; {n} cannot be read (first in row {row}: {cell}) and count as "
        "missing": "{share} % 是{what!t}；有 {n} 个无法读取（最先在第 {row} 行：{cell}），算作缺失",
        "numbers": "数字", "dates": "日期", "words": "词", "true or false": "真或假",
        "{how} (such as {example}); --kind {kind} takes them as they are":
            "{how!t}（例如 {example}）；改为“类别”则按原样处理",
        "numbers with a decimal comma": "以逗号为小数点的数字",
        "the separators in numbers are those of thousands": "数字中的分隔符是千位分隔符",
        "the separators in numbers are those of thousands; if the comma is a decimal comma, write "
        "a point": "数字中的分隔符当作千位分隔符；若逗号是小数点，请写成点",
        "times of day, read as hours": "一天中的时刻，读作小时",
        "signs beside the numbers (currency, percent) are read over":
            "数字旁边的符号（货币、百分号）略过不读",
        "left out as an identifier ({why}); --kind {kind} keeps it":
            "作为标识不用（{why!t}）；改为“类别”或“数字”则保留",
        "numbers such as {example} are read as {how}; --kind {kind} takes them as numbers":
            "{example} 这样的数字读作{how!t}；改为“数字”则当作数字",
        "{words} are read as yes or no": "{words} 读作是或否",
        "{words} are taken for the same; case does not count in words ({n} word⟨ is|s are⟩ "
        "spelled in several ways)": "{words} 当作同一个；词不分大小写（有 {n} 个词有几种写法）",
        "of {n} categories, the {kept} most frequent are told apart and the rest are 'other'":
            "共 {n} 个类别，区分最常见的 {kept} 个，其余算作“其他”",
        "dates are written in more than one way ({style})": "日期有不止一种写法（{style}）",
        "{example} may be day or month first; read as day first in all rows; write dates as "
        "YYYY-MM-DD to be sure":
            "{example} 可能是日在前或月在前；全部按日在前读取；写成 YYYY-MM-DD 最稳妥",
        # a column: why it is taken for what it is
        "every value is missing": "所有值都缺失",
        "the data frame says so": "数据表里这样注明",
        "says {no} or {yes}": "取值为 {no} 或 {yes}",
        "dates such as {example}": "{example} 这样的日期",
        "numbers with separators": "带分隔符的数字",
        "numbers, times of day in hours": "数字：以小时计的时刻",
        "counts the rows": "给各行编号",
        "named like an identifier, all different": "名称像标识，且各不相同",
        "nearly all values differ": "几乎每个值都不同",
        "dates as YYYYMMDD": "YYYYMMDD 格式的日期", "seconds since 1970": "1970 年以来的秒数",
        "milliseconds since 1970": "1970 年以来的毫秒数",
        "either {value} or missing": "不是 {value} 就是缺失",
        "always {value}": "总是 {value}",
        "no date that can be read": "没有可读的日期", "no finite number": "没有有限的数",
        "free text, {n} words in a cell": "自由文本，每格约 {n} 个词",
        "as asked for": "按您的要求",
        "{what}: {n} different ones in {rows} rows": "{what!t}：{rows} 行中有 {n} 个不同的值",
        # a table before it is learned from
        "{n} rows are few: any figure is uncertain, and more rows help most":
            "只有 {n} 行：任何数字都不可靠，更多的行最有帮助",
        "{n} class⟨ has|es have⟩ fewer than 5 rows, too few to be judged by: {names}":
            "{n} 个类不足 5 行，少得无法评判：{names!l}",
        "{n} columns each predict the target almost perfectly on their own ({names}): either the "
        "task is easy, or they are known only with the target and belong left out":
            "有 {n} 列各自就几乎能完美预测目标（{names!l}）：要么问题很容易，"
            "要么它们只有知道目标后才知道，应当去掉",
        "column {name} predicts the target almost perfectly on its own: it may be known only once "
        "the target is; if so, leave it out":
            "列 {name} 单独就几乎能完美预测目标：也许只有知道目标后才知道它；若是这样，应当去掉",
        "{n} row⟨ is|s are⟩ equal to another in all columns ({share} %): if they are one case "
        "twice, an estimate is too good; --group COLUMN keeps the rows of one case together":
            "有 {n} 行与另一行在所有列上相同（{share} %）：若是同一例出现两次，估计就会过于乐观；"
            "命令的 --group 能把同一例的行放在一起",
        "column {name} names things that come in several rows: if new rows will be of new things, "
        "--group {column} gives an honest estimate":
            "列 {name} 指的东西出现在多行里：若新的行属于新的东西，"
            "用命令的 --group {column} 估计才诚实",
        "column {name} holds dates: if new rows will be later than these, --time {column} gives "
        "an honest estimate":
            "列 {name} 含有日期：若新的行比这些更晚，用命令的 --time {column} 估计才诚实",
        "column {name} holds dates, and rows next to each other have alike targets: if new rows "
        "will be later than these, --time {column} gives an honest estimate":
            "列 {name} 含有日期，且相邻的行目标相近：若新的行比这些更晚，"
            "用命令的 --time {column} 估计才诚实",
        "rows next to each other have alike targets: if they are in order of time, --time gives "
        "an honest estimate; if they are only sorted, all is well":
            "相邻的行目标相近：若按时间排列，用命令的 --time 估计才诚实；若只是排过序，则没有问题",
        "{n} of {all} columns left out: {names}": "{all} 列中有 {n} 列不用：{names!l}",
        "{n} row⟨ is|s are⟩ left out, having no target": "{n} 行没有目标，已略去",
        "a class with one row only: {names}": "只有一行的类：{names!l}",
        "{n} classes with one row only: {names}": "有 {n} 个类只有一行：{names!l}",
        "{names} is frequent and taken as a class of its own, not as missing":
            "{names!l} 很常见，自成一类，不算缺失",
        "{n} classes, {rows} rows each; training is slow and needs many rows for each":
            "{n} 个类，每类约 {rows} 行；训练较慢，每类都需要许多行",
        "classes that differ in case only are kept apart: {names}":
            "只有大小写不同的类也加以区分：{names!l}",
        "{n} different whole numbers are taken as classes; --task numbers predicts a number":
            "有 {n} 个不同的整数，当作类；命令的 --task numbers 则预测数值",
        "{n} different whole numbers are taken as numbers; --task classes predicts one of them":
            "有 {n} 个不同的整数，当作数值；命令的 --task classes 则预测其中之一",
        # a network of a search
        "linear, {more}": "线性，{more!t}",
        "{depth} × {width} {function}, dropout {share}, {more}":
            "{depth} × {width} {function}，随机失活 {share}，{more!t}",
        "numbers {form} and trees, rate {rate}, decay {decay}, {n} epochs":
            "数值{form!t}并加树，学习率 {rate}，衰减 {decay}，{n} 轮",
        "numbers {form}, rate {rate}, decay {decay}, {n} epochs":
            "数值{form!t}，学习率 {rate}，衰减 {decay}，{n} 轮",
        "numbers {form} and trees, rate {rate}, decay {decay}, {n} epochs, log target":
            "数值{form!t}并加树，学习率 {rate}，衰减 {decay}，{n} 轮，对目标取对数",
        "numbers {form}, rate {rate}, decay {decay}, {n} epochs, log target":
            "数值{form!t}，学习率 {rate}，衰减 {decay}，{n} 轮，对目标取对数",
        "robust": "按四分位数缩放", "quantile": "按分位数", "periodic": "用波表示",
        "periodic quantile": "按分位数、用波表示", "piecewise": "分段表示",
        "thermometer": "分阶表示",
        # where it came from, and why it ended
        "portfolio": "起始名单", "drawn at random": "随机取得", "first": "第一个",
        "goes on": "继续训练",
        "network {n} with {changes}": "网络 {n}，改变：{changes!e}",
        "another random start": "另一个随机起点",
        "learning rate {old} → {new}": "学习率 {old} → {new}",
        "weight decay {old} → {new}": "权重衰减 {old} → {new}",
        "dropout {old} → {new}": "随机失活 {old} → {new}",
        "epochs {old} → {new}": "轮数 {old} → {new}",
        "depth {old} → {new}": "层数 {old} → {new}", "width {old} → {new}": "宽度 {old} → {new}",
        "activation {old} → {new}": "激活函数 {old} → {new}",
        "input form {old} → {new}": "数值{old!t} → {new!t}",
        "spread {old} → {new}": "波的疏密 {old} → {new}",
        "is log target {old} → {new}": "对目标取对数 {old!t} → {new!t}",
        "has trees {old} → {new}": "加树 {old!t} → {new!t}", "True": "是", "False": "否",
        "cut at epoch {n} of {all}: its loss was {share} behind what the best had there":
            "在 {all} 轮中的第 {n} 轮淘汰：损失比当时最好的落后 {share}",
        "cut after the first of {n} folds: its loss was {share} behind the best there and it did "
        "not help the others":
            "在 {n} 折中的第一折之后淘汰：损失比那里最好的落后 {share}，对其他网络也没有帮助",
        "best at epoch {n}, no better for {more} epochs": "第 {n} 轮最好，此后 {more} 轮没有更好",
        "no better validation loss for {n} epochs": "验证损失 {n} 轮没有更好",
        "all epochs done": "全部轮次完成", "as many steps as before": "步数与上次相同",
        "time limit reached in epoch {n} of {all}": "在 {all} 轮中的第 {n} 轮到达时间上限",
        "stopped by request": "应要求停止",
        "stopped after {n} halvings of the learning rate": "学习率减半 {n} 次后停止",
        "the last {n} networks made the model no better": "最后 {n} 个网络没有使模型更好",
        "the time that was given is used": "给定的时间已用完",
        "fold {n}": "第 {n} 折",
        "the search ended before there was a model": "搜索在有模型之前就结束了",
        # refusals of the studio
        "expected {expected} — got {got} — {hint}": "需要{expected!t}，得到的是{got!d}：{hint!t}",
        "expected {expected} — got {got}": "需要{expected!t}，得到的是{got!d}",
        "a search that has ended": "已结束的搜索", "one that goes on": "仍在进行的",
        "stop it, or wait for its end": "请停止它，或等它结束",
        "stop it, or wait": "请停止它，或等待",
        "stop it first": "请先停止它", "one study at a time": "一次只做一项实验",
        "a search that has ended with a model, to go on with it": "已结束且有模型的搜索，才能继续",
        "wait for its end, or start another search": "请等它结束，或开始新的搜索",
        "at most {n} searches at once": "最多同时进行 {n} 个搜索",
        "{n} that go on": "{n} 个进行中的",
        "stop one, or wait for its end": "请停止一个，或等它结束",
        "a model of this search": "这次搜索的模型", "none yet": "还没有",
        "wait until it has one, or start another search": "请等到有模型，或开始新的搜索",
        "the id of something kept here": "这里保存着的东西的编号",
        "the id of nothing here": "这里没有的编号", "reload the page": "请重新载入页面",
        "a drawing": "一幅画",
        "an empty grid": "空白的格子", "draw a digit first": "请先画一个数字",
        "at most {n} drawings": "最多 {n} 幅画", "one more": "多出的一幅",
        "remove some first": "请先删除几幅",
        "one training of each network at a time": "每个网络一次只训练一回",
        "a trained network": "训练好的网络", "train one first": "请先训练一个",
        "weights that stay below a million": "小于一百万的权重",
        "a step that leaves them": "超出范围的一步",
        "take a smaller learning rate": "请用更小的学习率",
        "softmax at the output layer only": "softmax 只用在输出层",
        "softmax in layer {n}": "第 {n} 层的 softmax",
        "give that layer another activation, for example relu": "请给该层换一个激活函数，例如 relu",
        "one computation at a time": "一次只算一件事", "one that still goes on": "仍在进行的一件",
        "wait a little, then ask again": "请稍等再问",
        "two different depths or more to compare": "至少两种不同的深度才能比较",
        "a network of two weights or more": "至少有两个权重的网络",
        "the study that goes on": "正在进行的实验", "number {n}": "第 {n} 号",
        "something went wrong; the terminal says what": "出了错；终端里有说明",
        "rows kept apart to judge the model": "留出来评判模型的行", "none": "没有",
        "start a search that keeps rows apart": "请开始一次留出部分行的搜索",
        "two numbers of classes": "两个类的编号", "{n} and {m}": "{n} 和 {m}",
        "choose a cell of the table of mistakes": "请在混淆矩阵里选一格",
        "a row from 1 to {n}": "第 1 到 {n} 行之间的一行", "row {n}": "第 {n} 行",
        "choose a row that is listed": "请选列出的行",
        # refusals of files
        "a whole {what} file": "完整的 {what} 文件",
        "{name}, which is damaged ({why})": "{name}，它已损坏（{why}）",
        "{name}, which is empty (0 bytes)": "{name}，它是空的（0 字节）",
        "{name}, which is {what}": "{name}，它是{what!t}",
        "fetch the file again": "请重新获取文件",
        "{name}, which has no data rows": "{name}，它没有数据行", "rows of data": "数据行",
        "add rows": "请加上几行", "a column or more": "至少一列",
        "a sheet by its name: {names}": "工作表的名称：{names!l}",
        "choose one that is listed": "请选列出的一张",
        "the names of the columns in line {n} of {name}": "{name} 第 {n} 行是列名",
        "numbers ({which})": "数字（{which}）",
        "give --no-header if the first row is data (has_header=True in Python if not)":
            "若第一行就是数据，请在它上面加一行列名",
        "the package that reads Excel files": "读取 Excel 文件的软件包",
        "{command}, or save the sheet as CSV": "{command}，或把工作表另存为 CSV",
        "a table": "一张表", "a table: CSV, Parquet, Excel (.xlsx), JSON lines or SQLite":
            "一张表：CSV、Parquet、Excel（.xlsx）、JSON 行或 SQLite",
        "save it again, with a header and rows": "请带着表头和各行重新保存",
        "unpack it, or save it as .csv or .xlsx": "请解压，或另存为 .csv 或 .xlsx",
        "a zip archive": "一个 zip 压缩包", "an old Excel file (.xls)": "旧的 Excel 文件（.xls）",
        "an Arrow file": "一个 Arrow 文件", "a PDF": "一个 PDF", "a picture": "一张图片",
        "a recording or a picture": "一段录音或一张图片", "a 7z archive": "一个 7z 压缩包",
        "an HDF5 file": "一个 HDF5 文件", "packed twice": "压缩了两次的",
        "a pickle, which could run code": "可能运行代码的 pickle 文件",
        "at most {n} bytes in {name}": "{name} 最多 {n} 字节",
        "{n} bytes": "{n} 字节",
        "room for {n} values": "{n} 个值所占的空间",
        "room for {n} rows of {m} columns": "{n} 行 {m} 列所占的空间",
        "more once it is unpacked": "解压后更多",
        "give a part of it, or learn from it in a terminal: fathom train FILE":
            "请给出其中一部分，或在终端里学习：fathom train FILE",
    }
)  # fmt: skip
"""What is said in Chinese, by what is said in English."""
