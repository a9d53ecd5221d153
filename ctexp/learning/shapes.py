"""Sizes of a network from its settings alone, so that an impossible one is refused before Keras is imported."""

from ctexp.config import NetworkSettings
from ctexp.errors import ConfigError


def check_shapes(settings: NetworkSettings, shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Give the (rows, columns, slices) after each block.

    Args:
        settings: the network.
        shape: of the prepared scan.

    Raises:
        ConfigError: a block has nothing left to look at.
    """
    sizes = []
    current = shape
    for number in range(1, len(settings.filters) + 1):
        stride = settings.stem_stride if number == 1 else 1
        if settings.padding == "valid":
            convolved = [(n - settings.kernel) // stride + 1 for n in current]
        else:
            convolved = [-(-n // stride) for n in current]
        pooled = [n // 2 for n in convolved]
        if min(pooled) < 1:
            raise ConfigError(
                f"network: every block must leave at least one voxel, block {number} of {len(settings.filters)} turns "
                f"{'x'.join(map(str, current))} into nothing; use fewer filters or a larger scan.shape"
            )
        current = (pooled[0], pooled[1], pooled[2])
        sizes.append(current)
    return sizes
