"""graft's random numbers in Python, bit for bit: for references that need the order in which graft sees its samples.

Transcribed from core/rng.h and the files of transfer/ that draw; the tests compare what both make of them.
"""
import math

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

    def normal(self):
        u, v = (self.bits() + 1) * 2.0**-32, self.bits() * 2.0**-32
        return math.sqrt(-2 * math.log(u)) * math.cos(6.283185307179586 * v)

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


def log_gamma_variable(shape, rng):
    """Marsaglia and Tsang, 2000."""
    boost = 0.0
    if shape < 1:
        boost, shape = math.log((rng.bits() + 1) * 2.0**-32) / shape, shape + 1
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        x = rng.normal()
        root = 1 + c * x
        if root <= 0:
            continue
        v = root * root * root
        if math.log((rng.bits() + 1) * 2.0**-32) < x * x / 2 + d - d * v + d * math.log(v):
            return boost + math.log(d * v)


def draw_mix(mixup, cutmix, rows, height, width, seed, epoch, first_sample):
    """transfer/mixing.cpp: (share of the own label, partners, box or None for mixup); the box is left, top, right, bottom."""
    rng = Rng(seed ^ 0x4D4958, epoch, first_sample)
    cuts = rng.bits() % 2 == 1 if mixup > 0 and cutmix > 0 else cutmix > 0
    one, other = (log_gamma_variable(cutmix if cuts else mixup, rng) for _ in range(2))
    share = round(2**20 / (1 + math.exp(other - one))) / 2**20
    partners = list(range(rows))
    rng.shuffle(partners)
    if not cuts:
        return share, partners, None
    side = math.sqrt(1 - share)
    w, h = int(width * side), int(height * side)
    x, y = rng.below(width), rng.below(height)
    box = max(x - w // 2, 0), max(y - h // 2, 0), min(x + w // 2, width), min(y + h // 2, height)
    return 1 - (box[2] - box[0]) * (box[3] - box[1]) / (width * height), partners, box
