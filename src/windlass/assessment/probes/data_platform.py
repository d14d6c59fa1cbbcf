"""The platform of the data: warehouses, catalogs, scale, streams, access."""

from __future__ import annotations

import re

from windlass.assessment.facts import Facts, Seen, Sighting, conclude
from windlass.assessment.probes.probe import probe
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.lines import line_at
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import parts_of

_WAREHOUSES = re.compile(
    r"(google\.cloud\.bigquery\..*|snowflake\..*connect\w*|snowflake\.snowpark\..*|"
    r"redshift_connector\.connect|databricks\.sql\.connect|psycopg2?\.connect|"
    r"sqlalchemy\.create_engine|awswrangler\..*|pandas\.read_gbq|pandas\.read_sql\w*|"
    r"clickhouse\w*\..*|trino\..*connect|duckdb\.connect|pyathena\..*|polars\.read_database\w*)$"
)


def _calls(facts: Facts, pattern: re.Pattern[str]) -> list[Sighting]:
    return [
        sighting
        for sighting in map(facts.sight, facts.named(pattern.search))
        if sighting.route is not None and not (sighting.module.is_notebook and sighting.by < By.ITSELF)
    ]


@probe("data-cloud-warehouse")
def warehouse(facts: Facts) -> Finding:
    """Code of the pipeline asks a warehouse or a database."""
    found = _calls(facts, _WAREHOUSES)
    kept = [
        each
        for each in found
        if "duckdb" not in each.call.name or re.search(r"s3|httpfs|gcs|hf:|md:", each.function.words)
    ]
    down = [each.here("a database in a file of this machine") for each in found if each not in kept]
    return conclude(
        "data-cloud-warehouse",
        [each.seen("asks a warehouse or a database") for each in kept],
        turned_down=down,
        declared=facts.listed(
            "google-cloud-bigquery", "snowflake-connector-python", "psycopg2", "psycopg2-binary", "redshift-connector"
        ),
    )


_CATALOGS = re.compile(r"aws_glue_catalog_\w+|databricks_catalog|google_data_catalog_\w+|azurerm_purview_account")


@probe("data-unified-access")
def unified_access(facts: Facts) -> Finding:
    """A catalog of data that code reads by name."""
    seen = []
    for path in facts.project.yaml_paths:
        if re.search(r"(^|/)catalog[^/]*\.ya?ml$", path) and re.search(
            r"^\s+type:\s", facts.project.text(path), re.MULTILINE
        ):
            used = any(full.startswith("kedro") for module in facts.project.modules for full in module.imports.values())
            if used:
                seen.append(Seen((Evidence(path=path, line=1, why="a catalog of Kedro"),), by=By.PERSON))
    for path in facts.project.named("dbt_project.yml"):
        seen.append(Seen((Evidence(path=path, line=1, why="models of dbt by name"),), by=By.PERSON))
    for path in facts.project.named("feature_store.yaml"):
        seen.append(Seen((Evidence(path=path, line=1, why="the registry of a feature store"),), by=By.PERSON))
    seen += [
        each.seen("asks a catalog")
        for each in _calls(
            facts,
            re.compile(r"^(datahub|metadata\.ingestion|openmetadata|pyiceberg\.catalog|intake)\.|glue.*get_table$"),
        )
    ]
    for each in facts.project.terraform:
        if _CATALOGS.fullmatch(each.kind):
            here = Evidence(path=each.path, line=each.line, why=f"{each.kind} is declared")
            seen.append(Seen((here,), by=By.PERSON))
    return conclude("data-unified-access", seen)


@probe("data-scalable-platform")
def scalable(facts: Facts) -> Finding:
    """Distributed jobs that something runs."""
    found = _calls(
        facts,
        re.compile(
            r"(pyspark\.sql\.SparkSession\.\w+(\.\w+)*getOrCreate|SparkSession\..*getOrCreate|"
            r"apache_beam\.Pipeline|dask\.distributed\.Client|ray\.data\.\w+|ray\.init|pyflink\..*|"
            r"google\.cloud\.bigquery\..*query|snowflake\.snowpark\.\w+)$"
        ),
    )
    return conclude(
        "data-scalable-platform",
        [each.seen("a distributed job") for each in found],
        declared=facts.listed("pyspark", "apache-beam", "dask", "ray"),
    )


@probe("data-continuous-flow")
def continuous_flow(facts: Facts) -> Finding:
    """Streams, or loads at least hourly."""
    found = _calls(
        facts,
        re.compile(
            r"(kafka\.Kafka(Consumer|Producer)|confluent_kafka\.\w+|aiokafka\.\w+|"
            r"google\.cloud\.pubsub\w*\..*subscribe|readStream\.\w+|pulsar\..*subscribe|faust\.App|"
            r"quixstreams\..*|bytewax\..*)$"
        ),
    )
    seen = [each.seen("a stream") for each in found]
    for flow in facts.project.workflows:
        for trigger in flow.triggers:
            hourly = re.match(r"(\*|\*/\d+|\d+(,\d+)*)\s+\*\s", trigger.detail) if trigger.kind == "schedule" else None
            if hourly and any(
                parts_of(f"{job.name} {step.name}")
                & {"data", "ingest", "etl", "extract", "load", "feature", "features"}
                for job in flow.jobs
                for step in job.steps
            ):
                seen.append(
                    Seen(
                        (Evidence(path=flow.path, line=trigger.line, why=f"loads at least hourly: {trigger.detail}"),),
                        by=By.ITSELF,
                    )
                )
    down = (
        [
            Evidence(path=service.path, line=service.line, why="a broker that no code of the project uses")
            for service in facts.project.services
            if re.search(r"kafka|pulsar|redpanda", service.image)
        ]
        if not seen
        else []
    )
    return conclude("data-continuous-flow", seen, turned_down=down)


@probe("data-access-security")
def access_security(facts: Facts) -> Finding:
    """Roles for data are declared, and no secret lies in the tree."""
    roles = []
    for path in facts.project.named(".tf", ".bicep"):
        text = facts.project.text(path)
        if found := re.search(
            r"aws_iam_(role|policy)\w*|google_\w*iam_(member|binding)|azurerm_role_assignment|roleAssignments", text
        ):
            roles.append(Evidence(path=path, line=line_at(text, found.start()), why="roles are declared"))
    secrets = []
    for path in facts.project.paths:
        name = path.rpartition("/")[2]
        if name == ".env" or name.endswith((".pem", "credentials.json", "service_account.json", "id_rsa")):
            text = facts.project.text(path)
            if re.search(r"(?i)(password|secret|token|key)\w*\s*=\s*['\"]?[^\s'\"$<{]{8,}|PRIVATE KEY", text):
                secrets.append(Evidence(path=path, line=1, why="a secret in the tree"))
    if secrets:
        return conclude("data-access-security", (), turned_down=secrets)
    from windlass.assessment.probes.infrastructure import infra_as_code

    by = By.ITSELF if infra_as_code(facts).state.holds else By.PERSON
    return conclude("data-access-security", [Seen((role,), by=by) for role in roles])


@probe("data-governance")
def governance(facts: Facts) -> Finding:
    """Rules on data that files declare: policies as code, tags, cards with an owner."""
    seen = []
    for path in facts.project.named(".rego", ".tf"):
        text = facts.project.text(path)
        if found := re.search(r"lakeformation|data_catalog_policy_tag|purview|databricks_grants|package\s+data", text):
            seen.append(
                Seen(
                    (Evidence(path=path, line=line_at(text, found.start()), why="a policy on data as code"),),
                    by=By.PERSON,
                )
            )
    cards = list(facts.project.named("data_card.md", "datacard.md", "dataset_card.md", "datasheet.md", "data-card.md"))
    return conclude(
        "data-governance", seen, declared=[Evidence(path=path, line=1, why="a card of the data") for path in cards]
    )


@probe("data-as-product")
def data_as_product(facts: Facts) -> Finding:
    """Contracts of data with an owner and a promise."""
    seen = []
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path)[:1]:
            if isinstance(document, dict) and (
                "dataContractSpecification" in document or document.get("kind") == "DataContract"
            ):
                owned = "owner" in str(document)[:4000]
                seen.append(
                    Seen(
                        (Evidence(path=path, line=1, why="a data contract" + (" with its owner" if owned else "")),),
                        by=By.PERSON,
                    )
                )
    return conclude("data-as-product", seen)
