"""One network exactly as described, and how it learned: ``python examples/own_network.py``."""

from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from fathom import Architecture, Dense, Dropout, FathomRegressor, Recipe

x, y = load_diabetes(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)

network = Architecture(
    input_shape=(10,),
    layers=(
        Dense(units=32, activation="relu"),
        Dropout(rate=0.2),
        Dense(units=1, activation="identity"),
    ),
    loss="squared_error",
)
recipe = Recipe(optimizer="adamw", learning_rate=0.005, batch_size=32, epochs=40)
print(network)

model = FathomRegressor(network, recipe, random_state=0).fit(x_train, y_train)
print(model.history_)
print(f"R² {model.score(x_test, y_test):.2f} on {len(y_test)} patients it has not seen")
