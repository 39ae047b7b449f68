"""Weights separate what was taught, do not depend on the order of lessons, and cannot be talked away by padding."""

from __future__ import annotations

import random

import pytest

from posthouse.content.antispam.fitting import Example, fit, fit_beside
from posthouse.content.antispam.tokens import BODY_BIT, MessageTokens
from posthouse.content.antispam.weights import BrokenWeights, Weights, parse

SPAM_WORDS, HAM_WORDS, BOTH = range(100), range(100, 200), range(200, 300)


def taught(count: int = 120, *, seed: int = 1) -> list[Example]:
    chance = random.Random(seed)
    examples = []
    for number in range(count):
        spam = number % 3 == 0
        own = chance.sample(SPAM_WORDS if spam else HAM_WORDS, 12)
        common = chance.sample(BOTH, 12)
        body = [BODY_BIT | token for token in chance.sample(SPAM_WORDS if spam else HAM_WORDS, 8) + common]
        examples.append(Example(spam, (*own, *common, *body)))
    return examples


@pytest.fixture(scope="module")
def weights() -> Weights:
    return fit(taught())


def test_unseen_messages_fall_on_the_right_side(weights: Weights) -> None:
    unseen = taught(60, seed=2)
    wrong = [each for each in unseen if (weights.margin_of(each.tokens).value > weights.threshold) is not each.spam]
    assert len(wrong) <= 1
    assert (weights.spam, weights.ham) == (40, 80)


def test_the_order_of_lessons_does_not_matter(weights: Weights) -> None:
    turned = fit(sorted(taught(), key=lambda each: each.spam))
    for each in taught(40, seed=3):
        assert turned.margin_of(each.tokens).value == pytest.approx(weights.margin_of(each.tokens).value, abs=0.15)


def test_padding_with_unknown_words_turns_no_spam_into_ham(weights: Weights) -> None:
    spam = next(each for each in taught(30, seed=4) if each.spam)
    padded = [*spam.tokens, *range(10_000, 14_000), *(BODY_BIT | token for token in range(10_000, 14_000))]
    assert weights.margin_of(spam.tokens).value > weights.threshold
    assert weights.margin_of(padded).value > weights.margin_of(spam.tokens).value / 2


def test_weights_survive_as_octets(weights: Weights) -> None:
    again = parse(weights.octets())
    for each in taught(20, seed=5):
        assert again.margin_of(each.tokens) == weights.margin_of(each.tokens)
    assert (again.threshold, again.spam, again.ham, len(again)) == (weights.threshold, weights.spam, weights.ham, len(weights))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_damaged_octets_are_refused(weights: Weights, damage: str) -> None:
    octets = bytearray(weights.octets())
    if damage == "cut":
        del octets[-20:]
    elif damage == "flipped":
        octets[200] ^= 1
    else:
        octets = bytearray(b"" if damage == "empty" else b"x" * 500)
    with pytest.raises(BrokenWeights):
        parse(bytes(octets))


def test_nothing_taught_says_nothing() -> None:
    assert fit([]).margin_of([1, 2, 3]).value == 0.0
    one_side = fit([Example(spam=True, tokens=(1, 2, 3))] * 5)
    assert one_side.threshold > 0


def test_one_lesson_of_a_user_turns_the_sites_verdict_for_its_like(weights: Weights) -> None:
    letter = next(each for each in taught(30, seed=6) if each.spam)
    site = weights.margin_of(letter.tokens)
    example = Example(False, letter.tokens, site.value - weights.threshold, (site.header_length, site.body_length))
    user = fit_beside([example], weights.rarity, (0, 1))
    assert site.value > weights.threshold
    user_sees = user.added(_sides(letter), site)
    assert site.value - weights.threshold + user_sees < -0.4
    other = next(each for each in taught(30, seed=7) if each.spam)
    beside = weights.margin(_sides(other))
    assert abs(user.added(_sides(other), beside)) < abs(user_sees) / 2, "unlike mail stays near what the site says"


def _sides(example: Example) -> MessageTokens:
    body = {token: "" for token in example.tokens if token & BODY_BIT}
    return MessageTokens({token: "" for token in example.tokens if token not in body}, body)
