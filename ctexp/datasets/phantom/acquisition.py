"""The scanner: reconstruction kernel, correlated noise, streaks, padding outside the field of view."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ctexp.datasets.phantom.grid import Array, Grid
from ctexp.datasets.phantom.patient import Patient


@dataclass(frozen=True)
class Acquisition:
    """Settings of one scan.

    Attributes:
        blur_mm: Standard deviation of the in-plane point spread.
        boost: Edge enhancement of the kernel, 0 for a soft one.
        noise_hu: Standard deviation of the noise at 0.7 mm pixels.
        grain_mm: Correlation length of the noise.
        streak: Strength of streaks between the shoulders, relative to the noise.
        padding_hu: Value outside the circular field of view; None leaves air there.
    """

    blur_mm: float
    boost: float
    noise_hu: float
    grain_mm: float
    streak: float
    padding_hu: int | None


def draw_acquisition(rng: np.random.Generator, patient: Patient) -> Acquisition:
    """Scanner settings; large patients are noisier and so are sharp kernels."""
    sharp = float(rng.random())
    girth = float(np.clip((patient.cage_half_width + patient.fat - 130) / 60, 0, 1))
    noise = 8 + 10 * girth * float(rng.uniform(0.5, 1)) + 14 * sharp * float(rng.uniform(0.4, 1))
    padded = bool(rng.random() < 0.5)
    value = int(rng.choice([-2048, -3024, -1024]))
    return Acquisition(
        blur_mm=0.85 - 0.4 * sharp,
        boost=0.5 * max(sharp - 0.4, 0),
        noise_hu=float(np.clip(noise, 8, 35)),
        grain_mm=1.1 - 0.5 * sharp,
        streak=float(rng.uniform(0, 0.9)),
        padding_hu=value if padded else None,
    )


def scan_volume(
    volume: Array, grid: Grid, patient: Patient, settings: Acquisition, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Volume `(z, y, x)` of true HU (changed in place) to the stored int16."""
    n, pixel = grid.size, grid.pixel_mm
    fy, fx = fft.fftfreq(n, pixel)[:, None].astype(np.float32), fft.rfftfreq(n, pixel)[None].astype(np.float32)
    f2 = fx * fx + fy * fy
    kernel = np.exp(-2 * np.pi**2 * settings.blur_mm**2 * f2)
    kernel *= 1 + settings.boost * f2 / (f2 + np.float32(0.04))
    # Reconstructed noise has a ramp at low frequencies and the roll-off of the kernel at high ones.
    grain = np.sqrt(f2 + np.float32(0.02**2)) * np.exp(-2 * np.pi**2 * settings.grain_mm**2 * f2 * 0.5)
    # Larger voxels average noise.
    sd = settings.noise_hu * min(1.0, (0.75 / pixel) ** 0.5)
    grain *= np.float32(sd) / np.sqrt(np.float32((grain * grain).mean()))
    across = settings.streak * np.exp(-((fx / 0.012) ** 2)) * np.exp(-((fy * 3.0) ** 2))
    norm = np.sqrt((across * across).mean()) + 1e-6
    shoulders = np.clip((grid.z_mm / patient.lung_height - 0.78) / 0.15, 0, 1)
    out = np.empty(volume.shape, dtype=np.int16)
    white = np.empty((n, n), dtype=np.float32)
    for k in range(grid.slices):
        rng.standard_normal(dtype=np.float32, out=white)
        mix = (
            grain + across * np.float32(0.55 * sd * settings.streak * shoulders[k] / norm)
            if shoulders[k] > 0
            else grain
        )
        spectrum = fft.rfft2(volume[k])
        spectrum *= kernel
        noise = fft.rfft2(white)
        noise *= mix
        spectrum += noise
        flat = fft.irfft2(spectrum, s=(n, n))
        np.rint(flat, out=flat)
        out[k] = np.clip(flat, -1024, 3071)
    if settings.padding_hu is not None:
        half = grid.fov_mm / 2
        outside = grid.fine_mm[None] ** 2 + grid.fine_mm[:, None] ** 2 > (half - grid.pixel_mm / 2) ** 2
        out[:, outside] = settings.padding_hu
    return out
