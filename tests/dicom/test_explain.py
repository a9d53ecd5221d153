"""A DICOM series explained: the map is NIfTI in the series' own geometry."""

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np

from ctexp.config import ScanSettings
from ctexp.experiments.answering.explanations import ExplanationFolder
from ctexp.registry.answer import Answer
from ctexp.scans.read import ReadOptions, read_scan


def test_map_of_a_series_lies_on_it(ct, make_predictor, one_sided, tmp_path) -> None:
    """The map of a series has the place of its slices in millimetres, and is hot where the lesion is."""
    image, ball = one_sided
    hu = np.asarray(image.dataobj)
    (tmp_path / "series").mkdir()
    for number, one in enumerate(ct.slices("LPS", hu=hu, affine=image.affine)):
        (tmp_path / "series" / f"{number}.dcm").write_bytes(ct.encode(one))
    predictor = make_predictor(tmp_path / "predictor", ScanSettings(shape=(42, 42, 21)))
    volume = read_scan(tmp_path / "series")
    version = SimpleNamespace(name="ctexp", version="7")
    answer = Answer.of("series", version, True, predictor.answer(volume, force=True))
    files = (
        ExplanationFolder(tmp_path / "out").explain(tmp_path / "series", ReadOptions(), predictor, answer).explanation
    )
    assert files is not None
    assert files.heat_map.endswith("series_heat.nii.gz")
    heat = nib.load(files.heat_map)
    assert "".join(nib.aff2axcodes(heat.affine)) == "LPS"
    hottest = heat.affine @ [*np.unravel_index(heat.get_fdata().argmax(), heat.shape), 1]
    assert ball[tuple(np.rint(np.linalg.inv(image.affine) @ hottest)[:3].astype(int))]
    picture = Path(files.picture).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert picture.endswith(b"IEND\xaeB`\x82")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"series_heat.nii.gz", "series_heat.png"}
