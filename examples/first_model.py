"""From a table to a model and back: ``python examples/first_model.py``."""

from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from fathom import FathomClassifier, load, save

x, y = load_wine(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)

model = FathomClassifier(time_limit=10, random_state=0).fit(x_train, y_train)
print(*model.report_.words(), sep="\n")
print(f"{model.score(x_test, y_test):.1%} of {len(y_test)} wines it has not seen are right")

path = save(model, "wine.fathom")
print(load(path).predict_proba(x_test[:3]).round(2))
