"""The model file that a team already has: four measurements of a cell sample, benign or malignant.

Columns that have names keep them in the file, and requests are made of the same names.
"""

from __future__ import annotations

import joblib
import polars as pl
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FILE = "model.joblib"
COLUMNS = ["mean radius", "mean texture", "mean smoothness", "mean concavity"]


def main() -> None:
    """Train on three quarters of the samples, tell how well it does on the rest, and save the model."""
    sample = load_breast_cancer()
    frame = pl.DataFrame(sample.data, schema=sample.feature_names.tolist()).select(COLUMNS)
    rows = frame.rename({name: name.replace(" ", "_") for name in COLUMNS})
    diagnosis = sample.target_names[sample.target]
    learn, judge, known, hidden = train_test_split(rows, diagnosis, random_state=0, stratify=diagnosis)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(learn, known)
    joblib.dump(model, FILE)
    print(f"{FILE}: right on {model.score(judge, hidden):.1%} of {len(hidden)} samples it has not seen")


if __name__ == "__main__":
    main()
