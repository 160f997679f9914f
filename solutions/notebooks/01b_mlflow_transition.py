# %% [markdown]
"""
# Du chaos à MLflow

Dans `01_messy_notebook.ipynb`, personne ne sait quel modèle a fait 0,87, ni avec quels réglages. Ici, vous apprenez à
répondre à cette question pour chacun de vos entraînements.

| partie | vous… | minutes |
|---|---|---|
| 1. Noter | lisez et exécutez | 10 |
| 2. Comparer | réfléchissez, puis dévoilez la réponse | 15 |
| 3. À vous | complétez quatre fonctions, vérifiées sur place | 20 |
| 4. Servir | lisez et exécutez | 10 |

Choisissez le noyau Python de l'atelier (`.venv` ou `/opt/venv`), puis exécutez les cellules dans l'ordre.
"""

# %% [markdown]
"""
## Partie 1. Noter

Un **run** est un entraînement : ses réglages, ses mesures, ses fichiers. Une **expérience** est un dossier de runs.
La cellule suivante choisit l'expérience, et vous dit où regarder. Gardez cette page ouverte à côté du notebook.
"""

# %%
from atelier.workshop import connect_mlflow, model_server

EXPERIMENT = "notebook-churn"
connect_mlflow(EXPERIMENT)

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import mlflow
import pandas as pd
import requests
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import RocCurveDisplay, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from atelier import churn
from atelier.figures import confusion_matrix
from atelier.workshop import check

# %% [markdown]
"""
Les données d'abord. `atelier.churn` fait proprement ce que faisait le premier notebook : un chemin qui marche partout,
des valeurs vérifiées, un découpage dont la graine est fixée.
"""

# %%
customers = churn.load_customers()
train, test = churn.split_customers(customers)
X_train, X_test = churn.engineer_features(train), churn.engineer_features(test)
y_train, y_test = train[churn.TARGET], test[churn.TARGET]
print(f"{len(train)} clients pour apprendre, {len(test)} pour juger ; {y_test.mean():.0%} de départs.")

# %% [markdown]
"""
### Un premier run

Trois gestes : **ouvrir** un run, **noter** ce qui l'a produit, **noter** ce qu'il vaut. Le bloc `with` ferme le run,
même si une erreur survient au milieu.
"""

# %%
with mlflow.start_run(run_name="first-run") as run:
    mlflow.log_params({"C": 1.0, "rows": len(train)})
    model = churn.train_model(train, C=1.0)
    mlflow.log_metrics({"test_" + name: value for name, value in churn.evaluate_model(model, test).items()})

print(f"run {run.info.run_id} : terminé")

# %% [markdown]
"""
**Regardez.** Dans l'interface de MLflow, ouvrez l'expérience `notebook-churn`, puis le run `first-run`. Retrouvez `C`,
`test_auc`, et l'heure. Tout cela se relit aussi depuis Python :
"""

# %%
noted = mlflow.get_run(run.info.run_id)
print("paramètres :", noted.data.params)
print("mesures    :", {name: round(value, 3) for name, value in noted.data.metrics.items()})

# %% [markdown]
"""
`test_majority` est la part de la classe la plus fréquente : ce que vaudrait un modèle qui répond toujours « il reste ».
Une `accuracy` ne veut rien dire tant qu'on ne la compare pas à ce nombre.

### Ce qu'un nombre ne dit pas

Un run garde aussi des figures, et les données dont il part. D'un tableau, MLflow ne copie pas les lignes : il note son
nom, sa taille et son empreinte. Deux runs qui ont la même empreinte ont vu les mêmes clients.
"""

# %%
with mlflow.start_run(run_id=run.info.run_id):
    mlflow.log_input(mlflow.data.from_pandas(train, name="customers"), context="training")
    mlflow.log_figure(confusion_matrix(model, test), "confusion_matrix.png")
    mlflow.set_tag("author", "moi")

confusion_matrix(model, test)

# %% [markdown]
"""
`start_run(run_id=…)` rouvre un run existant : rien n'oblige à tout noter d'un coup.

## Partie 2. Comparer

Chaque question se lit en deux temps : **répondez d'abord, à voix haute ou par écrit**, puis dévoilez.

### Question 1. Que noter pour que deux modèles soient comparables ?

On veut départager une régression logistique et une forêt aléatoire. Qu'est-ce qui doit être identique dans les deux
runs ?

<details><summary>Dévoiler la réponse</summary>

Les **données** (même découpage, même graine), les **mesures** (mêmes noms, calculées sur les mêmes clients de test) et
la **façon de noter**. Le plus sûr : une seule fonction, que les deux modèles traversent. C'est le contraire du
copier-coller du premier notebook, où le « modèle 3 » affichait le score du modèle 2.

</details>
"""


# %%
def auc(model, features, churned):
    return roc_auc_score(churned, model.predict_proba(features)[:, 1])


def track(name, model):
    """Entraîne ce modèle dans un run à son nom, et note de quoi le comparer aux autres."""
    with mlflow.start_run(run_name=name):
        model.fit(X_train, y_train)
        mlflow.log_param("model", type(model).__name__)
        mlflow.log_metrics({"train_auc": auc(model, X_train, y_train), "test_auc": auc(model, X_test, y_test)})
    return model


candidates = {
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "forest-deep": RandomForestClassifier(n_estimators=60, random_state=42),
    "forest-shallow": RandomForestClassifier(n_estimators=60, max_depth=5, random_state=42),
}
trained = {name: track(name, model) for name, model in candidates.items()}

# %% [markdown]
"""
### Question 2. Quel est le meilleur modèle ?

Voici ce que MLflow a gardé. La forêt profonde a une AUC de 1 sur l'entraînement : est-ce elle, la meilleure ?
"""

# %%
runs = mlflow.search_runs(experiment_names=[EXPERIMENT], filter_string="metrics.train_auc > 0")
comparison = runs.drop_duplicates("tags.mlflow.runName").set_index("tags.mlflow.runName")
comparison = comparison[["metrics.train_auc", "metrics.test_auc"]].round(3).sort_values("metrics.test_auc")
comparison

# %%
axes = comparison.rename(columns=lambda name: name.removeprefix("metrics.")).plot.barh(figsize=(7, 2.8), width=0.7)
axes.set(xlim=(0.5, 1), xlabel="AUC (0,5 : le hasard)", ylabel="")
axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
axes.spines[["top", "right"]].set_visible(False)
plt.tight_layout()

# %% [markdown]
"""
<details><summary>Dévoiler la réponse</summary>

Non. La forêt profonde a **appris par cœur** : 1 sur les clients qu'elle a vus, moins que les autres sur ceux qu'elle
n'a jamais vus. Une mesure d'entraînement ne dit pas ce que vaut un modèle ; l'*écart* entre les deux dit s'il apprend
par cœur. Notez toujours les deux, et nommez-les sans ambiguïté : `train_auc`, `test_auc`.

Les deux autres se tiennent. À mesure égale, gardez le plus simple.

</details>

### Question 3. Une figure de plus ?

Une AUC résume une courbe. Que perd-on à ne garder que le nombre ?

<details><summary>Dévoiler la réponse</summary>

Où l'on se place sur la courbe. Le marketing peut appeler 10 % des clients : seul le début de la courbe le concerne, et
deux modèles de même AUC peuvent y différer. La figure appartient au run, à côté du nombre.

</details>
"""

# %%
figure, axes = plt.subplots(figsize=(4.5, 4.2))
for name, model in trained.items():
    RocCurveDisplay.from_estimator(model, X_test, y_test, name=name, ax=axes)
axes.plot([0, 1], [0, 1], linestyle="--", color="grey", linewidth=1)
axes.set(xlabel="restés, appelés à tort", ylabel="partis, bien repérés")
axes.legend(loc="lower right", fontsize=8)

with mlflow.start_run(run_name="roc-curves"):
    mlflow.log_figure(figure, "roc_curves.png")

# %% [markdown]
"""
### Question 4. Le scaler oublié

Voici le geste du premier notebook : mettre à l'échelle d'un côté, entraîner de l'autre, ne garder que le modèle. Que
prédira-t-il, demain, sur des clients bruts ? Va-t-il seulement se plaindre ?
"""

# %%
scaler = StandardScaler().fit(X_train)
bare_model = LogisticRegression().fit(scaler.transform(X_train), y_train)

with mlflow.start_run(run_name="bare-model"):
    saved = mlflow.sklearn.log_model(bare_model, name="model")

tomorrow = mlflow.sklearn.load_model(saved.model_uri)
for label, seen in {"avec le scaler": scaler.transform(X_test), "clients bruts": X_test.to_numpy()}.items():
    chances = tomorrow.predict_proba(seen)[:, 1]
    certain = ((chances < 0.01) | (chances > 0.99)).mean()
    print(f"{label:>14} : AUC {roc_auc_score(y_test, chances):.3f}, réponses sûres à 99 % : {certain:.0%}")

# %% [markdown]
"""
<details><summary>Dévoiler la réponse</summary>

Il répond, **sans une erreur**, et devient certain de presque tout, à tort : ses coefficients attendent des nombres
autour de zéro et reçoivent des euros et des jours. Les réponses restent plausibles, 0 ou 1 : c'est le pire cas, car
personne ne s'en aperçoit. Le scaler est une partie du modèle : il a appris, lui aussi. Sans lui, le modèle est perdu.

Et le premier notebook faisait apprendre son scaler sur tous les clients, ceux de test compris : la mesure elle-même
était faussée.

</details>

### Question 5. Comment ne plus jamais l'oublier ?

<details><summary>Dévoiler la réponse</summary>

En ne faisant qu'**un seul objet** des deux. Un `Pipeline` de scikit-learn apprend la mise à l'échelle et le modèle
ensemble, sur les mêmes clients, et les applique ensemble. On range un objet, on recharge un objet.

</details>
"""

# %%
pipeline = Pipeline([("scaler", StandardScaler()), ("classifier", LogisticRegression())]).fit(X_train, y_train)

with mlflow.start_run(run_name="whole-pipeline") as run:
    signature = infer_signature(X_train, pipeline.predict(X_train))
    saved = mlflow.sklearn.log_model(pipeline, name="model", signature=signature)
    mlflow.log_metric("test_auc", auc(pipeline, X_test, y_test))

tomorrow = mlflow.sklearn.load_model(saved.model_uri)
print(f"AUC demain, sur des clients bruts : {auc(tomorrow, X_test, y_test):.3f}")

# %% [markdown]
"""
La **signature** dit quelles colonnes le modèle attend, et leurs types. Le modèle rechargé par `mlflow.pyfunc` refuse ce
qui n'y correspond pas, au lieu de prédire au hasard :
"""

# %%
try:
    mlflow.pyfunc.load_model(saved.model_uri).predict(X_test.drop(columns="age"))
except mlflow.MlflowException as error:
    print("refusé :", error.message.rpartition("Error: ")[2])

# %% [markdown]
"""
## Partie 3. À vous

Complétez chaque fonction à la place de `raise NotImplementedError`, exécutez sa cellule, puis celle de `check`. La
vérification appelle votre fonction sur une base MLflow à part, et relit ce que MLflow a gardé. **Rouge au départ, c'est
normal** : le message dit ce qui était attendu, ce qui a été obtenu, et le TODO dont il s'agit.

### Exercice 1. Un run par entraînement

Les cellules de la partie 1 contiennent tout ce qu'il faut. `train` et `test` sont ceux du notebook.
"""


# %%
def log_training(C: float) -> str:
    """Entraîne une régression logistique dans un run, et rend l'identifiant de ce run."""
    # TODO 1 : le paramètre `C`, puis les mesures `train_auc` et `test_auc`, que calcule `churn.evaluate_model`.
    # BEGIN SOLUTION
    with mlflow.start_run(run_name=f"C={C}") as run:
        mlflow.log_param("C", C)
        model = churn.train_model(train, C=C)
        for split, part in {"train": train, "test": test}.items():
            mlflow.log_metric(f"{split}_auc", churn.evaluate_model(model, part)["auc"])
    return run.info.run_id
    # END SOLUTION


# %%
check(1, log_training)

# %% [markdown]
"""
<details><summary>Un indice</summary>

`with mlflow.start_run() as run:` ouvre le run ; dedans, `mlflow.log_param`, `churn.train_model(train, C=C)`, puis deux
fois `mlflow.log_metric`. Après le bloc, `run.info.run_id` est toujours lisible.

</details>

Tout est vert ? Appelez votre fonction dans une nouvelle cellule, pour `C` valant 0.001, 0.1 et 10, et comparez les
trois runs dans l'interface.

### Exercice 2. Un seul objet

`churn.engineer_features` ne dépend que de la ligne qu'elle lit : elle n'apprend rien. Le scaler, lui, apprend.
"""


# %%
def fit_pipeline(train: pd.DataFrame, C: float) -> Pipeline:
    """Entraîne, sur ces clients, une mise à l'échelle puis une régression logistique réglée par `C`."""
    # TODO 2 : un Pipeline, entraîné sur `churn.engineer_features(train)` et la colonne `churn.TARGET`.
    # BEGIN SOLUTION
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=C))
    return pipeline.fit(churn.engineer_features(train), train[churn.TARGET])
    # END SOLUTION


# %%
check(2, fit_pipeline)

# %% [markdown]
"""
<details><summary>Un indice</summary>

`make_pipeline(première_étape, seconde_étape)` rend un objet qui a `fit` et `predict`, comme un modèle. Attention à ne
mettre à l'échelle qu'une fois : le Pipeline reçoit les colonnes brutes.

</details>

### Exercice 3. Ranger, pour pouvoir ressortir

Un modèle rangé sans signature accepte tout, donc n'importe quoi.
"""


# %%
def log_pipeline(model: Pipeline, train: pd.DataFrame) -> str:
    """Range ce modèle dans un nouveau run, et rend son adresse (`model_uri`)."""
    # TODO 3 : nommez-le « model », et donnez-lui de quoi connaître ses colonnes : trois lignes d'exemple suffisent.
    # BEGIN SOLUTION
    features = churn.engineer_features(train)
    with mlflow.start_run():
        return mlflow.sklearn.log_model(model, name="model", input_example=features.head(3)).model_uri
    # END SOLUTION


# %%
check(3, log_pipeline)

# %% [markdown]
"""
<details><summary>Un indice</summary>

`mlflow.sklearn.log_model` a un paramètre `input_example` : MLflow en déduit la signature. L'exemple est ce que *voit le
modèle*, donc des features, pas des clients. Ce que rend `log_model` porte l'adresse.

</details>

### Exercice 4. Retrouver le meilleur

Plus de tableau de « ? » : la réponse se demande à MLflow.
"""


# %%
def best_run(experiment: str) -> str:
    """Rend l'identifiant du meilleur run terminé de cette expérience."""
    # TODO 4 : le plus haut `test_auc`, parmi les runs dont l'état (`attributes.status`) est FINISHED.
    # BEGIN SOLUTION
    runs = mlflow.search_runs(
        experiment_names=[experiment],
        filter_string="attributes.status = 'FINISHED'",
        order_by=["metrics.test_auc DESC"],
        max_results=1,
    )
    return runs.loc[0, "run_id"]
    # END SOLUTION


# %%
check(4, best_run)

# %% [markdown]
"""
<details><summary>Un indice</summary>

`mlflow.search_runs` prend `experiment_names`, `filter_string`, `order_by` et `max_results`, et rend un DataFrame : une
ligne par run. La colonne `run_id` contient l'identifiant. Pour l'ordre décroissant : `"metrics.test_auc DESC"`.

</details>

## Partie 4. Servir

Le modèle existe, il est rangé. Reste à dire **lequel sert**, et à le laisser répondre.

### Un nom, des versions, un alias

Le **registre** donne un nom à vos modèles, et un numéro à chaque version. Un **alias** est une étiquette qu'on
déplace : `@champion` désigne la version qui sert. Qui l'utilise n'a pas à connaître son numéro.
"""

# %%
MODEL = "notebook-churn"
client = mlflow.MlflowClient()
version = mlflow.register_model(saved.model_uri, MODEL).version
client.set_registered_model_alias(MODEL, "champion", version)
client.set_model_version_tag(MODEL, version, "promoted_by", "moi")
print(f"{MODEL}@champion : version {version}")

# %% [markdown]
"""
### Prédire en lot

Le cas le plus courant : toutes les nuits, un fichier de clients entre, un fichier de probabilités sort.
"""

# %%
champion = mlflow.sklearn.load_model(f"models:/{MODEL}@champion")
predictions = churn.predict_churn(champion, customers.tail(200))
print(f"clients à relancer : {predictions['churn'].sum()} sur {len(predictions)}")
predictions.sort_values("churn_probability", ascending=False).head()

# %% [markdown]
"""
Exécutez deux fois le premier notebook : sur ces mêmes 200 clients, sa dernière prédiction change à chaque fois.
Celle-ci ne change plus.

### Répondre à une demande

Pour une page web ou un centre d'appels, le modèle répond par HTTP. Dans un terminal, ce serait
`mlflow models serve --model-uri models:/notebook-churn@champion --env-manager local --port 5001`. Ici, la même commande
tourne le temps d'un bloc, sur un port libre. Elle met quelques secondes à démarrer.
"""

# %%
few = X_test.head(5)
payload = {"dataframe_split": few.to_dict(orient="split")}

with model_server(f"models:/{MODEL}@champion") as url:
    answer = requests.post(f"{url}/invocations", json=payload, timeout=10)
    refusal = requests.post(
        f"{url}/invocations", json={"dataframe_split": {"columns": ["age"], "data": [[30]]}}, timeout=10
    )

print("par HTTP :", answer.json()["predictions"])
print("en lot   :", champion.predict(few).tolist())
print("une demande incomplète :", refusal.status_code)

# %% [markdown]
"""
La signature fait son travail : une demande à laquelle il manque des colonnes est refusée, pas devinée.

### Ce que vous emportez

- Un run par entraînement : réglages, mesures de test **et** d'entraînement, données, figures.
- Un seul objet à ranger : le `Pipeline`, avec sa signature.
- Un alias pour dire lequel sert, et pouvoir revenir en arrière.

La suite : `02_mlflow_organized.ipynb` montre le même travail, rangé. Les katas `09_tracking` et `10_registry` vont plus
loin : concurrence entre runs, seuil de promotion, retour en arrière.
"""
