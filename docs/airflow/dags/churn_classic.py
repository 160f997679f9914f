"""Le même pipeline avec les opérateurs classiques : l'ordre s'écrit à part, les valeurs se cherchent par leur clé."""

import os
from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG


def run_folder(ds: str) -> Path:
    """Un dossier par exécution : deux réentraînements ne s'écrasent pas."""
    folder = Path(os.environ["CHURN_FOLDER"], ds)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def prepare_customers(ti, ds: str) -> None:
    """Découpe les clients ; publie le chemin des deux fichiers."""
    from atelier import churn

    train, test = churn.split_customers(churn.load_customers())
    for name, customers in (("train", train), ("test", test)):
        path = run_folder(ds) / f"{name}.csv"
        customers.to_csv(path, index=False)
        ti.xcom_push(key=name, value=str(path))


def train_model(ti, ds: str) -> None:
    """Entraîne le modèle ; publie son chemin."""
    import joblib

    from atelier import churn

    train = churn.load_customers(ti.xcom_pull(task_ids="prepare_customers", key="train"))
    path = run_folder(ds) / "model.joblib"
    joblib.dump(churn.train_model(train), path)
    ti.xcom_push(key="model", value=str(path))


def evaluate_model(ti) -> None:
    """Mesure le modèle ; publie les mesures."""
    import joblib

    from atelier import churn

    model = joblib.load(ti.xcom_pull(task_ids="train_model", key="model"))
    test = churn.load_customers(ti.xcom_pull(task_ids="prepare_customers", key="test"))
    ti.xcom_push(key="metrics", value=churn.evaluate_model(model, test))


def predict_churn(ti, ds: str) -> None:
    """Prédit, si le modèle vaut mieux que la classe majoritaire."""
    import joblib

    from atelier import churn

    metrics = ti.xcom_pull(task_ids="evaluate_model", key="metrics")
    if metrics["accuracy"] <= metrics["majority"]:
        raise ValueError(f"ce modèle ne vaut pas mieux que la classe majoritaire : {metrics}")
    model = joblib.load(ti.xcom_pull(task_ids="train_model", key="model"))
    churn.predict_churn(model, churn.load_customers()).to_csv(run_folder(ds) / "predictions.csv", index=False)


with DAG(
    dag_id="churn_classic",
    schedule="0 6 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Paris"),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=10), "retry_exponential_backoff": 2.0},
    tags=["churn"],
):
    prepare = PythonOperator(task_id="prepare_customers", python_callable=prepare_customers)
    train = PythonOperator(task_id="train_model", python_callable=train_model)
    evaluate = PythonOperator(task_id="evaluate_model", python_callable=evaluate_model)
    predict = PythonOperator(task_id="predict_churn", python_callable=predict_churn)

    # L'ordre se dit ici, et ici seulement : oublier une flèche ne lève aucune erreur.
    prepare >> train >> evaluate >> predict
