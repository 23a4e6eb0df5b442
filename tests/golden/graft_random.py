"""graft's random numbers in Python, bit for bit: for references that need the order in which graft sees its samples.

Transcribed from core/rng.h and transfer/train.cpp; the tests compare what both make of them.
"""
WORD = (1 << 32) - 1
LONG = (1 << 64) - 1


def philox(key, counter, stream):
    """Philox4x32-10 (Salmon et al., 2011): four words."""
    k0, k1 = key & WORD, key >> 32
    c = [counter & WORD, counter >> 32, stream & WORD, stream >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & WORD, (p0 >> 32) ^ c[3] ^ k1, p0 & WORD]
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c


def mix(z):
    z = (z + 0x9E3779B97F4A7C15) & LONG
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & LONG
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & LONG
    return z ^ (z >> 31)


class Rng:
    """A sequence of numbers for one purpose: Rng(seed, epoch, sample)."""

    def __init__(self, seed, a=0, b=0):
        self.key, self.stream, self.counter, self.words = seed, mix(a) ^ mix(~b & LONG), 0, []

    def bits(self):
        if not self.words:
            self.words = philox(self.key, self.counter, self.stream)
            self.counter += 1
        return self.words.pop(0)

    def below(self, n):
        product = self.bits() * n
        while product & WORD < (2**32 - n) % n:
            product = self.bits() * n
        return product >> 32

    def shuffle(self, items):
        for i in range(len(items), 1, -1):
            j = self.below(i)
            items[i - 1], items[j] = items[j], items[i - 1]


def batches_of(count, batch, seed, epoch):
    """The order of one epoch, cut into batches; a last batch of one joins the one before it."""
    order = list(range(count))
    Rng(seed, 0x4F52444552, epoch).shuffle(order)
    out = [order[i : i + batch] for i in range(0, count, batch)]
    if len(out) > 1 and len(out[-1]) == 1 and batch > 1:
        out[-2:] = [out[-2] + out[-1]]
    return out
