"""The table of a registered network's metrics, each with its interval and n."""

from collections.abc import Mapping

from ctexp.learning.metric_words import CALIBRATION, MEASURES, WITHOUT_NETWORK

METRICS = {**MEASURES, **CALIBRATION, **WITHOUT_NETWORK}


def print_metrics(title: str, metrics: Mapping[str, float]) -> None:
    """Print value, 95 % interval and number of scans of each metric that there is, as a run keeps them."""
    from ctexp.learning.intervals import Estimate

    print(f"{title:<31} value   95 % interval      n")
    for key, words in METRICS.items():
        one = Estimate.from_metrics(metrics, f"val_{key}")
        if one is not None:
            print(f"  {words:<29} {one.value:.3f}   {one.low:.3f} to {one.high:.3f} {one.n:>6}")
