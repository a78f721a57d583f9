// SPDX-License-Identifier: Apache-2.0
// What to do about each alert, beside the boards that show it: docs/runbooks.md.
local b = import 'board.libsonnet';
local runbooks = import 'runbooks.libsonnet';

// Lines of text, some 160 letters wide; a line of the grid has room for a line and a half.
local lines(text) = std.foldl(function(n, line) n + 1 + std.floor(std.length(line) / 160), std.split(text, '\n'), 0);

b.board(
  runbooks.uid,
  'Runbooks',
  'One panel for each alert: what it means, what to look at, what to do.',
  [],
  [b.row('Alerts', [
    b.text(section.title, section.content) + b.size(24, 2 + std.ceil(lines(section.content) / 1.5))
    for section in runbooks.sections
  ])]
)
