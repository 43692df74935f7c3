"""Bytes that can be made again and compared without keeping them in memory."""

import hashlib
import random

MIB = 1 << 20
GIB = 1 << 30

BLOCK_LEN = 1_048_573  # the largest prime below 2**20
WORD = (1 << 64) - 1


def write_random(path, size, seed):
    """Makes a file of pseudo-random bytes and returns its SHA-256."""
    source, digest = random.Random(seed), hashlib.sha256()
    with open(path, "wb") as file:
        while size > 0:
            piece = source.randbytes(min(size, MIB))
            file.write(piece)
            digest.update(piece)
            size -= len(piece)
    return digest.hexdigest()


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(MIB):
            digest.update(piece)
    return digest.hexdigest()


class Generated:
    """The emulator's generated content, made again here from its documentation: a block of SplitMix64, repeated."""

    def __init__(self, seed):
        words = bytearray()
        while len(words) < BLOCK_LEN:
            seed = (seed + 0x9E3779B97F4A7C15) & WORD
            word = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & WORD
            word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & WORD
            words += (word ^ (word >> 31)).to_bytes(8, "little")
        self.block = bytes(words[:BLOCK_LEN])

    def first(self, size):
        return (self.block * (size // BLOCK_LEN + 1))[:size]

    def is_in(self, path, size):
        """Whether the file holds exactly the first `size` bytes."""
        with open(path, "rb") as file:
            while size > 0:
                piece = self.block[: min(size, BLOCK_LEN)]
                if file.read(len(piece)) != piece:
                    return False
                size -= len(piece)
            return file.read(1) == b""
