"""Commands and actions by what they do: build, publish, deploy, provision."""

from __future__ import annotations

import re
from itertools import pairwise

from windlass.assessment.probes.fetched import fetched
from windlass.assessment.words import parts_of

Argv = tuple[str, ...]

_DEPLOYS: tuple[Argv, ...] = (
    ("feast", "apply"), ("tecton", "apply"), ("kubectl", "apply"), ("kubectl", "set"),
    ("kubectl", "rollout"), ("kubectl", "create"), ("kubectl", "replace"),
    ("kubectl", "patch"), ("helm", "upgrade"), ("helm", "install"), ("gcloud", "run", "deploy"),
    ("gcloud", "run", "services", "replace"), ("gcloud", "app", "deploy"), ("gcloud", "functions", "deploy"),
    ("gcloud", "ai", "endpoints"), ("az", "ml", "online-deployment"), ("az", "ml", "batch-deployment"),
    ("az", "ml", "online-endpoint"), ("az", "ml", "batch-endpoint"), ("az", "webapp"), ("az", "containerapp"),
    ("az", "functionapp"), ("az", "container", "create"), ("az", "ml", "model", "deploy"),
    ("aws", "lambda", "update-function-code"),
    ("aws", "ecs", "update-service"), ("aws", "ecs", "deploy"), ("aws", "cloudformation", "deploy"),
    ("aws", "sagemaker", "create-endpoint"), ("aws", "sagemaker", "update-endpoint"), ("aws", "apprunner"),
    ("aws", "deploy"), ("aws", "elasticbeanstalk"), ("sam", "deploy"), ("cdk", "deploy"), ("serverless", "deploy"),
    ("sls", "deploy"), ("eb", "deploy"), ("pulumi", "up"), ("fly", "deploy"), ("flyctl", "deploy"),
    ("heroku", "container:release"), ("vercel",), ("modal", "deploy"), ("bentoml", "deploy"),
    ("bentoml", "deployment"), ("mlem", "deployment"), ("mlem", "deploy"), ("mlflow", "deployments"),
    ("ansible-playbook",), ("docker", "stack"), ("cf", "push"), ("argocd", "app"), ("skaffold", "run"),
    ("railway", "up"), ("databricks", "bundle", "deploy"), ("dbx", "deploy"),
    ("anyscale", "service"), ("anyscale", "services"), ("zappa", "update"), ("zappa", "deploy"),
    ("chalice", "deploy"), ("copilot", "deploy"), ("copilot", "svc"), ("dokku",), ("kamal", "deploy"),
    ("cml", "runner_"), ("rsconnect", "deploy"), ("truss", "push"), ("cog", "push"), ("windlass", "promote"),
    ("bodywork", "create", "deployment"), ("bodywork", "update", "deployment"),
    ("gcloud", "run", "services", "update"), ("gcloud", "compute", "instances", "update-container"),
    ("oc", "apply"), ("oc", "rollout"), ("oc", "set"), ("oc", "start-build"), ("nomad", "job", "run"), ("nomad", "run"),
    ("doctl", "apps"), ("func", "azure", "functionapp", "publish"), ("koyeb", "service"), ("koyeb", "services"),
    ("koyeb", "deploy"), ("caprover", "deploy"), ("netlify", "deploy"), ("aws", "lambda", "create-function"),
    ("aws", "cloudformation", "update-stack"), ("aws", "cloudformation", "create-stack"),
    ("gcloud", "deploy", "releases"), ("az", "container", "restart"), ("helmfile", "apply"),
    ("helmfile", "sync"), ("docker", "service"),
    ("bentoml", "cloud", "deploy"), ("wrangler", "deploy"), ("wrangler", "publish"), ("firebase", "deploy"),
    ("seldon", "model", "load"), ("sky", "serve"), ("serve", "deploy"),
)  # fmt: skip
_NOT_DEPLOYING = frozenset(
    {
        "show", "list", "logs", "describe", "get-credentials", "status", "delete", "describe-services", "wait",
        "namespace", "secret", "configmap", "get", "stop", "show-ingress", "get-logs", "invoke",
    }
)  # fmt: skip
_PIPELINES: tuple[Argv, ...] = (
    ("prefect", "deploy"), ("prefect", "deployment"), ("dagster-cloud",), ("kfp", "pipeline"),
    ("az", "ml", "pipeline"), ("astro", "deploy"), ("databricks", "bundle", "deploy"), ("dbx", "deploy"),
    ("dbx", "launch"), ("zenml", "pipeline"),
    ("pyflyte", "register"), ("flytectl", "register"), ("bodywork", "create"), ("bodywork", "update"),
    ("gcloud", "composer"), ("argo", "submit"), ("argo", "template"), ("metaflow",), ("union", "deploy"),
    ("az", "ml", "schedule"), ("aws", "sagemaker", "create-pipeline"), ("aws", "sagemaker", "update-pipeline"),
    ("databricks", "jobs", "reset"), ("databricks", "jobs", "create"),
)  # fmt: skip
_COMPILES = (("argo-workflows", "create"), ("step-functions", "create"), ("airflow", "create"))
DEPLOY_ACTIONS = (
    "azure/webapps-deploy", "azure/k8s-deploy", "azure/functions-action", "azure/container-apps-deploy-action",
    "aws-actions/amazon-ecs-deploy-task-definition", "aws-actions/aws-cloudformation-github-deploy",
    "aws-actions/aws-lambda-deploy", "google-github-actions/deploy-cloudrun",
    "google-github-actions/deploy-appengine", "google-github-actions/deploy-cloud-functions",
    "akhileshns/heroku-deploy", "serverless/github-action", "azurewebapp@", "azurermwebappdeployment",
    "kubernetesmanifest", "helmdeploy", "azurefunctionapp@", "azurewebappcontainer",
    "johnbeynon/render-deploy-action", "railwayapp/", "einaregilsson/beanstalk-deploy", "amondnet/vercel-action",
    "appleboy/lambda-action", "nonbeing/awslambda-github-action", "deployphp/action", "bobheadxi/deployments_",
    "superfly/flyctl-actions@", "digitalocean/app_action", "azure/aci-deploy", "deliverybot/helm",
    "koyeb-community/koyeb-actions", "nateraw/huggingface-sync-action", "huggingface/huggingface-spaces-sync",
    "easingthemes/ssh-deploy", "burnett01/rsync-deployments", "bitovi/github-actions-deploy",
    "heroku/deploy", "aws-ecs/deploy", "aws-ecs/update", "aws-eks/update", "aws-elastic-beanstalk/deploy",
    "gcp-cloud-run/deploy", "kubernetes/create-or-update", "helm/upgrade", "helm/install",
    "atlassian/aws-ecs-deploy", "atlassian/aws-lambda-deploy", "atlassian/aws-cloudformation-deploy",
    "atlassian/aws-elasticbeanstalk-deploy", "atlassian/azure-web-apps-deploy", "atlassian/google-app-engine-deploy",
    "atlassian/google-cloud-run-deploy", "atlassian/heroku-deploy", "atlassian/kubectl-run", "atlassian/ssh-run",
    "travis/heroku", "travis/lambda", "travis/elasticbeanstalk", "travis/gae", "travis/cloudfoundry",
    "travis/codedeploy", "travis/azure_web_apps", "awslabs/amazon-app-runner-deploy",
    "aws-actions/amazon-app-runner-deploy", "dawidd6/action-ansible-playbook", "jorgelnjunior/render-deploy",
    "sws2apps/render-deployment", "rstudio/actions/connect-publish", "posit-dev/connect-publish",
)  # fmt: skip
PIPELINE_ACTIONS = (
    "dagster-io/", "astronomer/deploy-action", "prefecthq/actions-prefect-deploy", "zenml-io/",
)  # fmt: skip
BUILD_ACTIONS = (
    "docker/build-push-action",
    "depot/build-push-action",
    "docker/bake-action",
    "redhat-actions/buildah-build",
)
PUBLISH_ACTIONS = (
    "pypa/gh-action-pypi-publish", "elgohr/publish-docker", "macbre/push-to-ghcr",
    "mr-smithers-excellent/docker-build-push", "redhat-actions/push-to-registry", "jfrog/", "aevea/action-kaniko",
    "plugins/docker", "plugins/ecr", "plugins/gcr", "plugins/kaniko", "woodpeckerci/plugin-docker-buildx",
    "rafikfarhad/push-to-gcr", "vaultvulp/gp-docker-action", "pmorelli92/github-container-registry-build-push",
    "matootie/dokka", "docker@2", "whoan/docker-build-with-cache-action", "gcr.io/kaniko-project",
    "jwalton/gh-ecr-push", "kciter/aws-ecr-action", "appleboy/docker-ecr-action",
    "aws-ecr/build-and-push", "aws-ecr/build_and_push", "docker/publish", "docker/push", "gcp-gcr/build-and-push",
    "gcp-artifact-registry/build-and-push", "azure-acr/build-and-push", "atlassian/aws-ecr-push-image", "travis/pypi",
    "rohith/publish-nuget", "brandedoutcast/publish-nuget", "goreleaser/goreleaser-action", "JS-DevTools/npm-publish",
    "bentoml/containerize-push-action",
)  # fmt: skip

_IMAGE = re.compile(r"\b(image|tag)\b", re.IGNORECASE)


def _begins(argv: Argv, patterns: tuple[Argv, ...]) -> bool:
    return any(argv[: len(each)] == each for each in patterns)


_FUNCTION = re.compile(r"(^|[-_])(re)?train(er|ing)?([-_]|$)", re.IGNORECASE)


def _updates_training(argv: Argv) -> bool:
    """`aws lambda update-function-code --function-name churn-training`: the newest version of what trains."""
    return argv[:3] == ("aws", "lambda", "update-function-code") and any(
        option == "--function-name" and _FUNCTION.search(name) for option, name in pairwise(argv)
    )


THERE = (
    ("aws", "ssm", "send-command"),
    ("gcloud", "compute", "ssh"),
    ("az", "vm", "run-command"),
    ("az", "aks", "command"),
)
"""Clients of clouds that run a command on a machine."""


_JOB_OF_TRAINING = frozenset({"train", "training", "retrain", "retraining", "trainer", "pipeline"})


def _updates_job(argv: Argv) -> bool:
    """`gcloud run jobs update retrain-loop --image ...`: the newest version of a job that trains."""
    return _is_job(argv) and bool(parts_of(" ".join(argv[3:])) & _JOB_OF_TRAINING)


def _is_job(argv: Argv) -> bool:
    """Whether a command makes or changes a job of Cloud Run or of Azure, which answers for a batch or trains."""
    acts = argv[:3] == ("gcloud", "run", "jobs") and argv[3:4] in _MAKES_A_JOB
    return acts or (argv[:3] == ("az", "containerapp", "job") and argv[3:4] in _MAKES_A_JOB)


_MAKES_A_JOB = (("create",), ("deploy",), ("update",), ("replace",))


def _pushes_to_host(argv: Argv) -> bool:
    """Whether files go to a host that builds and runs what it is given."""
    if argv[0] == "git":
        return any(word in ("heroku", "dokku", "space", "hf") or bool(_HOSTS.search(word)) for word in argv[2:])
    return "upload" in argv and "space" in " ".join(argv)


RUNS_THERE = re.compile(r"docker|systemctl|compose|restart|pm2|supervisorctl|kubectl|\bdeploy|gunicorn|uvicorn")
"""In a command for another machine: what runs a service there."""


_HOOK = re.compile(r"deploy_hook|/deploy/|deploy-hook|render\.com/deploy|/deploys")


def _settled(argv: Argv) -> Argv:
    """A command of Google's client without `beta` or `alpha`."""
    return (argv[0], *argv[2:]) if argv[0] == "gcloud" and argv[1:2] in (("beta",), ("alpha",)) else argv


def _tries(argv: Argv) -> bool:
    """Whether a client of Kubernetes only says what it would do: `kubectl apply --dry-run=client`."""
    said = next((word for word in argv if word.startswith("--dry-run")), "")
    return argv[0] in ("kubectl", "helm", "oc", "helmfile") and said not in ("", "--dry-run=none")


_OF_A_MACHINE = ("-H", "--host", "-c", "--context")
"""Options by which a client of Docker is told where its containers are to run."""


def names_other_machine(argv: Argv) -> bool:
    """Whether a command of Docker names another machine for its containers: `docker -H ssh://host compose up -d`."""
    return argv[0] in ("docker", "docker-compose") and any(
        word.partition("=")[0] in _OF_A_MACHINE and value != "default" for word, value in pairwise(argv[1:4])
    )


def without_machine(argv: Argv) -> Argv:
    """A command of Docker without that option."""
    place = next(at for at, word in enumerate(argv) if word.partition("=")[0] in _OF_A_MACHINE)
    return (*argv[:place], *argv[place + (1 if "=" in argv[place] else 2) :])


def deploys(argv: Argv) -> bool:
    """Whether a command brings something to where it runs."""
    argv = _settled(argv)
    if _tries(argv) or _is_job(argv):
        return _is_job(argv) and not _updates_job(argv)
    if _begins(argv, _DEPLOYS):
        return not _NOT_DEPLOYING & set(argv[1:4])
    if names_other_machine(argv):
        return starts_container(without_machine(argv)) or argv[-1:] == ("up",)
    if argv[:2] == ("git", "push") or argv[0] in ("huggingface-cli", "hf"):
        return _pushes_to_host(argv)
    if argv[0] == "ssh" or argv[:3] in THERE:
        return bool(RUNS_THERE.search(" ".join(argv[1:])))
    # A hook that is called, or a client's arguments alone, as Cloud Build gives them to the image of gcloud.
    hook = argv[0] == "curl" and _HOOK.search(" ".join(argv[1:]).lower())
    return bool(hook) or argv[:2] in (("run", "deploy"), ("functions", "deploy"), ("app", "deploy"))


_HOSTS = re.compile(r"huggingface\.co/spaces|git\.heroku\.com|\.scm\.azurewebsites\.net")
"""Hosts that build and run what is pushed to them."""
_HERE = re.compile(r"localhost|127\.0\.0\.1")
_ROUTE = re.compile(r"/(health|healthz|ping|ready|readyz|predict|predictions|invocations|score)\b")
_VARIABLE = re.compile(r"\$(\w+|\{[^}]*\}|\([^)]*\)|\{\{[^}]*\}\})")
_FILE = re.compile(r"\.(sh|py|tgz|gz|zip|csv|parquet|whl|deb|jar)$")
_TELLS_PEOPLE = re.compile(r"webhook|hooks?\b|slack|teams|discord", re.IGNORECASE)


def asks_service(argv: Argv) -> bool:
    """Whether a command sends a service a request to see what it answers.

    What is kept in a file is a download, unless it comes from this machine or something was sent for it; and what
    stands in a variable alone may be anything, unless something is sent there. A message to people is no request.
    """
    if argv[0] in ("newman", "k6", "locust"):
        return True
    request = fetched(argv)
    if request is None or any(_TELLS_PEOPLE.search(word) for word in argv[1:]):
        return False
    if any(_HERE.search(place) or (request.sends and _ROUTE.search(place)) for place in request.places):
        return True
    if request.sends:
        return any("URL" in place and _VARIABLE.search(place) for place in request.places)
    places = [place for place in request.places if not _FILE.search(place)]
    asked = [place for place in places if ("URL" in place and _VARIABLE.search(place)) or _ROUTE.search(place)]
    return bool(asked) and not request.kept and not all(_VARIABLE.fullmatch(place) for place in asked)


def deploys_pipeline(argv: Argv) -> bool:
    """Whether a command publishes a pipeline to its engine."""
    if _begins(argv, _PIPELINES):
        # A schedule that only watches or exports brings no pipeline anywhere.
        watches = {"drift", "monitor", "monitoring", "export", "enable", "disable"}
        return argv[:3] != ("az", "ml", "schedule") or not parts_of(" ".join(argv[3:])) & watches
    if argv[:2] in (("aws", "s3"), ("gsutil", "cp"), ("gsutil", "rsync"), ("gcloud", "storage")):
        return any("dags" in word.lower() for word in argv[2:])
    if _updates_training(argv) or _updates_job(argv):
        return True
    if argv[0] in ("rsync", "scp"):
        return ":" in argv[-1] and any("dags" in word for word in argv[1:])
    if argv[0] in ("python", "python3") and argv[2:4] in _COMPILES:  # a flow of Metaflow
        return True
    return any(word.endswith(("upload_pipeline.py", "deploy_pipeline.py", "publish_pipeline.py")) for word in argv[:3])


def starts_container(argv: Argv) -> bool:
    """Whether a command starts a container that goes on after the command."""
    if argv[0] == "docker-compose" or argv[:2] == ("docker", "compose"):
        return "up" in argv and ("-d" in argv or "--detach" in argv)
    return argv[:2] == ("docker", "run") and any(word in ("-d", "--detach", "-dit", "-itd") for word in argv[2:])


def stops_container(argv: Argv) -> bool:
    """Whether a command ends a container."""
    ends = argv[0] == "docker" and argv[1:2] in (("stop",), ("rm",), ("kill",))
    return ends or (argv[0] in ("docker", "docker-compose") and "down" in argv[1:3])


def is_infrastructure(argv: Argv) -> bool:
    """Whether a command applies infrastructure."""
    return argv[0] in ("terraform", "tofu", "terragrunt") and not {"apply", "apply-all"}.isdisjoint(argv)


def builds(argv: Argv) -> bool:
    """Whether a command builds an image or a package."""
    if argv[0] in ("docker", "podman", "buildah", "nerdctl"):
        return "build" in argv[1:4] or argv[1:2] == ("bud",)
    if argv[0] in ("docker-compose",):
        return "build" in argv
    if argv[:3] in (("python", "-m", "build"), ("python3", "-m", "build")) or argv[:2] in (
        ("uv", "build"),
        ("poetry", "build"),
        ("flit", "build"),
        ("hatch", "build"),
        ("bentoml", "build"),
        ("pdm", "build"),
        ("dotnet", "pack"),
        ("dotnet", "publish"),
    ):
        return True
    return argv[0] in ("python", "python3") and "setup.py" in argv[1:2] and bool({"sdist", "bdist_wheel"} & set(argv))


_PUBLISHES: tuple[Argv, ...] = (
    ("gcloud", "builds", "submit"), ("az", "acr", "build"), ("mlflow", "models", "build-docker"), ("uv", "publish"),
    ("poetry", "publish"), ("twine", "upload"), ("flit", "publish"), ("hatch", "publish"), ("pdm", "publish"),
    ("maturin", "publish"), ("anaconda", "upload"), ("bentoml", "push"), ("bentoml", "containerize"), ("pack", "build"),
    ("heroku", "container:push"), ("cog", "push"), ("helm", "push"), ("ko", "publish"), ("img", "push"),
    ("crane", "push"), ("skopeo", "copy"), ("python", "-m", "twine", "upload"),
    ("dotnet", "nuget", "push"), ("nuget", "push"), ("cargo", "publish"), ("npm", "publish"), ("goreleaser", "release"),
    ("mvn", "deploy"), ("sam", "package"),
)  # fmt: skip


def publishes(argv: Argv) -> bool:
    """Whether a command puts a built image or package where others find it."""
    if argv[0] in ("docker", "podman", "buildah", "nerdctl", "docker-compose"):
        return "push" in argv[1:4] or "--push" in argv
    if argv[0] in ("kaniko", "/kaniko/executor"):
        return any(word.startswith("--destination") for word in argv)
    return _begins(argv, _PUBLISHES)


def writes_image(argv: Argv) -> bool:
    """Whether a command writes which image is to run into a manifest or the values of a chart."""
    if argv[:4] == ("kustomize", "edit", "set", "image"):
        return True
    in_place = any(word.startswith(("-i", "--in-place", "--inplace")) for word in argv[1:])
    return argv[0] in ("yq", "sed") and in_place and bool(_IMAGE.search(" ".join(argv[1:])))
