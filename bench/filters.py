"""How long filters take: a 100 KiB body against 2,000 words and against 100 regular expressions, at most 1 ms each.

    make bench-filters, or python bench/filters.py

Bodies differ from run to run, so that nothing is remembered of an earlier one; views are new each time, the texts are decoded
before the clock starts, since that happens once for all filters of a message. ``whole`` counts decoding too.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from itertools import pairwise

from posthouse.content import filetypes
from posthouse.content.sieve import Facts, MessageView, compile_script, run
from posthouse.content.sieve.facts import WordListNamed
from posthouse.content.wordlists import WordList, parse
from posthouse.formats.mime import summarise
from posthouse.content.sieve.capabilities import Scope

BODY_BYTES = 100 << 10
ROUNDS = 60
WORDLIST = 'require "vnd.posthouse.filter"; if wordlist :atleast 100000 "listed" { discard; }'
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def words(count: int, seed: int, least: int = 4) -> list[str]:
    """Made-up words."""
    chance = random.Random(seed)
    return ["".join(chance.choices(LETTERS, k=chance.randint(least, 11))) for _ in range(count)]


def body(seed: int) -> bytes:
    """Some 100 KiB of made-up text in lines."""
    chance, vocabulary = random.Random(seed), words(5000, 1)
    lines, size = [], 0
    while size < BODY_BYTES:
        line = " ".join(chance.choices(vocabulary, k=9))
        lines.append(line)
        size += len(line) + 2
    return b"From: a@b.test\r\nTo: c@d.test\r\nSubject: x\r\n\r\n" + "\r\n".join(lines).encode() + b"\r\n"


def quoted(texts: list[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def facts(content: bytes) -> Facts:
    summary = summarise(content)
    return Facts(message=MessageView(content, summary.root, filetypes.inspect), now=0.0, answers={})


def timed(name: str, text: str, *, scope: Scope = "system", prepare: Callable[[Facts], object] = lambda _: None) -> None:
    """Milliseconds of CPU of one run, the median and the worst."""
    script = compile_script(text, scope)
    took, whole = [], []
    for round_ in range(ROUNDS):
        about = facts(body(100 + round_))
        began = time.thread_time()
        assert about.message.plain_text.folded
        prepare(about)
        ready = time.thread_time()
        result = run(script, about)
        done = time.thread_time()
        assert not result.error, result.error
        took.append((done - ready) * 1000)
        whole.append((done - began) * 1000)
    print(f"{name:46} {statistics.median(took):7.3f} ms  worst {max(took):7.3f}   with decoding {statistics.median(whole):7.3f}")


def main() -> None:
    listed = words(2000, 2, least=8)
    expressions = [f"{first}[0-9]+{second}" for first, second in zip(words(100, 3), words(100, 4), strict=True)]
    usual = [f"\\\\b{word}(s|ed|ing)?\\\\b" for word in words(100, 5)]
    separate = "\n".join(f'if body :text :regex "{each}" {{ discard; stop; }}' for each in expressions)
    timed("2,000 words, contains", f'require "body"; if body :text :contains {quoted(listed)} {{ discard; }}')
    timed("100 expressions in one test", f'require ["body", "regex"]; if body :text :regex {quoted(expressions)} {{ discard; }}')
    timed("100 expressions of words", f'require ["body", "regex"]; if body :text :regex {quoted(usual)} {{ discard; }}')
    timed("100 filters of one expression", f'require ["body", "regex"];\n{separate}')
    found = WordList("listed", parse("\n".join(f"5 {word}" for word in listed)))
    phrases = WordList("phrases", parse("\n".join(f"5 {one} {other}" for one, other in pairwise(listed))))
    timed("word list of 2,000 words", WORDLIST, prepare=lambda about: about.answers.update({WordListNamed("listed"): found}))
    timed("word list of 2,000 phrases", WORDLIST, prepare=lambda about: about.answers.update({WordListNamed("listed"): phrases}))


if __name__ == "__main__":
    main()
