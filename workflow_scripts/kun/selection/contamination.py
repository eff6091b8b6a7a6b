"""Which texts hold a benchmark's question: nearly all of it, not just a phrase that it shares with half the web.

Texts and questions are compared in their bare form (letters and digits, NFKC, lower case). A text holds a character of a question when
it holds an n-gram of the question around it; it is contaminated when it holds `share` of the characters, near each other. Characters
are counted, as in Llama 2's report (arXiv 2307.09288, A.6): there an edit costs what was edited, while of the n-grams it spoils n, and
so hides most questions. Hashes only say where to look (keys.py); strings decide.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from kun.corpus.traditional import simplified
from kun.selection.keys import Keys
from kun.selection.questions import Question
from kun.signals.forms import Codes, bare, compatible

SHORTEST = 8  # characters; a shorter question is no more than a phrase (控制的目的在于) and is not looked for
AROUND = 2  # lengths of a question: so far from a key to either side the rest of it is looked for
_TEXTS = 256  # brought into bare form at a time, so that the arrays stay in the cache


@dataclass(frozen=True)
class Hit:
    """The question that a text holds, and the share of the question's characters that it holds."""

    file: str
    line: int
    question: str  # its beginning
    share: float

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.question} ({self.share:.2f})"


class Index:
    """Looks for many questions in many texts at once. 100,000 questions of 57 characters need 70 MB, 250 MB while it is made."""

    def __init__(self, questions: Iterable[Question], gram: int, share: float, simplify: bool):
        """`simplify`: the texts are in Simplified characters, so the questions are looked for in these, too."""
        self.gram, self.share = gram, share
        self.too_short = 0  # questions that are not looked for
        self.questions: list[Question] = []
        self.forms: list[str] = []  # of each question, no two the same: the first to ask has it
        questions = list(questions)
        texts = [simplified(question.text) if simplify else question.text for question in questions]
        seen: set[str] = set()
        for question, form in zip(questions, bare(compatible(texts)).texts(), strict=True):
            if len(form) < SHORTEST:
                self.too_short += 1
            elif form not in seen:
                seen.add(form)
                self.questions.append(question)
                self.forms.append(form)
        self.may_miss = [self._may_miss(len(form)) for form in self.forms]
        self.keys = Keys(self.forms, gram, self.may_miss, min(gram, SHORTEST))

    def _may_miss(self, length: int) -> int:
        """How many characters of a question a contaminated text may lack; one shorter than an n-gram is looked for whole."""
        return length - math.ceil(self.share * length - 1e-9) if length >= self.gram else 0

    def find(self, texts: list[str] | Codes) -> list[Hit | None]:
        """For each text the question of which it holds most, the first of equals; None for a clean one. `Codes`: bare forms."""
        if isinstance(texts, Codes):
            return self._find(texts)
        batches = (texts[start : start + _TEXTS] for start in range(0, len(texts), _TEXTS))
        return [hit for batch in batches for hit in self._find(bare(compatible(batch)))]

    def _find(self, forms: Codes) -> list[Hit | None]:
        best: dict[int, tuple[float, int]] = {}
        for text, place, number in self.keys.suspects(forms):
            start, end, near = forms.offsets[text], forms.offsets[text + 1], AROUND * len(self.forms[number])
            around = forms.codes[max(start, start + place - near) : min(end, start + place + near)]
            if share := self._share_held(number, around.tobytes().decode("utf-32-le")):
                best[text] = max(best.get(text, (0.0, 0)), (share, -number))
        return [self._hit(*best[text]) if text in best else None for text in range(len(forms))]

    def _share_held(self, number: int, text: str) -> float:
        """The share of a question's characters that the text holds; 0 where it is not enough."""
        form, may_miss = self.forms[number], self.may_miss[number]
        if form in text:
            return 1.0
        if len(text) < len(form) - may_miss:
            return 0.0
        held = end = 0  # characters held so far, and where the last n-gram that was found ends
        for start in range(len(form) - self.gram + 1):
            if form[start : start + self.gram] in text:
                held += start + self.gram - max(start, end)
                end = start + self.gram
            elif start - held >= may_miss:  # with this one, too many are missing
                return 0.0
        return held / len(form) if len(form) - held <= may_miss else 0.0

    def _hit(self, share: float, number: int) -> Hit:
        question = self.questions[-number]
        return Hit(question.file, question.line, " ".join(question.text.split())[:40], share)
