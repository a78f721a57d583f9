// SPDX-License-Identifier: Apache-2.0
// What clients ask, who of the backends answers, and what becomes of the rest.
local b = import 'board.libsonnet';

local agent = 'instance=~"$instance"';
local service = agent + ', service=~"$service"';
local backend = service + ', backend=~"$backend"';
local per_second(series, where) = 'rate(%s{%s}[$__rate_interval])' % [series, where];
local flows = per_second('lb_backend_new_flows_total', backend);
local repeated = per_second('lb_backend_syn_retransmits_total', backend);
local handshakes = per_second('lb_backend_handshake_seconds_bucket', backend);
local quantile(q, by) = 'histogram_quantile(%g, sum by (%s) (%s))' % [q, by, handshakes];

b.board(
  'sluice-lb',
  'Load balancer',
  'Services, backends and the data plane of the balancers. Read it from the top: is anything red, is there traffic, does it go where it should, and if not, why.',
  [
    b.values('instance', 'Balancer', 'lb_build_info'),
    b.values('service', 'Service', 'lb_backend_up{%s}' % agent),
    b.values('backend', 'Backend', 'lb_backend_up{%s}' % service),
  ],
  [
    b.row('Now', [
      b.stat(
        'Balancers not answering',
        'Agents that Prometheus cannot scrape. Traffic goes on without the agent, but nobody checks backends: `systemctl status lbagent` there, then its log.',
        'none',
        'sum(up{%s} == bool 0)' % agent
      ) + b.alerts(['SluiceAgentDown', 'SluiceAgentMissing']) + b.zero_is_good,
      b.stat(
        'Balancers out of sync',
        'Agents whose data plane is not as it was asked to be. `lbctl status` says what the kernel refuses.',
        'none',
        'sum(lb_in_sync{%s} == bool 0)' % agent
      ) + b.alerts(['SluiceNotInSync']) + b.zero_is_good,
      b.stat(
        'Services without a backend',
        'Services none of whose backends is up and gets new flows: their clients get no answer. `lbctl show SERVICE` names each backend and why it is out.',
        'none',
        'sum(sum by (instance, service) (lb_backend_up{%s} * (lb_backend_share_ratio{%s} > bool 0)) == bool 0)' % [service, service]
      ) + b.alerts(['SluiceServiceWithoutBackends', 'SluiceVipNotAnnounced']) + b.zero_is_good,
      b.stat(
        'Backends down',
        'Backends that should serve and do not, for their checks fail. `lbctl events` says since when and why. Those that drain or are in maintenance are not counted.',
        'none',
        'sum((lb_backend_up{%s} == bool 0) * lb_backend_enabled{%s})' % [backend, backend]
      ) + b.alerts(['SluiceBackendDown']) + b.zero_is_good,
      b.stat(
        'New flows',
        'Flows scheduled to backends each second. A sudden fall with nothing red here: look in front of the balancer.',
        'cps',
        'sum(%s)' % flows
      ),
      b.stat(
        'Active flows',
        'Flows that may still carry data. They fall slowly after traffic ends: by the idle timeout.',
        'short',
        'sum(lb_backend_active_flows{%s})' % backend
      ),
      b.stat(
        'Dropped',
        'Part of all packets for VIPs that were dropped. See "Drops" below for the reasons.',
        'percentunit',
        'sum(%s) / clamp_min(sum(%s), 1)' % [per_second('lb_drops_total', agent), per_second('lb_service_packets_total', agent)]
      ) + b.alerts(['SluiceDropShare']) + b.limits({ '0.001': 'orange', '0.01': 'red' }) + b.decimals(2),
      b.stat(
        'Handshake, p95',
        'Of 20 TCP connections, 19 were open after this time, seen from the balancer: the way to the backend, its answer, the way to the client and the ACK. See "Latency" below.',
        's',
        quantile(0.95, 'le')
      ) + b.alerts(['SluiceHandshakeSlow']) + b.limits({ '0.25': 'orange', '0.5': 'red' }),
    ]),

    b.row('Traffic', [
      b.graph(
        'Packets from clients',
        'Packets to the VIPs of each service, dropped ones included. It is what the balancer has to work for, whatever the size of the packets.',
        'pps',
        { '{{service}}': 'sum by (service) (%s)' % per_second('lb_service_packets_total', service) }
      ),
      b.graph(
        'Bits from clients',
        'Bits to the VIPs of each service. Replies are not in it in the modes l2, ipip and gue: they bypass the balancer.',
        'bps',
        { '{{service}}': '8 * sum by (service) (%s)' % per_second('lb_service_bytes_total', service) }
      ),
      b.graph(
        'New flows by backend',
        'Flows scheduled to each backend: new TCP connections, and UDP flows by their first packet. A backend that stands out from its peers has another weight, or its clients try again and again: see "SYNs repeated".',
        'cps',
        { '{{service}} {{backend}}': 'sum by (service, backend) (%s)' % flows }
      ),
      b.graph(
        'Packets by backend',
        'Packets sent to each backend. One that gets many more than its share of flows has few, heavy clients: Maglev spreads flows, not bytes; `least-conn` may help.',
        'pps',
        { '{{service}} {{backend}}': 'sum by (service, backend) (%s)' % per_second('lb_backend_packets_total', backend) }
      ) + b.size(12, 8),
      b.graph(
        'Active flows by backend',
        'Flows of each backend that may still carry data. One that only rises serves too slowly or does not close; a draining backend must come down to 0.',
        'short',
        { '{{service}} {{backend}}': 'sum by (service, backend) (lb_backend_active_flows{%s})' % backend }
      ) + b.size(12, 8),
    ]),

    b.row('Shares', [
      b.graph(
        'Share of new flows: actual, and as intended (dashed)',
        "What part of its service's new flows each backend got, beside the part of the table that is its own. Few flows scatter: judge over hundreds. A lasting difference: clients behind one address (scheduler `source`), or a table that is not in sync.",
        'percentunit',
        {
          '{{service}} {{backend}}': 'sum by (service, backend) (%s) / on (service) group_left () sum by (service) (%s)' % [flows, per_second('lb_backend_new_flows_total', service)],
          '{{service}} {{backend}} intended': 'avg by (service, backend) (lb_backend_share_ratio{%s})' % backend,
        }
      ) + b.size(12, 9) + b.dashed(' intended$'),
      b.table(
        'Shares over the whole range of time',
        'The same as totals over the time that the board shows, with the number of flows behind them. A click on a backend leads to its own figures, where it is a demo service.',
        'percentunit',
        ['service', 'backend'],
        {
          'New flows': 'sum by (service, backend) (increase(lb_backend_new_flows_total{%s}[$__range]))' % backend,
          Actual: 'sum by (service, backend) (increase(lb_backend_new_flows_total{%s}[$__range])) / on (service) group_left () sum by (service) (increase(lb_backend_new_flows_total{%s}[$__range]))' % [backend, service],
          Intended: 'avg by (service, backend) (avg_over_time(lb_backend_share_ratio{%s}[$__range]))' % backend,
          Weight: 'max by (service, backend) (lb_backend_effective_weight{%s})' % backend,
        }
      ) + b.size(12, 9)
      + b.column('New flows', { unit: 'short', decimals: 0 })
      + b.column('Weight', { unit: 'none', decimals: 0 })
      + b.column('backend', { links: [{ title: 'Its figures as a demo service', url: '/d/sluice-app?var-server=${__value.raw}' }] }),
    ]),

    b.row('Health', [
      b.timeline(
        'Backends',
        'down: its checks fail; `lbctl events` says why. suspect: checks pass, but clients repeat their SYNs far more than at its peers; look at the way from clients to it. taken out: it drains or is in maintenance, because somebody wants it so.',
        { '{{service}} {{backend}} at {{instance}}': 'lb_backend_up{%s} * (1 + lb_backend_suspect{%s}) + 3 * (1 - lb_backend_up{%s}) * (1 - lb_backend_enabled{%s})' % [backend, backend, backend, backend] },
        { '0': ['down', 'red'], '1': ['up', 'green'], '2': ['suspect', 'orange'], '3': ['taken out', 'blue'] }
      ) + b.alerts(['SluiceBackendDown', 'SluiceBackendSuspect', 'SluiceServiceInPanic', 'SluiceFleetDiffers']) + b.size(16, 9),
      b.graph(
        'Checks failed',
        "Part of each backend's health checks that failed. Above 0 and below 1 it flaps: a longer timeout or a higher `fall` hides that, a look at the backend ends it.",
        'percentunit',
        { '{{service}} {{backend}}': 'sum by (service, backend) (%s) / sum by (service, backend) (%s)' % [
          per_second('lb_health_checks_total', backend + ', result="fail"'),
          per_second('lb_health_checks_total', backend),
        ] }
      ) + b.size(8, 9) + b.range(0, 1),
      b.graph(
        'Duration of checks, p95',
        "Of 20 checks of a service's backends, 19 were over after this time. It rises before checks fail: a timeout close above it will take backends out in the next rush.",
        's',
        { '{{service}} {{check}}': 'histogram_quantile(0.95, sum by (service, check, le) (%s))' % per_second('lb_health_check_duration_seconds_bucket', service) }
      ) + b.size(24, 8),
    ]),

    b.row('Fleet', [
      b.timeline(
        'Configuration in force',
        "Of balancers with `--store`. behind: it serves an older configuration than etcd's; `lbctl status` there says why. trial: it has that of a roll-out; `lbctl rollout show` says what the roll-out waits for.",
        { '{{instance}}': 'lb_store_current{%s} * (1 + lb_store_trial{%s})' % [agent, agent] },
        { '0': ['behind', 'red'], '1': ['latest', 'green'], '2': ['trial', 'blue'] }
      ) + b.alerts(['SluiceStoreBehind']) + b.size(12, 8),
      b.graph(
        'Balancers known to each',
        'Those that follow the same configuration and have told etcd so within five seconds. It is the fleet that shares of a roll-out are of. One less: that balancer is down, or does not reach etcd.',
        'none',
        { '{{instance}}': 'lb_store_balancers{%s}' % agent }
      ) + b.size(6, 8) + b.stepped,
      b.graph(
        'Revision in force',
        "etcd's revision of the configuration that each balancer serves. They rise together, within a second; one that lags behind is told of at the left.",
        'none',
        { '{{instance}}': 'lb_store_revision{%s}' % agent }
      ) + b.size(6, 8) + b.stepped,
    ]),

    b.row('Load', [
      b.graph(
        'Load that hosts report',
        "Of services whose weights follow load: what `lbnode report` says, 1 being full. All near 1: add backends. One far above its peers for minutes: its weight has reached the floor, or its load is not its clients'.",
        'percentunit',
        { '{{service}} {{backend}}': 'max by (service, backend) (lb_backend_load_ratio{%s})' % backend }
      ) + b.alerts(['SluiceLoadSilent']),
      b.graph(
        'Pressure',
        'What weights go by: the load, and more where clients wait longer or repeat more SYNs than at the median backend. Far above the load at the left: clients fare worse there than its load tells.',
        'percentunit',
        { '{{service}} {{backend}}': 'max by (service, backend) (lb_backend_load_pressure_ratio{%s})' % backend }
      ),
      b.graph(
        'Weight in force, of the configured one',
        'Below 1: a slow start, or by its load. Lines that go up and down all the time: a number that jumps, or too short a `--load-interval`.',
        'percentunit',
        { '{{service}} {{backend}}': 'max by (service, backend) (lb_backend_effective_weight{%s} / (lb_backend_weight{%s} > 0))' % [backend, backend] }
      ) + b.range(0, 1),
    ]),

    b.row('Latency', [
      b.heatmap(
        'Handshakes',
        "How long TCP handshakes took, from the SYN to the client's ACK: darker where there are more. A second band above the first is a second kind of backend or way; find it in the graph beside.",
        's',
        'sum by (le) (%s)' % handshakes
      ),
      b.graph(
        'Handshake, p95 of each backend',
        'Of 20 connections to the backend, 19 were open after this time. One backend above its peers: it, or the way to it. All at once: the network to the clients, or an overloaded balancer (see "Infrastructure").',
        's',
        { '{{service}} {{backend}}': quantile(0.95, 'service, backend, le') }
      ) + b.alerts(['SluiceHandshakeSlow']) + b.size(12, 9),
      b.graph(
        'SYNs repeated',
        'Of the SYNs to a backend, the part that clients had to repeat. Above a few per cent at one backend: it drops them (backlog full: `nstat -az TcpExtListenDrops` there) or the way to it does. It needs no probe to be seen.',
        'percentunit',
        { '{{service}} {{backend}}': 'sum by (service, backend) (%s) / sum by (service, backend) (%s + %s)' % [repeated, repeated, flows] }
      ) + b.alerts(['SluiceSynRetransmits', 'SluiceBackendSuspect']) + b.size(12, 8) + b.limits({ '0.05': 'red' }) + b.limit_lines,
      b.graph(
        'Handshakes: p50, p95, p99',
        'Of all handshakes of the chosen backends together. p99 far above p95: some clients are far away, or some packets are lost and sent again after a second.',
        's',
        { p50: quantile(0.5, 'le'), p95: quantile(0.95, 'le'), p99: quantile(0.99, 'le') }
      ) + b.size(12, 8),
    ]),

    b.row('Flow table', [
      b.graph(
        'Entries by state',
        'Flows that the table remembers: only such as a change could move. Embryonic ones alone rising is a SYN flood; established ones fall when no table has changed for the idle timeout.',
        'short',
        { '{{state}}': 'sum by (state) (lb_flow_table_entries{%s})' % agent }
      ) + b.stacked,
      b.graph(
        'Filled',
        'Entries for each that the table has room for. From half full on, some buckets overflow and flows lose their entries: start `lbagent` with more `--flows`.',
        'percentunit',
        { '{{instance}}': 'sum without (state) (lb_flow_table_entries{%s}) / lb_flow_table_size{%s}' % [agent, agent] }
      ) + b.alerts(['SluiceFlowTableFilling']) + b.limits({ '0.5': 'red' }) + b.limit_lines,
      b.graph(
        'Evictions by state',
        'Live entries that had to give way in a full bucket. Embryonic ones in a SYN flood are meant to go. Established ones must stay: above 0, start `lbagent` with more `--flows`.',
        'cps',
        { '{{state}}': 'sum by (state) (%s)' % per_second('lb_flow_table_evictions_total', agent) }
      ) + b.alerts(['SluiceEstablishedFlowsEvicted']) + b.coloured('^established$', 'red'),
    ]),

    b.row('Drops', [
      b.graph(
        'Dropped packets by reason',
        "`lbctl drops` says for each reason what it means and what to do, with the last packet; `lbctl explain PROTO SRC:PORT DST:PORT` says for one packet of your choice. no_backend: clients are turned away. no_neighbour: a backend's MAC is unknown. malformed, tcp_flags and land: somebody scans or attacks.",
        'pps',
        { '{{reason}}': 'sum by (reason) (%s)' % per_second('lb_drops_total', agent) }
      ) + b.alerts(['SluiceDropShare']) + b.size(12, 9) + b.stacked,
      b.graph(
        'Answered by the balancer itself',
        "echo: pings of a VIP. too_big_told: a client's packet was too long for the way to the backend, and the client was told; lasting, its path MTU discovery does not work. ttl_told: traceroute.",
        'pps',
        { '{{kind}}': 'sum by (kind) (%s)' % per_second('lb_replies_total', agent) }
      ) + b.size(12, 9),
    ]),

    b.row('Program and agent', [
      b.graph(
        'XDP time per packet',
        'Mean run time of `lb_ingress`. Only while the kernel counts: `sysctl -w kernel.bpf_stats_enabled=1`, which itself costs time for each packet: switch it off again. It rises with cache misses: many flows, many services, another tenant on the core.',
        's',
        { '{{instance}}': 'rate(lb_program_run_seconds_total{%s}[$__rate_interval]) / rate(lb_program_runs_total{%s}[$__rate_interval])' % [agent, agent] }
      ),
      b.graph(
        'Table build and sync',
        'How long the last Maglev table took to build, and the last change to reach the data plane. Seconds instead of milliseconds: the agent is short of CPU, or has thousands of backends to change at once.',
        's',
        {
          '{{instance}} sync': 'lb_sync_seconds{%s}' % agent,
          '{{instance}} table': 'lb_table_build_seconds{%s}' % agent,
        }
      ),
      b.graph(
        'Scrape',
        "How long Prometheus waits for the agent's figures. Above its timeout of 10 s they are missing here, although traffic goes on.",
        's',
        { '{{instance}}': 'scrape_duration_seconds{%s}' % agent }
      ),
      b.graph(
        "The agent's processor time",
        'Part of one core that the agent takes: health checks, API calls, scrapes. Forwarding is not in it. Near 1 checks come late; check less often, or in fewer ways.',
        'percentunit',
        { '{{instance}}': per_second('process_cpu_seconds_total', agent) }
      ),
      b.graph(
        "The agent's memory",
        'Resident, with as much of the flow table as it has looked at. It follows `--flows` and the number of backends; if it rises for days without them, please report it.',
        'bytes',
        { '{{instance}}': 'process_resident_memory_bytes{%s}' % agent }
      ),
      b.graph(
        'Refused tokens',
        "Wrong tokens at the TCP listener. Somebody guesses, or a script has an old one; the agent's log names the address.",
        'cps',
        { '{{instance}}': per_second('lb_api_refused_tokens_total', agent) }
      ) + b.alerts(['SluiceTokensRefused']),
      b.graph(
        'Captured packets',
        'Packets that `lbctl capture` was given, and such as it was too slow to take. Captures cost CPU time for each packet: end those that nobody reads.',
        'pps',
        {
          captured: 'sum(%s)' % per_second('lb_capture_packets_total', agent),
          lost: 'sum(%s)' % per_second('lb_capture_lost_total', agent),
        }
      ) + b.alerts(['SluiceCaptureLeftRunning']) + b.size(24, 7),
    ]),
  ]
)
