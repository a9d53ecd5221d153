"""Which GPUs a process may use, asked of a driver that is played by a script."""

from pathlib import Path

import pytest

from ctexp.tracking.gpus import visible_gpu_names, visible_gpus
from ctexp.tracking.provenance import hardware_facts

LISTED = """GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-11111111-aaaa)
  MIG 1g.10gb     Device  0: (UUID: MIG-3333)
GPU 1: NVIDIA A100-PCIE-40GB (UUID: GPU-22222222-bbbb)
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two GPUs."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{LISTED}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    return program


@pytest.mark.parametrize(
    ("named", "numbers", "names"),
    [
        (None, ("0", "1"), ("NVIDIA H100 80GB HBM3", "NVIDIA A100-PCIE-40GB")),
        ("1", ("1",), ("NVIDIA A100-PCIE-40GB",)),
        ("GPU-2222, 0", ("GPU-2222", "0"), ("NVIDIA A100-PCIE-40GB", "NVIDIA H100 80GB HBM3")),
        ("7", ("7",), ("unknown",)),
        ("", (), ()),
        ("-1", (), ()),
    ],
)
def test_what_may_be_used_is_what_is_visible(driver, named, numbers, names, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number or by the first letters of the UUID, in the order that is asked for; what is not listed is unknown."""
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == numbers
    assert visible_gpu_names() == names


def test_a_runs_hardware_names_its_gpus(driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tag is there only where a GPU may be used."""
    assert hardware_facts()["hardware.gpu"] == "NVIDIA H100 80GB HBM3, NVIDIA A100-PCIE-40GB"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "hardware.gpu" not in hardware_facts()


def test_no_driver_or_a_broken_one_is_no_gpu(driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that fails is as good as none."""
    driver.write_text("#!/bin/sh\nexit 9\n")
    assert visible_gpus() == ()
    monkeypatch.setenv("PATH", "")
    assert visible_gpus() == ()
