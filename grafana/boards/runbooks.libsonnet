// SPDX-License-Identifier: Apache-2.0
// docs/runbooks.md for the board of the same name: a panel for each section, so that boards can lead
// to one alert's.

local text = importstr '../../docs/runbooks.md';
local uid = 'sluice-runbooks';

// std.split of Debian's jsonnet knows single characters only.
local split(text, by) = std.split(std.strReplace(text, by, '\u0001'), '\u0001');

// The introduction, then one section for each alert.
local sections = [
  { title: split(part, '\n')[0], content: std.join('\n', split(part, '\n')[1:]) }
  for part in split(std.strReplace('\n' + text, '\n# ', ''), '\n## ')
];
local titles = [section.title for section in sections];
local id(title) = std.find(title, titles)[0] + 2;  // 1 is the row that they are in
local url(title) = '/d/%s?viewPanel=%d' % [uid, id(title)];

// Links: those between sections lead to panels; what is in other pages is named, for Grafana has not got it.
local target(words, to) =
  local found = [title for title in titles if '#' + std.asciiLower(title) == to];
  if std.length(found) > 0 then '[%s](%s)' % [words, url(found[0])]
  else if std.startsWith(to, '../') then to[3:]
  else if to == words then 'docs/' + to
  else '%s (docs/%s)' % [words, to];
local link(part) =
  local words = split(part, '](');
  local to = std.split(words[1], ')');
  if std.length(words) == 2 then target(words[0], to[0]) + std.join(')', to[1:]) else '[' + part;
local unlink(text) =
  local parts = std.split(text, '[');
  parts[0] + std.join('', std.map(link, parts[1:]));

{
  uid: uid,
  url: url,
  sections: [section { content: unlink(section.content) } for section in sections],
}
