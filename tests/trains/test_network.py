"""Networks and their training: sizes, learning, standing, export."""

import gc
import math

import numpy as np
import pytest

from ctexp.config import AugmentSettings, NetworkSettings, ScanSettings, TrainingSettings
from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import LabelledScan
from ctexp.errors import ConfigError, WorkError
from ctexp.learning.backend import resolve_precision, start_backend
from ctexp.learning.evaluation import evaluate
from ctexp.presets import PRESETS

SHAPE = (16, 16, 8)
SMALL = NetworkSettings(filters=(8, 16), padding="same", momentum=0.7, dense=8)


@pytest.fixture(scope="module", autouse=True)
def _backend() -> None:
    start_backend(0)


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """60 small random scans; the abnormal ones have a bright nodule at a random place."""
    from ctexp.learning.training import TrainingData

    rng = np.random.default_rng(5)
    cache = ScanCache(tmp_path_factory.mktemp("cache"), ScanSettings(shape=SHAPE))
    scans = []
    for number in range(60):
        scan = rng.uniform(0.1, 0.4, SHAPE).astype(np.float32)
        if number % 2:
            x, y, z = rng.integers(2, 6, 3) * (2, 2, 1)
            scan[x : x + 3, y : y + 3, z : z + 3] = 1.0
        cache.store(f"{number:064x}", scan)
        scans.append(LabelledScan(None, number % 2, "", str(number), f"{number:064x}"))
    return TrainingData(cache, tuple(scans[:40]), tuple(scans[40:]))


def _network(settings=SMALL, training=None, data=None):
    from ctexp.learning.network import build_network
    from ctexp.learning.training import compile_network

    network = build_network(settings, SHAPE)
    compile_network(network, training or TrainingSettings(), len(data.train) if data else 40)
    return network


def _fit(data, training, **options):
    from ctexp.learning.training import train

    start_backend(0)
    network = _network(training=training, data=data)
    return network, list(train(network, data, training, AugmentSettings(rotation_degrees=5), seed=0, **options))


def test_published_network_has_the_published_weights() -> None:
    """The preset `published` builds 1,352,897 weights, in either precision, from 128x128x64."""
    from ctexp.learning.network import build_network

    preset = PRESETS["published"]
    for precision in ("float32", "bfloat16"):
        network = build_network(preset.network, preset.scan.shape, precision)
        assert network.count_params() == 1_352_897
        assert network.output.dtype == "float32"
        assert network.count_params() == sum(int(np.prod(weight.shape)) for weight in network.weights)


def test_block_sizes_are_those_that_were_foretold() -> None:
    """The sizes computed without Keras are the sizes that Keras builds."""
    from ctexp.learning.network import build_network
    from ctexp.learning.shapes import check_shapes

    for padding in ("valid", "same"):
        for stride in (1, 2):
            settings = NetworkSettings(filters=(4, 4), padding=padding, stem_stride=stride)
            network = build_network(settings, (33, 40, 22))
            built = [network.get_layer(f"block{number}_pooling").output.shape[1:4] for number in (1, 2)]
            assert built == check_shapes(settings, (33, 40, 22))


def test_network_that_pools_to_nothing_is_refused() -> None:
    """Too many blocks for the scan are named before Keras is asked."""
    from ctexp.learning.network import build_network

    with pytest.raises(ConfigError, match="block 4 of 5"):
        build_network(NetworkSettings(filters=(4,) * 5, padding="same"), (16, 16, 8))


def test_training_learns_what_is_there(sides) -> None:
    """A small network tells bright nodules from noise: validation AUC above 0.9."""
    settings = TrainingSettings(epochs=12, batch_size=8, learning_rate=5e-3, schedule="cosine")
    _, epochs = _fit(sides, settings)
    assert len(epochs) == 12
    assert max(epoch.metrics["val_auc"] for epoch in epochs) > 0.9
    assert epochs[-1].metrics["loss"] < epochs[0].metrics["loss"]


def test_same_seed_same_epochs(sides) -> None:
    """Two trainings of one seed have the same numbers to the last bit; steps are told in order."""
    settings = TrainingSettings(epochs=2, batch_size=8, learning_rate=1e-3, schedule="constant")
    told = []
    _, first = _fit(sides, settings, on_step=lambda *facts: told.append(facts))
    _, second = _fit(sides, settings)
    assert [epoch.metrics for epoch in first] == [epoch.metrics for epoch in second]
    assert told == [(epoch, step, 5) for epoch in (1, 2) for step in range(1, 6)]


def test_patience_stops_after_the_best_epoch(sides) -> None:
    """With patience 2 the last epoch is two after the best, unless the epochs end first."""
    settings = TrainingSettings(epochs=40, batch_size=8, learning_rate=5e-3, schedule="constant", patience=2)
    _, epochs = _fit(sides, settings)
    last = epochs[-1].standing
    assert last.epoch < 40
    assert last.epoch - last.best_epoch == 2


def test_standing_takes_the_better_score_and_breaks_ties_by_loss() -> None:
    """A higher metric wins; an equal one wins with the lower loss; NaN never does."""
    from ctexp.learning.training import Standing

    standing = Standing().after((0.8, -0.5))
    assert standing.best_epoch == 1
    assert standing.after((0.8, -0.6)).best_epoch == 1
    assert standing.after((0.8, -0.4)).best_epoch == 2
    assert standing.after((0.7, -0.1)).best_epoch == 1
    assert standing.after((math.nan, -0.1)).best_epoch == 1


def test_numbers_that_are_none_end_the_training(sides) -> None:
    """A loss that is no number raises with the epoch and the remedy."""
    settings = TrainingSettings(epochs=60, batch_size=8, learning_rate=10, schedule="constant")
    from ctexp.learning.training import train

    network = _network(training=settings, data=sides)
    network.get_layer("logit").kernel.assign(np.full((8, 1), np.nan, np.float32))
    with pytest.raises(WorkError, match=r"epoch 1: .* lower training.learning_rate"):
        list(train(network, sides, settings, AugmentSettings(), seed=0))


def test_class_weights_even_out_the_classes() -> None:
    """Each class weighs the same in all, and the mean weight is 1."""
    from ctexp.learning.training import class_weights

    scans = tuple(LabelledScan(None, label, "", "", "") for label in (0, 0, 0, 1))
    weights = class_weights(scans)
    assert weights[0] * 3 == pytest.approx(weights[1] * 1)
    assert (weights[0] * 3 + weights[1]) / 4 == pytest.approx(1)


@pytest.mark.parametrize("schedule", ["constant", "exponential", "cosine"])
def test_schedules_start_and_end_where_they_say(schedule) -> None:
    """Constant stays; exponential starts at the rate; cosine rises to the rate and ends at zero."""
    from ctexp.learning.training import _schedule

    settings = TrainingSettings(epochs=10, learning_rate=1e-3, schedule=schedule, decay_steps=50)
    rate = _schedule(settings, 20)
    at = (lambda step: rate) if schedule == "constant" else (lambda step: float(rate(step)))
    if schedule == "constant":
        assert at(0) == at(199) == 1e-3
    elif schedule == "exponential":
        assert at(0) == pytest.approx(1e-3)
        assert at(50) == pytest.approx(0.96e-3)
    else:
        assert at(0) < at(20) == pytest.approx(1e-3)
        assert at(200) == pytest.approx(0, abs=1e-9)


def test_onnx_says_what_keras_says(sides, tmp_path) -> None:
    """The packaged network gives the trained one's logits, and its quoted metrics are its own."""
    from ctexp.learning.feed import predict_logits
    from ctexp.registry.package import package_network

    network, _ = _fit(sides, TrainingSettings(epochs=2, batch_size=8, learning_rate=5e-3))
    with package_network(network, sides.cache, sides.validation) as package:
        trained = predict_logits(network, sides.cache, sides.validation, 8)
        assert np.abs(package.outputs.logits - trained).max() < 1e-4
        assert package.difference < 1e-4
        assert evaluate(package.outputs)["auc"].n == 20
    assert not package.folder.exists()


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        (NetworkSettings(filters=(4, 6), padding="same", dense=5), (17, 20, 9)),
        (NetworkSettings(filters=(4, 6), padding="same", stem_stride=2, head="max", dense=5), (33, 26, 19)),
        (NetworkSettings(filters=(4, 6), padding="valid", pooling="average", dense=0), (20, 23, 16)),
        (NetworkSettings(filters=(4, 6), padding="same", kernel=4, stem_stride=3, dropout=0), (40, 31, 30)),
        (NetworkSettings(filters=(4,), padding="same", normalisation="none"), (8, 9, 10)),
    ],
)
def test_every_kind_of_network_is_the_same_as_onnx(settings, shape, rng, tmp_path) -> None:
    """Whatever a network is made of, with weights far from the first ones, ONNX gives its logits to 1e-4."""
    from ctexp.learning.export import export_onnx
    from ctexp.learning.network import build_network
    from ctexp.registry.network import OnnxNetwork

    network = build_network(settings, shape)
    network.set_weights([rng.uniform(0.2, 1.2, weight.shape) * rng.choice([-1, 1], weight.shape) ** (weight.ndim > 1)
                         for weight in network.get_weights()])  # fmt: skip
    scans = rng.uniform(size=(3, *shape, 1)).astype(np.float32)
    assert export_onnx(network, tmp_path / "network.onnx", scans) < 1e-4
    trained = np.asarray(network(scans, training=False)).ravel()
    assert np.ptp(trained) > 0
    assert OnnxNetwork(tmp_path / "network.onnx").logits(scans) == pytest.approx(trained, rel=1e-4, abs=1e-4)


def test_a_layer_that_cannot_be_written_is_named() -> None:
    """A network with a layer that `build_network` never makes is refused, not exported as something else."""
    import keras

    from ctexp.learning.onnx_graph import to_onnx

    inputs = keras.Input((8, 8, 8, 1))
    strange = keras.Model(inputs, keras.layers.LayerNormalization(name="strange")(inputs))
    with pytest.raises(WorkError, match="layer strange must be of a kind that is known"):
        to_onnx(strange)


def test_precision_auto_is_one_that_exists() -> None:
    """`auto` becomes a precision; a named one stays."""
    assert resolve_precision("auto") in ("float32", "bfloat16")
    assert resolve_precision("bfloat16") == "bfloat16"


def test_trainings_in_one_process_do_not_pile_up(sides) -> None:
    """The steps that a training traced are let go when the next one begins: a worker does not grow with its trials."""
    from tensorflow.python.framework.func_graph import FuncGraph

    from ctexp.learning.training import train

    settings = TrainingSettings(epochs=1, batch_size=8)
    held = []
    for _ in range(3):
        for _ in train(_network(training=settings, data=sides), sides, settings, AugmentSettings(), seed=0):
            pass
        start_backend(0)
        gc.collect()
        held.append(sum(isinstance(one, FuncGraph) for one in gc.get_objects()))
    assert held[2] <= held[0]
