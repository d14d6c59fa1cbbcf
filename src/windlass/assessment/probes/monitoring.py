"""Monitoring of the service: metrics, and what collects them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from windlass.assessment.automation.workflow import mapping, maps, text_of
from windlass.assessment.cloud import declared
from windlass.assessment.facts import Facts, Seen, Sighting, conclude
from windlass.assessment.probes.engines import engine_of
from windlass.assessment.probes.probe import probe
from windlass.assessment.probes.serving import answers_events, scoring_modules, service_modules, taken_in
from windlass.assessment.probes.tracking import tracking_calls
from windlass.assessment.reach.routes import By
from windlass.assessment.reading.code import Function
from windlass.assessment.reading.yaml import Map
from windlass.assessment.records import Evidence, Finding
from windlass.assessment.words import is_metric, parts_of

_EXPORTERS = (
    "prometheus_client", "prometheus_fastapi_instrumentator", "prometheus_flask_exporter", "starlette_exporter",
    "starlette_prometheus", "statsd", "datadog", "ddtrace", "opentelemetry", "opencensus", "azure.monitor",
    "newrelic", "sentry_sdk", "logfire", "aioprometheus", "aws_lambda_powertools", "elasticapm",
)  # fmt: skip


_PUSHED = (
    "azure.monitor.opentelemetry.configure",
    "opencensus.ext.azure",
    "ddtrace",
    "newrelic",
    "elasticapm",
    "logfire",
)
"""Those that send what they measure themselves: nothing has to collect it."""


def exporters(facts: Facts) -> Iterator[Sighting]:
    """Calls that make or serve metrics of a process."""
    for sighting in facts.calls_into(*_EXPORTERS):
        if not sighting.module.is_notebook and not _HANDED_ON.search(sighting.call.name):
            yield sighting


_HANDED_ON = re.compile(
    r"^opentelemetry\.(propagate|baggage|context)\.|^opentelemetry\.trace\.(.*\.)?"
    r"(NonRecordingSpan|SpanContext|TraceFlags|set_span_in_context|get_current_span|get_span_context|is_valid)$"
)
"""What hands the mark of a request on from one process to the next, and measures nothing."""


_OF_OTHERS = frozenset({"third-party", "third_party", "thirdparty", "vendor", "vendored"})
"""Folders with what was copied from other projects."""


def _scrapes(facts: Facts) -> Iterator[Evidence]:
    """Configurations that collect metrics from something."""
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path) if not _OF_OTHERS & set(path.lower().split("/")) else ():
            if not isinstance(document, Map):
                continue
            jobs = maps(document.get("scrape_configs"))
            own = [
                job
                for job in jobs
                if job.get("job_name") not in ("prometheus", "node", "node-exporter", "node_exporter", "cadvisor")
            ]
            if own:
                yield Evidence(path=path, line=own[0].line, why=f"Prometheus collects from {own[0].get('job_name')}")
            for kept in mapping(document.get("data")).values() if document.get("kind") == "ConfigMap" else ():
                if "scrape_configs:" in text_of(kept) and "job_name" in text_of(kept):
                    yield Evidence(path=path, line=document.line_of("data"), why="Prometheus collects as a map says")
            if document.get("kind") in ("ServiceMonitor", "PodMonitor"):
                yield Evidence(path=path, line=document.line_of("kind"), why="Prometheus collects from the service")
    for alarm in declared(facts, "watches the service", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"):
        yield alarm.evidence[0]
    for each in facts.project.terraform:
        if _WATCHES.fullmatch(each.kind):
            yield Evidence(path=each.path, line=each.line, why=f"{each.kind} is declared")


_WATCHES = re.compile(
    r"aws_cloudwatch_metric_alarm|azurerm_monitor_\w+|google_monitoring_\w+|datadog_monitor|aws_cloudwatch_dashboard"
)


def _pages(facts: Facts) -> frozenset[str]:
    """The addresses at which metrics are collected: `/metrics`, unless a configuration names another."""
    documents = (document for path in facts.project.yaml_paths for document in facts.project.yaml(path))
    jobs = (job for each in documents if isinstance(each, Map) for job in maps(each.get("scrape_configs")))
    return frozenset({"/metrics", *(text_of(job.get("metrics_path")) for job in jobs)} - {""})


def _watched_endpoints(facts: Facts) -> Iterator[Seen]:
    """Deployments of a platform that is told to collect requests, errors and latency of them."""
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path)[:1]:
            for key in ("app_insights_enabled", "appInsightsEnabled") if isinstance(document, Map) else ():
                if document.get(key) is True:
                    here = Evidence(path=path, line=document.line_of(key), why="the platform watches the endpoint")
                    yield Seen((here,), by=By.PERSON)
    for sighting in facts.given("app_insights_enabled"):
        if sighting[2].kwarg("app_insights_enabled") == "True":
            yield facts.sight(sighting).seen("the platform watches the endpoint")


_AWS_SERVICES = r'"AWS/(ApiGateway|SageMaker|ECS|ApplicationELB|NetworkELB|ELB|AppRunner|ElasticBeanstalk)"'
_OF_A_SERVICE = re.compile(rf"namespace\s*=\s*{_AWS_SERVICES}")
_SHOWN = re.compile(rf'\[\s*{_AWS_SERVICES}\s*,\s*"([^"]+)"')
_OF_ITS_OWN = re.compile(r'namespace\s*=\s*"(?!AWS/)[^"]+"')
_OF_REQUESTS = re.compile(
    r"latenc|error|5xx|4xx|5\d\d|request|health|avail|uptime|invocation|throttl|timeout|duration", re.IGNORECASE
)


_OF_FUNCTIONS = re.compile(r'namespace\s*=\s*"AWS/Lambda"')
_OF_AWS = "aws_cloudwatch_metric_alarm"
_ALARMS = frozenset(
    {
        _OF_AWS, "google_monitoring_alert_policy", "google_monitoring_uptime_check_config",
        "azurerm_monitor_metric_alert",
    }
)  # fmt: skip
"""Resources that raise an alarm on what they name."""


def _alarms(facts: Facts) -> Iterator[Seen]:
    """Alarms on what a platform itself counts of a service, or the service counts there: errors, latency, requests."""
    serves = bool(service_modules(facts))
    yield from _pages_of_a_platform(facts)
    yield from _in_stacks(facts)
    for each in facts.project.terraform:
        if each.kind not in _ALARMS:
            continue
        own = serves and _OF_ITS_OWN.search(each.body)
        ours = own or ((serves or answers_events(facts)) and (each.kind != _OF_AWS or _OF_FUNCTIONS.search(each.body)))
        if (ours and _OF_REQUESTS.search(each.body)) or (each.kind == _OF_AWS and _OF_A_SERVICE.search(each.body)):
            here = Evidence(path=each.path, line=each.line, why="an alarm on what is counted of the service")
            yield Seen((here,), by=By.PERSON)


def _in_stacks(facts: Facts) -> Iterator[Seen]:
    """The same in CloudFormation, and in CDK, where metrics are made for an alarm or a page."""
    counted = re.compile(_AWS_SERVICES.strip('"'))
    for path in facts.project.yaml_paths:
        for document in facts.project.yaml(path)[:1]:
            for about in map(mapping, mapping(mapping(document).get("Resources")).values()):
                given = mapping(about.get("Properties"))
                space = text_of(given.get("Namespace"))
                ours = counted.fullmatch(space) or (space == "AWS/Lambda" and _asks_a_function(mapping(document)))
                told = ours and _OF_REQUESTS.search(text_of(given.get("MetricName")))
                if told and about.get("Type") == "AWS::CloudWatch::Alarm":
                    why = "an alarm on what is counted of the service"
                    yield Seen((Evidence(path=path, line=about.line, why=why),), by=By.PERSON)
    for module, _, call in facts.named(lambda name: name == "aws_cdk.aws_cloudwatch.Metric"):
        shown = [each for function in module.functions.values() for each in function.calls if each.name in _SHOWS]
        if (
            shown
            and counted.fullmatch(call.kwarg("namespace") or "")
            and _OF_REQUESTS.search(call.kwarg("metric_name") or "")
        ):
            why = "an alarm or a page on what is counted of the service"
            yield Seen((Evidence(path=module.path, line=shown[0].line, why=why),), by=By.PERSON)


def _asks_a_function(document: Map) -> bool:
    """Whether a function of a stack answers requests."""
    resources = [mapping(each) for each in mapping(document.get("Resources")).values()]
    events = [mapping(mapping(each.get("Properties")).get("Events")) for each in resources]
    return any(text_of(mapping(one).get("Type")) in ("Api", "HttpApi") for each in events for one in each.values())


_SHOWS = frozenset({"aws_cdk.aws_cloudwatch.Alarm", "aws_cdk.aws_cloudwatch.Dashboard"})


def _pages_of_a_platform(facts: Facts) -> Iterator[Seen]:
    """Dashboards on which the errors, the latency or the requests of a service stand, as a platform counts them."""
    for each in facts.project.terraform:
        shown = _SHOWN.findall(each.body) if each.kind == "aws_cloudwatch_dashboard" else ()
        if any(_OF_REQUESTS.search(name) for _, name in shown):
            here = Evidence(path=each.path, line=each.line, why="a page on what is counted of the service")
            yield Seen((here,), by=By.PERSON)


def _of_a_step(sighting: Sighting) -> bool:
    """Whether a step of an engine exports it: metrics of a run, and of no service."""
    return any(engine_of(each.name) for each in sighting.function.decorators)


_OF_SERVICES = frozenset(
    {"latency", "requests", "request", "uptime", "throughput", "duration", "count", "counter", "prometheus"}
)


_TO_READ = frozenset({"TemplateResponse", "render_template", "HTMLResponse"})
"""What makes a page for people, from which nothing is collected."""


def _tells_how_good(function: Function) -> bool:
    """Whether a page of metrics tells those of the model, as they were when it was trained, and none of the service."""
    parts = [parts_of(word) for word in function.words.split("\n")]
    if not _TO_READ.isdisjoint(function.words.split("\n")):
        return True
    return any(map(is_metric, function.words.split("\n"))) and not any(each & _OF_SERVICES for each in parts)


_QUANTILES = frozenset({"percentile", "nanpercentile", "quantile", "quantiles", "p95", "p99"})
_RECORDS = frozenset({"record", "track", "observe", "add"})


def _kept_latencies(facts: Facts) -> Iterator[Seen]:
    """Latencies that a service keeps of its own answers, where their quantiles are told beside."""
    keys = {(path, name) for path in service_modules(facts) for name in facts.project.modules.by_path[path].functions}
    for path, name in sorted(facts.below_all(keys)):
        module = facts.project.modules.by_path[path]
        function = module.functions[name]
        keeps = parts_of(name.rpartition(".")[2]) & _RECORDS
        timed = any("latency" in parts_of(each) for each in function.parameters)
        if keeps and timed and any(_QUANTILES & set(each.words.split("\n")) for each in module.functions.values()):
            here = Evidence(path=path, line=function.line, why=f"{name} keeps the latencies of the service")
            yield Seen((here,), by=By.PERSON)


@probe("service-monitoring")
def service_monitoring(facts: Facts) -> Finding:
    """The service exports metrics; wired if something collects them or raises an alarm."""
    scrapes = list(_scrapes(facts))
    pages = _pages(facts)
    near = set(service_modules(facts)) | scoring_modules(facts)
    near |= {path for each in service_modules(facts) for path in taken_in(facts, facts.project.modules.by_path[each])}
    exported = [each for each in exporters(facts) if each.by > By.NOBODY and not _of_a_step(each)]
    exported.sort(key=lambda each: each.module.path not in near)  # those of a service first: not all are looked at
    hand_made = [
        Sighting(module, function, deco, facts.route(module, function))
        for module, function in facts.functions
        for deco in function.decorators
        if deco.args and deco.args[0] in pages and not _tells_how_good(function)
    ]
    seen = []
    for each in (exported + hand_made)[:20]:
        if scrapes:
            seen.append(Seen((each.here("metrics of the service"), scrapes[0], *each.seen().evidence[1:]), by=each.by))
        elif each.module.path in near or (each in hand_made and each.by > By.NOBODY and service_modules(facts)):
            seen.append(
                Seen(
                    (each.here("metrics of the service, which nothing here collects"), *each.seen().evidence[1:]),
                    by=By.PERSON,
                )
            )
    watched = list(_watched_endpoints(facts))
    watched += [
        each.seen("the service sends its telemetry to a platform")
        for each in exported
        if each.call.name.startswith(_PUSHED) and each.module.path in near
    ]
    watched += [
        each.seen("the service sends its own metrics to CloudWatch")
        for each in facts.calls("put_metric_data")
        if each.module.path in near and each.by > By.NOBODY and not _of_a_step(each)
    ]
    seen += [*watched, *_alarms(facts), *_kept_latencies(facts)]
    down = []
    if not seen:
        down = [
            Evidence(path=service.path, line=service.line, why="started, and nothing is collected from the project")
            for service in facts.project.services
            if re.search(r"grafana|prometheus", service.image)
        ]
    return conclude(
        "service-monitoring",
        seen,
        turned_down=down,
        declared=[each.here("metrics that nothing here collects") for each in exported][:3] if not seen else (),
    )


@probe("central-model-metrics")
def central_metrics(facts: Facts) -> Finding:
    """Metrics of predictions are exported to a shared store."""
    scrapes = list(_scrapes(facts))
    seen = []
    for sighting in exporters(facts):
        said = parts_of(" ".join(value for value in sighting.call.args if value))
        if sighting.call.last in ("Counter", "Histogram", "Gauge", "Summary") and said & {
            "prediction",
            "predictions",
            "model",
            "confidence",
            "drift",
            "score",
            "accuracy",
        }:
            places = (sighting.here("a metric of predictions"), *scrapes[:1], *sighting.seen().evidence[1:])
            seen.append(Seen(places, by=sighting.by if scrapes else By.PERSON))
    for sighting in tracking_calls(facts):
        if (
            sighting.call.last in ("log_metric", "log_metrics")
            and sighting.route is not None
            and sighting.route.start.is_scheduled
            and parts_of(sighting.function.name + sighting.module.path)
            & {"monitor", "monitoring", "cycle", "loop", "drift"}
        ):
            seen.append(sighting.seen("metrics of the model in use, kept with the tracker"))
    return conclude("central-model-metrics", seen)
