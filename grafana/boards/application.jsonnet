// SPDX-License-Identifier: Apache-2.0
// What the demo services behind the balancer tell of themselves: webapp_*.
local b = import 'board.libsonnet';

// The label backend is the server's address as Sluice has it: "Load balancer" names it so too.
local server = 'app=~"$app", backend=~"$server"';
local endpoint = server + ', endpoint=~"$endpoint"';
local requests(more='') = 'rate(webapp_requests_total{%s%s}[$__rate_interval])' % [endpoint, more];
local durations = 'rate(webapp_request_duration_seconds_bucket{%s}[$__rate_interval])' % endpoint;
local quantile(q, by='') = 'histogram_quantile(%g, sum by (%sle) (%s))' % [q, by, durations];
// Where nothing has failed yet there is no series of failures, but the answer is 0.
local failed(by) = '(sum by (%s) (%s) or sum by (%s) (%s) * 0)' % [by, requests(', status=~"5.."'), by, requests()];

b.board(
  'sluice-app',
  'Application',
  'Requests, latency and errors as the demo services count them. Compare with "Load balancer": what clients wait for is the handshake there and the answer here.',
  [
    b.values('app', 'Application', 'webapp_requests_total'),
    b.values('server', 'Server', 'webapp_requests_total{app=~"$app"}', of='backend'),
    // Checks and scrapes come at their own pace and are fast: they would hide what users see.
    b.values('endpoint', 'Endpoint', 'webapp_requests_total{%s}' % server, keep='/^(?!/(health|metrics)$).*/'),
  ],
  [
    b.row('Now', [
      b.stat(
        'Servers not answering',
        'Servers that Prometheus cannot scrape. If the balancer has them out as well, they are dead; if not, only their figures are.',
        'none',
        'sum(up{backend=~"$server"} == bool 0)'
      ) + b.alerts(['SluiceScrapeFailing']) + b.zero_is_good,
      b.stat('Requests', 'Requests answered each second, health checks and scrapes left out.', 'reqps', 'sum(%s)' % requests()),
      b.stat(
        'Failed',
        'Part of the requests that a server answered with 5xx. See "Errors" below for whose.',
        'percentunit',
        'sum(%s) / sum(%s)' % [failed('app'), requests()]
      ) + b.limits({ '0.001': 'orange', '0.01': 'red' }) + b.decimals(2),
      b.stat('Latency, p50', 'Half of the requests were answered within this time.', 's', quantile(0.5)),
      b.stat(
        'Latency, p95',
        'Of 20 requests, 19 were answered within this time. Above the limit: look at "Latency" for the endpoint, then at the database.',
        's',
        quantile(0.95)
      ) + b.limits({ '0.3': 'orange', '1': 'red' }),
      b.stat('Latency, p99', 'Of 100 requests, 99 were answered within this time.', 's', quantile(0.99)),
      b.stat(
        'Mean response time',
        'Mean of the last seconds over all servers: what an autoscaler may go by.',
        's',
        'avg(webapp_response_time_seconds{%s})' % server
      ) + b.limits({ '0.2': 'orange', '0.6': 'red' }),
      b.stat('In flight', 'Requests that servers work on at this moment.', 'short', 'sum(webapp_in_flight_requests{%s})' % server),
    ]),

    b.row('Requests', [
      b.graph(
        'By application',
        'Requests answered each second. A fall with latency rising is overload; a fall alone has its cause in front of the servers.',
        'reqps',
        { '{{app}}': 'sum by (app) (%s)' % requests() }
      ),
      b.graph(
        'By status',
        "Answers by their HTTP status. 4xx is the clients' doing (or a wrong deployment), 5xx the servers'.",
        'reqps',
        { '{{status}}': 'sum by (status) (%s)' % requests() }
      ) + b.stacked + b.coloured('^2', 'green') + b.coloured('^4', 'orange') + b.coloured('^5', 'red'),
      b.graph(
        'By endpoint',
        'What is asked, and how.',
        'reqps',
        { '{{method}} {{endpoint}}': 'sum by (method, endpoint) (%s)' % requests() }
      ),
      b.graph(
        'By server',
        'How evenly servers are asked. Connections that are kept alive make it less even than flows are.',
        'reqps',
        { '{{app}} {{backend}}': 'sum by (app, backend) (%s)' % requests() }
      ) + b.size(12, 8),
      b.graph(
        'In flight by server',
        'Requests that each server works on. One that climbs while its peers do not is stuck: take it out with `lbctl drain backend`, then look at it.',
        'short',
        { '{{app}} {{backend}}': 'sum by (app, backend) (webapp_in_flight_requests{%s})' % server }
      ) + b.size(12, 8),
    ]),

    b.row('Latency', [
      b.heatmap(
        'Answers',
        'How long answers took: darker where there are more. Two bands are two kinds of requests, or a cache that misses.',
        's',
        'sum by (le) (%s)' % durations
      ),
      b.graph(
        'p50, p95, p99',
        'p50 rising is more work for each request, or a full server; p99 alone rising is waiting: for a lock, a lost packet, a shard that is away.',
        's',
        { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) }
      ) + b.size(12, 9) + b.limits({ '0.3': 'orange', '1': 'red' }) + b.limit_lines,
      b.graph(
        'p95 by endpoint',
        'Which request is slow. Writes wait for the disk of the database, reads for its buffer pool.',
        's',
        { '{{app}} {{method}} {{endpoint}}': quantile(0.95, 'app, method, endpoint, ') }
      ) + b.size(12, 8),
      b.graph(
        'Mean response time by server',
        'As each server tells it, of the last seconds. The autoscaler of the examples adds a server above 0.6 s and takes one away below 0.2 s.',
        's',
        { '{{app}} {{backend}}': 'webapp_response_time_seconds{%s}' % server }
      ) + b.size(12, 8) + b.limits({ '0.2': 'orange', '0.6': 'red' }) + b.limit_lines,
    ]),

    b.row('Errors', [
      b.graph(
        'Failed by application',
        "Part of each application's requests that were answered with 5xx.",
        'percentunit',
        { '{{app}}': '%s / sum by (app) (%s)' % [failed('app'), requests()] }
      ) + b.limits({ '0.001': 'orange', '0.01': 'red' }) + b.limit_lines,
      b.graph(
        'Failed by endpoint',
        'Answers of 5xx each second. One endpoint: its own work; all of one application: what all of them need, such as the database.',
        'reqps',
        { '{{app}} {{method}} {{endpoint}}': failed('app, method, endpoint') }
      ),
      b.graph(
        'Failed by server',
        'Answers of 5xx each second. One server only: drain it, or let passive checks and `--check http` take it out.',
        'reqps',
        { '{{app}} {{backend}}': failed('app, backend') }
      ),
    ]),
  ]
)
