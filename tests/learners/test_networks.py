"""The reference networks."""

import pytest
import torch
from torch import nn

from rote.learners import alexnet, cnn, mlp, resnet18

FITTING = [
    (mlp, (5,), {}),
    (mlp, (1, 8, 8), {"hidden": ()}),
    (mlp, (2, 3, 4), {"hidden": (7, 6)}),
    (cnn, (1, 4, 4), {}),
    (cnn, (3, 9, 5), {"channels": (4, 4)}),
    (resnet18, (1, 8, 8), {"width": 4}),
    (resnet18, (3, 8, 11), {"width": 4}),
    (alexnet, (3, 32, 32), {"width": 2}),
    (alexnet, (1, 28, 17), {"width": 2}),
    (alexnet, (1, 16, 47), {"width": 1}),
]


@pytest.mark.parametrize(("make", "shape", "options"), FITTING)
@pytest.mark.parametrize("classes", [1, 3])
def test_logits_have_a_row_an_example_and_a_column_a_class(make, shape, options, classes):
    assert make(shape, classes, **options)(torch.zeros(2, *shape)).shape == (2, classes)


@pytest.mark.parametrize(("make", "shape", "options"), FITTING)
def test_the_seed_decides_the_weights(make, shape, options):
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in make(shape, 3, **options).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize(("make", "shape", "options"), FITTING)
def test_examples_are_not_coupled(make, shape, options):
    """What a network says of an example does not depend on the others in the batch."""
    model = make(shape, 3, **options).train()
    x = torch.randn(3, *shape)
    torch.testing.assert_close(model(x)[:1], model(x[:1]), rtol=1e-4, atol=1e-5)
    assert not [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def test_the_default_mlp_has_three_hidden_layers_of_256():
    assert [m.out_features for m in mlp((4,), 2) if isinstance(m, nn.Linear)] == [256, 256, 256, 2]


def test_resnet18_has_eighteen_layers_with_weights_on_the_longest_way():
    model = resnet18((3, 8, 8), 10, width=2)
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    shortcuts = [m for m in layers if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    assert (len(layers) - len(shortcuts), len(shortcuts)) == (18, 3)


def test_the_default_alexnet_has_the_widths_of_the_original():
    model = alexnet((3, 32, 32), 10)
    convolutions = [m.out_channels for m in model if isinstance(m, nn.Conv2d)]
    dense = [(m.in_features, m.out_features) for m in model if isinstance(m, nn.Linear)]
    assert convolutions == [64, 192, 384, 256, 256]
    assert dense == [(256 * 2 * 2, 4096), (4096, 4096), (4096, 10)]


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (cnn, (5,)),
        (cnn, (1, 3, 9)),
        (resnet18, (8, 8)),
        (resnet18, (1, 8, 7)),
        (alexnet, (784,)),
        (alexnet, (1, 15, 32)),
    ],
)
def test_what_is_no_image_or_too_small_is_refused(make, shape):
    with pytest.raises(ValueError, match=r"`shape` must be that of an image .* use `mlp`\.$"):
        make(shape, 2)
