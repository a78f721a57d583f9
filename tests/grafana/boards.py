# SPDX-License-Identifier: Apache-2.0
"""Dashboards as Grafana's JSON has them: reading them, and finding one's way in them."""

import json
import re

# $name, ${name}, ${name:format} and ${name.field}: what Grafana replaces in texts.
VARIABLE = re.compile(r"\$(?:\{(\w+)(?:[.:][^}]*)?\}|(\w+))")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def panels(board):
    """All panels but rows, those inside collapsed rows too."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def unit(panel):
    """That of its figures; a heatmap has it at its axis."""
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    return defaults.get("unit", panel["options"].get("yAxis", {}).get("unit"))


def variables(board):
    return board["templating"]["list"]


def texts(node):
    """Every string anywhere below a node."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)


def without_strings(expr):
    """PromQL with nothing between its quotation marks."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', expr)


def variables_in(text):
    return {braced or bare for braced, bare in VARIABLE.findall(text)}


def replace_variables(text, values):
    return VARIABLE.sub(lambda match: values[match[1] or match[2]], text)


def outline(board):
    """The board as lines of text: what stands where, and what it asks."""
    yield f"{board['title']}  (/d/{board['uid']})"
    for variable in variables(board):
        yield f"  ${variable['name']} = {variable.get('definition', variable['query'])}"
    for panel in board["panels"]:
        at = panel["gridPos"]
        if panel["type"] == "row":
            yield f"  --- {panel['title']} ---"
            continue
        place = f"{at['x']:2}-{at['x'] + at['w']:<2} x {at['h']:2}"
        yield f"  {place}  {panel['title']}  ({panel['type']}, {unit(panel) or 'no unit'})"
        for target in panel.get("targets", []):
            yield f"               {target['legendFormat']}: {target['expr']}"
