"""Ce que l'on montre d'un modèle dans une interface : du Markdown, avec un tableau ou une image."""

import base64
import io
from typing import TYPE_CHECKING

import pandas as pd

from atelier import churn

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline


def weights_table(model: "Pipeline") -> str:
    """Le poids de chaque feature, du plus fort au plus faible : un tableau. Un poids positif pousse au départ."""
    weights = pd.Series(model[-1].coef_[0], index=model.feature_names_in_).sort_values(key=abs, ascending=False)
    rows = [f"| {feature} | {weight:+.2f} |" for feature, weight in weights.items()]
    return "\n".join(["| feature | poids |", "|---|---:|", *rows])


def score_histogram(model: "Pipeline", customers: pd.DataFrame) -> str:
    """Les probabilités de départ de ces clients, ceux qui sont restés et ceux qui sont partis : une image."""
    figure = _figure()
    axes = figure.add_axes((0.13, 0.17, 0.84, 0.8))
    scores = churn.predict_churn(model, customers)["churn_probability"]
    for label, churned in (("restés", 0), ("partis", 1)):
        axes.hist(
            scores[customers[churn.TARGET] == churned],
            bins=20,
            range=(0, 1),
            histtype="stepfilled",
            alpha=0.6,
            label=label,
        )
    axes.set(xlabel="probabilité de départ", ylabel="clients")
    axes.legend()
    return _image("scores", figure)


def _figure() -> "Figure":
    """Une figure sans `pyplot` : ni écran, ni état global."""
    from matplotlib.figure import Figure

    return Figure(figsize=(5, 3))


def _image(title: str, figure: "Figure") -> str:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=80)
    return f"![{title}](data:image/png;base64,{base64.b64encode(content.getvalue()).decode()})"
