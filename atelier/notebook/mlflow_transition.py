"""Les exercices du notebook `01b_mlflow_transition` : `check(1, log_training)` dit, règle par règle, où l'on en est."""

import time
from collections.abc import Iterable
from functools import cache
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Metric
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from atelier import churn
from atelier.mlflow.probe import Experiment, TrackedRun, new_experiment
from atelier.notebook.checks import Exercise, Exercises, require

exercises = Exercises("01b_mlflow_transition")
check, rule = exercises.check, exercises.rule

SCORES = ("train_auc", "test_auc")
# Le choix de la mise à l'échelle est libre, comme celui du solveur ; lui ne change une AUC qu'au dix-millième.
SCALERS = (StandardScaler, MinMaxScaler, RobustScaler, MaxAbsScaler)
SAME_SCORE = 3e-4
SAME_PROBABILITY = 0.01
DEFAULT_C = 1.0
# Assez petits pour que le modèle s'en ressente : réglé par 1.0, il n'aurait pas ces mesures.
SMALL = (0.001, 0.00001)


@rule(1)
def one_training_is_one_run(log_training: Exercise, experiment: Experiment) -> None:
    """Un entraînement laisse un run terminé, et rend son identifiant."""
    returned: list[Any] = []
    for C in (0.1, 3.0):
        returned.append(log_training(C))
        runs = [(run.id, run.status) for run in experiment.everywhere()]
        found = ", ".join(f"{_shortened(run_id)} ({status})" for run_id, status in runs) or "aucun run"
        require(
            runs == [(run_id, "FINISHED") for run_id in returned],
            expected=f"un run FINISHED par entraînement, soit {len(returned)}, et son identifiant en retour",
            got=f"{found} ; en retour : {', '.join(map(_shortened, returned))}",
        )


@rule(1)
def setting_is_logged(log_training: Exercise, experiment: Experiment) -> None:
    """Le réglage est un paramètre du run : celui que la fonction a reçu."""
    for C in (0.1, 3.0):
        log_training(C)

    logged = [run.params for run in experiment.everywhere()]
    require(
        [_number(params.get("C")) for params in logged] == [0.1, 3.0],
        expected="un paramètre « C » qui vaut 0.1, puis 3.0 au run suivant",
        got=" ; puis ".join(_listed(params.items()) or "aucun paramètre" for params in logged) or "aucun run",
    )


@rule(1)
def both_scores_are_logged(log_training: Exercise, experiment: Experiment) -> None:
    """Le run dit ce que vaut le modèle sur ce qu'il a vu, et sur ce qu'il n'a jamais vu."""
    for C in SMALL:
        log_training(C)
        metrics = experiment.everywhere()[-1].metrics
        scores = [metrics.get(name, np.nan) for name in SCORES]
        expected = f"pour C = {C}, {_scores(_reference(StandardScaler, C))}, à la mise à l'échelle près"
        told = _listed((name, f"{value:.5f}") for name, value in metrics.items()) or "aucune mesure"
        forgotten = _matches(scores, DEFAULT_C) and not _matches(scores, C)
        require(
            _matches(scores, C),
            expected=expected,
            got=f"{told}{f' : ce que vaut un modèle réglé par C = {DEFAULT_C}' if forgotten else ''}",
        )
        require(
            all(score != round(score, 4) for score in scores),
            expected="les deux AUC telles que `churn.evaluate_model` les rend, avec toutes leurs décimales",
            got=f"{_listed((name, metrics[name]) for name in SCORES)} : arrondies",
        )


@rule(2)
def pipeline_takes_raw_features(fit_pipeline: Exercise, experiment: Experiment) -> None:
    """Le Pipeline reçoit les colonnes telles quelles, et met lui-même à l'échelle."""
    train, test = _customers()
    pipeline = _fitted(fit_pipeline, train, C=1.0)
    features, seen = churn.engineer_features(train), churn.engineer_features(test)
    # Des euros ou des centimes, des jours ou des heures : ce qui met à l'échelle n'y voit aucune différence.
    units = np.resize([0.01, 24, 1, 1000], features.shape[1])
    once, again = (clone(pipeline).fit(table, train[churn.TARGET]) for table in (features, features * units))
    gap = _gap(again, seen * units, once.predict_proba(seen)[:, 1])
    require(
        gap < SAME_PROBABILITY,
        expected="les mêmes probabilités quand les colonnes changent d'unité, comme des centimes pour des euros",
        got=f"jusqu'à {gap:.2f} d'écart sur la probabilité d'un client",
    )


@rule(2)
def pipeline_obeys_its_setting(fit_pipeline: Exercise, experiment: Experiment) -> None:
    """Le réglage reçu va jusqu'au modèle."""
    for C in (1.0, 1e-4, 0.37):
        pipeline = _fitted(fit_pipeline, _customers()[0], C=C)
        used = [step.C for _, step in pipeline.steps if isinstance(step, LogisticRegression)]
        require(
            used == [C],
            expected=f"une régression logistique, réglée par C = {C}",
            got=f"réglée par C = {used[0]}" if used else f"les étapes {', '.join(name for name, _ in pipeline.steps)}",
        )


@rule(2)
def pipeline_learns_from_its_argument_only(fit_pipeline: Exercise, experiment: Experiment) -> None:
    """Tout s'apprend sur les clients reçus, et sur eux seuls."""
    train, test = _customers()
    seen = churn.engineer_features(test)
    for known in (train, train.sort_values("recency_days").head(900)):
        pipeline = _fitted(fit_pipeline, known, C=1.0)
        again = clone(pipeline).fit(churn.engineer_features(known), known[churn.TARGET])
        gap = _gap(pipeline, seen, again.predict_proba(seen)[:, 1])
        require(
            gap < SAME_PROBABILITY,
            expected=f"avec {len(known)} clients, un Pipeline qui a appris les features de ces clients, et d'eux seuls",
            got=f"les mêmes étapes, apprises sur autre chose : jusqu'à {gap:.2f} d'écart sur une probabilité",
        )


@rule(3)
def logged_model_predicts_the_same(log_pipeline: Exercise, experiment: Experiment) -> None:
    """Le modèle rangé se recharge, et prédit comme celui de la mémoire."""
    train, test = _customers()
    features = churn.engineer_features(test)
    for C, known in ((1.0, train), (0.001, train.head(600))):
        model = churn.train_model(known, C=C)
        again = _loaded(log_pipeline(model, known.copy()), mlflow.sklearn)
        gap = _gap(again, features, model.predict_proba(features)[:, 1])
        require(
            gap == 0,
            expected=f"un modèle de {len(known)} clients : les mêmes probabilités avant et après le rangement",
            got=f"un autre modèle : jusqu'à {gap:.2f} d'écart",
        )


@rule(3)
def model_has_its_own_run(log_pipeline: Exercise, experiment: Experiment) -> None:
    """Chaque modèle est rangé dans un nouveau run, sous le nom « model »."""
    train, _ = _customers()
    for count in (1, 2):
        log_pipeline(churn.train_model(train), train.copy())
        runs = experiment.everywhere()
        kept = [(run.status, *_models(run)) for run in runs]
        require(
            kept == [("FINISHED", "model")] * count,
            expected=f"un run FINISHED par modèle, soit {count}, qui l'a rangé sous le nom « model »",
            got=" ; ".join(f"un run {status}, modèles : {', '.join(names) or 'aucun'}" for status, *names in kept)
            or "aucun run",
        )


@rule(3)
def logged_model_has_a_signature(log_pipeline: Exercise, experiment: Experiment) -> None:
    """Le modèle rangé connaît ses colonnes : une demande mal faite sera refusée."""
    train, test = _customers()
    model = _loaded(log_pipeline(churn.train_model(train), train.copy()), mlflow.pyfunc)
    signature = model.metadata.signature
    columns = signature.inputs.input_names() if signature and signature.inputs else []

    features = churn.engineer_features(test)
    require(
        list(features.columns) == columns,
        expected=f"une signature aux {features.shape[1]} colonnes que voit le modèle",
        got=f"une signature aux colonnes : {', '.join(map(str, columns))}" if columns else "un modèle sans signature",
    )
    refused = _refusal(model, features)
    require(
        not refused, expected="un modèle qui accepte les features des clients de test", got=f"il refuse : {refused}"
    )
    require(
        _refusal(model, features.drop(columns="age")),
        expected="un modèle qui refuse une demande sans la colonne « age »",
        got="il répond, comme si elle y était",
    )


@rule(4)
def best_run_wins_on_the_test(best_run: Exercise, experiment: Experiment) -> None:
    """Le meilleur run est celui dont la mesure de test est la plus haute."""
    # Le deuxième et le troisième se confondent dès que l'on arrondit.
    scores = {"first": (0.99, 0.71), "second": (0.95, 0.8399), "third": (0.86, 0.84), "fourth": (0.90, 0.76)}
    runs = {name: _fake_run(experiment, name, *pair) for name, pair in scores.items()}
    _require_chosen(best_run(experiment.name), "third", runs)

    runs["fifth"] = _fake_run(experiment, "fifth", 0.91, 0.92)
    _require_chosen(best_run(experiment.name), "fifth", runs)


@rule(4)
def unfinished_run_does_not_win(best_run: Exercise, experiment: Experiment) -> None:
    """Un run qui n'est pas allé au bout ne gagne jamais : ni en échec, ni interrompu, ni encore ouvert."""
    runs = {name: _fake_run(experiment, name, auc, auc) for name, auc in (("weak", 0.70), ("good", 0.80))}
    for status, auc in (("FAILED", 0.97), ("KILLED", 0.96), ("RUNNING", 0.95)):
        runs[status.lower()] = _fake_run(experiment, status.lower(), auc, auc, status=status)

    _require_chosen(best_run(experiment.name), "good", runs)


@rule(4)
def run_without_a_test_score_does_not_win(best_run: Exercise, experiment: Experiment) -> None:
    """Un run sans mesure de test, comme celui qui ne garde qu'une figure, ne compte pas."""
    runs = {"figure": _fake_run(experiment, "figure", 0.99, None), "only": _fake_run(experiment, "only", 0.60, 0.55)}

    _require_chosen(best_run(experiment.name), "only", runs)


@rule(4)
def runs_of_other_experiments_are_ignored(best_run: Exercise, experiment: Experiment) -> None:
    """Seule l'expérience demandée compte."""
    runs = {"here": _fake_run(experiment, "here", 0.70, 0.70)}
    elsewhere = new_experiment("elsewhere")
    runs["elsewhere"] = _fake_run(elsewhere, "elsewhere", 0.90, 0.90)
    mlflow.set_experiment(elsewhere.name)
    _require_chosen(best_run(experiment.name), "here", runs)

    mlflow.set_experiment(experiment.name)
    _require_chosen(best_run(elsewhere.name), "elsewhere", runs)


def _customers() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Des copies : une réponse peut y écrire."""
    train, test = _split()
    return train.copy(), test.copy()


@cache
def _split() -> tuple[pd.DataFrame, pd.DataFrame]:
    return churn.split_customers(churn.load_customers())


def _shortened(run_id: object) -> str:
    return f"{run_id[:8]}…" if isinstance(run_id, str) else f"{run_id!r:.50}"


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _listed(values: Iterable[tuple[str, object]]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values)


@cache
def _reference(scaler: type, C: float) -> list[float]:
    """Ce que vaut une régression logistique réglée par `C` : l'AUC d'entraînement, puis celle de test."""
    train, test = _customers()
    model = make_pipeline(scaler(), LogisticRegression(C=C, max_iter=1000))
    model.fit(churn.engineer_features(train), train[churn.TARGET])
    return [churn.evaluate_model(model, part)["auc"] for part in (train, test)]


def _matches(scores: list[float], C: float) -> bool:
    return any(np.allclose(scores, _reference(scaler, C), rtol=0, atol=SAME_SCORE) for scaler in SCALERS)


def _scores(values: list[float]) -> str:
    return _listed(zip(SCORES, (f"{value:.5f}" for value in values), strict=True))


def _fitted(fit_pipeline: Exercise, train: pd.DataFrame, C: float) -> Pipeline:
    """Le Pipeline que rend l'exercice, une fois vérifié qu'il sait prédire."""
    pipeline = fit_pipeline(train.copy(), C)
    require(
        isinstance(pipeline, Pipeline),
        expected="un Pipeline de scikit-learn, déjà entraîné",
        got="rien" if pipeline is None else f"un objet de type {type(pipeline).__name__}",
    )
    try:
        pipeline.predict_proba(churn.engineer_features(train.head(5)))
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "")
        require(
            False,
            expected="un Pipeline entraîné, qui prédit à partir de ce que rend `churn.engineer_features`",
            got=f"{type(error).__name__} : {reason}",
        )
    return pipeline


def _gap(model: Any, features: pd.DataFrame, wanted: np.ndarray) -> float:
    """Le plus grand écart, sur la probabilité d'un client."""
    return float(np.abs(model.predict_proba(features)[:, 1] - wanted).max())


def _models(run: TrackedRun) -> list[str]:
    return [mlflow.get_logged_model(id).name for id in run.models]


def _loaded(uri: object, flavor: Any) -> Any:
    try:
        return flavor.load_model(uri)
    except Exception:
        got = f"{uri!r:.80}" if isinstance(uri, str) else f"un objet de type {type(uri).__name__}"
        require(False, expected="l'adresse d'un modèle scikit-learn que MLflow sait recharger", got=got)


def _refusal(model: Any, features: pd.DataFrame) -> str:
    """Pourquoi ce modèle rechargé refuse ces features ; rien s'il les accepte."""
    try:
        model.predict(features)
    except mlflow.MlflowException as error:
        return error.message.rpartition("Error: ")[2]
    return ""


def _fake_run(
    experiment: Experiment, name: str, train_auc: float, test_auc: float | None, status: str = "FINISHED"
) -> str:
    client, now = mlflow.MlflowClient(), int(time.time() * 1000)
    scores = zip(SCORES, (train_auc, test_auc), strict=True)
    run_id = client.create_run(experiment.id, run_name=name).info.run_id
    client.log_batch(run_id, [Metric(key, value, now, 0) for key, value in scores if value is not None])
    if status != "RUNNING":
        client.set_terminated(run_id, status)
    return run_id


def _require_chosen(chosen: object, wanted: str, runs: dict[str, str]) -> None:
    table = ", ".join(f"« {name} » {_told(run_id)}" for name, run_id in runs.items())
    names = {run_id: f"le run « {name} »" for name, run_id in runs.items()}
    require(
        isinstance(chosen, str) and chosen == runs[wanted],
        expected=f"l'identifiant du run « {wanted} », parmi : {table}",
        got=names.get(chosen, f"{chosen!r:.60}")
        if isinstance(chosen, str)
        else f"un objet de type {type(chosen).__name__}",
    )


def _told(run_id: str) -> str:
    run = mlflow.get_run(run_id)
    scores = [f"{name[:-4]} {value:.4g}" for name, value in sorted(run.data.metrics.items(), reverse=True)]
    status = [] if run.info.status == "FINISHED" else [run.info.status]
    return f"({', '.join(scores + status)})"
