"""rANS: an entropy coder whose streams have the length of the code (Duda 2013).

A stream is a stack: what is pushed last is popped first. Each lane has a stack of its
own, so that many images are coded at a time: an integer state of at least 2**31 and
below 2**63, and words of 32 bits that have spilled from it. A symbol is an interval
[start, start + size) of 0..2**20, and costs 20 - log2(size) bits.

The first state of a lane, which is left when everything has been popped, is 2**31 plus
a checksum of what the lane holds: the 31 bits that rANS spends on it are not lost.
"""

from typing import NamedTuple

import numpy as np

from agave_tf.errors import InputError

PRECISION = 20
TOTAL = 1 << PRECISION
LEAST_STATE = 1 << 31
WORD_BITS = 32
_WORD_MASK = (1 << WORD_BITS) - 1
_MOST_STATE_BITS = 63


class Interval(NamedTuple):
    """The part of 0..TOTAL that stands for a symbol, in every lane."""

    start: np.ndarray  # int64 [L]
    size: np.ndarray  # int64 [L], at least 1 and below TOTAL


class Stacks:
    """Lanes to push symbols onto.

    Args:
      checksums: int [L], 31 bits of each lane.
    """

    def __init__(self, checksums: np.ndarray):
        self._state = LEAST_STATE + checksums.astype(np.int64)
        self._words: list[list[int]] = [[] for _ in checksums]

    def push(self, symbol: Interval, is_on: np.ndarray | bool = True) -> None:
        """Pushes a symbol onto the lanes that are on, bool [L]."""
        start, size = symbol
        is_on = np.broadcast_to(is_on, start.shape)
        # In a lane that is off anything stands for the symbol.
        size = np.where(is_on, size, 1)
        spills = is_on & (self._state >= size << (_MOST_STATE_BITS - PRECISION))
        for lane in np.nonzero(spills)[0]:
            self._words[lane].append(int(self._state[lane]) & _WORD_MASK)
        state = np.where(spills, self._state >> WORD_BITS, self._state)
        pushed = ((state // size) << PRECISION) + state % size + start
        self._state = np.where(is_on, pushed, state)

    def streams(self) -> list[bytes]:
        """The bytes of every lane, what was pushed last first."""
        return [
            int(state).to_bytes(8, "big").lstrip(b"\0")
            + b"".join(word.to_bytes(4, "big") for word in reversed(words))
            for state, words in zip(self._state, self._words, strict=True)
        ]


class OpenStacks:
    """Lanes to pop symbols from.

    Args:
      streams: the bytes of every lane.
      room: words to keep behind the end of each, which a damaged stream may read.

    Raises:
      InputError: a stream is too short to be one.
    """

    def __init__(self, streams: list[bytes], room: int):
        lanes = [_words_of(stream) for stream in streams]
        self.num_words = np.array([len(words) for words in lanes], np.int32)
        longest = int(self.num_words.max()) + room
        self.words = np.zeros([len(lanes), longest], np.int64)
        self.state = np.zeros(len(lanes), np.int64)
        self.place = np.zeros(len(lanes), np.int32)
        for lane, words in enumerate(lanes):
            self.words[lane, : len(words)] = words
            while self.state[lane] < LEAST_STATE:
                if self.place[lane] == len(words):
                    raise InputError("A stream of the file ends where it begins.")
                word = int(words[self.place[lane]])
                self.state[lane] = (int(self.state[lane]) << WORD_BITS) | word
                self.place[lane] += 1

    @property
    def slot(self) -> np.ndarray:
        """The place in 0..TOTAL of every lane's next symbol, int64 [L]."""
        return self.state & (TOTAL - 1)

    def pop(self, symbol: Interval, is_on: np.ndarray | bool = True) -> None:
        """Pops the symbol, in whose interval `slot` is, from the lanes that are on."""
        start, size = symbol
        popped = size * (self.state >> PRECISION) + self.slot - start
        needs = popped < LEAST_STATE
        last = self.words.shape[1] - 1
        word = self.words[np.arange(len(popped)), np.minimum(self.place, last)]
        popped = np.where(needs, (popped << WORD_BITS) | word, popped)
        self.state = np.where(is_on, popped, self.state)
        self.place = self.place + (needs & is_on).astype(np.int32)

    def is_at_end(self) -> np.ndarray:
        """Bool [L]: all words of the lane have been read, and no more."""
        return self.place == self.num_words

    @property
    def checksums(self) -> np.ndarray:
        """The checksums of the lanes, once all symbols have been popped, int64 [L]."""
        return self.state - LEAST_STATE


def _words_of(stream: bytes) -> np.ndarray:
    """The words of a stream, whose first one has lost its leading zeros."""
    padded = b"\0" * (-len(stream) % 4) + stream
    return np.frombuffer(padded, ">u4").astype(np.int64)


def equal_interval(symbol: np.ndarray, num_symbols: int) -> Interval:
    """The interval of one of 2 to TOTAL symbols that are equally likely."""
    start = _first_slot(symbol.astype(np.int64), num_symbols)
    return Interval(start, _first_slot(symbol + 1, num_symbols) - start)


def symbol_at(slot: np.ndarray, num_symbols: int) -> np.ndarray:
    """The symbol in whose `equal_interval` a slot is, int64 [L]."""
    return slot * num_symbols // TOTAL


def _first_slot(symbol: np.ndarray, num_symbols: int) -> np.ndarray:
    """The smallest slot with slot * num_symbols // TOTAL >= symbol."""
    return -(-symbol.astype(np.int64) * TOTAL // num_symbols)
