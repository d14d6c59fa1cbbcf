"""Which calls fit a model."""

from __future__ import annotations

import re

from windlass.assessment.modules import Modules
from windlass.assessment.reading.code import Call, Function, Module, last_of
from windlass.assessment.words import parts_of

LIBRARIES = frozenset(
    {
        "sklearn", "xgboost", "lightgbm", "catboost", "tensorflow", "keras", "torch", "pytorch_lightning",
        "lightning", "transformers", "statsmodels", "prophet", "pyspark", "autogluon", "h2o", "fastai", "pycaret",
        "flaml", "tpot", "gluonts", "surprise", "implicit", "lifelines", "ultralytics", "spacy", "sktime", "darts",
        "river", "imblearn", "mlforecast", "statsforecast", "neuralforecast", "cuml", "tabpfn",
        "sentence_transformers", "setfit", "jax", "flax", "pmdarima", "ngboost", "stable_baselines3", "skorch",
        "tabnet", "pymc", "pymc3", "neuro_mf",
    }
)  # fmt: skip
_PREPARES = re.compile(
    r"scal|encod|vectori|imput|pca\b|tokeni|binari|preprocess|transformer\b|normali|discreti|"
    r"selector|mapper|\ble\b|\bohe\b|tfidf|"
    r"bpe|tsne|umap|label_?enc|smote|resampl|explainer|calibrat.*scaler|drift|detector|synthesi|"
    r"column_?trans|feature|outlier"
)
_FITS = frozenset({"fit", "fit_generator", "fit_one_cycle", "fine_tune", "partial_fit", "fit_predict_model"})
_TRAINERS = frozenset(
    {
        "xgboost", "lightgbm", "transformers", "trl", "spacy", "ultralytics", "catboost", "setfit",
        "sentence_transformers", "ludwig",
    }
)  # fmt: skip
_LAUNCHES = re.compile(
    r"((sagemaker|stepfunctions)\..*(TrainingStep|TuningStep)|sagemaker\..*\.fit|aiplatform\..*(Job|Pipeline\w*)\.(run|submit)|"
    r"azure\.ai\.ml\..*jobs\.create_or_update|azureml\..*Experiment\.submit"
    r"|(boto3|\?|self)\..*create_(training_job|hyper_parameter_tuning_job|auto_ml_job(_v2)?)"
    r"|google_cloud_pipeline_components\..*TrainingJob(Run)?Op"
    r"|kfp\..*create_run_from_pipeline_\w+|ray\.train\..*\.fit|databricks\..*jobs\.(run_now|submit))$"
)


REMOTE = frozenset(
    {
        "DatabricksRunNowOperator", "DatabricksSubmitRunOperator", "EcsRunTaskOperator", "BatchOperator",
        "GlueJobOperator", "DataprocSubmitJobOperator", "EmrAddStepsOperator", "CloudRunExecuteJobOperator",
        "SageMakerStartPipelineOperator", "RunPipelineJobOperator", "AzureMLPipelineOperator",
    }
)  # fmt: skip
"""Steps of Airflow that have a platform run what lies there."""
_TRAINS_THERE = re.compile(r"^airflow\..*(SageMaker(Training|Tuning)Operator|Create\w*TrainingJobOperator)$")
_SAYS_SO = frozenset({"train", "training", "retrain", "retraining", "finetune", "fit"})


_FITTING_FUNCTIONS = frozenset(
    {
        ("auto_arima", "pmdarima"), ("cross_val_score", "sklearn"), ("cross_validate", "sklearn"), ("sample", "pymc"),
        ("sample", "pymc3"), ("get_best_model", "neuro_mf"),
    }
)  # fmt: skip
_TRAINING_NAMES = _FITS | {
    "train", "train_model", "step", "apply_gradients", "minimize", "create_model", "compare_models", "tune_model",
    "auto_arima", "cross_val_score", "cross_validate", "sample", "get_best_model",
}  # fmt: skip


def may_train(name: str) -> bool:
    """Whether a call of this dotted name can be one that trains: asked first, since nearly none is."""
    last = last_of(name)
    return last in _TRAINING_NAMES or last in REMOTE or bool(_LAUNCHES.search(name) or _TRAINS_THERE.search(name))


def is_training(call: Call, function: Function, module: Module, modules: Modules) -> bool:
    """Whether a call fits a model: not a scaler or an encoder, and not a function of the project, which is followed."""
    last = call.last
    if last in _FITS:
        return _is_fit(call, function, module, modules)
    root = call.name.partition(".")[0]
    if last in ("train", "train_model"):
        return root in _TRAINERS or (root == "?" and "trainer" in call.on.lower() and _imports_learning(module))
    if last == "step":
        return "opt" in call.on.lower() and any(each.last in ("backward", "manual_backward") for each in function.calls)
    if last in ("apply_gradients", "minimize"):
        return "opt" in call.on.lower() and _imports_learning(module)
    if last in ("create_model", "compare_models", "tune_model"):
        return call.name.startswith("pycaret")
    return (last, root) in _FITTING_FUNCTIONS


def _is_fit(call: Call, function: Function, module: Module, modules: Modules) -> bool:
    said = f"{call.name} {call.on}".lower().replace("transformers.", "")
    if _PREPARES.search(said):
        return False
    root = call.name.partition(".")[0]
    if root in LIBRARIES:
        return True
    owner = call.name.rpartition(".")[0].rpartition(".")[2]
    foreign = root in module.packages and not owner[:1].isupper()
    if foreign and not _is_own(call.name, module, modules):
        return False  # a function `fit` of some package that is none of learning
    if not call.args and not call.kwargs:
        return False
    if not (
        _imports_learning(module)
        or call.on.lower() in ("model", "clf", "estimator", "pipeline", "pipe", "regressor", "classifier")
    ):
        return False
    return not (call.name.startswith((":", "self.")) and modules.called(call.name, module, function))


def _is_own(name: str, module: Module, modules: Modules) -> bool:
    """Whether a method is one of an object that a module of the project defines."""
    owner = name.rpartition(".")[0]
    if modules.find(owner, seen_from=module.path) is not None:
        return True
    return modules.path_of(owner.rpartition(".")[0], seen_from=module.path) is not None


def _imports_learning(module: Module) -> bool:
    return not LIBRARIES.isdisjoint(module.packages)


def is_launch(call: Call) -> bool:
    """Whether a call hands training to a platform."""
    if call.last in REMOTE and call.name.startswith("airflow."):
        return bool(parts_of(call.kwarg("task_id") or "") & _SAYS_SO)
    return bool(_LAUNCHES.search(call.name) or _TRAINS_THERE.search(call.name))
