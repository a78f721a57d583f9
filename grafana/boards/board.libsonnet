// SPDX-License-Identifier: Apache-2.0
//
// The shapes that the boards beside this file are made of, so that a board says only what it shows.
// `make dashboards` turns them into the JSON that Grafana reads; 9.5 or later, by the dashboard schema
// at https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/.
//
// A panel is made by one of the functions graph, stat, heatmap, timeline and table, and changed by
// adding to it: b.graph(...) + b.size(8, 6) + b.limits({ '0.8': 'orange' }). Each takes
//
//   title    of the panel
//   what     its description: what the figure means, and what to do about it
//   unit     Grafana's id of the unit
//   queries  as { legend: PromQL }, in any order: legends sort them

local runbooks = import 'runbooks.libsonnet';
local source = { type: 'prometheus', uid: '${datasource}' };

local targets(queries, more) =
  local legends = std.objectFields(queries);
  std.mapWithIndex(function(i, legend) {
    refId: std.char(std.codepoint('A') + i),
    datasource: source,
    editorMode: 'code',
    expr: queries[legend],
    legendFormat: legend,
    range: true,
  } + more, legends);

local panel(type, title, what, unit, queries, more={}) = {
  type: type,
  title: title,
  description: what,
  datasource: source,
  targets: targets(queries, more),
  fieldConfig: {
    defaults: { unit: unit, thresholds: { mode: 'absolute', steps: [{ color: 'green', value: null }] } },
    overrides: [],
  },
  width:: 8,
  height:: 8,
};

local override(name, properties) = {
  fieldConfig+: {
    overrides+: [{
      matcher: { id: 'byRegexp', options: name },
      properties: [{ id: id, value: properties[id] } for id in std.objectFields(properties)],
    }],
  },
};

local legend(calcs) = { displayMode: 'table', placement: 'bottom', showLegend: true, calcs: calcs };

// Panels from left to right in 24 columns; the next line begins below the highest of the last.
local flow(panels, y) =
  std.foldl(
    function(at, p)
      local wraps = at.x + p.width > 24;
      local x = if wraps then 0 else at.x;
      local y = if wraps then at.below else at.y;
      {
        x: x + p.width,
        y: y,
        below: std.max(if wraps then 0 else at.below, y + p.height),
        placed: at.placed + [p { gridPos: { x: x, y: y, w: p.width, h: p.height } }],
      },
    panels,
    { x: 0, y: y, below: y, placed: [] }
  );

local rows(list) =
  std.foldl(
    function(at, r)
      local body = flow(r.panels, at.y + 1);
      local head = {
        type: 'row',
        title: r.title,
        collapsed: false,
        panels: [],
        gridPos: { x: 0, y: at.y, w: 24, h: 1 },
      };
      { y: body.below, placed: at.placed + [head] + body.placed },
    list,
    { y: 0, placed: [] }
  ).placed;

{
  row(title, panels): { title: title, panels: panels },

  // Figures over time.
  graph(title, what, unit, queries): panel('timeseries', title, what, unit, queries) {
    fieldConfig+: { defaults+: {
      color: { mode: 'palette-classic' },
      custom: {
        axisSoftMin: 0,
        drawStyle: 'line',
        lineWidth: 1,
        fillOpacity: 10,
        showPoints: 'never',
        spanNulls: false,
        stacking: { mode: 'none', group: 'A' },
        thresholdsStyle: { mode: 'off' },
      },
    } },
    options: {
      legend: legend(['lastNotNull', 'max']) { sortBy: 'Last *', sortDesc: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  },

  // One figure, its colour by its limits.
  stat(title, what, unit, query): panel('stat', title, what, unit, { [title]: query }) {
    width:: 3,
    height:: 4,
    fieldConfig+: { defaults+: { color: { mode: 'thresholds' } } },
    options: {
      colorMode: 'value',
      graphMode: 'area',
      justifyMode: 'auto',
      orientation: 'auto',
      textMode: 'value',
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    },
  },

  // A Prometheus histogram over time; the query sums its buckets' rates by le.
  heatmap(title, what, unit, query): panel('heatmap', title, what, unit, { '{{le}}': query }, { format: 'heatmap' }) {
    width:: 12,
    height:: 9,
    fieldConfig: {
      defaults: { custom: { scaleDistribution: { type: 'linear' }, hideFrom: { legend: false, tooltip: false, viz: false } } },
      overrides: [],
    },
    options: {
      calculate: false,
      cellGap: 1,
      color: { mode: 'scheme', scheme: 'Oranges', fill: 'dark-orange', scale: 'exponential', exponent: 0.5, steps: 64, reverse: false },
      exemplars: { color: 'rgba(255,0,255,0.7)' },
      filterValues: { le: 1e-9 },
      legend: { show: true },
      rowsFrame: { layout: 'auto' },
      showValue: 'never',
      tooltip: { show: true, yHistogram: true },
      yAxis: { axisPlacement: 'left', unit: unit, reverse: false },
    },
  },

  // States over time, a band each. states: { '0': ['down', 'red'], ... }
  timeline(title, what, queries, states): panel('state-timeline', title, what, 'none', queries) {
    width:: 16,
    fieldConfig+: { defaults+: {
      color: { mode: 'thresholds' },
      custom: { fillOpacity: 80, lineWidth: 0 },
      mappings: [{
        type: 'value',
        options: { [value]: { text: states[value][0], color: states[value][1], index: std.parseInt(value) } for value in std.objectFields(states) },
      }],
    } },
    options: {
      alignValue: 'center',
      mergeValues: true,
      rowHeight: 0.9,
      showValue: 'never',
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
      tooltip: { mode: 'single', sort: 'none' },
    },
  },

  // A line for each set of labels, a column for each query, named by its legend; labels come first.
  table(title, what, unit, labels, queries): panel('table', title, what, unit, queries, { format: 'table', instant: true, range: false }) {
    local names = std.objectFields(queries),
    fieldConfig+: { defaults+: { custom: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false } } },
    options: { showHeader: true, frameIndex: 0, cellHeight: 'sm', footer: { show: false, reducer: ['sum'], countRows: false } },
    transformations: [
      { id: 'merge', options: {} },
      { id: 'organize', options: {
        excludeByName: { Time: true },
        indexByName: { [labels[i]]: i for i in std.range(0, std.length(labels) - 1) },
        // Grafana names the column of a lone query without its letter.
        renameByName:
          if std.length(names) == 1 then { Value: names[0] }
          else { ['Value #' + std.char(std.codepoint('A') + i)]: names[i] for i in std.range(0, std.length(names) - 1) },
      } },
    ],
  },

  // Markdown.
  text(title, content): { type: 'text', title: title, options: { mode: 'markdown', content: content }, width:: 24, height:: 8 },

  // --- what may be added to a panel ---

  size(width, height): { width:: width, height:: height },

  // The colour from each value on: { '0.8': 'orange', '0.95': 'red' }; green below.
  limits(steps): { fieldConfig+: { defaults+: { thresholds+: { steps+: std.sort(
    [{ color: steps[value], value: std.parseJson(value) } for value in std.objectFields(steps)],
    function(step) step.value
  ) } } } },
  // The same, of what is bad when it is low: the colour below each value.
  floors(steps): { fieldConfig+: { defaults+: { thresholds+: {
    local values = std.sort([std.parseJson(value) for value in std.objectFields(steps)]),
    local colour(i) = if i == std.length(values) then 'green' else steps['%g' % values[i]],
    steps: std.mapWithIndex(function(i, value) { color: colour(i), value: value }, [null] + values),
  } } } },
  // Draws the limits into a graph.
  limit_lines: { fieldConfig+: { defaults+: { custom+: { thresholdsStyle: { mode: 'dashed' } } } } },
  // Of a stat: no line behind the figure.
  figure_alone: { options+: { graphMode: 'none' } },
  zero_is_good: self.limits({ '1': 'red' }) + self.figure_alone,
  stacked: { fieldConfig+: { defaults+: { custom+: { fillOpacity: 40, stacking: { mode: 'normal', group: 'A' } } } } },
  range(min, max): { fieldConfig+: { defaults+: { min: min, max: max } } },
  decimals(count): { fieldConfig+: { defaults+: { decimals: count } } },
  // The series whose names match the pattern: in a colour, dashed, below the axis, on an
  // axis of their own.
  coloured(pattern, colour): override('/' + pattern + '/', { color: { mode: 'fixed', fixedColor: colour } }),
  dashed(pattern): override('/' + pattern + '/', { 'custom.lineStyle': { fill: 'dash', dash: [8, 6] }, 'custom.fillOpacity': 0 }),
  mirrored(pattern): override('/' + pattern + '/', { 'custom.transform': 'negative-Y' }),
  right(pattern, unit): override('/' + pattern + '/', { 'custom.axisPlacement': 'right', unit: unit }),
  // A graph of what changes by leaps.
  stepped: { fieldConfig+: { defaults+: { custom+: { lineInterpolation: 'stepAfter' } } } },
  sorted_by(name): { options+: { sortBy: [{ displayName: name, desc: true }] } },
  // A column of a table: its unit, or where a click on it leads.
  column(name, properties): override('/^' + name + '$/', properties),

  // What to do about it is told for each alert on the board of runbooks.
  alerts(names): { links: [{ title: 'Runbook: ' + name, url: runbooks.url(name), targetBlank: false } for name in names] },

  // --- variables ---

  // The values of a label, many or all of them. keep: a regular expression of those wanted.
  values(name, label, series, of=name, keep=''): {
    type: 'query',
    name: name,
    label: label,
    datasource: source,
    definition: self.query.query,
    query: { query: 'label_values(%s, %s)' % [series, of], refId: 'variable-' + name },
    regex: keep,
    refresh: 2,  // when the range of time changes
    sort: 7,  // by alphabet, capitals or not
    multi: true,
    includeAll: true,
    current: { selected: true, text: ['All'], value: ['$__all'] },
    options: [],
    hide: 0,
    skipUrlSync: false,
  },

  // --- the whole ---

  board(uid, title, what, variables, list): {
    uid: uid,
    title: 'Sluice / ' + title,
    description: what,
    tags: ['sluice'],
    schemaVersion: 38,
    version: 1,
    editable: true,
    graphTooltip: 1,
    timezone: 'browser',
    time: { from: 'now-1h', to: 'now' },
    timepicker: {},
    refresh: '10s',
    annotations: { list: [{
      name: 'Alerts',
      datasource: source,
      enable: true,
      hide: false,
      iconColor: 'red',
      expr: 'ALERTS{alertstate="firing"}',
      titleFormat: '{{alertname}}',
      textFormat: '{{instance}} {{service}} {{backend}}',
      tagKeys: 'severity',
    }] },
    links: [
      {
        type: 'dashboards',
        title: 'Sluice',
        tags: ['sluice'],
        asDropdown: false,
        includeVars: true,
        keepTime: true,
        targetBlank: false,
        icon: 'dashboard',
        tooltip: '',
        url: '',
      },
    ],
    templating: { list: [{
      type: 'datasource',
      name: 'datasource',
      label: 'Prometheus',
      query: 'prometheus',
      regex: '',
      refresh: 1,
      multi: false,
      includeAll: false,
      // Name and uid of the provisioned one: Grafana 9 goes by the one, 10 by the other.
      current: { selected: true, text: 'sluice', value: 'sluice' },
      options: [],
      hide: 0,
      skipUrlSync: false,
    }] + variables },
    panels: std.mapWithIndex(function(i, p) p { id: i + 1 }, rows(list)),
  },
}
