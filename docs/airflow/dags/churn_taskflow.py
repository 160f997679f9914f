"""Le fil rouge en Airflow 3, avec TaskFlow : des fonctions décorées, comme en Prefect."""

import os
from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.sdk import dag, get_current_context, task


def run_folder() -> Path:
    """Un dossier par exécution : deux réentraînements ne s'écrasent pas."""
    folder = Path(os.environ["CHURN_FOLDER"], get_current_context()["ds"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dag(
    schedule="0 6 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Paris"),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=10), "retry_exponential_backoff": 2.0},
    tags=["churn"],
)
def churn_taskflow():
    """Lit, entraîne, mesure, prédit."""

    # Les imports lourds sont dans les tasks : Airflow relit ce fichier sans arrêt pour y chercher des DAG.
    @task
    def prepare_customers() -> dict[str, str]:
        from atelier import churn

        train, test = churn.split_customers(churn.load_customers())
        paths = {name: str(run_folder() / f"{name}.csv") for name in ("train", "test")}
        train.to_csv(paths["train"], index=False)
        test.to_csv(paths["test"], index=False)
        return paths

    @task
    def train_model(train_path: str) -> str:
        import joblib

        from atelier import churn

        path = run_folder() / "model.joblib"
        joblib.dump(churn.train_model(churn.load_customers(train_path)), path)
        return str(path)

    @task
    def evaluate_model(model_path: str, test_path: str) -> dict[str, float]:
        import joblib

        from atelier import churn

        return churn.evaluate_model(joblib.load(model_path), churn.load_customers(test_path))

    @task
    def predict_churn(model_path: str, metrics: dict[str, float]) -> str:
        import joblib

        from atelier import churn

        if metrics["accuracy"] <= metrics["majority"]:
            raise ValueError(f"ce modèle ne vaut pas mieux que la classe majoritaire : {metrics}")
        path = run_folder() / "predictions.csv"
        churn.predict_churn(joblib.load(model_path), churn.load_customers()).to_csv(path, index=False)
        return str(path)

    customers = prepare_customers()
    model = train_model(customers["train"])
    predict_churn(model, evaluate_model(model, customers["test"]))


churn_taskflow()
