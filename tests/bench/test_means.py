"""What is given back is what the removed units added on average, so that the mean of the next layer stays."""

import copy

import torch
from torch import nn

from bench.means import gaussian, given_back, seen, smaller
from strategies.bodies.structure.groups import Group, channel_groups

SIZE = 16


def net() -> nn.Module:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(12)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias)
    return nn.Sequential(
        nn.Conv2d(3, 12, 3), norm, nn.ReLU(), nn.Conv2d(12, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()


def read_by_the_last(dense: nn.Module) -> list[Group]:
    return [group for group in channel_groups(dense, SIZE) if group.of("consumer")]


def test_with_the_means_of_the_images_themselves_the_next_layer_has_the_mean_it_had() -> None:
    dense, images = net(), torch.randn(32, 3, SIZE, SIZE)
    (group,) = groups = read_by_the_last(dense)
    kept = {group.name: torch.arange(4)}
    made = smaller(dense, groups, kept, given_back(dense, groups, kept, seen(dense, groups, images)))
    plain = smaller(dense, groups, kept, {})
    with torch.no_grad():
        before = dense[:4](images).mean(dim=(0, 2, 3))
        after, missing = (one[:4](images).mean(dim=(0, 2, 3)) for one in (made, plain))
    # Kept and removed units are averaged over the same places but for one pixel's border.
    assert (after - before).abs().max() < 0.1 * (missing - before).abs().max()


def test_where_nothing_is_removed_nothing_is_given_back() -> None:
    dense = net()
    (group,) = groups = read_by_the_last(dense)
    back = given_back(dense, groups, {group.name: torch.arange(12)}, seen(dense, groups, torch.randn(2, 3, SIZE, SIZE)))
    assert all(torch.equal(values, torch.zeros_like(values)) for values in back.values())


def test_the_norm_tells_the_means_where_what_it_sees_is_gaussian() -> None:
    dense = net()
    groups = read_by_the_last(dense)
    probe = copy.deepcopy(dense)
    with torch.no_grad():
        images = torch.randn(512, 3, SIZE, SIZE)
        fed = probe[0](images)
        probe[1].running_mean.copy_(fed.mean(dim=(0, 2, 3)))
        probe[1].running_var.copy_(fed.var(dim=(0, 2, 3)))
    told = gaussian(probe, groups)
    assert told is not None
    for name, means in seen(probe, groups, images).items():
        torch.testing.assert_close(told[name], means, atol=0.05, rtol=0.05)
