"""The pictures of a run. Each function takes numbers and gives a `matplotlib.figure.Figure`; none touches a screen."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ctexp.files import spell_out

TRAIN, VALIDATION, INK = "#1f77b4", "#d95f02", "#333333"  # blue and orange, told apart by colour-blind readers too

History = Sequence[Mapping[str, float]]


def curves(history: History, best_epoch: int) -> Figure:
    """Draw accuracy and loss over the epochs, training and validation, with the saved epoch marked.

    Args:
        history: one mapping an epoch with accuracy, loss, val_accuracy, val_loss, val_auc.
        best_epoch: the epoch whose weights are kept, 1 for the first.
    """
    figure = Figure(figsize=(9, 3.6))
    figure.subplots_adjust(left=0.065, right=0.985, bottom=0.145, top=0.91, wspace=0.18)
    epochs = np.arange(1, len(history) + 1)
    for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        axes.plot(epochs, [row[name] for row in history], "o-", ms=3, color=TRAIN, label="train (augmented)")
        axes.plot(epochs, [row[f"val_{name}"] for row in history], "o-", ms=3, color=VALIDATION, label="validation")
        if name == "accuracy":
            auc = [row["val_auc"] for row in history]
            axes.plot(epochs, auc, ":", color=VALIDATION, label="validation AUC")
            axes.set_ylim(min(0.45, *auc) - 0.02, 1.02)
        else:
            axes.set_ylim(bottom=0)
            top = np.quantile([row["val_loss"] for row in history], 0.9) * 2.5  # one wild epoch hides all others
            highest = max(max(row["val_loss"], row["loss"]) for row in history)
            axes.set_ylim(top=min(highest * 1.05, max(top, max(row["loss"] for row in history) * 1.1)))
        axes.axvline(best_epoch, color=INK, lw=0.8, ls="--", label=f"saved epoch ({best_epoch})")
        axes.set(xlabel="epoch", ylabel=name, title=f"Model {name}")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, framealpha=0.8)
    return figure


def roc(
    alarms: npt.NDArray[np.float64], hits: npt.NDArray[np.float64], caption: str, *, side: str = "Validation"
) -> Figure:
    """Draw a ROC curve from its corners (false and true positive rates); `caption` states area, interval and n.

    `side` names the scans in the title.
    """
    figure = Figure(figsize=(4.6, 4.6))
    figure.subplots_adjust(left=0.13, right=0.96, bottom=0.11, top=0.88)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=INK, lw=0.8, ls="--", label="chance")
    axes.plot(alarms, hits, color=VALIDATION, lw=2, label="network", clip_on=False, zorder=3)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="1 - specificity", ylabel="sensitivity")
    axes.set_title(f"{side} ROC\n{caption}", fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", fontsize=8)
    return figure


def confusion_matrix(table: npt.NDArray[np.int64], caption: str, *, side: str = "Validation") -> Figure:
    """Draw counts (2, 2): rows the truth, columns the answer, normal before abnormal; `side` names the scans."""
    figure = Figure(figsize=(4.4, 4.0))
    figure.subplots_adjust(left=0.12, right=0.96, bottom=0.13, top=0.8)
    axes = figure.subplots()
    axes.imshow(table, cmap="Blues", vmin=0, vmax=max(1, int(table.sum(axis=1).max())))
    for row in range(2):
        for column in range(2):
            dark = table[row, column] > table.max() * 0.6
            axes.text(column, row, str(table[row, column]), ha="center", va="center", fontsize=16,
                      color="white" if dark else INK)  # fmt: skip
    axes.set(xticks=[0, 1], yticks=[0, 1], xticklabels=["normal", "abnormal"], xlabel="network says", ylabel="truth")
    axes.set_yticklabels(["normal", "abnormal"], rotation=90, va="center")
    axes.set_title(f"{side}\n{caption}", fontsize=10)
    return figure


def reliability(series: Mapping[str, npt.NDArray[np.float64]], caption: str, *, side: str = "Validation") -> Figure:
    """Draw the share of abnormal scans against the probability that they were given.

    Args:
        series: name to (bins, 4): mean probability, share, low and high end of the share's 95 % interval; the first
            is drawn paler.
        caption: under the title.
        side: names the scans in the title.
    """
    figure = Figure(figsize=(4.6, 4.9))
    figure.subplots_adjust(left=0.13, right=0.96, bottom=0.11, top=0.88)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=INK, lw=0.8, ls="--", label="means what it says")
    colours = (TRAIN, VALIDATION)
    for number, (name, points) in enumerate(series.items()):
        probability, share, low, high = points.T
        axes.errorbar(
            probability, share, yerr=np.maximum(0, [share - low, high - share]), fmt="so"[number % 2] + "-", ms=4,
            lw=1.2, elinewidth=0.8, capsize=2, color=colours[number % 2], alpha=0.55 if number == 0 else 1.0,
            label=name, clip_on=False, zorder=2 + number,
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="probability of abnormal that was given",
             ylabel="share that is abnormal")  # fmt: skip
    axes.set_title(f"{side} reliability\n{caption}", fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(loc="upper left", fontsize=8)
    return figure


def fold_curves(histories: Sequence[History], best_epochs: Sequence[int]) -> Figure:
    """Draw validation AUC and loss of each fold over its epochs, the saved ones as dots, and the folds' mean.

    Args:
        histories: one a fold, as `curves` takes it; their lengths may differ.
        best_epochs: the epoch of each fold whose weights are kept, 1 for the first.
    """
    figure = Figure(figsize=(9, 3.6))
    figure.subplots_adjust(left=0.075, right=0.985, bottom=0.145, top=0.91, wspace=0.2)
    shortest = min(map(len, histories))
    for axes, name in zip(figure.subplots(1, 2), ("val_auc", "val_loss"), strict=True):
        for number, (history, best) in enumerate(zip(histories, best_epochs, strict=True)):
            values = [row[name] for row in history]
            axes.plot(range(1, len(values) + 1), values, color=VALIDATION, lw=0.9, alpha=0.45,
                      label=None if number else "one fold")  # fmt: skip
            axes.plot(best, values[best - 1], "o", ms=5, color=VALIDATION, label=None if number else "saved epoch")
        mean = [float(np.mean([history[epoch][name] for history in histories])) for epoch in range(shortest)]
        axes.plot(range(1, shortest + 1), mean, color=INK, lw=1.8, label="mean of the folds")
        axes.set(xlabel="epoch", ylabel={"val_auc": "validation AUC", "val_loss": "validation loss"}[name])
        axes.xaxis.get_major_locator().set_params(integer=True)
        if name == "val_loss":
            every = [row[name] for history in histories for row in history]
            # One wild epoch hides all others.
            axes.set_ylim(0, min(max(every) * 1.05, float(np.quantile(every, 0.9)) * 2.5))
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, framealpha=0.8)
    figure.suptitle(f"Cross-validation: {len(histories)} folds", fontsize=11)
    return figure


def pictures(sheets: Sequence[tuple[str, npt.NDArray[np.float32]]], title: str, *, columns: int = 1) -> Figure:
    """Show grey pictures (height, width) in 0..1, each under its caption.

    Args:
        sheets: captions and pictures, all of one size.
        title: over all.
        columns: pictures beside each other.
    """
    lines = -(-len(sheets) // columns)
    height, width = sheets[0][1].shape
    inches = min(9.0, 3.0 * columns) if columns > 1 else 7.0
    gap, head = 0.08, 0.4
    words = 0.1 + 0.16 * max(caption.count("\n") + 1 for caption, _ in sheets)
    tile = (inches - gap) / columns - gap
    tall = tile * height / width
    whole = head + lines * (words + tall) + gap
    # Every place is known beforehand: Matplotlib's search for a layout would take longer than all drawing.
    figure = Figure(figsize=(inches, whole))
    figure.text(0.5, 1 - 0.26 / whole, spell_out(title), fontsize=11, ha="center", parse_math=False)
    for number, (caption, sheet) in enumerate(sheets):
        line, column = divmod(number, columns)
        left = gap + column * (tile + gap)
        bottom = whole - head - line * (words + tall) - words - tall
        axes = figure.add_axes((left / inches, bottom / whole, tile / inches, tall / whole))
        axes.set_axis_off()
        axes.imshow(sheet, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
        figure.text((left + tile / 2) / inches, (bottom + tall + 0.07) / whole, spell_out(caption), fontsize=9,
                    ha="center", parse_math=False)  # fmt: skip
    return figure
