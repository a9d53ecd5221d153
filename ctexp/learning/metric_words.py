"""What a metric's key is called where a person reads it; loads nothing."""

MEASURES = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
}
"""Of a network's order and of its calls."""
PROBABILITIES = {"log_loss": "log loss", "brier": "Brier score", "ece": "calibration error (ECE)"}
"""Of its probabilities, as it answers them."""
CALIBRATION = {
    "brier_before": "Brier score, as trained",
    "brier_after": "Brier score, calibrated",
    "ece_before": "ECE, as trained",
    "ece_after": "ECE, calibrated",
}
"""Of a training, which keeps them from before and after the calibration."""
WITHOUT_NETWORK = {"auc_mean_hu": "no network: AUC of mean HU", "auc_lung_hu": "no network: AUC of lung's HU"}
