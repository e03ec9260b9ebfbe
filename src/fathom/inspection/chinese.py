"""Findings in Chinese: the sentence of each code, with the numbers of the English one."""

from types import MappingProxyType

CHINESE: MappingProxyType[str, str] = MappingProxyType(
    {
        # space
        "probe_rises": "线性模型在输入上的{score}为 {first:.3f}，在最后一个隐藏层（{layer}）"
        "上为 {last:.3f}：各层使问题容易了 {gain:.3f}。",
        "probe_flat": "线性模型在最后一个隐藏层（{layer}，{score} {last:.3f}）"
        "上并不比在输入上（{first:.3f}）更好：差值在其区间 {low:+.3f} 到 {high:+.3f} 之内。",
        "probe_falls": "线性模型在最后一个隐藏层（{layer}，{score} {last:.3f}）"
        "上不如在输入上（{first:.3f}）：各层丢失了它所需要的信息。",
        "probe_steps": "逐层来看，{n_steps} 步中有 {n_up} 步上升，其中 {n_clear} 步上升明显。",
        "probe_best": "最好的一层不是最后一层：{layer} 的{score}为 {best:.3f}，高出 "
        "{difference:.3f}。",
        "learned_beats_svm": "在同样的行上，最后一个隐藏层加线性模型（{ours:.3f}）"
        "比最好的支持向量机 {rival}（{theirs:.3f}）高 {difference:.3f}。",
        "learned_ties_svm": "在同样的行上，最后一个隐藏层加线性模型（{ours:.3f}）"
        "与最好的支持向量机 {rival}（{theirs:.3f}）互在对方的区间之内。",
        "learned_behind_svm": "在同样的行上，最好的支持向量机 {rival}（{theirs:.3f}）"
        "比最后一个隐藏层加线性模型（{ours:.3f}）高 {difference:.3f}。",
        "boosting_stages": "{rival} 用 {n_stages} 个阶段达到最后一个隐藏层的水平（{ours:.3f}）。",
        "boosting_never": "{rival} 用 {n_stages} 个阶段也达不到最后一个隐藏层的水平（{ours:.3f}）："
        "止于 {theirs:.3f}。",
        "kernel_aligned": "在最后一个隐藏层看来，同类的行彼此相似：它的核与目标的一致程度为 "
        "{learned:.2f}（0 到 1），RBF 核为 {fixed:.2f}。",
        "kernel_not_aligned": "最后一个隐藏层的核与目标的一致程度为 {learned:.2f}（0 到 1），"
        "并不优于 RBF 核的 {fixed:.2f}。",
        "projection_share": "{layer} 的图显示了该层各行之间差异的 {share:.0%}。",
        "projection_same_rows": "投影方向就是在所显示的行上选出的，因为一共只有 {n_rows} 行："
        "各类看上去比实际分得更开。",
        # features
        "funnel_holds": "从许多简单特征到少数抽象特征：从第一个隐藏层到最后一个，激活的有效维数从 "
        "{first_dimension:.1f} 降到 {last_dimension:.1f}，选择性从 {first_selectivity:.2f} 升到 "
        "{last_selectivity:.2f}。",
        "funnel_selective_only": "从第一个隐藏层到最后一个，"
        "神经元的选择性增强（{first_selectivity:.2f} 到 {last_selectivity:.2f}），但激活并未收窄："
        "有效维数从 {first_dimension:.1f} 到 {last_dimension:.1f}。",
        "funnel_narrow_only": "激活的有效维数从第一个隐藏层的 {first_dimension:.1f} "
        "收窄到最后一个的 {last_dimension:.1f}，但神经元的选择性没有增强（{first_selectivity:.2f}，"
        "之后 {last_selectivity:.2f}）。",
        "funnel_fails": "这里没有漏斗：从第一个隐藏层到最后一个，激活没有收窄（有效维数 "
        "{first_dimension:.1f}，之后 {last_dimension:.1f}），"
        "神经元的选择性也没有增强（{first_selectivity:.2f}，之后 {last_selectivity:.2f}）。",
        "funnel_steps": "逐层来看，{n_steps} 步中有效维数下降 {n_narrower} 步，选择性上升 "
        "{n_selective} 步。",
        "funnel_shallow": "只有 {n_hidden} 个隐藏层，谈不上漏斗。",
        "neuron_class": "它主要响应 {label}：响应最强的 {n_strongest} 行中有 {share:.0%} 属于该类，"
        "而全部行中为 {base:.0%}。",
        "neuron_mixed": "它并不偏向任何一类：响应最强的 {n_strongest} 行分属 {n_classes} 类。",
        "neuron_dead": "它在这 {n_rows:,} 行上从不激活。",
        # attribution
        "attribution_incomplete": "在最差的一行上，各项贡献之和与输出之差相差 {gap:.2g}。",
        "importance_main": "{column} 最重要：把它的值打乱，{score}下降 {drop:.3f}（{low:.3f} 到 "
        "{high:.3f}）。",
        "importance_none": "{n_all} 列中有 {n_columns} 列与噪声无法区分：{columns}。",
        "importance_all_noise": "没有一列能与噪声区分开。",
        "importance_shared": "{one} 与 {other} 所含信息大致相同（秩相关 {correlation:.2f}）："
        "两者的重要性都被低估了。",
        "dependence_rises": "预测随 {column} 上升，平均从 {first:.4g} 到 {last:.4g}。",
        "dependence_falls": "预测随 {column} 下降，平均从 {first:.4g} 到 {last:.4g}。",
        "dependence_turns": "预测随 {column} 平均在 {low:.4g} 与 {high:.4g} 之间变动，"
        "并非始终上升或下降。",
        "dependence_kinds": "按 {column} 看，预测平均在 {most} 时最高（{high:.4g}），在 {least} "
        "时最低（{low:.4g}）。",
        "dependence_flat": "预测与 {column} 无关。",
        "dependence_varies": "{column} 的作用取决于其他列：其影响的 {share:.0%} 因行而异。",
        # health
        "dead_units": "第 {number} 层（{layer}）：{n_units} 个神经元中有 {n_dead} 个在这 "
        "{n_rows:,} 行上从不激活。",
        "stuck_units": "第 {number} 层（{layer}）：{n_units} 个神经元中有 {n_dead} 个在这 "
        "{n_rows:,} 行上全部处于平坦区：没有一行能教会它们。",
        "no_dead_units": "每个神经元都至少对这 {n_rows:,} 行中的某些行有响应。",
        "saturated": "第 {number} 层（{layer}）：{share:.0%} 的响应落在激活函数 {function} "
        "的平坦区。",
        "vanishing": "误差在反向传播途中消失：在第 {number} 层（{layer}）只有最后一个隐藏层处的 "
        "{ratio:.2g}。",
        "exploding": "误差在反向传播途中爆炸：在第 {number} 层（{layer}）达到最后一个隐藏层处的 "
        "{ratio:.2g} 倍。",
        "steady_gradients": "误差反向传播到第一层时，是最后一个隐藏层处的 {ratio:.2g} 倍。",
        "updates_small": "第 {number} 层（{layer}）：一步只改变其权重的 {ratio:.2g}，"
        "几乎学不到东西。",
        "updates_large": "第 {number} 层（{layer}）：一步改变其权重的 {ratio:.2g}，"
        "超过了它能承受的程度。",
        "updates_settle": "第 {number} 层（{layer}）：按完整的学习率，一步会改变其权重的 "
        "{ratio:.2g}；随着学习率下降，权重才稳定下来。",
        "updates_sound": "每一层每步改变其权重的比例都适当，{low:.2g} 到 {high:.2g}。",
        "gap_large": "有一部分是死记硬背：在所保留的轮次，未见过的行上的损失是学过的行上的 "
        "{ratio:.2g} 倍（{validation:.4g} 对 {train:.4g}），即有过拟合。",
        "gap_small": "在所保留的轮次没有过拟合的迹象：未见过的行上损失 {validation:.4g}，"
        "学过的行上 {train:.4g}。",
        "gap_unknown": "没有留出任何行，因此看不出是否过拟合。",
        "gap_turned": "第 {best} 轮之后，未见过的行上的损失又上升，到第 {last} 轮为最低值的 "
        "{ratio:.2g} 倍；保留的是第 {best} 轮的权重。",
        "gap_still_falling": "未见过的行上的损失在最后一轮（第 {last} 轮）最低："
        "延长训练或许有帮助。",
        "calibrated": "概率可以照字面理解：平均偏差 {ece:.3f}，"
        "不超过完美概率也会有的偶然偏差（{chance:.3f}）。",
        "overconfident": "它过于自信：{accuracy:.1%} 的行判断正确，而平均自称 {confidence:.1%}；"
        "期望校准误差 {ece:.3f}。",
        "underconfident": "它不够自信：{accuracy:.1%} 的行判断正确，而平均自称 {confidence:.1%}；"
        "期望校准误差 {ece:.3f}。",
        "uneven_confidence": "总体上把握与正确率相符，但并非每个水平都如此：期望校准误差 "
        "{ece:.3f}，偶然情况下为 {chance:.3f}。",
        "confused_most": "最常见的错误是把 {truth} 当作 {prediction}：{n_truth:,} 行中有 {n} 行。",
        "no_mistakes": "在这 {n_rows:,} 行上没有出错。",
        "class_never_predicted": "从未预测过 {label}，尽管有 {n:,} 行属于该类。",
        "sampled": "根据从 {n_rows:,} 行中随机抽取的 {n_used:,} 行得出。",
        # report
        "report_accuracy": "这 {n_rows:,} 行中有 {value:.1%} 判断正确（95% 区间 {low:.1%} 到 "
        "{high:.1%}）；若总是回答 {guess}，则有 {baseline:.1%} 正确。",
        "report_labels": "{n_rows:,} 行的标签中有 {value:.1%} 判断正确（95% 区间 {low:.1%} 到 "
        "{high:.1%}）；若每个标签总给同一回答，则有 {baseline:.1%} 正确。",
        "report_numbers": "它解释了 {target} 在各行之间差异的 {value:.1%}（95% 区间 {low:.1%} 到 "
        "{high:.1%}）；平均误差 {error:.4g}，若总是回答均值则为 {baseline:.4g}。",
        "report_better": "明显好于猜测：它消除了猜测损失（{measure}）的 {gain:.0%}。",
        "report_little_better": "好于猜测，但差距不大：它只消除了猜测损失（{measure}）的 "
        "{gain:.0%}。",
        "report_no_better": "不比猜测好：{measure} {value:.4g}（{low:.4g} 到 {high:.4g}），"
        "总给同一回答为 {baseline:.4g}。",
        "report_worse": "比猜测还差：{measure} {value:.4g}（{low:.4g} 到 {high:.4g}），"
        "总给同一回答为 {baseline:.4g}。",
        "report_held_out_share": "训练时留出的行中有 {value:.1%} 判断正确。",
        "report_held_out_error": "训练时留出的行上，均方根误差为 {value:.5g}。",
        "report_same_rows": "这些很可能就是训练所用的行，因此这里的数字好于它在新行上的表现："
        "应当相信留出行上的数字。",
        "report_fell": "比训练时留出的行上的表现（{held_out}）明显差：这些行可能属于另一种情况。",
        "asked_classes": "所问的是每一行属于 {n_classes} 类中的哪一类：{classes}。",
        "asked_numbers": "所问的是一个数值：{target}。",
        "asked_labels": "所问的是每一行具有 {n_labels} 个标签中的哪些：{labels}。",
        "asked_factors": "所问的是同一回答的 {n_factors} 个因子（{factors}）："
        "它们的 {n_all} 个组合中，训练时见过 {n_seen} 个。",
        "factors_hardest": "最难判断的因子是 {factor}：{value:.1%} 的行正确，总给同一回答则为 "
        "{baseline:.1%}；消除了猜测损失的 {gain:.0%}。",
        "factors_rare": "训练时稀有的组合有 {n} 个，这里属于它们的 {n_rows:,} 行中，"
        "用训练先验有 {right:.1%} 正确，用均匀先验有 {uniform:.1%} 正确。",
        "factors_rare_absent": "训练时稀有的组合有 {n} 个，这里没有属于它们的行。",
        "factors_new": "训练时从未见过的组合有 {n} 个，这里属于它们的 {n_rows:,} 行中，"
        "用训练先验有 {right:.1%} 正确，用均匀先验有 {uniform:.1%} 正确。",
        "factors_new_absent": "训练时从未见过的组合有 {n} 个，这里没有属于它们的行。",
        "factors_untold": "从未见过的组合中有 {n} 个，所见过的内容无法区分它们："
        "它们的概率（标 * 者）说明不了多少。",
        "factors_prior": "先验由您选择：从训练先验到均匀先验，整体正确率从 {accuracy:.1%} 变为 "
        "{accuracy_uniform:.1%}，各组合的平均从 {mean:.1%} 变为 {mean_uniform:.1%}。",
        "factors_prior_idle": "先验在这里几乎不起作用：行本身已说明得足够清楚。",
        "factors_own_prior": "除按先验列出的数字外，其余都采用模型自己的先验：{prior}。",
        "data_complete": "没有缺失值。",
        "data_missing": "{share:.1%} 的值缺失；{column} 缺失最多（{most:.0%}）。",
        "data_unused": "不使用的列（{n_columns} 个）：{columns}。",
        "data_unusual": "{n_rows:,} 行中有 {n_unusual:,} 行不同于训练时的行（新的类别、"
        "远超训练范围的数值，或没有任何值）：对这些行的预测可信度较低。",
        "data_usual": "没有一行超出训练时所见的范围。",
        "data_more_missing": "{column} 在这里缺失 {now:.0%}，而训练时为 {before:.0%}。",
        "data_strange": "{column}：有 {n} 个值训练时从未出现，或远超其范围。",
        "data_rows_drawn": "从 {n_all:,} 行中随机抽取了 {n_rows:,} 行。",
        "data_no_target": "有 {n} 行没有模型已知的目标值，已略去。",
        "search_tried": "一共尝试了 {n_tried} 个网络，模型由其中 {n_kept} 个组成。",
        "search_folds": "每个网络训练 {n_folds} 次，每次留出不同的行："
        "每一行都既用于学习也用于评判。",
        "search_held_out": "用 {n_train:,} 行学习，用另外留出的 {n_held_out:,} 行评判。",
        "search_together": "合在一起的{loss_name}为 {together:.4f}，最好的单个网络为 {alone:.4f}："
        "平均使误差相互抵消。",
        "search_alone": "最好的单个网络（{loss_name} {alone:.4f}）与合在一起（{together:.4f}）"
        "不相上下。",
        "search_baseline": "不看任何列的回答，{loss_name}为 {baseline:.4f}；模型消除了其中的 "
        "{gain:.0%}。",
        "search_cut": "有 {n_cut} 个网络因落后而被提前终止，节省的时间给了更好的网络。",
        "search_depth_pays": "隐藏层是值得的：有隐藏层的最好网络的{loss_name}为 {deep:.4f}，"
        "最好的线性网络为 {linear:.4f}。",
        "search_depth_idle": "隐藏层在这里没有带来好处：有隐藏层的最好网络的{loss_name}为 "
        "{deep:.4f}，最好的线性网络为 {linear:.4f}。",
        "search_cut_at": "在 {n_planned} 轮中的第 {epoch} 轮终止：落后于当时的最佳损失。",
        "search_cut_fold": "在 {n_folds} 折中的第一折之后终止：损失落后当时最佳 {behind}%。",
        "search_behind": "落后于最佳损失。",
        "search_contest": "共训练 {n_starts} 次：有的只为在留出的行上接受评判；保留 {n_kept} 个。",
        "search_judged": "只为在留出的行上接受评判而训练；模型自己的网络从全部行学习。",
        "search_starts": "同一网络从 {n_starts} 个随机起点训练，保留其中 {n_kept} 个，取其平均。",
        "network_share": "画出的是模型 {n_networks} 个网络中权重最大的一个（占预测的 {share:.0%}）"
        "，它正在计算第 {row} 行。",
        "network_only": "画出的是模型唯一的网络，它正在计算第 {row} 行。",
        "network_trunk": "图从输入部分（{first}）之后画起，它已把这一行变成 {n} 个数。",
        "worst_surest": "错得最有把握的是第 {row} 行：它以 {sureness:.1%} 的把握说 {said}，"
        "而实际是 {truth}（它只给了 {share:.2%}）。",
        "worst_number": "误差最大的是第 {row} 行：预测 {said}，实际 {truth}。",
        "worst_few": "误差最大的 1% 的行占平方误差之和的 {share:.0%}。",
        "worst_share": "损失最大的 1% 的行占总损失的 {share:.0%}。",
        "residual_centered": "误差没有明显的系统偏向：平均 {mean:+.3g}，区间 {low:+.3g} 到 "
        "{high:+.3g}。",
        "residual_high": "预测普遍偏高：平均高出 {mean:.3g}（{low:.3g} 到 {high:.3g}）。",
        "residual_low": "预测普遍偏低：平均低 {mean:.3g}（{low:.3g} 到 {high:.3g}）。",
        "residual_grows": "误差随预测值增大：预测最大的十分之一的行，误差是最小的十分之一的 "
        "{ratio:.2g} 倍。",
        "spread_within": "{n_rows} 行中，一半与预测相差不超过 {half}，十分之九不超过 {most}。",
        "means_hold": "预测值名副其实：按预测值相近分成 {n_bands} 组，其中 {n_held} 组的实际平均值"
        "与预测一致（在偶然范围内）。",
        "means_stray": "按预测值相近分成 {n_bands} 组，只有 {n_held} 组的实际平均值与预测一致"
        "（在偶然范围内）。",
    }
)
"""What each code says in Chinese; the keys and the numbers are those of `ENGLISH`."""

TERMS: MappingProxyType[str, str] = MappingProxyType(
    {
        "accuracy": "准确率", "log likelihood": "对数似然", "R²": "R²", "score": "得分",
        "log loss": "对数损失（交叉熵）", "relative RMSE": "相对均方根误差", "classifier": "分类器",
        "regression": "回归", "batch norm": "批归一化", "layer norm": "层归一化",
        "max pool": "最大池化", "average pool": "平均池化", "global average pool": "全局平均池化",
        "global average": "全局平均池化", "combination of": "组合", "squared error": "平方误差",
        "balanced accuracy": "平衡准确率", "exact match": "完全匹配率", "ROC AUC": "ROC AUC",
        "F1": "F1", "Brier": "Brier 分数", "expected calibration error": "期望校准误差",
        "RMSE": "均方根误差（RMSE）", "MAE": "平均绝对误差（MAE）", "ECE": "期望校准误差（ECE）",
    }
)  # fmt: skip
"""Names in the numbers of findings, word for word."""

WORDS: MappingProxyType[str, str] = MappingProxyType(
    {
        "dense": "全连接", "conv": "卷积", "conv2d": "卷积", "activation": "激活函数",
        "residual": "残差", "columns": "列嵌入", "gain": "增益", "dropout": "随机失活",
        "flatten": "展平", "combination": "组合",
        "linear": "线性", "input": "输入", "output": "输出",
        "numbers": "个数值", "plain": "个直通", "categories": "个类别", "columns:": "列嵌入：",
        "periodic,": "（波）、", "piecewise,": "（分段）、",
        "thermometer,": "（分阶）、",
    }
)  # fmt: skip
"""Words in the names of layers."""
