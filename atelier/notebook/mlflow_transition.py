"""Les exercices du notebook `01b_mlflow_transition` : `check(1, log_training)` dit, règle par règle, où l'on en est."""

from typing import Any

import mlflow
import numpy as np

from atelier import churn
from atelier.feedback.verdict import explain
from atelier.mlflow.probe import Experiment, new_experiment
from atelier.notebook.checks import Exercise, Exercises

exercises = Exercises("01b_mlflow_transition")
check, rule = exercises.check, exercises.rule


@rule(1)
def one_training_is_one_run(log_training: Exercise, experiment: Experiment) -> None:
    """Un entraînement laisse un run terminé, et rend son identifiant."""
    run_id = log_training(0.1)
    runs = experiment.runs()

    found = ", ".join(f"{run.id[:8]}… ({run.status})" for run in runs) or "aucun run"
    assert [(run_id, "FINISHED")] == [(run.id, run.status) for run in runs], explain(
        expected="un seul run, FINISHED, et son identifiant en retour",
        got=f"{found} ; en retour : {_shortened(run_id)}",
    )


@rule(1)
def setting_is_logged(log_training: Exercise, experiment: Experiment) -> None:
    """Le réglage est un paramètre du run : celui que la fonction a reçu."""
    for C in (0.1, 3.0):
        log_training(C)

    logged = [run.params for run in experiment.runs()]
    values = [_number(params.get("C")) for params in logged]
    assert values == [0.1, 3.0], explain(
        expected="un paramètre « C » qui vaut 0.1, puis 3.0 au run suivant", got=f"paramètres : {logged}"
    )


@rule(1)
def both_scores_are_logged(log_training: Exercise, experiment: Experiment) -> None:
    """Le run dit ce que vaut le modèle sur ce qu'il a vu, et sur ce qu'il n'a jamais vu."""
    train, test = _customers()
    model = churn.train_model(train, C=0.001)
    wanted = {
        f"{split}_auc": churn.evaluate_model(model, part)["auc"] for split, part in (("train", train), ("test", test))
    }
    log_training(0.001)

    found = {name: value for run in experiment.runs() for name, value in run.metrics.items()}
    same = all(name in found and abs(found[name] - value) < 1e-6 for name, value in wanted.items())
    assert same, explain(
        expected="« train_auc », mesurée sur les clients d'entraînement, et « test_auc », sur ceux de test",
        got=", ".join(f"{name} = {value:.4f}" for name, value in found.items()) or "aucune mesure",
    )


@rule(2)
def pipeline_takes_raw_features(fit_pipeline: Exercise, experiment: Experiment) -> None:
    """Le Pipeline reçoit les colonnes telles quelles, et met lui-même à l'échelle."""
    train, _ = _customers()
    _assert_predicts_like_reference(fit_pipeline(train, 1.0), train, C=1.0, setting="C = 1.0")


@rule(2)
def pipeline_obeys_its_setting(fit_pipeline: Exercise, experiment: Experiment) -> None:
    """Le réglage reçu va jusqu'au modèle."""
    train, _ = _customers()
    _assert_predicts_like_reference(fit_pipeline(train, 1e-4), train, C=1e-4, setting="C = 0.0001")


@rule(2)
def pipeline_learns_from_its_argument_only(fit_pipeline: Exercise, experiment: Experiment) -> None:
    """Tout s'apprend sur les clients reçus, et sur eux seuls."""
    few = _customers()[0].sort_values("recency_days").head(900)
    _assert_predicts_like_reference(fit_pipeline(few, 1.0), few, C=1.0, setting="900 clients seulement")


@rule(3)
def logged_model_predicts_the_same(log_pipeline: Exercise, experiment: Experiment) -> None:
    """Le modèle rangé se recharge, et prédit comme celui de la mémoire."""
    train, test = _customers()
    model, features = churn.train_model(train), churn.engineer_features(test)
    uri = log_pipeline(model, train)
    again = _loaded(uri)

    assert (again.predict(features) == model.predict(features)).all(), explain(
        expected="les mêmes prédictions, avant et après le rangement", got="des prédictions différentes"
    )


@rule(3)
def logged_model_has_a_signature(log_pipeline: Exercise, experiment: Experiment) -> None:
    """Le modèle rangé connaît ses colonnes : une demande mal faite sera refusée."""
    train, _ = _customers()
    signature = _loaded(log_pipeline(churn.train_model(train), train)).metadata.signature
    columns = signature.inputs.input_names() if signature and signature.inputs else []

    wanted = list(churn.engineer_features(train).columns)
    assert wanted == columns, explain(
        expected=f"une signature aux {len(wanted)} colonnes que voit le modèle",
        got=f"une signature aux colonnes : {', '.join(map(str, columns))}" if columns else "un modèle sans signature",
    )


@rule(4)
def best_run_wins_on_the_test(best_run: Exercise, experiment: Experiment) -> None:
    """Le meilleur run est celui dont la mesure de test est la plus haute."""
    scores = {"first": (0.99, 0.71), "second": (0.86, 0.84), "third": (0.90, 0.76)}
    runs = {name: _fake_run(experiment, name, *pair) for name, pair in scores.items()}

    _assert_chosen(best_run(experiment.name), "second", runs)


@rule(4)
def failed_run_does_not_win(best_run: Exercise, experiment: Experiment) -> None:
    """Un run en échec ne gagne jamais."""
    runs = {name: _fake_run(experiment, name, auc, auc) for name, auc in (("weak", 0.70), ("good", 0.80))}
    runs["failed"] = _fake_run(experiment, "failed", 0.95, 0.95, status="FAILED")

    _assert_chosen(best_run(experiment.name), "good", runs)


@rule(4)
def runs_of_other_experiments_are_ignored(best_run: Exercise, experiment: Experiment) -> None:
    """Seule l'expérience demandée compte."""
    runs = {"here": _fake_run(experiment, "here", 0.70, 0.70)}
    elsewhere = new_experiment("elsewhere")
    runs["elsewhere"] = _fake_run(elsewhere, "elsewhere", 0.90, 0.90)
    mlflow.set_experiment(elsewhere.name)

    _assert_chosen(best_run(experiment.name), "here", runs)


def _customers() -> Any:
    return churn.split_customers(churn.load_customers())


def _shortened(run_id: object) -> str:
    return f"{run_id[:8]}…" if isinstance(run_id, str) else f"{run_id!r:.50}"


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _assert_predicts_like_reference(model: Any, train: Any, *, C: float, setting: str) -> None:
    features = churn.engineer_features(_customers()[1])
    wanted = churn.train_model(train, C=C).predict_proba(features)[:, 1]
    assert hasattr(model, "predict_proba"), explain(
        expected="un Pipeline entraîné, qui sait donner des probabilités", got=f"{model!r:.80}"
    )
    gap = float(np.abs(model.predict_proba(features)[:, 1] - wanted).max())
    assert gap < 0.01, explain(
        expected=f"les probabilités d'une régression logistique sur des colonnes mises à l'échelle ({setting})",
        got=f"jusqu'à {gap:.2f} d'écart sur la probabilité d'un client",
    )


def _loaded(uri: object) -> mlflow.pyfunc.PyFuncModel:
    try:
        return mlflow.pyfunc.load_model(uri)
    except Exception as error:
        raise AssertionError(
            explain(
                expected="l'adresse d'un modèle que MLflow sait recharger",
                got=f"{uri!r:.80}" if isinstance(uri, str) else f"un objet de type {type(uri).__name__}",
            )
        ) from error


def _fake_run(experiment: Experiment, name: str, train_auc: float, test_auc: float, status: str = "FINISHED") -> str:
    client = mlflow.MlflowClient()
    run_id = client.create_run(experiment.id, run_name=name).info.run_id
    client.log_metric(run_id, "train_auc", train_auc)
    client.log_metric(run_id, "test_auc", test_auc)
    client.set_terminated(run_id, status)
    return run_id


def _assert_chosen(chosen: object, wanted: str, runs: dict[str, str]) -> None:
    table = ", ".join(f"« {name} » {_told(run_id)}" for name, run_id in runs.items())
    names = {run_id: f"le run « {name} »" for name, run_id in runs.items()}
    assert runs[wanted] == chosen, explain(
        expected=f"l'identifiant du run « {wanted} », parmi : {table}",
        got=names.get(chosen, f"{chosen!r:.60}")
        if isinstance(chosen, str)
        else f"un objet de type {type(chosen).__name__}",
    )


def _told(run_id: str) -> str:
    run = mlflow.get_run(run_id)
    metrics = run.data.metrics
    failed = ", FAILED" if run.info.status == "FAILED" else ""
    return f"(train {metrics['train_auc']:.2f}, test {metrics['test_auc']:.2f}{failed})"
