"""The table of a registered network's metrics, each with its interval and n."""

from collections.abc import Mapping

METRICS = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "brier_before": "Brier score, as trained",
    "brier_after": "Brier score, calibrated",
    "ece_before": "ECE, as trained",
    "ece_after": "ECE, calibrated",
    "auc_mean_hu": "no network: AUC of mean HU",
    "auc_lung_hu": "no network: AUC of lung's HU",
}


def print_metrics(title: str, metrics: Mapping[str, float]) -> None:
    """Print value, 95 % interval and number of scans of each metric that there is, as a run keeps them."""
    from ctexp.learning.intervals import Estimate

    print(f"{title:<31} value   95 % interval      n")
    for key, words in METRICS.items():
        one = Estimate.from_metrics(metrics, f"val_{key}")
        if one is not None:
            print(f"  {words:<29} {one.value:.3f}   {one.low:.3f} to {one.high:.3f} {one.n:>6}")
