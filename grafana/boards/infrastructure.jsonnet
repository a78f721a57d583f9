// SPDX-License-Identifier: Apache-2.0
// The machines below balancers, backends and databases: node_exporter's figures.
local b = import 'board.libsonnet';

local node = 'instance=~"$node"';
local device = node + ', device=~"$device"';
local disk = node + ', device!~"(loop|ram|zram|sr|fd).*"';
local files = node + ', fstype!~"tmpfs|ramfs|squashfs|iso9660"';
local per_second(series, where) = 'rate(%s{%s}[$__rate_interval])' % [series, where];
local each_cpu(mode) = 'sum by (instance, cpu) (%s)' % per_second('node_cpu_seconds_total', node + ', mode' + mode);
local memory(part) = 'node_memory_%s_bytes{%s}' % [part, node];
local memory_used = '1 - %s / %s' % [memory('MemAvailable'), memory('MemTotal')];
local disk_used = '1 - node_filesystem_avail_bytes{%s} / node_filesystem_size_bytes{%s}' % [files, files];

b.board(
  'sluice-host',
  'Infrastructure',
  "CPU, memory, network and disks of the machines. XDP works in softirq time of the cores that receive packets, so the balancer's limit is one core at 100 % of that, long before the mean shows it.",
  [
    b.values('node', 'Machine', 'node_uname_info', of='instance'),
    b.values('device', 'Interface', 'node_network_up{%s}' % node, keep='/^(?!lo$|veth|docker|br-|ifb).*/'),
  ],
  [
    b.row('Now', [
      b.stat(
        'Machines not answering',
        'Machines whose node_exporter Prometheus cannot scrape: down, cut off, or only the exporter is.',
        'none',
        'sum(up{%s} == bool 0)' % node
      ) + b.alerts(['SluiceScrapeFailing']) + b.zero_is_good,
      b.stat(
        'Busiest core',
        'The core with the least idle time. Near 100 % while the mean is low: receive queues are not spread (see "Softirq by core").',
        'percentunit',
        'max(%s)' % each_cpu('!~"idle|iowait|steal"')
      ) + b.limits({ '0.8': 'orange', '0.95': 'red' }),
      b.stat(
        'Stolen',
        'CPU time that a virtual machine wanted and its host gave to others. It shows as latency everywhere; only the host can help.',
        'percentunit',
        'max(avg by (instance) (%s))' % per_second('node_cpu_seconds_total', node + ', mode="steal"')
      ) + b.limits({ '0.05': 'orange', '0.2': 'red' }) + b.decimals(1),
      b.stat(
        'Memory used',
        'Of the fullest machine: what is neither free nor could be freed at once.',
        'percentunit',
        'max(%s)' % memory_used
      ) + b.limits({ '0.85': 'orange', '0.95': 'red' }),
      b.stat(
        'Fullest file system',
        'The state file and the journal of the agent need little room, databases much. At 100 % the agent keeps its last good state and says so.',
        'percentunit',
        'max(%s)' % disk_used
      ) + b.limits({ '0.8': 'orange', '0.95': 'red' }),
      b.stat(
        'Busiest disk',
        'Part of the time in which the disk had work. 100 % is a limit for one spinning disk; an SSD may still take more: see its time per request.',
        'percentunit',
        'max(%s)' % per_second('node_disk_io_time_seconds_total', disk)
      ) + b.limits({ '0.8': 'orange', '0.95': 'red' }),
      b.stat(
        'Lost at the NIC',
        'Packets that interfaces dropped or found broken. Above 0 for long: rings too small (`ethtool -g`), a core too slow, a bad cable.',
        'pps',
        'sum(%s + %s)' % [per_second('node_network_receive_drop_total', device), per_second('node_network_receive_errs_total', device)]
      ) + b.limits({ '1': 'orange', '100': 'red' }),
      b.stat('Up for', 'The machine that was started last.', 's', 'min(time() - node_boot_time_seconds{%s})' % node) + b.figure_alone,
    ]),

    b.row('CPU', [
      b.graph(
        'Time by mode',
        "Mean of all cores. softirq is the network's and XDP's part, system the kernel's for processes, iowait idle time with the disk at work.",
        'percentunit',
        { '{{mode}}': 'avg by (mode) (%s)' % per_second('node_cpu_seconds_total', node + ', mode!="idle"') }
      ) + b.stacked + b.range(0, 1),
      b.graph(
        'Softirq by core',
        'Where packets are received and the XDP program runs. One core high, others idle: more receive queues (`ethtool -L`), or spread their interrupts. All high: the balancer is at its limit.',
        'percentunit',
        { '{{instance}} CPU {{cpu}}': each_cpu('="softirq"') }
      ) + b.range(0, 1),
      b.graph(
        'Waiting for a resource',
        "Part of the time in which some task waited for CPU, memory or the disk (the kernel's pressure figures). What waits is what users feel.",
        'percentunit',
        {
          '{{instance}} CPU': per_second('node_pressure_cpu_waiting_seconds_total', node),
          '{{instance}} disk': per_second('node_pressure_io_waiting_seconds_total', node),
          '{{instance}} memory': per_second('node_pressure_memory_waiting_seconds_total', node),
        }
      ),
      b.graph(
        'Backlog of the cores',
        "squeezed: a core had packets left when its time was over; dropped: the kernel's queue for a core was full. Both beyond XDP: packets for the host, or of generic XDP. Raise net.core.netdev_budget or netdev_max_backlog, or spread the queues.",
        'cps',
        {
          '{{instance}} dropped': 'sum by (instance) (%s)' % per_second('node_softnet_dropped_total', node),
          '{{instance}} squeezed': 'sum by (instance) (%s)' % per_second('node_softnet_times_squeezed_total', node),
        }
      ) + b.size(12, 8),
      b.graph(
        'Load',
        'Tasks that run or wait, for each core. Lasting above 1: they queue.',
        'short',
        { '{{instance}}': 'node_load1{%s} / count without (cpu, mode) (node_cpu_seconds_total{%s, mode="idle"})' % [node, node] }
      ) + b.size(12, 8) + b.limits({ '1': 'orange' }) + b.limit_lines,
    ]),

    b.row('Memory', [
      b.graph(
        'Used, could be freed, free',
        'Of all chosen machines. The maps of the data plane are in "used": their size is fixed at the start of the agent (`--flows`, `--backends`).',
        'bytes',
        {
          used: 'sum(%s - %s)' % [memory('MemTotal'), memory('MemAvailable')],
          'could be freed': 'sum(%s - %s)' % [memory('MemAvailable'), memory('MemFree')],
          free: 'sum(%s)' % memory('MemFree'),
        }
      ) + b.stacked + b.coloured('^used$', 'orange') + b.coloured('^could be freed$', 'blue') + b.coloured('^free$', 'green'),
      b.graph('Used by machine', 'Part that is neither free nor could be freed at once.', 'percentunit', { '{{instance}}': memory_used })
      + b.range(0, 1) + b.limits({ '0.85': 'orange', '0.95': 'red' }) + b.limit_lines,
      b.graph(
        'Short of memory',
        'Pages read back from swap each second, and processes that the kernel killed for want of memory. Either above 0: something has grown too large; find it with `ps aux --sort -rss`.',
        'cps',
        {
          '{{instance}} killed': per_second('node_vmstat_oom_kill', node),
          '{{instance}} swapped in': per_second('node_vmstat_pswpin', node),
        }
      ) + b.coloured(' killed$', 'red'),
    ]),

    b.row('Network', [
      b.graph(
        'Bits',
        "Received above, sent below. Drivers count what XDP sends back by the same interface in different ways; the balancer's own figures are exact.",
        'bps',
        {
          '{{instance}} {{device}} in': '8 * ' + per_second('node_network_receive_bytes_total', device),
          '{{instance}} {{device}} out': '8 * ' + per_second('node_network_transmit_bytes_total', device),
        }
      ) + b.mirrored(' out$'),
      b.graph(
        'Packets',
        'Received above, sent below. Small packets fill a core before they fill the line.',
        'pps',
        {
          '{{instance}} {{device}} in': per_second('node_network_receive_packets_total', device),
          '{{instance}} {{device}} out': per_second('node_network_transmit_packets_total', device),
        }
      ) + b.mirrored(' out$'),
      b.graph(
        'Lost and broken packets',
        "Drops and errors of the interface. Where the balancer's drops are 0 and these are not, packets are lost before it sees them: `ethtool -S` says where.",
        'pps',
        {
          '{{instance}} {{device}} in': '%s + %s' % [per_second('node_network_receive_drop_total', device), per_second('node_network_receive_errs_total', device)],
          '{{instance}} {{device}} out': '%s + %s' % [per_second('node_network_transmit_drop_total', device), per_second('node_network_transmit_errs_total', device)],
        }
      ) + b.mirrored(' out$'),
      b.graph(
        'TCP of the machine: sent again',
        'Part of the segments that the machine itself had to send again. What the balancer forwards is not in it. Above one per cent, look at the way, not at the application.',
        'percentunit',
        { '{{instance}}': '%s / clamp_min(%s, 1)' % [per_second('node_netstat_Tcp_RetransSegs', node), per_second('node_netstat_Tcp_OutSegs', node)] }
      ) + b.size(12, 8) + b.limits({ '0.01': 'red' }) + b.limit_lines,
      b.graph(
        'Connections that were not taken',
        'SYNs to a listener whose queue was full. On a backend: its application accepts too slowly; the balancer shows the same as repeated SYNs.',
        'cps',
        { '{{instance}}': per_second('node_netstat_TcpExt_ListenDrops', node) }
      ) + b.size(12, 8),
    ]),

    b.row('Disk', [
      b.graph(
        'Read and written',
        'Read above, written below.',
        'Bps',
        {
          '{{instance}} {{device}} read': per_second('node_disk_read_bytes_total', disk),
          '{{instance}} {{device}} written': per_second('node_disk_written_bytes_total', disk),
        }
      ) + b.mirrored(' written$'),
      b.graph(
        'Time per request',
        'From request to answer of the disk. A database waits this long for each commit. Milliseconds are fine for an SSD, tens of them are not.',
        's',
        { '{{instance}} {{device}}': '(%s + %s) / (%s + %s)' % [
          per_second('node_disk_read_time_seconds_total', disk),
          per_second('node_disk_write_time_seconds_total', disk),
          per_second('node_disk_reads_completed_total', disk),
          per_second('node_disk_writes_completed_total', disk),
        ] }
      ),
      b.graph(
        'Busy',
        'Part of the time in which the disk had work.',
        'percentunit',
        { '{{instance}} {{device}}': per_second('node_disk_io_time_seconds_total', disk) }
      ) + b.range(0, 1),
      b.graph(
        'File systems',
        'How full each is. `du -x --max-depth=1` finds what grows.',
        'percentunit',
        { '{{instance}} {{mountpoint}}': disk_used }
      ) + b.size(12, 8) + b.range(0, 1) + b.limits({ '0.8': 'orange', '0.95': 'red' }) + b.limit_lines,
      b.graph(
        'Inodes',
        "Part of a file system's inodes in use: it is full without them, too. Many small files do that.",
        'percentunit',
        { '{{instance}} {{mountpoint}}': '1 - node_filesystem_files_free{%s} / node_filesystem_files{%s}' % [files, files] }
      ) + b.size(12, 8) + b.range(0, 1) + b.limits({ '0.8': 'orange', '0.95': 'red' }) + b.limit_lines,
    ]),
  ]
)
