"""Texts that small n-gram models are trained on in tests: four ordinary sentences, and what must not upset a training."""

GOOD = [
    "今天天气很好，我们去公园散步。",
    "他昨天去图书馆借了两本书。",
    "我们学校的图书馆很大，书也很多。",
    "公园里的花开得很好看。",
]
ODD = ["\ufeff控制\x00字符\x1b", "<s> </s> <unk>", "\u3000\u3000全角１２ＡＢ", "", "\u0085", "👩‍🚀表情", "一", "繁體\u2028字"]
