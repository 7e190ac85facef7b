"""Networks of lookup tables with dictionaries: one example, one pattern at a time."""


def table_of(patterns, labels):
    """Counts by pattern: ``{pattern: [examples of label 0, of label 1]}``."""
    counts = {}
    for pattern, label in zip(patterns, labels, strict=True):
        counts.setdefault(pattern, [0, 0])[int(label)] += 1
    return counts


def answer_of(counts, pattern, fill, *, ties="random", rare=0):
    """What an entry answers; ``fill`` is its frozen bit."""

    def pull(p):
        zero, one = counts.get(p, [0, 0])
        return 0 if zero + one <= rare else one - zero

    d = pull(pattern)
    if d == 0 and ties == "majority":
        d = sum(pull(p) for p in counts)
    if d == 0 and ties == "neighbours":
        flipped = [(*pattern[:i], 1 - bit, *pattern[i + 1 :]) for i, bit in enumerate(pattern)]
        d = sum(pull(p) for p in flipped)
    if d == 0:
        return {"zero": False, "one": True}.get(ties, fill)
    return d > 0


def number(pattern):
    """The entry of a pattern: its first bit is the lowest."""
    return sum(bit << j for j, bit in enumerate(pattern))


def run(X, y, wiring, fills, *, ties="random", rare=0, new=()):
    """Learn layer by layer from rows of 0 and 1.

    Args:
        X: Rows of bits.
        y: Labels.
        wiring: For each layer, for each lut, the rows it reads: the inputs, then the layer before.
        fills: For each layer, for each lut, the frozen bit of each entry.
        ties: The rule for ties.
        rare: Entries with so few examples count as unseen.
        new: Rows to be answered.

    Returns:
        By layer: the answers to ``X``, the answers to ``new``, and by lut the dictionary of counts.
    """
    before, before_new, layers = [()] * len(X), [()] * len(new), []
    for luts, frozen in zip(wiring, fills, strict=True):
        dictionaries, columns, columns_new = [], [], []
        for reads, fill in zip(luts, frozen, strict=True):
            seen = [tuple((*x, *b)[i] for i in reads) for x, b in zip(X, before, strict=True)]
            asked = [tuple((*x, *b)[i] for i in reads) for x, b in zip(new, before_new, strict=True)]
            counts = table_of(seen, y)
            answers = {
                p: int(answer_of(counts, p, fill[number(p)], ties=ties, rare=rare)) for p in {*seen, *asked}
            }
            dictionaries.append(counts)
            columns.append([answers[p] for p in seen])
            columns_new.append([answers[p] for p in asked])
        before, before_new = list(zip(*columns, strict=True)), list(zip(*columns_new, strict=True))
        layers.append((before, before_new, dictionaries))
    return layers
