"""Nets as gates: bit for bit their whole numbers, which are torch's where nothing is cut off."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rote.circuits import Builder, answers, input_bits, pack, simulate, unpack
from rote.circuits.compile import FixedPoint, compile_net, quantise_net
from rote.circuits.compile._grouped import RowByRow
from rote.circuits.words import add
from rote.data import load
from rote.errors import InputError

TIGHT = FixedPoint(weights=4, activations=6, fraction=2, accumulator=10)


def examples(shape, m=70, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (m, *shape)).astype(np.uint8)


def numbers(bits, width):
    """Outputs ``[m, n * width]`` as the signed numbers that they are."""
    weights = 1 << np.arange(width)
    weights[-1] *= -1
    return bits.reshape(len(bits), bits.shape[1] // width, width).astype(int) @ weights


def run(circuit, X, width=16):
    return numbers(unpack(simulate(circuit, input_bits(circuit, X))), width)


def drawn(module, seed=0, spread=1.0):
    """Weights drawn anew, also the statistics of a normalisation."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.dtype.is_floating_point:
            values = spread * torch.randn(tensor.shape, generator=generator)
            tensor.data.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return module


class Residual(nn.Module):
    """Written as people write them: functions, methods, a shortcut, a view by size."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding="same", groups=2)
        self.shortcut = nn.Conv2d(2, 4, 1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        y = F.relu(self.norm(self.first(x)))
        y = (self.second(y) + self.shortcut(x)).relu()
        y = F.adaptive_avg_pool2d(F.max_pool2d(y, 2), 1)
        return self.head(self.drop(y.view(y.size(0), -1)))


class Branches(nn.Module):
    """Two layers one after the other, then what normalises each; one is written over."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 2), nn.Linear(3, 2)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(2), nn.BatchNorm1d(2, affine=False)])

    def forward(self, x):
        left, right = self.layers[0](x), self.layers[1](x)
        left, right = self.norms[0](left), self.norms[1](right)
        left += right
        return left.relu_() + right


NETS = {
    "dense": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), (1, 2, 3)),
    "signed activations": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), (3,)),
    "strided": (lambda: nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU()), (1, 4, 5)),
    "dilated": (lambda: nn.Conv2d(1, 2, (1, 2), dilation=(1, 2), padding=(0, 1)), (1, 2, 4)),
    "grouped colours": (lambda: nn.Conv2d(4, 4, 2, groups=2, padding="valid"), (4, 2, 3)),
    "same, even kernel": (lambda: nn.Conv2d(1, 1, 2, padding="same"), (1, 2, 2)),
    "max-pooled": (lambda: nn.Sequential(nn.Conv2d(1, 1, 1), nn.MaxPool2d(3, 2, padding=1)), (1, 4, 4)),
    "averaged by nine": (lambda: nn.Sequential(nn.Conv2d(1, 1, 1), nn.AvgPool2d(3, 2, padding=1)), (1, 4, 4)),
    "averaged to (1, 2)": (lambda: nn.AdaptiveAvgPool2d((1, 2)), (1, 3, 4)),
    "normalised alone": (lambda: nn.Sequential(nn.BatchNorm2d(2), nn.ReLU()), (2, 2, 2)),
    "normalised after": (lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU()), (4,)),
    "normalised twice": (lambda: nn.Sequential(nn.Linear(2, 2), *(nn.BatchNorm1d(2) for _ in "12")), (2,)),
    "branches": (Branches, (3,)),
    "residual": (Residual, (2, 4, 4)),
}


warns = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


@warns
@pytest.mark.parametrize(
    "form", [FixedPoint(), TIGHT, FixedPoint(saturating=False)], ids=["paper", "tight", "wraps"]
)
@pytest.mark.parametrize("name", NETS)
def test_gates_answer_as_the_whole_numbers_do(name, form):
    make, shape = NETS[name]
    net = quantise_net(drawn(make()), shape, form=form)
    circuit = compile_net(net)
    X = examples(shape)
    X[0], X[1] = 0, 255
    assert np.array_equal(run(circuit, X, form.activations), net(X))


@pytest.mark.parametrize("name", ["dense", "signed activations"])
def test_array_multipliers_answer_the_same_with_other_gates(name):
    make, shape = NETS[name]
    net = quantise_net(drawn(make()), shape)
    few, many = compile_net(net), compile_net(net, multiplier="array")
    assert np.array_equal(run(many, examples(shape)), net(examples(shape)))
    assert many.gates > few.gates


@warns
@pytest.mark.parametrize("name", sorted(set(NETS) - {"averaged by nine", "averaged to (1, 2)"}))
def test_whole_numbers_are_torchs_where_nothing_is_cut_off(name):
    """Weights of −1, 0 and 1, and activations that 64ths hold: torch's float64 is exact, and so are we."""
    make, shape = NETS[name]
    module = drawn(make()).double().eval()
    for key, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if key.endswith("running_var"):
            tensor.data.fill_(1.0)
        elif tensor.dtype.is_floating_point:
            tensor.data.copy_(tensor.data.round().clamp(-1, 1))
    for part in module.modules():
        if hasattr(part, "eps"):
            part.eps = 0.0
    X = examples(shape) // 64 * 64
    net = quantise_net(module, shape)
    with torch.no_grad():
        truth = module(torch.tensor(X, dtype=torch.float64) / 256).flatten(1).numpy() * 64
    assert net.clamped == 0
    if name == "residual":  # the mean over four pixels is cut off
        assert np.abs(net(X) - truth).max() <= 4
    else:
        assert np.array_equal(net(X), truth)


def test_average_of_nine_is_within_half_a_percent():
    net = quantise_net(nn.AvgPool2d(3), (1, 3, 3))
    X = examples((1, 3, 3))
    truth = (X.reshape(-1, 9) // 4).mean(axis=1)
    assert np.abs(net(X)[:, 0] - truth).max() < 1 + 0.005 * 64


def test_saturation_happens_in_the_gates():
    layer = nn.Linear(8, 1, bias=False)
    layer.weight.data = torch.tensor([[1.9] * 4 + [-1.9] * 4])
    kept = quantise_net(layer, (8,), form=TIGHT)
    lost = quantise_net(layer, (8,), form=FixedPoint(4, 6, 2, 10, saturating=False), byte_inputs=False)
    kept_wide = quantise_net(layer, (8,), form=TIGHT, byte_inputs=False)
    X = np.random.default_rng(0).integers(-32, 32, (200, 8))
    assert (kept_wide(X) != lost(X)).any()
    for net in (kept_wide, lost):
        bits = (X[..., None] >> np.arange(6) & 1).astype(bool).reshape(len(X), -1)
        assert np.array_equal(numbers(simulate(compile_net(net), bits), 6), net(X))
    assert kept.clamped == 4  # 1.9 is beyond 7 / 4, but -1.9 is rounded to -2


def test_the_answer_is_the_largest_word():
    make, shape = NETS["dense"]
    net = quantise_net(drawn(make()), shape)
    circuit = compile_net(net)
    X = examples(shape)
    assert np.array_equal(answers(circuit, simulate(circuit, input_bits(circuit, X))), net(X).argmax(axis=1))
    assert circuit.inputs[:9] == (*(f"x0[{k}]" for k in range(8)), "x1[0]")
    assert circuit.outputs[15:17] == ("class0[15]", "class1[0]")


def test_the_module_is_left_as_it_is():
    module = drawn(Residual()).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    quantise_net(module, (2, 4, 4))
    assert module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_no_weight_no_gate():
    layer = nn.Linear(5, 2)
    layer.weight.data.zero_()
    layer.bias.data.copy_(torch.tensor([0.5, -0.25]))
    circuit = compile_net(layer, (5,))
    assert circuit.gates == 0
    assert run(circuit, examples((5,), m=3)).tolist() == [[32, -16]] * 3
    assert run(compile_net(nn.Identity(), (2,)), np.array([[7, 255]], np.uint8)).tolist() == [[1, 63]]


def test_a_net_of_another_format_of_bytes():
    form = FixedPoint(weights=10, activations=16, fraction=9, accumulator=30)
    net = quantise_net(drawn(nn.Linear(4, 2), spread=0.3), (4,), form=form)
    assert np.array_equal(run(compile_net(net), examples((4,))), net(examples((4,))))


def test_hardly_a_gate_is_read_by_nobody():
    make, shape = NETS["dense"]
    circuit = compile_net(drawn(make()), shape)
    assert circuit.cone(circuit.outputs).gates > 0.95 * circuit.gates


def test_rows_stand_together():
    build = RowByRow([f"x{i}" for i in range(16)])
    build.begin(2)
    words = build.literals.reshape(2, 2, 4)
    total = build.settle(add(build, words[:, 0], words[:, 1]))
    circuit = build.finish({"sum": total.ravel()})
    plain = Builder(build.inputs)
    same = plain.finish({"sum": add(plain, words[:, 0], words[:, 1]).ravel()})
    X = np.random.default_rng(0).random((100, 16)) < 0.5
    assert np.array_equal(simulate(circuit, X), simulate(same, X))
    reads = circuit.fanins.max(axis=1) >> 1
    half = circuit.gates // 2
    first = np.isin(np.arange(circuit.gates), np.arange(half))
    assert (reads[~first] > 8).all()
    assert not np.isin(circuit.fanins[~first] >> 1, np.arange(half) + circuit.first_gate).any()


def test_no_example_at_all():
    make, shape = NETS["strided"]
    net = quantise_net(drawn(make()), shape)
    X = examples(shape, m=0)
    assert net(X).shape == (0, 12)
    assert simulate(compile_net(net), pack(np.zeros((0, 160), bool))).m == 0


@pytest.mark.slow
@pytest.mark.realdata
def test_a_small_net_on_real_digits(real_data):
    X = load("mnist", data_dir=real_data).train.X[:300]
    torch.manual_seed(0)
    layers = [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(196, 8), nn.ReLU(), nn.Linear(8, 10)]
    net = quantise_net(nn.Sequential(*layers), (1, 28, 28))
    assert np.array_equal(run(compile_net(net), X), net(X))


class Asks(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Mixes(nn.Module):
    def forward(self, x):
        return x.flatten(0)


class Broadcasts(nn.Module):
    def forward(self, x):
        return x + x.flatten(1)


class AddsTheBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return x + self.level


class Overwrites(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.layer(x)
        return x + self.relu(x)


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


class TwoOutputs(nn.Module):
    def forward(self, x):
        return x, x.relu()


def not_finite():
    layer = nn.Linear(4, 1)
    layer.weight.data[0, 2] = float("nan")
    return layer


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.Softmax(1)), (4,), r"module `1` \(Softmax\) cannot be compiled"),
        (nn.GroupNorm(2, 4), (4, 2, 2), r"GroupNorm|group_norm"),
        (nn.Sequential(nn.Conv1d(1, 1, 2)), (1, 4), r"module `0` \(Conv1d\)"),
        (nn.Linear(4, 2), (3, 4), r"cannot be compiled"),
        (nn.Linear(4, 2), (5,), r"does not take examples of shape \(5,\)"),
        (Asks(), (4,), r"cannot be traced.*must not depend"),
        (Mixes(), (4,), r"`flatten` mixes the examples"),
        (Broadcasts(), (4, 1, 1), r"cannot be compiled|does not take|different shapes"),
        (AddsTheBatch(), (4,), r"`level` is a tensor that no example goes into"),
        (Overwrites(), (4,), r"module `relu` \(ReLU\) writes in place over what is read elsewhere"),
        (TwoInputs(), (4,), r"one argument|does not take"),
        (TwoOutputs(), (4,), r"must answer one tensor"),
        (nn.BatchNorm1d(4, track_running_stats=False), (4,), r"no running statistics"),
        (nn.Sequential(nn.MaxPool2d(2, ceil_mode=True)), (1, 3, 3), r"`ceil_mode`"),
        (nn.Sequential(nn.AvgPool2d(2, padding=1, count_include_pad=False)), (1, 4, 4), r"not counted"),
        (nn.Sequential(nn.AdaptiveAvgPool2d(2)), (1, 3, 3), r"3 × 3 to 2 × 2 has windows of different sizes"),
        (
            nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")),
            (1, 4, 4),
            r"pads by `reflect`",
        ),
        (nn.Sequential(not_finite()), (4,), r"module `0` has weights that are no finite numbers"),
    ],
)
def test_what_cannot_be_compiled_is_said(module, shape, message):
    with pytest.raises(InputError, match=message) as caught:
        compile_net(module, shape)
    assert "\n" not in str(caught.value)


def test_what_is_no_example_is_said():
    net = quantise_net(nn.Linear(4, 2), (4,))
    with pytest.raises(InputError, match=r"shape \[m, 4\]. Got \(3, 5\)"):
        net(np.zeros((3, 5), np.uint8))
    with pytest.raises(InputError, match=r"whole numbers from 0 to 255"):
        net(np.full((1, 4), 0.5))
    with pytest.raises(InputError, match=r"has its format already"):
        compile_net(net, form=TIGHT)
    with pytest.raises(InputError, match=r"`multiplier` must be shift-add or array. Got 'booth'"):
        compile_net(net, multiplier="booth")
