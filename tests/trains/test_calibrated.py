"""Calibrated answers and the operating point, from `ctexp train` to every door of the registered version."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from mlflow import MlflowClient
from onnx import TensorProto, helper

from ctexp.config import ScanSettings
from ctexp.errors import WorkError
from ctexp.learning.calibration import fit_temperature
from ctexp.learning.evaluation import Outputs, evaluate
from ctexp.learning.measures import brier_score
from ctexp.registry.manifest import PredictorManifest, hash_networks
from ctexp.registry.predictor import Predictor
from ctexp.scans.volume import Volume

SHAPE = (8, 8, 8)


@pytest.fixture(scope="module")
def chosen(scans, program_in, tmp_path_factory):
    """A project whose training was asked for a sensitivity, its answer, and its artifacts."""
    program = program_in(tmp_path_factory.mktemp("chosen"))
    report = program.json("train", "--data", scans, "--preset", "smoke", "--epochs", 3, "--sensitivity", 0.95)
    return program, report, program.folder / "mlruns" / "ctexp" / report["run_id"] / "artifacts"


def _table(file: Path) -> tuple[list[dict[str, str]], Outputs]:
    rows = list(csv.DictReader(file.open()))
    return rows, Outputs(np.array([int(row["label"] == "abnormal") for row in rows]),
                         np.array([float(row["logit"]) for row in rows]))  # fmt: skip


def test_quoted_metrics_are_those_at_the_threshold(chosen) -> None:
    """Temperature, threshold and every quoted metric can be computed again from the validation table."""
    _, report, artifacts = chosen
    rows, raw = _table(artifacts / "validation.csv")
    metrics, answer = report["metrics"], report["answer"]
    assert metrics["temperature"] == answer["temperature"] == fit_temperature(raw)
    calibrated = Outputs(raw.labels, raw.logits / answer["temperature"])
    for row, probability in zip(rows, calibrated.probabilities, strict=True):
        assert float(row["abnormal"]) == pytest.approx(probability, abs=1e-6)
    for name, estimate in evaluate(calibrated, answer["threshold"]).items():
        if not math.isnan(estimate.value):
            assert metrics[f"val_{name}"] == pytest.approx(estimate.value)
    assert metrics["val_sensitivity"] >= 0.95
    assert metrics["val_loss"] == raw.loss
    assert metrics["val_brier_before"] == brier_score(raw).value
    assert answer["operating_point"]["specificity"]["value"] == metrics["val_specificity"]
    assert (artifacts / "pictures" / "reliability.png").stat().st_size > 8000


def test_every_door_gives_the_calibrated_answer(chosen, scans) -> None:
    """For validation scans, the one that sets the threshold included, JSON, CSV and MLflow agree with the table."""
    program, report, artifacts = chosen
    rows, raw = _table(artifacts / "validation.csv")
    paths = [next(scans.glob(f"CT-*/{row['file']}")) for row in rows]
    answer = report["answer"]
    said = json.loads(program("predict", *paths, "--format", "json").stdout)
    for row, one in zip(rows, said, strict=True):
        assert one["abnormal"] == pytest.approx(float(row["abnormal"]), abs=1e-6)
        assert one["threshold"] == answer["threshold"]
        assert one["operating_point"] == answer["operating_point"]
        assert one["label"] == ("abnormal" if one["abnormal"] >= one["threshold"] else "normal")
        assert (one["spread"], one["networks"]) == (None, 1)
    called = sum(one["label"] == "abnormal" for one, label in zip(said, raw.labels, strict=True) if label)
    assert called / raw.labels.sum() == report["metrics"]["val_sensitivity"]

    table = list(csv.DictReader(program("predict", *paths, "--format", "csv").stdout.splitlines()))
    assert [float(row["threshold"]) for row in table] == [answer["threshold"]] * len(paths)

    import mlflow
    import pandas as pd

    mlflow.set_tracking_uri(f"sqlite:///{program.folder / 'mlflow.db'}")
    frame = mlflow.pyfunc.load_model("models:/ctexp@champion").predict(pd.DataFrame({"path": list(map(str, paths))}))
    assert list(frame["label"]) == [one["label"] for one in said]
    assert list(frame["abnormal"]) == pytest.approx([one["abnormal"] for one in said], abs=1e-9)


def test_text_says_from_where_on_a_scan_is_called_abnormal(chosen, scans) -> None:
    """One line tells threshold, wish and scans, after the two sentences, in answers on one scan and on several."""
    program, report, _ = chosen
    paths = sorted((scans / "CT-0").iterdir())[:2]
    line = (
        f"Called abnormal from {100 * report['answer']['threshold']:.1f} % on "
        f"(sensitivity 0.95 on {report['answer']['scans']} validation scans)"
    )
    assert program("predict", paths[0]).stdout.splitlines()[2] == line
    assert line in program("predict", *paths).stdout.splitlines()


def test_run_page_says_how_it_is_calibrated(chosen) -> None:
    """The run's description tells temperature, how that was judged, and that the sensitivity is flattered."""
    program, report, _ = chosen
    run = MlflowClient(f"sqlite:///{program.folder / 'mlflow.db'}").get_run(report["run_id"])
    note = run.data.tags["mlflow.note.content"]
    assert f"temperature {report['answer']['temperature']:.2f}, fitted to these 6 scans" in note
    assert "cross-fitting" in note
    assert "on others it will be somewhat lower" in note
    assert run.data.params["answer.sensitivity"] == "0.95"


def test_without_a_wish_the_threshold_is_a_half(trained, scans) -> None:
    """The default says 0.5, names no operating point, and prints no line about it."""
    assert trained.report["answer"]["threshold"] == 0.5
    assert trained.report["answer"]["operating_point"] is None
    assert (trained.report["folds"], trained.report["cross_validation"]) == ([], None)
    path = next((scans / "CT-0").iterdir())
    (one,) = json.loads(trained.program("predict", path, "--format", "json").stdout)
    assert (one["threshold"], one["operating_point"]) == (0.5, None)
    assert "Called abnormal" not in trained.program("predict", path).stdout


def _network(file: Path, factor: float) -> None:
    """Write an ONNX network whose logit is `factor` times the mean of its input."""
    inputs = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, *SHAPE, 1])
    outputs = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[1, 2, 3, 4], keepdims=0),
        helper.make_node("Mul", ["m", "f"], ["y"]),
    ]
    constant = helper.make_tensor("f", TensorProto.FLOAT, [], [factor])
    graph = helper.make_graph(nodes, "tiny", [inputs], [outputs], [constant])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)


def _predictor(folder: Path, factors: tuple[float, ...], **facts: object) -> Path:
    folder.mkdir()
    names = ["network.onnx"] if len(factors) == 1 else [f"network-{n:02}.onnx" for n in range(1, len(factors) + 1)]
    for name, factor in zip(names, factors, strict=True):
        _network(folder / name, factor)
    PredictorManifest(ScanSettings(shape=SHAPE), hash_networks(folder, names), True, "run", **facts).write(folder)
    return folder


VOLUME = Volume(
    np.full((8, 8, 8), 400, dtype=np.int16), 1.0, 0.0, np.diag([2.0, 2.0, 2.0, 1.0])
)  # prepared: 1 everywhere


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def test_ensemble_answers_with_mean_and_spread(tmp_path) -> None:
    """Each network's logit is divided by the temperature; the answer is the mean, the spread its sample deviation."""
    predictor = Predictor(_predictor(tmp_path / "two", (2.0, -1.0), temperature=2.0, threshold=0.6))
    first, second = _sigmoid(1.0), _sigmoid(-0.5)
    one = predictor.answer(VOLUME, force=True).prediction
    assert one.abnormal == pytest.approx((first + second) / 2)
    assert one.spread == pytest.approx(abs(first - second) / math.sqrt(2))
    assert one.networks == 2
    assert one.label == "normal"
    inputs = np.ones((3, *SHAPE, 1), dtype=np.float32)
    assert predictor.ask(inputs).shape == (2, 3)
    assert [_sigmoid(logit) for logit in predictor.logits(inputs)] == pytest.approx([one.abnormal] * 3)


@pytest.mark.parametrize("version", [1, 2])
def test_version_from_before_calibration_answers_as_it_did(tmp_path, version) -> None:
    """A stored version of an older format loads with temperature 1 and threshold 0.5."""
    folder = _predictor(tmp_path / "old", (1.0,))
    facts = json.loads((folder / "predictor.json").read_text())
    (sha256,) = facts.pop("networks").values()
    for key in ("calibrated_on", "operating_point", *(["reference"] if version == 1 else [])):
        del facts[key]
    (folder / "predictor.json").write_text(json.dumps({**facts, "format": version, "network_sha256": sha256}))
    one = Predictor(folder).answer(VOLUME, force=True).prediction
    assert one.abnormal == pytest.approx(_sigmoid(1.0))
    assert (one.label, one.threshold, one.spread, one.operating_point) == ("abnormal", 0.5, None, None)


@pytest.mark.parametrize(
    "change",
    [{"temperature": 0}, {"temperature": -1}, {"temperature": math.nan}, {"threshold": 1.5}, {"networks": {}},
     {"networks": {"../two/network.onnx": "0"}}],
)  # fmt: skip
def test_manifest_that_means_nothing_is_refused(tmp_path, change) -> None:
    """No network, one outside the folder, a temperature that is not above 0 and a threshold above 1 are refused."""
    folder = _predictor(tmp_path / "two", (1.0,))
    facts = json.loads((folder / "predictor.json").read_text())
    (folder / "predictor.json").write_text(json.dumps({**facts, **change}))
    with pytest.raises(WorkError, match="whole predictor"):
        Predictor(folder)


def test_every_network_of_an_ensemble_is_checked(tmp_path) -> None:
    """A second network that is not the registered one is refused by its name."""
    folder = _predictor(tmp_path / "two", (1.0, 2.0))
    _network(folder / "network-02.onnx", 3.0)
    with pytest.raises(WorkError, match=r"network-02\.onnx: must be the file that was registered"):
        Predictor(folder)
