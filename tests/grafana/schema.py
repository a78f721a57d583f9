# SPDX-License-Identifier: Apache-2.0
"""What Grafana asks of a dashboard's JSON, and what we ask of ours.

Grafana's part is from its documentation of the JSON model and of panels
(grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model). Each
function yields what is wrong as sentences.
"""

import re
from collections import Counter

import boards

COLUMNS = 24
SCHEMA_VERSIONS = range(37, 40)  # Grafana 9 and 10

BOARD = {
    "uid": str, "title": str, "description": str, "tags": list, "schemaVersion": int,
    "time": dict, "refresh": str, "panels": list, "templating": dict, "annotations": dict,
    "links": list,
}
PANEL = {
    "id": int, "type": str, "title": str, "gridPos": dict, "description": str, "datasource": dict,
    "targets": list, "fieldConfig": dict, "options": dict,
}
TEXT = {"id": int, "type": str, "title": str, "gridPos": dict, "options": dict}
ROW = {"id": int, "type": str, "title": str, "gridPos": dict, "collapsed": bool, "panels": list}
TARGET = {"refId": str, "datasource": dict, "expr": str, "legendFormat": str}
VARIABLE = {"name": str, "type": str, "label": str, "query": (str, dict), "hide": int}
LINK = {"title": str, "type": str, "icon": str, "tooltip": str, "url": str, "tags": list,
        "asDropdown": bool, "targetBlank": bool, "includeVars": bool, "keepTime": bool}

# Grafana's own panels that show series.
PANEL_TYPES = {"timeseries", "stat", "gauge", "bargauge", "table", "heatmap", "state-timeline",
               "status-history", "barchart", "piechart", "histogram"}
VARIABLE_TYPES = {"query", "datasource", "custom", "constant", "textbox", "interval"}
# Ids of units, of Grafana's long list those that make sense here.
UNITS = {"none", "short", "percentunit", "s", "bytes", "Bps", "bps", "pps", "cps", "ops", "reqps"}
# Variables that are always there.
BUILT_IN = {"__rate_interval", "__interval", "__range", "__value", "__data", "__field", "__all"}


def shape(node, keys, where):
    """Does it have the keys, each of its type?"""
    for key, kind in keys.items():
        if key not in node:
            yield f"{where}: {key} is missing"
        elif not isinstance(node[key], kind):
            yield f"{where}: {key} is of type {type(node[key]).__name__}"
        elif kind is str and key not in ("tooltip", "url", "legendFormat") and not node[key]:
            yield f"{where}: {key} is empty"


def unique(values, what):
    for value, count in Counter(values).items():
        if count > 1:
            yield f"{what} {value!r} is there {count} times"


def source_is_chosen(node, where):
    """The data source is what the reader of the board chose."""
    if node["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
        yield f"{where}: its data source is not the variable's"


def grid(board):
    taken = {}
    for panel in board["panels"]:
        at, title = panel["gridPos"], panel["title"]
        if any(not isinstance(at.get(key), int) for key in "xywh"):
            yield f"{title}: gridPos needs x, y, w and h"
            continue
        if at["w"] < 1 or at["h"] < 1 or at["x"] < 0 or at["y"] < 0:
            yield f"{title}: gridPos {at} has no place"
        if at["x"] + at["w"] > COLUMNS:
            yield f"{title}: ends in column {at['x'] + at['w']} of {COLUMNS}"
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"])
                     for y in range(at["y"], at["y"] + at["h"])):
            if cell in taken:
                yield f"{title}: lies on {taken[cell]}"
                break
            taken[cell] = title


def thresholds(defaults, where):
    steps = defaults.get("thresholds", {"steps": [{"value": None, "color": "green"}]})["steps"]
    values = [step["value"] for step in steps]
    if not values or values[0] is not None or None in values[1:]:
        yield f"{where}: the first threshold, and no other, begins at null"
    elif values[1:] != sorted(values[1:]):
        yield f"{where}: thresholds are not in order: {values}"
    if not all(step.get("color") for step in steps):
        yield f"{where}: a threshold has no colour"


def fields(panel, where):
    config = panel["fieldConfig"]
    units = [boards.unit(panel)] + [change["value"] for override in config["overrides"]
                                    for change in override["properties"] if change["id"] == "unit"]
    for unit in units:
        if unit not in UNITS:
            yield f"{where}: unit {unit!r} is not known"
    yield from thresholds(config["defaults"], where)
    for override in config["overrides"]:
        matcher = override["matcher"]
        if matcher["id"] not in ("byName", "byRegexp") or not matcher["options"]:
            yield f"{where}: an override matches nothing: {matcher}"


def targets(panel, where):
    if not panel["targets"]:
        yield f"{where}: asks nothing"
    for target in panel["targets"]:
        problems = list(shape(target, TARGET, f"{where}: query"))
        yield from problems
        if problems:
            continue
        yield from source_is_chosen(target, f"{where}: query {target['refId']}")
        # Grafana knows how often is scraped, and how long a pixel is; we do not.
        for window in re.findall(r"\[([^]]*)\]", boards.without_strings(target["expr"])):
            if window not in ("$__rate_interval", "$__range"):
                yield f"{where}: window [{window}] is not a variable"
    yield from unique((target.get("refId") for target in panel["targets"]), f"{where}: refId")


def panel_problems(panel):
    where = panel.get("title") or f"panel {panel.get('id')}"
    if panel.get("type") == "row":
        yield from shape(panel, ROW, where)
        return
    if panel.get("type") == "text":
        yield from shape(panel, TEXT, where)
        yield from shape(panel.get("options", {}), {"mode": str, "content": str}, where)
        return
    problems = list(shape(panel, PANEL, where))
    yield from problems
    if problems:
        return
    if panel["type"] not in PANEL_TYPES:
        yield f"{where}: type {panel['type']!r} is not known"
    yield from source_is_chosen(panel, where)
    yield from targets(panel, where)
    yield from fields(panel, where)


def variable_problems(board):
    declared = [variable.get("name") for variable in boards.variables(board)]
    yield from unique(declared, "variable")
    for variable in boards.variables(board):
        where = f"variable {variable.get('name')}"
        yield from shape(variable, VARIABLE, where)
        if variable.get("type") not in VARIABLE_TYPES:
            yield f"{where}: type {variable.get('type')!r} is not known"
        if variable.get("type") == "query":
            yield from source_is_chosen(variable, where)
    used = set()
    for text in boards.texts(board):
        used |= boards.variables_in(text)
    for name in sorted(used - set(declared) - BUILT_IN):
        yield f"${name} is used, but no variable"
    for name in sorted(set(declared) - used):
        yield f"variable {name} is not used"


def link_problems(board, places):
    for link in board["links"]:
        yield from shape(link, LINK, f"link {link.get('title')}")
        if link.get("type") == "dashboards" and not set(link["tags"]) <= set(board["tags"]):
            yield f"link {link['title']}: this board has not its tags"
    for text in boards.texts(board):
        for place in re.findall(r"/d/[\w-]+(?:\?viewPanel=\d+)?", text):
            if place not in places:
                yield f"{place}: leads to no board or panel of ours"


def places_of(board):
    """What links may lead to."""
    yield f"/d/{board.get('uid')}"
    for panel in board.get("panels", []):
        yield f"/d/{board.get('uid')}?viewPanel={panel.get('id')}"


def board_problems(board, places):
    """places are those of all boards."""
    problems = list(shape(board, BOARD, "board"))
    for panel in board.get("panels", []):
        problems += panel_problems(panel)
    yield from problems
    if problems:
        return
    if not re.fullmatch(r"[\w-]{1,40}", board["uid"]):
        yield f"uid {board['uid']!r} is no uid"
    if board["schemaVersion"] not in SCHEMA_VERSIONS:
        yield f"schemaVersion {board['schemaVersion']} is not of Grafana 9 or 10"
    if not {"from", "to"} <= set(board["time"]):
        yield "time needs from and to"
    yield from unique((panel["id"] for panel in board["panels"]), "panel id")
    yield from unique((panel["title"] for panel in boards.panels(board)), "panel title")
    yield from grid(board)
    yield from variable_problems(board)
    yield from link_problems(board, places)
