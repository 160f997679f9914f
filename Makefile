# L'atelier en une commande par ligne ; `make` seul montre cette liste.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
READY := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help up down status test mutants bench stubs lock lint

help: ## montrer cette liste
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

up: $(READY) ## tout installer et démarrer ce qu'il faut aux katas
	@$(BIN)/python -m atelier up

down: ## arrêter ce que `make up` a démarré
	@test ! -x $(BIN)/python || $(BIN)/python -m atelier down

status: $(READY) ## dire ce qui tourne
	@$(BIN)/python -m atelier status

test: $(READY) ## vérifier l'atelier lui-même (pour les mainteneurs)
	$(BIN)/python -m pytest tests

mutants: $(READY) ## vérifier que les tests des katas refusent des solutions abîmées (long)
	$(BIN)/python -m tests.mutants

bench: $(READY) ## mesurer la boucle de chaque kata
	$(BIN)/python -m tests.bench

stubs: $(READY) ## refaire katas/ à partir de solutions/
	@$(BIN)/python -m atelier.stubs $(ARGS)

lint: $(READY) ## relire le code avec ruff
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

lock: $(READY) ## choisir à nouveau les versions (voir CONTRIBUTING.md)
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet --output-file requirements.lock $(ARGS)

# L'environnement, refait seulement quand le verrou change. `uv` vient du verrou lui-même, avec ses empreintes.
$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Il faut Python 3.11, 3.12 ou 3.13. Si vous en avez un : make up PYTHON=python3.12"; exit 1; }
	@echo "Installation des paquets dans $(VENV) (une minute, la première fois)…"
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Le module venv manque (sous Debian ou Ubuntu : sudo apt install python3-venv)."; exit 1; }
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(VENV)/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	@touch $@
