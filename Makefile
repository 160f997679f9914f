# L'atelier en une commande par ligne ; `make` seul montre cette liste.
PYTHON ?= python3
# Dans le dev container, l'image apporte l'environnement, et se refait par « Rebuild Container ».
VENV := $(or $(ATELIER_VENV),.venv)
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
READY := $(if $(ATELIER_VENV),,$(VENV)/.installed)
# Un test de l'atelier joue des katas entiers : il a le droit d'être long, pas un kata.
PATIENT := -o timeout=900 -o faulthandler_timeout=930
# Deux cœurs, trois processus : l'un d'eux attend souvent ses serveurs. `tests/helpers/groups.py` dit quels tests vont ensemble.
PARALLEL := -p xdist -n 3
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet

# Ce que l'on ajoute à une commande n'est pas pour les `make` que lancent ses tests.
MAKEOVERRIDES :=
unexport ARGS

.DEFAULT_GOAL := help
.PHONY: help up down status undeploy doctor test test-slow test-stack mutants bench airflow-figures parallel-figures screenshots stubs notebooks slides solutions-branch lock lint spelling

help: ## montrer cette liste
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

up: $(READY) ## tout installer, démarrer MLflow, Prefect et Dagster
	@$(BIN)/python -m atelier up

down: ## arrêter ce que `make up` a démarré
	@test ! -x $(BIN)/python || $(BIN)/python -m atelier down

status: $(READY) ## dire ce qui tourne, et où
	@$(BIN)/python -m atelier status

undeploy: $(READY) ## retirer du serveur Prefect les deployments des katas
	@$(BIN)/python -m atelier undeploy

doctor: ## chercher ce qui ne va pas, et dire comment le réparer
	@test -x $(BIN)/python || { echo "Rien n'est installé. Pour réparer : make up"; exit 1; }
	@$(BIN)/python -m atelier doctor

# Un environnement qui l'interdit ferait recompiler l'atelier à chaque pytest que lancent ces tests.
test test-slow: export PYTHONDONTWRITEBYTECODE :=
# Trois processus se partagent deux cœurs : des threads de calcul en plus s'y gêneraient.
test test-slow: export OPENBLAS_NUM_THREADS := 1
test test-slow: export OMP_NUM_THREADS := 1

test: $(READY) ## vérifier l'atelier lui-même (pour les mainteneurs)
	$(BIN)/python -m pytest tests $(PARALLEL) $(PATIENT) $(ARGS)

test-slow: $(READY) ## y ajouter ce qui dure : notebooks, `mlflow models serve`, Airflow, commandes des pages
	$(BIN)/python -m pytest tests -m slow $(PARALLEL) $(PATIENT) $(ARGS)

test-stack: $(READY) ## éprouver les conteneurs (demande un moteur Docker, npm et Chromium)
	$(BIN)/python -m pytest tests/containers -m docker -rs $(ARGS)

mutants: $(READY) ## vérifier que les tests des katas refusent des solutions abîmées (long)
	$(BIN)/python -m tools.mutants $(ARGS)

bench: $(READY) ## mesurer la boucle de chaque kata
	$(BIN)/python -m tools.bench

airflow-figures: $(READY) ## refaire les chiffres de docs/airflow/README.md (long)
	$(BIN)/python -m tools.bench_airflow

parallel-figures: $(READY) ## refaire l'image de katas/04_parallelism/README.md (dix minutes, la machine au repos)
	$(BIN)/python -m tools.bench_parallelism

screenshots: $(READY) ## refaire docs/images/, les interfaces que montre README.md (demande Chromium et npm)
	$(BIN)/python -m tools.screenshots

stubs: $(READY) ## refaire katas/ à partir de solutions/
	@$(BIN)/python -m atelier.authoring.stubs $(ARGS)

notebooks: $(READY) ## refaire notebooks/ à partir de solutions/notebooks/
	@$(BIN)/python -m atelier.authoring.notebooks $(ARGS)

slides: $(READY) ## construire les slides de l'enseignant, dans build/slides/ (demande npm et Chromium)
	@$(BIN)/python -m tools.slides

solutions-branch: $(READY) ## refaire la branche `solutions` : main, plus un commit où tout est résolu
	@$(BIN)/python -m atelier.authoring.solutions_branch $(ARGS)

lint: $(READY) ## relire le code avec ruff, et l'ordre des pièces avec import-linter
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-logo

spelling: $(READY) ## relire l'orthographe de ce que l'on donne à lire (demande hunspell)
	@$(BIN)/python -m tools.spelling

lock: $(READY) ## choisir à nouveau les versions (voir CONTRIBUTING.md)
	$(COMPILE) pyproject.toml --all-extras --output-file requirements.lock $(ARGS)
	$(COMPILE) --group airflow --output-file docs/airflow/requirements.lock $(ARGS)

# L'environnement, refait seulement quand le verrou change. `uv` vient du verrou lui-même, avec ses empreintes.
$(VENV)/.installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Il faut Python 3.11, 3.12 ou 3.13. Si vous en avez un : make up PYTHON=python3.12"; exit 1; }
	@echo "Installation des paquets dans $(VENV) (une minute, la première fois)…"
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Le module venv manque (sous Debian ou Ubuntu : sudo apt install python3-venv)."; exit 1; }
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(VENV)/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	@touch $@
