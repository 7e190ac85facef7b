"""What circuits say: a bit, the first output that is 1, the largest word; and bytes as bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rote.circuits import Builder, Circuit, answers, decoding, input_bits, pack, unpack
from rote.circuits._answers import classes_of
from rote.errors import InputError


def saying(*names):
    """A circuit of nothing but outputs of these names."""
    return Circuit((), np.empty((0, 2), np.uint32), np.empty(0, bool), names, np.zeros(len(names), np.uint32))


def words(*widths):
    return saying(*(f"class{c}[{bit}]" for c, width in enumerate(widths) for bit in range(width)))


@given(st.data(), st.integers(1, 5), st.integers(0, 70), st.integers(1, 7))
def test_words_are_signed_numbers_and_the_first_largest_wins(data, classes, m, width):
    low, high = -(1 << width - 1), (1 << width - 1) - 1
    row = st.lists(st.integers(low, high), min_size=classes, max_size=classes)
    numbers = np.array(data.draw(st.lists(row, min_size=m, max_size=m)), np.int64).reshape(m, classes)
    bits = (numbers[:, :, None] >> np.arange(width) & 1).astype(bool).reshape(m, classes * width)
    circuit = words(*[width] * classes)
    wanted = [int(value[0] > 0) if classes == 1 else value.index(max(value)) for value in numbers.tolist()]
    assert answers(circuit, bits, decode="words").tolist() == wanted
    assert answers(circuit, pack(bits), decode="words").tolist() == wanted


@given(st.integers(1, 9), st.lists(st.integers(0, 511), max_size=70))
def test_the_first_output_that_is_1_wins(outputs, rows):
    bits = (np.array(rows, np.int64)[:, None] >> np.arange(outputs) & 1).astype(bool)
    wanted = [row.index(True) if any(row) else 0 for row in bits.tolist()]
    circuit = saying(*(f"y{i}" for i in range(outputs)))
    assert answers(circuit, bits, decode="one-hot").tolist() == wanted
    assert answers(circuit, pack(bits), decode="one-hot").tolist() == wanted


def test_words_need_not_stand_in_order_nor_be_equally_wide():
    circuit = saying("b[1]", "a[0]", "b[0]", "a[1]", "a[2]")  # b is class 0
    numbers = {0: (1, 3), 1: (-2, -4), 2: (1, 1), 3: (0, -1)}
    bits = [[b >> 1 & 1, a & 1, b & 1, a >> 1 & 1, a >> 2 & 1] for b, a in numbers.values()]
    assert answers(circuit, np.array(bits, bool)).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("circuit", "how", "classes"),
    [
        (saying("f"), "bit", 2),
        (saying("f[0]"), "bit", 2),
        (saying("y0", "y1", "y2"), "one-hot", 3),
        (saying("y[0]", "y[1]", "y[2]"), "one-hot", 3),
        (saying("a[0]", "b[0]"), "one-hot", 2),
        (words(4, 4, 4), "words", 3),
        (saying("a[0]", "a[1]", "flag"), "one-hot", 3),
        (saying("a[00]", "a[1]", "b[0]"), "one-hot", 3),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_how_outputs_are_read_is_told_from_their_names(circuit, how, classes):
    assert decoding(circuit) == how
    assert classes_of(circuit) == classes


@pytest.mark.parametrize(
    ("circuit", "decode", "says"),
    [
        (saying(), None, "no output"),
        (saying("f", "g"), "bit", "use one-hot"),
        (saying("f", "g"), "words", "Output 0 is called `f`"),
        (saying("a[0]", "a[2]", "b[0]", "b[1]"), None, "has 2 bits, but no `[1]`"),
        (words(64, 64), None, "at most 63"),
        (saying("f"), "votes", "must be bit, one-hot or words"),
    ],
    ids=["none", "bits", "names", "gap", "wide", "unknown"],
)
def test_what_cannot_be_read_is_refused(circuit, decode, says):
    with pytest.raises(InputError) as error:
        answers(circuit, np.zeros((3, len(circuit.outputs)), bool), decode=decode)
    assert says in str(error.value)


def test_bits_of_another_circuit_are_refused():
    with pytest.raises(InputError, match=r"circuit's 2 outputs. Got 3"):
        answers(saying("f", "g"), np.zeros((1, 3), bool))


def reading(bits):
    return Builder([f"x{i}" for i in range(bits)]).finish({"f": 2 if bits else 0})


@given(st.integers(0, 5), st.integers(0, 70), st.randoms(use_true_random=False))
def test_bytes_go_lowest_bit_first(pixels, m, random):
    X = np.array([[random.randrange(256) for _ in range(pixels)] for _ in range(m)], np.uint8)
    X = X.reshape(m, pixels)
    wanted = [[byte >> k & 1 for byte in row for k in range(8)] for row in X.tolist()]
    assert unpack(input_bits(reading(8 * pixels), X)).astype(int).tolist() == wanted


def test_images_come_colour_by_colour_and_row_by_row():
    X = np.arange(2 * 3 * 2 * 2, dtype=np.uint8).reshape(2, 3, 2, 2)
    bits = unpack(input_bits(reading(96), X)).reshape(2, 12, 8)
    values = np.packbits(bits, axis=2, bitorder="little")[..., 0]
    assert values[0].tolist() == [X[0, c, i, j] for c in range(3) for i in range(2) for j in range(2)]


def test_as_many_features_as_inputs_are_a_bit_each():
    flat = input_bits(reading(3), np.array([[0, 1, 1], [1, 0, 0]], np.float32))
    assert unpack(flat).astype(int).tolist() == [[0, 1, 1], [1, 0, 0]]
    pixels = input_bits(reading(3), np.array([[0, 127, 128], [255, 1, 0]], np.uint8))
    assert unpack(pixels).astype(int).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_blocks_of_examples_join():
    X = np.random.default_rng(0).integers(0, 256, (9000, 2), dtype=np.uint8)
    assert (np.packbits(unpack(input_bits(reading(16), X)), axis=1, bitorder="little") == X).all()


@pytest.mark.parametrize(
    ("X", "says"),
    [
        (np.zeros((2, 3), np.uint8), "reads 16 bits, but an example has 3 features"),
        (np.array([[0.0, 1.0], [0.5, 1.0]]), "example 1 has 0.5"),
        (np.array([[0.0, np.nan]]), "example 0 has nan"),
        (np.array([[0, 256]]), "example 0 has 256"),
        (np.array([[0, -1]]), "example 0 has -1"),
    ],
    ids=["width", "half", "nan", "large", "negative"],
)
def test_what_is_neither_bits_nor_bytes_is_refused(X, says):
    with pytest.raises(InputError) as error:
        input_bits(reading(16), X)
    assert says in str(error.value)
