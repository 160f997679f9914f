# %% [markdown]
"""
# Analyse churn (version finale)

> **Avant de commencer.** Une collègue quitte l'équipe et vous laisse ce notebook. Il tourne, il affiche plus de 85 %, et le
> directeur veut « la même chose, mais tous les matins ». Exécutez-le de haut en bas, lisez-le cinq minutes, et demandez-vous :
>
> - pourriez-vous retrouver ces chiffres demain ? Dans six mois ?
> - quel modèle a gagné, avec quels réglages ?
> - mettriez-vous ces prédictions en production ?
>
> **Douze fautes s'y cachent.** Notez celles que vous voyez dans la dernière cellule, puis comparez avec vos voisins.
"""

# %%
import pandas as pd
import numpy as np
import warnings
warnings.filterwarnings("ignore")   # trop de messages rouges, illisible

# %%
# df = pd.read_csv("D:/stage/churn/customer_data (3).csv")
# df = pd.read_csv("D:/stage/churn/customer_data_nettoye_OK.csv")
df = pd.read_csv("../data/customer_data.csv")
df.head()

# %%
# !!! exécuter d'abord la cellule « graphique » tout en bas, sinon les colonnes ne sont pas bonnes (voir avec moi)
df["monetary_value"] = df["monetary_value"] / 100
df["panier"] = df["monetary_value"] / df["total_orders"]
df.shape

# %% [markdown]
"""
## Features

J'ai eu l'idée de regarder le taux de départ par âge, par nombre de tickets et par fréquence : ça marche super bien !!
"""

# %%
df["score_profil"] = df.groupby(["age", "support_tickets", "frequency"])["churned"].transform("mean")
df["score_profil"].describe()

# %%
df2 = df.copy()
X = df2.drop("churned", axis=1)
y = df2["churned"]
X.columns

# %%
from sklearn.preprocessing import StandardScaler
sc = StandardScaler()
X = sc.fit_transform(X)

from sklearn.model_selection import train_test_split
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2)

# %% [markdown]
"""
## Modèle 1
"""

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
model = LogisticRegression(C=1.0, max_iter=10)
model.fit(X_train, y_train)
pred = model.predict(X_test)
acc = accuracy_score(y_test, pred)
print("Modèle 1 :", acc)

# %% [markdown]
"""
## Modèle 2
"""

# %%
from sklearn.ensemble import RandomForestClassifier
model2 = RandomForestClassifier(n_estimators=60)
model2.fit(X_train, y_train)
pred2 = model2.predict(X_test)
acc2 = accuracy_score(y_test, pred2)
print("Modèle 2 :", acc2)

# %%
# WOW !!! à mettre dans les slides
print("Modèle 2 :", model2.score(X_train, y_train) * 100, "%")

# %% [markdown]
"""
## Modèle 3 (copié du 2)
"""

# %%
from sklearn.neighbors import KNeighborsClassifier
model3 = KNeighborsClassifier(n_neighbors=5)
model3.fit(X_train, y_train)
pred3 = model3.predict(X_test)
acc3 = accuracy_score(y_test, pred2)
print("Modèle 3 :", acc3)

# %%
# on garde le meilleur sur X_test
best_k = 0
best_acc = 0
for k in [1, 3, 5, 9, 15, 25, 41]:
    m = KNeighborsClassifier(n_neighbors=k)
    m.fit(X_train, y_train)
    a = accuracy_score(y_test, m.predict(X_test))
    if a > best_acc:
        best_acc = a
        best_k = k
print(best_k, best_acc)

# %% [markdown]
"""
## Résultats

| modèle | réglages | accuracy | date |
|---|---|---|---|
| modèle 1 | C = 1 ? | 0,85 | mardi |
| modèle 1 bis | C = 0,1 ou 0,01 ? | 0,86 | ? |
| modèle 2 | ? arbres | **0,87** | ? |
| modèle 2 avec les nouvelles features | ? | ? | ? |
| modèle 3 | k = ? | pareil que le 2 (bizarre) | jeudi |

0,87, c'est le score à annoncer. Je ne le retrouve plus, mais je l'ai vu.
"""

# %%
# import pickle
# pickle.dump(model2, open("model_final.pkl", "wb"))
# pickle.dump(model2, open("model_final_v2.pkl", "wb"))
# pickle.dump(model, open("model_final_v2_VRAIMENT_FINAL.pkl", "wb"))

# %%
# cellule « graphique »
import matplotlib.pyplot as plt
plt.bar(["modèle 1", "modèle 2", "modèle 3"], [acc, acc2, acc3])
plt.ylim(0.80, 0.90)
plt.show()

# %% [markdown]
"""
## Prédictions pour la campagne (à envoyer au marketing)
"""

# %%
clients = pd.read_csv("../data/customer_data.csv").tail(200)
clients["panier"] = clients["monetary_value"] / clients["total_orders"]
clients["score_profil"] = 0.5   # pas dispo pour les nouveaux, on met la moyenne
clients_X = clients.drop("churned", axis=1)
clients["prediction"] = model.predict(clients_X.values)
print("clients à relancer :", clients["prediction"].sum(), "sur", len(clients))
# clients.to_csv("envoi_marketing_v3.csv")

# %% [markdown]
"""
---

## À vous

| n° | où | la faute | ce qui peut arriver |
|---|---|---|---|
| 1 | | | |
| 2 | | | |
| 3 | | | |
| … | | | |

Vous en avez au moins six ? Ouvrez `01b_mlflow_transition.ipynb` : on y remet ce travail en ordre.
"""
