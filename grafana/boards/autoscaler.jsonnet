// SPDX-License-Identifier: Apache-2.0
// What the autoscaler wants, what it has, and why.
local b = import 'board.libsonnet';

local agent = 'instance=~"$instance"';
local service = agent + ', service=~"$service"';
local now(series) = 'max by (service) (%s{%s})' % [series, service];
local per_second(series) = 'rate(%s{%s}[$__rate_interval])' % [series, service];

b.board(
  'sluice-autoscaler',
  'Autoscaler',
  'How many backends each service wants and has, and the decisions between. `lbctl scale SERVICE` tells the same with the reason of each decision.',
  [
    b.values('instance', 'Balancer', 'lb_build_info'),
    b.values('service', 'Service', 'lb_autoscale_desired_backends{%s}' % agent),
  ],
  [
    b.row('Now', [
      b.stat(
        'At their maximum',
        'Services that want as many backends as they may have: load beyond this makes clients wait. Raise the maximum, or find out why there is so much load.',
        'none',
        'sum(lb_autoscale_desired_backends{%s} >= bool lb_autoscale_max_backends{%s})' % [service, service]
      ) + b.alerts(['SluiceAutoscalerAtMax']) + b.limits({ '1': 'orange' }) + b.figure_alone,
      b.stat(
        'Fewer than wanted',
        'Services of which fewer backends run than are wanted. For seconds that is a launch; for minutes, launches fail: see below.',
        'none',
        'sum(lb_autoscale_running_backends{%s} < bool lb_autoscale_desired_backends{%s})' % [service, service]
      ) + b.limits({ '1': 'orange' }),
      b.stat(
        'Launches given up',
        "Services whose circuit is open: launches failed again and again, and the autoscaler waits before it tries once more. The log has the driver's words.",
        'none',
        'sum(lb_autoscale_circuit_open{%s})' % service
      ) + b.alerts(['SluiceAutoscalerCircuitOpen']) + b.zero_is_good,
      b.stat('Wanted', 'Backends that the autoscaler wants, of all chosen services.', 'none', 'sum(lb_autoscale_desired_backends{%s})' % service),
      b.stat('Running', 'Backends that it has.', 'none', 'sum(lb_autoscale_running_backends{%s})' % service),
      b.stat(
        'Failed launches',
        "Over the whole range of time. The log has the driver's words for each.",
        'none',
        'sum(increase(lb_autoscale_launch_failures_total{%s}[$__range]))' % service
      ) + b.zero_is_good + b.decimals(0),
    ]),

    b.row('Backends', [
      b.graph(
        'Wanted and running, between least and most (dashed)',
        'Running follows wanted within the time of a launch, or of a drain. Wanted lying on the dashed line at the top is a limit reached; a saw-tooth is flapping: a longer window, or cooldowns, end it.',
        'none',
        {
          '{{service}} wanted': now('lb_autoscale_desired_backends'),
          '{{service}} running': now('lb_autoscale_running_backends'),
          '{{service}} least': now('lb_autoscale_min_backends'),
          '{{service}} most': now('lb_autoscale_max_backends'),
        }
      ) + b.size(16, 10) + b.dashed(' (least|most)$') + b.stepped,
      b.graph(
        'The metric that it goes by',
        'For one backend, as it was seen last; each service has a metric and thresholds of its own (`lbctl scale SERVICE`). A gap is missing data: the autoscaler then leaves everything as it is.',
        'short',
        { '{{service}}': now('lb_autoscale_metric') }
      ) + b.size(8, 10),
    ]),

    b.row('Decisions', [
      b.graph(
        'Decisions',
        'How often it decided what. hold is the rule; up and down in turn are flapping; replace stands for a backend that died.',
        'cps',
        { '{{service}} {{decision}}': 'sum by (service, decision) (%s)' % per_second('lb_autoscale_decisions_total') }
      ) + b.size(12, 9),
      b.graph(
        'Failed launches by service',
        'Launches that the driver could not bring up each second. After some of them the circuit opens.',
        'cps',
        { '{{service}}': 'sum by (service) (%s)' % per_second('lb_autoscale_launch_failures_total') }
      ) + b.size(12, 9),
      b.timeline(
        'Launches',
        'Tried, or given up for a while because they failed again and again.',
        { '{{service}}': now('lb_autoscale_circuit_open') },
        { '0': ['tried', 'green'], '1': ['given up', 'red'] }
      ) + b.size(24, 6),
    ]),
  ]
)
