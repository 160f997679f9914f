# %% [markdown]
"""
# Le même travail, rangé

Ce notebook est la référence : tout s'y lit de haut en bas, tout s'y retrouve. Rien à compléter. Lisez chaque cellule en
vous demandant **quelle faute du premier notebook elle rend impossible**.

Plan : une fonction de suivi · ce que note `autolog` · relire et comparer · le registre · où mettre le prétraitement.
"""

# %%
from atelier.workshop import connect_mlflow

EXPERIMENT = MODEL = "notebook-organized"
connect_mlflow(EXPERIMENT)

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import mlflow
import mlflow.pyfunc
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from atelier import churn
from atelier.figures import confusion_matrix

# %% [markdown]
"""
## Des données, une seule fois

Trois découpes : `train` pour apprendre, `validation` pour **choisir**, `test` pour **annoncer**. Choisir sur le test,
c'est le voir deux fois, donc annoncer trop haut.
"""

# %%
SEED = 42
customers = churn.load_customers()
rest, test = churn.split_customers(customers, test_size=0.2, seed=SEED)
train, validation = churn.split_customers(rest, test_size=0.25, seed=SEED)

for name, part in {"train": train, "validation": validation, "test": test}.items():
    print(f"{name:>10} : {len(part)} clients, {part[churn.TARGET].mean():.1%} de départs")

# %% [markdown]
"""
## Une fonction de suivi

Tout candidat passe par la même porte : mêmes données, mêmes mesures, mêmes noms. Le copier-coller n'a plus de raison
d'être. Remarquez ce que reçoit `log_model` : le Pipeline entier, et un exemple de ce qu'il voit.
"""

# %%
# MLflow ne recharge que le code qu'il connaît : les arbres de scikit-learn se déclarent.
TREES = ["sklearn.tree._tree.Tree"]


def track(name: str, classifier: ClassifierMixin) -> str:
    """Entraîne ce candidat dans un run, note tout ce qu'il faut pour le refaire et le comparer ; rend le run."""
    features = churn.engineer_features(train)
    with mlflow.start_run(run_name=name) as run:
        mlflow.set_tags({"candidate": "yes", "author": "moi"})
        mlflow.log_params({"model": type(classifier).__name__, "seed": SEED, **classifier.get_params()})
        mlflow.log_input(mlflow.data.from_pandas(train, name="customers"), context="training")
        model = make_pipeline(StandardScaler(), classifier).fit(features, train[churn.TARGET])
        for split, part in {"train": train, "validation": validation}.items():
            measured = churn.evaluate_model(model, part)
            mlflow.log_metrics({f"{split}_{metric}": value for metric, value in measured.items()})
        mlflow.log_figure(confusion_matrix(model, validation), "confusion_matrix.png")
        mlflow.sklearn.log_model(model, name="model", input_example=features.head(3), skops_trusted_types=TREES)
    return run.info.run_id


# %%
candidates = {f"logistic-C={C}": LogisticRegression(C=C) for C in (0.0001, 0.01, 1.0)} | {
    f"forest-depth={depth}": RandomForestClassifier(n_estimators=40, max_depth=depth, random_state=SEED)
    for depth in (3, 6, None)
}
run_ids = [track(name, classifier) for name, classifier in candidates.items()]
print(f"{len(run_ids)} runs notés")

# %% [markdown]
"""
## Et `autolog` ?

Une ligne, et MLflow note presque tout seul : réglages, modèle, signature, figures. Regardez ce qu'il appelle `score`.
"""

# %%
mlflow.sklearn.autolog(log_models=False, log_datasets=False, silent=True)
with mlflow.start_run(run_name="autolog") as run:
    automatic = make_pipeline(StandardScaler(), LogisticRegression(C=1.0))
    automatic.fit(churn.engineer_features(train), train[churn.TARGET])
mlflow.sklearn.autolog(disable=True)

noted = mlflow.get_run(run.info.run_id).data
print(f"{len(noted.params)} paramètres notés, dont {', '.join(list(noted.params)[:4])}…")
pd.Series(noted.metrics, name="mesures notées par autolog").round(3).to_frame()

# %% [markdown]
"""
Toutes ces mesures commencent par `training_` : `autolog` n'a vu que `fit`, donc que les clients d'entraînement. **Une
mesure d'entraînement n'est pas une mesure de test.** Voici les deux, pour les candidats notés à la main :
"""

# %%
among_candidates = f"attributes.run_id IN ({', '.join(map(repr, run_ids))})"
runs = mlflow.search_runs(
    experiment_names=[EXPERIMENT],
    filter_string=among_candidates,
    order_by=["metrics.validation_auc DESC"],
)
table = runs.set_index("tags.mlflow.runName")[
    ["metrics.train_auc", "metrics.validation_auc", "metrics.validation_accuracy"]
]
table.index.name = "candidat"
table.columns = ["AUC train", "AUC validation", "accuracy validation"]
table.round(3)

# %% [markdown]
"""
## Relire, comparer

Ce tableau vient de MLflow, pas de la mémoire du notebook : un autre notebook, demain, lirait le même. La figure aussi.
"""

# %%
ordered = table.iloc[::-1]
rows = range(len(ordered))
figure, axes = plt.subplots(figsize=(7, 3))
axes.hlines(rows, ordered["AUC validation"], ordered["AUC train"], color="lightgrey", linewidth=3, zorder=1)
axes.scatter(ordered["AUC train"], rows, label="train", zorder=2)
axes.scatter(ordered["AUC validation"], rows, label="validation", zorder=2)
axes.set(
    yticks=list(rows),
    yticklabels=ordered.index,
    xlabel="AUC",
    title="Plus le trait est long, plus on a appris par cœur",
)
axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
axes.locator_params(axis="x", nbins=6)
axes.spines[["top", "right"]].set_visible(False)
plt.tight_layout()

# %% [markdown]
"""
## Choisir, puis mesurer une fois

Le meilleur sur `validation` est choisi. Alors seulement, on ouvre `test`, une fois, pour annoncer un chiffre.
"""

# %%
best = runs.iloc[0]
chosen = mlflow.sklearn.load_model(f"runs:/{best.run_id}/model")
final = churn.evaluate_model(chosen, test)

with mlflow.start_run(run_id=best.run_id):
    mlflow.log_metrics({f"test_{metric}": value for metric, value in final.items()})

print(f"choisi : {best['tags.mlflow.runName']}")
print(f"à annoncer : AUC {final['auc']:.3f}, accuracy {final['accuracy']:.3f}")
print(f"répondre toujours « il reste » : accuracy {final['majority']:.3f}")

# %% [markdown]
"""
C'est moins que le 0,87 du premier notebook. Celui-là venait d'une colonne calculée à partir de la réponse : elle
n'existera pas demain. Un chiffre plus bas, mais vrai, vaut mieux.

## Le registre

La version garde le lien vers son run : du modèle qui sert, on remonte au réglage, aux données, à l'auteur. L'alias dit
lequel sert. Revenir en arrière, c'est déplacer l'alias.
"""

# %%
client = mlflow.MlflowClient()
version = mlflow.register_model(f"runs:/{best.run_id}/model", MODEL)
client.set_model_version_tag(MODEL, version.version, "promoted_by", "moi")
client.set_registered_model_alias(MODEL, "champion", version.version)

serving = client.get_model_version_by_alias(MODEL, "champion")
origin = mlflow.get_run(serving.run_id)
print(f"{MODEL}@champion : version {serving.version}, issue du run « {origin.info.run_name} »")

# %% [markdown]
"""
## Recharger

| adresse | mène à | quand |
|---|---|---|
| `models:/NOM@champion` | la version qui porte l'alias | en production |
| `models:/NOM/3` | la version 3, toujours | pour refaire un résultat |
| `runs:/RUN_ID/model` | le modèle d'un run | pendant l'étude |

`mlflow.sklearn.load_model` rend le Pipeline lui-même. `mlflow.pyfunc.load_model` rend une enveloppe : la même pour tous
les outils, et qui vérifie la signature.
"""

# %%
champion = mlflow.sklearn.load_model(f"models:/{MODEL}@champion")
generic = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
features = churn.engineer_features(test)

assert (champion.predict(features) == generic.predict(features)).all()
churn.predict_churn(champion, test).head()

# %% [markdown]
"""
## Où mettre le prétraitement ?

Trois façons se rencontrent. Les voici sur le même modèle, puis comparées.

**1. À côté.** Le scaler est un fichier joint au run. Qui charge le modèle doit savoir qu'il existe, et s'en servir.
"""

# %%
X_train, X_test = churn.engineer_features(train), churn.engineer_features(test)
scaler = StandardScaler().fit(X_train)
classifier = LogisticRegression().fit(scaler.transform(X_train), train[churn.TARGET])

with mlflow.start_run(run_name="preprocessing-beside") as beside:
    mlflow.log_dict({"mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()}, "scaler.json")
    mlflow.sklearn.log_model(classifier, name="model")

kept = mlflow.artifacts.load_dict(f"runs:/{beside.info.run_id}/scaler.json")
alone = mlflow.sklearn.load_model(f"runs:/{beside.info.run_id}/model")
by_hand = alone.predict(((X_test - kept["mean"]) / kept["scale"]).to_numpy())

# %% [markdown]
"""
**2. Dans une enveloppe.** Une classe `PythonModel` contient les deux objets. On peut tout y mettre, donc il faut tout y
écrire, et tester.
"""


# %%
class ScaledModel(mlflow.pyfunc.PythonModel):
    """Un scaler et un modèle, appelés l'un après l'autre."""

    def __init__(self, scaler, classifier):
        self.scaler, self.classifier = scaler, classifier

    def predict(self, context, model_input: pd.DataFrame, params=None):
        """Met à l'échelle, puis prédit."""
        return self.classifier.predict(self.scaler.transform(model_input))


with mlflow.start_run(run_name="preprocessing-wrapped"):
    wrapped = mlflow.pyfunc.log_model(
        name="model", python_model=ScaledModel(scaler, classifier), input_example=X_train.head(3)
    )
in_wrapper = mlflow.pyfunc.load_model(wrapped.model_uri).predict(X_test)

# %% [markdown]
"""
**3. Dans le Pipeline.** Un objet, que scikit-learn sait entraîner, valider et recharger d'un bloc.
"""

# %%
pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X_train, train[churn.TARGET])

with mlflow.start_run(run_name="preprocessing-inside"):
    whole = mlflow.sklearn.log_model(pipeline, name="model", input_example=X_train.head(3))
in_pipeline = mlflow.sklearn.load_model(whole.model_uri).predict(X_test)

forgotten = alone.predict(X_test.to_numpy())
pd.Series(
    {
        "à côté, si l'on y pense": (by_hand == in_pipeline).mean(),
        "à côté, si on l'oublie": (forgotten == in_pipeline).mean(),
        "enveloppe": (in_wrapper == in_pipeline).mean(),
    },
    name="même réponse que le Pipeline",
).map("{:.0%}".format).to_frame()

# %% [markdown]
"""
| | à côté | enveloppe | Pipeline |
|---|---|---|---|
| peut s'oublier | oui, sans une erreur | non | non |
| fuite en validation croisée | oui, si le scaler voit tout | selon votre code | non : réappris à chaque pli |
| code à écrire | au chargement, partout | une classe, et ses tests | aucun |
| se recharge en objet scikit-learn | en deux morceaux | non | oui |
| utile quand… | jamais, si l'on a le choix | le modèle n'est pas de scikit-learn | presque toujours |

Le Pipeline l'emporte parce qu'il rend l'oubli impossible, pas parce qu'il est plus court.

## Et l'IA générative ?

Les mêmes idées, d'autres objets. Une *trace* remplace le run d'entraînement : chaque appel à un modèle de langue, ses
messages, sa durée, son coût. `mlflow.openai.autolog()` les note, le registre garde des versions de *prompts*,
`mlflow.genai.evaluate` compare deux versions sur le même jeu de questions. La question reste celle d'aujourd'hui :
**qu'est-ce qui a produit cette réponse, et peut-on le refaire ?**

## La suite

Ce notebook est propre, mais quelqu'un doit encore l'exécuter. Le faire partir seul, reprendre après une panne, prévenir
quand il échoue : c'est le travail d'un orchestrateur. Commencez par `pytest katas/00_tasks_flows`.
"""
