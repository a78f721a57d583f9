// SPDX-License-Identifier: Apache-2.0
// MariaDB below the order service: mysqld_exporter's figures.
local b = import 'board.libsonnet';

local database = 'instance=~"$database"';
local status(name, more='') = 'mysql_global_status_%s{%s%s}' % [name, database, more];
local variable(name) = 'mysql_global_variables_%s{%s}' % [name, database];
local per_second(series) = 'rate(%s[$__rate_interval])' % series;
local changes(name, more='') = per_second(status(name, more));
local response(part) = per_second('mysql_info_schema_query_response_time_seconds_%s{%s}' % [part, database]);
local quantile(q, by='') = 'histogram_quantile(%g, sum by (%sle) (%s))' % [q, by, response('bucket')];
local statements(part) = 'sum by (digest_text) (increase(mysql_perf_schema_events_statements_%s{%s}[$__range]))' % [part, database];
local hits = '1 - %s / %s' % [changes('innodb_buffer_pool_reads'), changes('innodb_buffer_pool_read_requests')];

b.board(
  'sluice-db',
  'Database',
  'MariaDB as mysqld_exporter sees it. Query times need the plugin query_response_time, the table of statements performance_schema; docs/grafana.md says how to switch them on.',
  [b.values('database', 'Database', 'mysql_up', of='instance')],
  [
    b.row('Now', [
      b.stat(
        'Databases not answering',
        'The exporter runs, but the server does not take its connection: `systemctl status mariadb`, then its error log.',
        'none',
        'sum(mysql_up{%s} == bool 0)' % database
      ) + b.alerts(['SluiceScrapeFailing']) + b.zero_is_good,
      b.stat('Queries', 'Statements executed each second.', 'ops', 'sum(%s)' % changes('queries')),
      b.stat(
        'Query time, p95',
        'Of 20 statements, 19 were done within this time.',
        's',
        quantile(0.95)
      ) + b.limits({ '0.1': 'orange', '1': 'red' }),
      b.stat(
        'Slow queries',
        'Statements each second that took longer than long_query_time. The slow query log names them; "Statements" below sums them up.',
        'ops',
        'sum(%s)' % changes('slow_queries')
      ) + b.limits({ '0.1': 'orange', '1': 'red' }),
      b.stat(
        'Connections used',
        "Of max_connections, at the database that has fewest left. At 100 % new ones are refused: make clients' pools smaller before you make the limit larger.",
        'percentunit',
        'max(%s / %s)' % [status('threads_connected'), variable('max_connections')]
      ) + b.limits({ '0.7': 'orange', '0.9': 'red' }),
      b.stat(
        'Buffer pool hits',
        'Reads of pages that needed no disk. Below the limits the working set does not fit: raise innodb_buffer_pool_size, or find the query that reads so much.',
        'percentunit',
        'min(%s)' % hits
      ) + b.floors({ '0.9': 'red', '0.99': 'orange' }) + b.decimals(1),
      b.stat(
        'Waiting for a row',
        "Statements that wait for another one's row lock at this moment.",
        'none',
        'sum(%s)' % status('innodb_row_lock_current_waits')
      ) + b.limits({ '1': 'orange', '10': 'red' }),
      b.stat('Up for', 'The server that was started last.', 's', 'min(%s)' % status('uptime')) + b.figure_alone,
    ]),

    b.row('Connections', [
      b.graph(
        'Open, busy, and the most allowed',
        'Open ones cost memory, busy ones CPU. Busy ones above the number of cores for long: statements queue.',
        'short',
        {
          '{{instance}} open': status('threads_connected'),
          '{{instance}} busy': status('threads_running'),
          '{{instance}} allowed': variable('max_connections'),
        }
      ) + b.dashed(' allowed$'),
      b.graph(
        'New connections',
        'Opened each second. Many: a client without a pool; each costs a handshake, and a thread.',
        'cps',
        { '{{instance}}': changes('connections') }
      ),
      b.graph(
        'Refused and broken off',
        "aborted: a client vanished without a word, or the login failed. Other names are the server's reasons to refuse; max_connections is the one to know.",
        'cps',
        {
          'aborted clients': 'sum(%s)' % changes('aborted_clients'),
          'aborted logins': 'sum(%s)' % changes('aborted_connects'),
          '{{error}}': 'sum by (error) (%s)' % changes('connection_errors_total'),
        }
      ) + b.coloured('^max_connections$', 'red'),
    ]),

    b.row('Queries', [
      b.heatmap(
        'Query time',
        'How long statements took: darker where there are more. A thin band far above the rest are the slow ones.',
        's',
        // The server counts up to months; what takes minutes is one row here.
        'sum by (le) (%s)' % per_second('mysql_info_schema_query_response_time_seconds_bucket{%s, le!~"[0-9]{3,}|.*e[+].*"}' % database)
      ),
      b.graph(
        'Query time: mean, p50, p95, p99',
        'The mean far above p50: few statements cost most of the time. All rising together: CPU, disk or locks, see below.',
        's',
        {
          mean: 'sum(%s) / sum(%s)' % [response('sum'), response('count')],
          p50: quantile(0.5),
          p95: quantile(0.95),
          p99: quantile(0.99),
        }
      ) + b.size(12, 9) + b.limits({ '0.1': 'orange', '1': 'red' }) + b.limit_lines,
      b.graph(
        'Statements by kind',
        'What clients ask for. Rollbacks beside commits: conflicts, or errors of the application.',
        'ops',
        { '{{command}}': 'sum by (command) (%s)' % changes('commands_total', ', command=~"select|insert|update|delete|replace|begin|commit|rollback"') }
      ) + b.stacked,
      b.graph(
        'Slow queries by database',
        'Statements each second that took longer than long_query_time (dashed, in seconds, on the right).',
        'ops',
        {
          '{{instance}}': changes('slow_queries'),
          '{{instance}} long_query_time': variable('long_query_time'),
        }
      ) + b.dashed(' long_query_time$') + b.right(' long_query_time$', 's'),
      b.graph(
        'Without an index, and to the disk',
        'Statements that read whole tables, joins without an index, and temporary tables that did not fit into memory. `EXPLAIN` the statements below.',
        'ops',
        {
          'whole tables read': 'sum(%s)' % changes('select_scan'),
          'joins without an index': 'sum(%s)' % changes('select_full_join'),
          'temporary tables on disk': 'sum(%s)' % changes('created_tmp_disk_tables'),
        }
      ),
      b.table(
        'Statements over the whole range of time',
        'What the server spent its time on, by kind of statement: many fast ones or few slow ones. Begin with the first.',
        's',
        ['digest_text'],
        {
          'Total time': 'topk(10, %s)' % statements('seconds_total'),
          'Time each': 'topk(10, %s) / on (digest_text) %s' % [statements('seconds_total'), statements('total')],
        }
      ) + b.size(24, 9) + b.sorted_by('Total time'),
    ]),

    b.row('Locks', [
      b.graph(
        'Waiting for rows',
        'Time that statements spend waiting for row locks, for each second. Above 1 more than one waits all the time: transactions are too long, or all want the same row.',
        'percentunit',
        { '{{instance}}': changes('innodb_row_lock_time') + ' / 1000' }
      ) + b.size(12, 8),
      b.graph(
        'Waits and deadlocks',
        'A deadlock costs one of the two transactions, which the application must try again (the order service does).',
        'cps',
        {
          deadlocks: 'sum(%s)' % changes('innodb_deadlocks'),
          waits: 'sum(%s)' % changes('innodb_row_lock_waits'),
        }
      ) + b.size(12, 8) + b.coloured('^deadlocks$', 'red'),
    ]),

    b.row('Buffer pool and disk', [
      b.graph(
        'Pages of the buffer pool',
        'What its memory is used for. Without free pages it throws out old ones to read new ones, which is fine while hits are many.',
        'short',
        { '{{state}}': 'sum by (state) (%s)' % status('buffer_pool_pages', ', state=~"data|free|misc"') }
      ) + b.stacked,
      b.graph(
        'Hits',
        'Part of the page reads that needed no disk.',
        'percentunit',
        { '{{instance}}': hits }
      ) + b.range(0, 1),
      b.graph(
        'Dirty pages, and waits for a free one',
        'Changed pages that are still to be written. Waits above 0: the disk cannot keep up with changes.',
        'short',
        {
          'dirty pages': 'sum(%s)' % status('buffer_pool_dirty_pages'),
          'waits each second': 'sum(%s)' % changes('innodb_buffer_pool_wait_free'),
        }
      ) + b.coloured('^waits', 'red'),
      b.graph(
        'Read and written by InnoDB',
        'Read above, written below. Compare with the disk in "Infrastructure".',
        'Bps',
        {
          '{{instance}} read': changes('innodb_data_read'),
          '{{instance}} written': changes('innodb_data_written'),
        }
      ) + b.size(12, 8) + b.mirrored(' written$'),
      b.graph(
        "Commits' way to the disk",
        'fsyncs each second, and waits because the log buffer was full. A commit costs one fsync; their time is "Time per request" in "Infrastructure".',
        'cps',
        {
          fsyncs: 'sum(%s)' % changes('innodb_data_fsyncs'),
          'log waits': 'sum(%s)' % changes('innodb_log_waits'),
        }
      ) + b.size(12, 8) + b.coloured('^log waits$', 'red'),
    ]),
  ]
)
