"""Les figures du fil rouge, dessinées sans écran ni `pyplot` : lui seul n'aime pas les threads."""

from typing import TYPE_CHECKING

import pandas as pd

from atelier import churn

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline


def confusion_matrix(model: "Pipeline", customers: pd.DataFrame) -> "Figure":
    """La matrice de confusion du modèle sur ces clients : ce qu'il a prédit, face à ce qui est arrivé."""
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay

    figure = Figure(figsize=(3.6, 3.6))
    ConfusionMatrixDisplay.from_estimator(
        model,
        churn.engineer_features(customers),
        customers[churn.TARGET],
        display_labels=["resté", "parti"],
        colorbar=False,
        ax=figure.subplots(gridspec_kw={"left": 0.22}),
    ).ax_.set(xlabel="prédit", ylabel="réel")
    return figure
