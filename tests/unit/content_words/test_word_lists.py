"""Word lists (CON-4): whole words, phrases, weights, beginnings; thousands at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from posthouse.base.errors import BadValue
from posthouse.content.wordlists import STARTERS, Entry, WordList, checked_name, find, parse, render


def hits(entries: str, text: str) -> tuple[int, list[str]]:
    found = WordList("x", parse(entries)).hits(text.encode())
    return found.weight, sorted(found.words)


def test_whole_words_count_in_any_case_and_once() -> None:
    assert hits("7 hell", "Hell! HELL, hello shell") == (7, ["hell"])
    assert hits("hell", "hello shell") == (0, [])
    assert hits("5 a\n6 b\n", "b-a") == (11, ["a", "b"])


def test_phrases_are_words_in_a_row_whatever_stands_between() -> None:
    assert hits("20 strictly confidential", "This is STRICTLY,\n  confidential!") == (20, ["strictly confidential"])
    assert hits("20 strictly confidential", "confidential strictly") == (0, [])
    assert hits("a b\nb c\na b c", "x a b c y") == (30, ["a b", "a b c", "b c"])


def test_many_phrases_with_common_words_are_found_too() -> None:
    entries = "\n".join(f"1 red green n{n}" for n in range(200)) + "\n1 green red\n"
    text = " ".join(f"red n{n} green" for n in range(200)) + " red green n7"
    assert hits(entries, text) == (2, ["green red", "red green n7"])


def test_beginnings_negative_weights_and_other_scripts() -> None:
    assert hits("layoff*", "no layoffs") == (10, ["layoff*"])
    assert hits("layoff*", "playoffs") == (0, [])
    assert hits("20 casino\n-30 tax office", "the tax office asks about the casino") == (-10, ["casino", "tax office"])
    assert hits("größe\nпривет*\n機密", "Die GRÖSSE und Größe; ПРИВЕТСТВИЕ; 機密") == (30, ["größe", "привет*", "機密"])


def test_a_list_is_read_and_written() -> None:
    entries = parse("# comment\n\n20 strictly confidential # why\nword\n-5 other\nWORD\n30 x\n")
    assert entries == [Entry("strictly confidential", 20), Entry("WORD", 10), Entry("other", -5), Entry("x", 30)]
    assert parse(render(entries)) == entries


@pytest.mark.parametrize("line", ["10 ...", "99999 word", "x" * 201, "5 ,;"])
def test_what_is_no_entry_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(BadValue, match="line 2"):
        parse(f"good\n{line}\n")


def test_names_are_checked() -> None:
    assert checked_name(" Corporate ") == "corporate"
    for name in ("", "two words", "-x", "ä", "x" * 65):
        with pytest.raises(BadValue):
            checked_name(name)


def test_the_starters_are_there_mild_and_can_be_replaced() -> None:
    assert sorted(STARTERS) == ["corporate", "objectionable"]
    corporate = find("corporate", None)
    assert corporate is not None
    assert corporate.hits(b"This is strictly confidential").weight >= 30
    assert find("corporate", "word") is not corporate
    assert find("nobody", None) is None
    assert all(len(parse(text)) >= 10 for text in STARTERS.values())


@pytest.mark.spec_part("CON-4")
def test_ten_thousand_entries_are_found_in_one_pass() -> None:
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnop", k=8)) for _ in range(9_000)]
    phrases = [" ".join("".join(chance.choices("abcdefgh", k=4)) for _ in range(3)) for _ in range(1_000)]
    made = WordList("x", [Entry(text) for text in (*words, *phrases)])
    body = (" ".join(chance.choices(words, k=11_000)) + " " + phrases[5]).encode()[-(100 << 10) :]
    found = made.hits(body)
    assert phrases[5] in found.words
    assert len(found.words) > 1_000
    one_by_one = quickest(lambda: [text.encode() in body for text in (*words, *phrases)])
    assert quickest(lambda: made.hits(body)) < one_by_one / 4


def quickest(work: Callable[[], object]) -> float:
    """Seconds of CPU, at best."""
    times = []
    for _ in range(10):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times)
