"""Learning: from messages of which it is known what they are to the weights of their tokens.

A linear support vector machine with squared hinge loss on each side (header, body), solved by dual coordinate descent (Hsieh et
al., ICML 2008). Order does not matter: the same lessons give the same weights, whoever was first. Where spam begins is found
on messages held back: each is judged by weights that were fitted without it, and the threshold is put so that at most
``HAM_LOST`` of the ham lies above it. Takes some seconds for thousands of messages: for a process of its own.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import log, sqrt

from posthouse.content.antispam.weights import MAX_TOKENS, SideTerms, Weights

HAM_LOST = 0.001
RARE = 3
"""Tokens of fewer messages say nothing about others."""
FOLDS = 10
COST = 10.0
LEAST_THRESHOLD = 0.3
"""However far from spam all ham seems: mail of a kind that was never learnt comes to about nothing."""
USER_MARGIN = 0.5
"""How far on the right side a user's lessons are wanted; less moves less of what is only a little like them."""
MAX_USER_TOKENS = 4_000
MAX_EPOCHS = 60
GOOD_ENOUGH = 0.05
_RIDGE = 1.0 / (2.0 * COST)


@dataclass(frozen=True, slots=True)
class Example:
    """A message and what it is. ``tokens`` are numbers as ``tokens`` makes them. ``margin`` is what others say already."""

    spam: bool
    tokens: Sequence[int]
    margin: float = 0.0
    lengths: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True)
class _Side:
    """One side of all examples: tokens as places in a vocabulary. ``counts``: in how many examples a token is;
    ``token_counts``: how many tokens an example has, in the vocabulary or not."""

    keys: list[int]
    rarity: list[float]
    unknown: float
    places: list[list[int]]
    lengths: list[float]
    weight: list[float] = field(default_factory=list)
    bias: float = 0.0
    counts: list[int] = field(default_factory=list)
    token_counts: list[int] = field(default_factory=list)


def fit(examples: Sequence[Example]) -> Weights:
    """A site's weights, threshold found by holding back. Examples of both kinds are needed for them to say anything."""
    sides = [_side(examples, lambda number: not number >> 31), _side(examples, lambda number: bool(number >> 31))]
    truth = [1.0 if example.spam else -1.0 for example in examples]
    held = [0.0] * len(examples)
    for side in sides:
        alphas = [0.0] * len(examples)
        _descend(side, truth, alphas, list(range(len(examples))))
        for fold in range(FOLDS if len(examples) >= 2 * FOLDS else 0):
            for at, margin in _held_back(side, truth, alphas, fold):
                held[at] += margin
    ham = sorted([margin for margin, sign in zip(held, truth, strict=True) if sign < 0], reverse=True)
    return _weights(sides, threshold=_threshold(ham), learnt=(sum(sign > 0 for sign in truth), len(ham)))


def fit_beside(examples: Sequence[Example], rarity: Callable[[int], float], learnt: tuple[int, int]) -> Weights:
    """A user's weights, which correct the site's where this user sees things otherwise. Each example has the site's margin, its
    threshold subtracted, and the site's lengths; ``rarity`` is the site's too (squared, of a token's number). Among them stand
    some of the site's own, which hold the correction to what is particular. ``learnt`` counts the user's (spam, ham)."""
    truth = [1.0 if example.spam else -1.0 for example in examples]
    sides = []
    already = [example.margin for example in examples]
    for body in (False, True):
        side = _user_side(examples, rarity, body=body)
        _descend(side, truth, [0.0] * len(examples), list(range(len(examples))), already)
        already = [margin + _margin(side, at) for at, margin in enumerate(already)]
        sides.append(_loudest(side))
    return _weights(sides, threshold=0.0, learnt=learnt)


def _loudest(side: _Side) -> _Side:
    """Only the tokens that weigh most."""
    order = sorted(range(len(side.keys)), key=lambda at: -abs(side.weight[at]))[: MAX_USER_TOKENS // 2]
    kept = [at for at in order if side.weight[at]]
    pick = ([side.keys[at] for at in kept], [side.rarity[at] for at in kept], [side.weight[at] for at in kept])
    return _Side(pick[0], pick[1], 0.0, [], [], pick[2])


def _side(examples: Sequence[Example], belongs: Callable[[int], bool]) -> _Side:
    chosen = [[number for number in example.tokens if belongs(number)] for example in examples]
    counts = Counter(number for numbers in chosen for number in numbers)
    total = len(examples) or 1
    kept = [(number, count) for number, count in counts.most_common(MAX_TOKENS // 2) if count >= RARE and count + 1 < total]
    index = {number: at for at, (number, _) in enumerate(kept)}
    rarity = [log(total / (count + 1.0)) ** 2 for _, count in kept]
    unknown = log(max(total / RARE, 1.0)) ** 2
    places, lengths = [], []
    for numbers in chosen:
        known = [at for number in numbers if (at := index.get(number)) is not None]
        squared = sum([rarity[at] for at in known]) + unknown * min(len(numbers) - len(known), len(known))
        places.append(known)
        lengths.append(sqrt(squared) or 1.0)
    counted = [count for _, count in kept]
    return _Side(list(index), rarity, unknown, places, lengths, [0.0] * len(kept), 0.0, counted, list(map(len, chosen)))


def _user_side(examples: Sequence[Example], rarity: Callable[[int], float], *, body: bool) -> _Side:
    index: dict[int, int] = {}
    rarities: list[float] = []
    places: list[list[int]] = []
    for example in examples:
        here = []
        for number in example.tokens:
            if bool(number >> 31) is not body:
                continue
            at = index.get(number)
            if at is None:
                if len(index) >= MAX_TOKENS // 2:
                    continue
                at = index[number] = len(index)
                rarities.append(rarity(number))
            here.append(at)
        places.append(here)
    lengths = [example.lengths[body] or 1.0 for example in examples]
    return _Side(list(index), rarities, 0.0, places, lengths, [0.0] * len(index))


def _margin(side: _Side, at: int) -> float:
    weight = side.weight
    return sum([weight[place] for place in side.places[at]]) / side.lengths[at] + side.bias


def _descend(
    side: _Side, truth: Sequence[float], alphas: list[float], order: list[int], already: Sequence[float] | None = None
) -> None:
    """Moves ``side.weight`` and ``alphas`` to where the examples of ``order`` have their best margins, ``already`` counted in.
    Beside what is already said there is no bias: one lesson must not move all mail."""
    chance = random.Random(len(order))  # noqa: S311 - an order to go by, the same each time
    weight, rarity, lengths, places = side.weight, side.rarity, side.lengths, side.places
    bias, free = side.bias, 1.0 if already is None else 0.0
    wanted = 1.0 if already is None else USER_MARGIN
    diagonal = {at: sum([rarity[place] for place in places[at]]) / lengths[at] ** 2 + free + _RIDGE for at in order}
    active = list(order)
    for _ in range(MAX_EPOCHS):
        chance.shuffle(active)
        worst = 0.0
        still = []
        for at in active:
            sign, length, here, alpha = truth[at], lengths[at], places[at], alphas[at]
            margin = sum([weight[place] for place in here]) / length + bias
            if already is not None:
                margin += already[at]
            gradient = sign * margin - wanted + _RIDGE * alpha
            if alpha <= 0.0 and gradient > 0.5:
                continue  # Far on the right side: looked at again when the others have settled.
            still.append(at)
            if alpha <= 0.0 and gradient >= 0.0:
                continue
            worst = max(worst, abs(gradient))
            changed = max(alpha - gradient / diagonal[at], 0.0)
            alphas[at] = changed
            step = (changed - alpha) * sign
            bias += free * step
            step /= length
            for place in here:
                weight[place] += step * rarity[place]
        if worst < GOOD_ENOUGH:
            if len(active) == len(order):
                break
            active = list(order)
        else:
            active = still if still else list(order)
    side.bias = bias


def _held_back(side: _Side, truth: Sequence[float], alphas: Sequence[float], fold: int) -> list[tuple[int, float]]:
    """The margins of one fold's examples by weights fitted on all others, starting from the weights of all."""
    out = range(fold, len(truth), FOLDS)
    without = _Side(side.keys, side.rarity, side.unknown, side.places, side.lengths, list(side.weight), side.bias)
    without.counts, without.token_counts = side.counts, side.token_counts
    fewer = list(alphas)
    for at in out:
        if fewer[at] > 0.0:
            step = -fewer[at] * truth[at]
            without.bias += step
            step /= side.lengths[at]
            for place in side.places[at]:
                without.weight[place] += step * side.rarity[place]
            fewer[at] = 0.0
    _descend(without, truth, fewer, [at for at in range(len(truth)) if at % FOLDS != fold])
    inside = Counter(place for at in out for place in side.places[at])
    return [(at, _margin_unseen(without, at, inside)) for at in out]


def _margin_unseen(side: _Side, at: int, inside: Counter[int]) -> float:
    """The margin as if the tokens of the fold, which are counted ``inside`` it, had not been counted when those that are rare
    were left out."""
    places = side.places[at]
    known = [place for place in places if side.counts[place] - inside[place] >= RARE]
    unknown = side.token_counts[at] - len(known)
    squared = sum([side.rarity[place] for place in known]) + side.unknown * min(unknown, len(known))
    return sum([side.weight[place] for place in known]) / (sqrt(squared) or 1.0) + side.bias


def _threshold(ham: Sequence[float]) -> float:
    """Where spam begins, given held-back margins of ham, the highest first: at most ``HAM_LOST`` of them lie above."""
    if not ham:
        return LEAST_THRESHOLD
    return max(ham[min(int(HAM_LOST * len(ham)), len(ham) - 1)], LEAST_THRESHOLD)


def _weights(sides: Sequence[_Side], *, threshold: float, learnt: tuple[int, int]) -> Weights:
    keys, weight, rarity = array("I"), array("f"), array("f")
    for side in sides:
        keys.extend(side.keys)
        weight.extend(side.weight)
        rarity.extend(side.rarity)
    terms = tuple(SideTerms(side.unknown, side.bias) for side in sides)
    return Weights(keys, weight, rarity, (terms[0], terms[1]), threshold=threshold, learnt=learnt)
