# SPDX-License-Identifier: Apache-2.0
"""The queries of dashboards, asked of a Prometheus in the way in which Grafana asks."""

import json
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from functools import partial

import boards

# The words of PromQL that are no names of metrics; functions are known by their parenthesis.
WORDS = set("""and atan2 avg bool bottomk by count count_values group group_left group_right ignoring
    inf max min nan offset on or quantile stddev stdvar sum topk unless without""".split())
LABEL_LIST = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
NAME = re.compile(r"(?<![\w.:])[A-Za-z_:][\w:]*(?!\s*\(|[\w:])")


class Prometheus:
    def __init__(self, url):
        self.url = url.rstrip("/")

    def get(self, path, **parameters):
        """The data of an answer; ValueError with Prometheus' words if it refuses."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refusal:
            raise ValueError(json.load(refusal)["error"]) from None

    def names(self):
        return set(self.get("label/__name__/values"))

    def label_values(self, series, label):
        return self.get(f"label/{label}/values", **{"match[]": series})

    def query(self, expr, seconds, instant):
        """Series as (labels, values): of now, or of the last seconds."""
        now = time.time()
        if instant:
            result = self.get("query", query=expr, time=now)["result"]
            return [(series["metric"], [series["value"]]) for series in result]
        result = self.get("query_range", query=expr, start=now - seconds, end=now,
                          step=max(1, seconds / 60))["result"]
        return [(series["metric"], series["values"]) for series in result]


def names_in(expr):
    """The metrics that an expression reads."""
    expr = re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", boards.without_strings(expr))
    expr = LABEL_LIST.sub("", expr)
    return {name for name in NAME.findall(expr) if name.lower() not in WORDS}


def alternatives(values):
    """Many values of a variable, as Grafana writes them into a regular expression of PromQL."""
    escaped = [re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", value.replace("\\", r"\\\\"))
               for value in values]
    return escaped[0] if len(escaped) == 1 else "(" + "|".join(escaped) + ")"


def wanted(variable, values):
    """Of a variable's values those that its regular expression, /.../, keeps."""
    keep = re.compile(variable["regex"].strip("/").replace(r"\/", "/"))
    return sorted(value for value in values if keep.search(value))


def series_of(variable):
    """(series, label) of label_values(series, label)."""
    return re.fullmatch(r"label_values\((.+), *(\w+)\)", variable["query"]["query"]).groups()


def values_of(prometheus, variable, chosen):
    """The values that a board's variable offers; chosen are those of the variables before it."""
    series, label = series_of(variable)
    series = boards.replace_variables(series, chosen)
    values = wanted(variable, prometheus.label_values(series, label))
    if not values:
        raise ValueError(f"no {label} in {series}")
    return values


def is_number(text):
    return not math.isnan(float(text))


def ask(prometheus, target, chosen, seconds):
    """How many series a query has; ValueError if it has no number, or not what its legend names."""
    expr = boards.replace_variables(target["expr"], chosen)
    series = prometheus.query(expr, seconds, target.get("instant", False))
    if not any(is_number(value) for _, values in series for _, value in values):
        raise ValueError(f"{'not a number' if series else 'no data'}: {expr}")
    unknown = names_in(expr) - prometheus.names()
    if unknown:
        raise ValueError(f"no such metric: {', '.join(sorted(unknown))}")
    labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    for metric, _ in series:
        if not labels <= set(metric):
            raise ValueError(f"no label {', '.join(sorted(labels - set(metric)))} in {metric}")
    return len(series)


def patiently(deadline, call, *arguments):
    """Calls until it raises no ValueError, or the time is up: figures come with the next scrape."""
    while True:
        try:
            return call(*arguments)
        except ValueError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


class Board:
    """A board as a reader sees it who has chosen all values of each variable. Rates are taken over
    the window, other figures over the last seconds."""

    def __init__(self, prometheus, board, window, seconds, deadline):
        self.prometheus, self.board = prometheus, board
        self.seconds, self.deadline = seconds, deadline
        self.chosen = {"__rate_interval": f"{window}s", "__range": f"{seconds}s"}
        for variable in boards.variables(board):
            self.chosen[variable["name"]] = ".*"

    def cases(self):
        """(name, call) for each variable, panel and annotation. The call returns how much there is,
        or raises ValueError. To be called in this order."""
        for variable in boards.variables(self.board):
            if variable["type"] == "query":
                yield f"variable {variable['name']}", partial(self.choose, variable)
        for panel in boards.panels(self.board):
            if panel.get("targets"):
                yield panel["title"], partial(self.show, panel)
        for annotation in self.board["annotations"]["list"]:
            yield f"annotation {annotation['name']}", partial(self.annotate, annotation)

    def choose(self, variable):
        values = patiently(self.deadline, values_of, self.prometheus, variable, self.chosen)
        self.chosen[variable["name"]] = alternatives(values)
        return f"{len(values)} values"

    def show(self, panel):
        counts = [patiently(self.deadline, ask, self.prometheus, target, self.chosen, self.seconds)
                  for target in panel["targets"]]
        return f"{sum(counts)} series"

    def annotate(self, annotation):
        """There may be none, but Prometheus must understand."""
        expr = boards.replace_variables(annotation["expr"], self.chosen)
        return f"{len(self.prometheus.query(expr, self.seconds, False))} series"
