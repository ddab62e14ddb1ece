"""rANS: an entropy coder whose streams have the length of the code (Duda 2013).

A stream is a stack: what is pushed last is popped first. It is an integer state of at
least 2**31 and below 2**63, and words of 32 bits that have spilled from it. A symbol is
an interval [start, start + size) of 0..2**20, and costs 20 - log2(size) bits.

The first state, which is left when everything has been popped, is 2**31 plus a checksum
of what the stream holds: the 31 bits that rANS spends on it are not lost. The low bits
of the last state, with which a stream begins, are changed by a key: a stream that is
read with another key gives other symbols, and so another checksum.
"""

import numpy as np

from agave_tf.distributions.logistic_mixture import NUM_SLOTS, SLOT_BITS
from agave_tf.errors import InputError

PRECISION = SLOT_BITS
TOTAL = NUM_SLOTS
LEAST_STATE = 1 << 31
WORD_BITS = 32
_WORD_MASK = (1 << WORD_BITS) - 1
_MOST_STATE_BITS = 63
CHECKSUM_MASK = LEAST_STATE - 1


class Stack:
    """A stream to push symbols onto.

    Args:
      checksum: of what the stream will hold, 31 bits.
    """

    def __init__(self, checksum: int):
        self._state = LEAST_STATE + checksum
        self._words: list[int] = []

    def push_intervals(self, start: np.ndarray, size: np.ndarray) -> None:
        """Pushes symbols, the last one first.

        Args:
          start, size: int [S], the intervals in the order in which they are popped.
        """
        state, words = self._state, self._words
        spill = _MOST_STATE_BITS - PRECISION
        # Numbers of Python: one by one they are faster than NumPy's.
        for a, n in zip(start[::-1].tolist(), size[::-1].tolist(), strict=True):
            if state >= n << spill:
                words.append(state & _WORD_MASK)
                state >>= WORD_BITS
            state = (state // n << PRECISION) + state % n + a
        self._state = state

    def push_equal(self, symbol: int, num_symbols: int) -> None:
        """Pushes one of 2 to TOTAL symbols that are equally likely."""
        start = _first_slot(symbol, num_symbols)
        size = _first_slot(symbol + 1, num_symbols) - start
        self.push_intervals(np.array([start]), np.array([size]))

    def stream(self, key: int) -> bytes:
        """The bytes of the stream, what was pushed last first.

        Args:
          key: 31 bits, which the reader must know.
        """
        state = (self._state ^ key).to_bytes(8, "big").lstrip(b"\0")
        return state + np.array(self._words[::-1], ">u4").tobytes()


class OpenStack:
    """A stream to pop symbols from.

    Args:
      stream: its bytes.
      key: with which it was written, 31 bits.

    Raises:
      InputError: it is too short to be a stream.
    """

    def __init__(self, stream: bytes, key: int):
        # The first word has lost its leading zeros.
        padded = b"\0" * (-len(stream) % 4) + stream
        self.words = np.frombuffer(padded, ">u4")
        first = [int(word) for word in self.words[:2]]
        self.place = 1  # of the next word
        if first and first[0] < LEAST_STATE:
            # A state of 32 bits has none of its bits in a second word.
            self.place = 2
        if len(stream) < 4:
            raise InputError("A stream of the file ends where it begins.")
        state = 0
        for word in [*first, 0][: self.place]:
            state = state << WORD_BITS | word
        self.state = state ^ key

    def pop_equal(self, num_symbols: int) -> int:
        """Pops one of 2 to TOTAL symbols that are equally likely.

        Raises:
          InputError: the stream ends before it.
        """
        slot = self.state & (TOTAL - 1)
        symbol = slot * num_symbols // TOTAL
        start = _first_slot(symbol, num_symbols)
        size = _first_slot(symbol + 1, num_symbols) - start
        self.state = size * (self.state >> PRECISION) + slot - start
        if self.state < LEAST_STATE:
            if self.place >= len(self.words):
                raise InputError("A stream of the file ends in its latents.")
            self.state = self.state << WORD_BITS | int(self.words[self.place])
            self.place += 1
        return symbol

    def ahead(self, count: int) -> np.ndarray:
        """The next words, int64 [count]; zeros behind the last one."""
        words = np.zeros(count, np.int64)
        known = self.words[self.place : self.place + count]
        words[: len(known)] = known
        return words

    @property
    def is_overdrawn(self) -> bool:
        """Whether more words have been read than there are."""
        return self.place > len(self.words)

    def has_ended_with(self, checksum: int) -> bool:
        """Whether all words have been read, and what was popped has this checksum."""
        is_at_end = self.place == len(self.words)
        return is_at_end and self.state == LEAST_STATE + checksum


def _first_slot(symbol: int, num_symbols: int) -> int:
    """The smallest slot with slot * num_symbols // TOTAL >= symbol."""
    return -(-symbol * TOTAL // num_symbols)
