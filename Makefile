# SPDX-License-Identifier: Apache-2.0
# Sluice. `make help` lists the targets; everything built lands in build/.

VERSION := 0.1.0
O       := build
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-8s%s\n' '$(1)' '$(2)')

CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= /usr/sbin/bpftool
PREFIX  ?= /usr/local
DESTDIR ?=

WARN   := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
          -Wpointer-arith -Wwrite-strings -Wundef -Wdate-time
SAN    :=
CFLAGS ?= -O2 -g -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2
LDFLAGS ?= -Wl,-z,relro -Wl,-z,now
# The same bytes wherever it is built: `make reproducible` compares.
SAME_PATHS = '-ffile-prefix-map=$(CURDIR)=.' '-ffile-prefix-map=$(O)=build'
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' $(WARN) $(SAME_PATHS) \
             -Icommon -Ibpf -Iagent -I$(O)/gen -MMD -MP $(CFLAGS) $(SAN)
BPF_CFLAGS = -std=gnu11 -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wshadow $(SAME_PATHS) \
             -I/usr/include/$(shell uname -m)-linux-gnu -MMD -MP

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

WEBAPPS := hello unstable store orders

##@ Every day

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	      /^[a-z-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install what building, demo and tests need, from Debian
	$(Q)sh tests/lab/deps.sh

build: $(O)/lbagent $(O)/lbctl $(O)/lbnode $(O)/bpf/decap.bpf.o $(O)/bpf/syncookie.bpf.o $(addprefix $(O)/,$(WEBAPPS)) ## build everything into build/

demo: deps ## show the main job on real traffic, in namespaces; leaves nothing behind
	$(Q)$(MAKE) --no-print-directory build
	$(Q)bash tests/lab/demo.sh

lab: deps ## open the lab and keep it: a balancer and backends to play with
	$(Q)$(MAKE) --no-print-directory build
	$(Q)bash tests/lab/open.sh

lab-down: ## close the lab
	$(Q)bash tests/lab/open.sh down

monitor: deps ## watch the lab with Prometheus and Alertmanager; opens it if need be
	$(Q)$(MAKE) --no-print-directory build
	$(Q)bash tests/lab/open.sh monitor

monitor-down: ## end Prometheus and Alertmanager; the lab stays open
	$(Q)bash tests/lab/open.sh monitor-down

# Builds with every processor, unless make was told with how many.
ALL_JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

test: deps ## run every test that CI runs
	$(Q)sh tests/lab/deps.sh vm
	$(Q)$(MAKE) --no-print-directory $(ALL_JOBS) build tests fuzzers
	$(Q)bash tests/run.sh

test-vm: ## run the tests that depend on the kernel below each kernel of vm/kernels.txt, in QEMU
	$(Q)sh tests/lab/deps.sh vm
	$(Q)$(MAKE) --no-print-directory build tests
	$(Q)bash vm/test.sh

vm-demo: ## show the main job on four machines in QEMU, with native XDP and Prometheus
	$(Q)sh tests/lab/deps.sh vm
	$(Q)$(MAKE) --no-print-directory build
	$(Q)bash vm/demo.sh

scenario-autoscale: ## load rises and falls, replicas follow by what Prometheus says; report in build/reports/
scenario-compare: ## the same loads through Sluice, nftables, HAProxy, nginx and a router; report in build/reports/
scenario-crowd: ## 10,000 connections at once, a backend killed and restarted; report in build/reports/
scenario-failure: ## backends die one by one, emergency ones appear, all return; report in build/reports/
scenario-load: ## backends that differ, plain Maglev and load-aware weights by turns: the tail; report in build/reports/
scenario-resilience: ## an unstable service behind store fails, stops, returns; report in build/reports/
scenario-spread: ## 10,000 requests on two to six backends: how even, how fast; report in build/reports/
scenario-stages: ## orders on MariaDB: normal, many reads, many orders, a busy machine; report likewise

SCENARIOS := $(patsubst tests/scenarios/%.sh,scenario-%, \
	$(filter-out %/scenario.sh,$(wildcard tests/scenarios/*.sh)))
$(SCENARIOS): scenario-%: deps
	$(Q)$(MAKE) --no-print-directory build
	$(Q)bash tests/scenarios/$*.sh

faults: deps ## refuse lbagent memory, calls and files, one place after the other; some 15 minutes
	$(Q)$(MAKE) --no-print-directory build
	$(Q)bash tests/faults/faults.sh

flood: deps ## 20 Mi spoofed SYNs against 1 Mi established flows; some five minutes
	$(Q)$(MAKE) --no-print-directory build
	$(Q)SYN_FLOOD='1048576 20971520 8388608' bash tests/e2e/syn_flood.sh

soak: deps ## churn under load, looked at each second, for SOAK_SECONDS=3600; report in build/reports/
	$(Q)$(MAKE) --no-print-directory build
	$(Q)bash tests/soak/soak.sh

second-chance: deps ## backends and balancers change in all 24 orders under downloads; some ten minutes
	$(Q)$(MAKE) --no-print-directory build
	$(Q)bash tests/e2e/second_chance.sh all

coverage: deps ## print what the packet cases reach of the data plane's sources
	$(Q)bash tests/packet/coverage.sh

replay: deps ## play captured packets through the data plane: DIR=captures [VIP='URI ...']
	$(Q)$(MAKE) --no-print-directory $(O)/tests/replay/lb_replay
	$(Q)$(O)/tests/replay/lb_replay $(addprefix --vip ,$(VIP)) "$(DIR)"

lint: deps ## clang-format, clang-tidy, cppcheck, shellcheck, headers alone, clang as compiler
	$(Q)bash tests/lint.sh

fmt: ## format the C code in place
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i

bench: deps ## print the data plane's cost per packet beside a bare XDP_TX program, and the control plane's, also into build/bench.json and .svg
	$(Q)$(MAKE) --no-print-directory $(O)/tests/bench/lb_bench $(O)/tests/bench/lb_control
	$(Q)$(O)/tests/bench/lb_bench --save $(O)/bench.json
	$(Q)bash tests/bench/chart.sh $(O)/bench.json >$(O)/bench.svg
	$(Q)$(O)/tests/bench/lb_control

bench-live: deps ## print packets a second of lb_ingress on a veth pair, beside programs that only send back: [ROUNDS=5]
	$(Q)$(MAKE) --no-print-directory $(O)/tests/bench/lb_live
	$(Q)bash tests/bench/live.sh $(ROUNDS)

bench-compare: deps ## print what a packet costs by two revisions, by turns: A=rev B=rev [ROUNDS=5 ONLY=REGEX CLANG_A=clang-14 CLANG_B=clang-19]
	$(Q)CLANG_A=$(CLANG_A) CLANG_B=$(CLANG_B) bash tests/bench/compare.sh $(A) $(B)

bench-simulate: deps ## compute what moves when backends or balancers change, with the real tables; curves in build/simulate.svg
	$(Q)$(MAKE) --no-print-directory $(O)/tests/bench/lb_simulate
	$(Q)O='$(O)' bash tests/bench/simulate.sh

bench-growth: deps ## print what ever more services, backends and room for flows cost lbagent: [WAYS='services flows ...']; curves in build/growth.svg
	$(Q)$(MAKE) --no-print-directory build
	$(Q)bash tests/bench/growth.sh $(WAYS)

bench-probes: deps ## print what checking 4000 backends a second costs lbagent: KINDS='tcp http ...'
	$(Q)$(MAKE) --no-print-directory build
	$(Q)bash tests/bench/probes.sh $(KINDS)

dashboards: deps ## write Grafana's dashboards anew from grafana/boards/
	$(Q)for board in grafana/boards/*.jsonnet; do \
		jsonnet -o "grafana/provisioning/dashboards/sluice/$$(basename "$$board" .jsonnet).json" \
			"$$board" || exit 1; done

install: build ## install below PREFIX (/usr/local) and DESTDIR; undone by uninstall
	$(Q)install -d $(addprefix $(DESTDIR)$(PREFIX)/,sbin bin share/man/man1 share/man/man8 \
		share/bash-completion/completions share/sluice) $(DESTDIR)/lib/systemd/system
	$(Q)install $(O)/lbagent $(DESTDIR)$(PREFIX)/sbin/
	$(Q)install $(O)/lbctl $(O)/lbnode $(DESTDIR)$(PREFIX)/bin/
	$(Q)install -m 644 docs/man/lbctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	$(Q)install -m 644 docs/man/lbagent.8 docs/man/lbnode.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	$(Q)install -m 644 $(addprefix $(O)/bpf/,decap.bpf.o syncookie.bpf.o) \
		$(DESTDIR)$(PREFIX)/share/sluice/
	$(Q)install -m 644 ctl/completion.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/lbctl
	$(Q)install -d $(DESTDIR)$(PREFIX)/share/sluice/drivers
	$(Q)install drivers/ansible drivers/lab drivers/systemd $(DESTDIR)$(PREFIX)/share/sluice/drivers/
	$(Q)install -m 644 drivers/ansible.yml drivers/hello@.service \
		$(DESTDIR)$(PREFIX)/share/sluice/drivers/
	$(Q)for unit in lbagent.service lbnode.service lbnode-report.service; do \
		sed 's|/usr/local/|$(PREFIX)/|' "systemd/$$unit" | install -m 644 /dev/stdin \
			"$(DESTDIR)/lib/systemd/system/$$unit" || exit 1; done

uninstall: ## remove what install put there
	$(Q)rm -f $(addprefix $(DESTDIR)$(PREFIX)/,sbin/lbagent bin/lbctl bin/lbnode \
		share/man/man1/lbctl.1 \
		share/man/man8/lbagent.8 share/man/man8/lbnode.8 share/sluice/decap.bpf.o share/sluice/syncookie.bpf.o \
		$(addprefix share/sluice/drivers/,ansible ansible.yml hello@.service lab systemd) \
		share/bash-completion/completions/lbctl) \
		$(addprefix $(DESTDIR)/lib/systemd/system/,lbagent.service lbnode.service lbnode-report.service)

deb: build ## build the Debian packages into build/deb/
	$(Q)sh tests/lab/deps.sh deb
	$(Q)bash debian/build.sh "$(O)"

test-deb: build ## build the packages, have lintian look at them, install, run, upgrade and purge them
	$(Q)sh tests/lab/deps.sh deb
	$(Q)bash tests/deb.sh

sbom: build ## write build/sbom.spdx.json: what the programs are made of
	$(Q)bash debian/sbom.sh "$(O)" >"$(O)/sbom.spdx.json"

reproducible: build ## build everything and the packages elsewhere, too, and compare the bytes
	$(Q)bash tests/reproducible.sh lbagent lbctl lbnode $(WEBAPPS) $(addprefix bpf/,ingress.bpf.o \
		decap.bpf.o probe.bpf.o syncookie.bpf.o)
	$(Q)$(MAKE) --no-print-directory deb
	$(Q)bash tests/reproducible.sh deb

clean: ## remove build/
	$(Q)rm -rf $(O)

# --- BPF programs: object, then skeleton (the object embedded in a header) ---

$(O)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(O)/tests/bench/%.bpf.o: tests/bench/%.bpf.c
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -Ibpf -c $< -o $@

$(O)/gen/%.skel.h: $(O)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst .,_,$*) > $@

$(O)/gen/%.skel.h: $(O)/tests/bench/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst .,_,$*) > $@

# --- programs ---

$(O)/obj/%.o: %.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(NATIVE) $(ALL_CFLAGS) -c $< -o $@

objects = $(patsubst %.c,$(O)/obj/%.o,$(1))

COMMON_SRC  := $(wildcard common/*.c)
AGENT_SRC   := $(wildcard agent/*.c)
AGENT_LIBS  := -lxdp -lbpf -lelf -lz -lmicrohttpd -lgnutls -lcap -luv -lcjson -lcurl -lhttp_parser -lssl \
               -lcrypto -lmnl -lsystemd -lm
CTL_SRC     := $(wildcard ctl/*.c)
CTL_LIBS    := -lcurl -lcjson -lsmartcols -lm

$(O)/obj/agent/dataplane_probe.o: $(O)/gen/probe.skel.h
$(call objects,$(wildcard agent/dataplane_*.c)): $(O)/gen/ingress.skel.h

# The native data plane is BPF code: packets are read as they lie, unaligned and by any type.
NATIVE_FLAGS := -Ibpf/native -fno-strict-aliasing
$(call objects,$(wildcard bpf/native/*.c)): NATIVE := $(NATIVE_FLAGS)

# What packets are played against (tests/packet): the native data plane, and what fills its maps.
WORLD_SRC := $(wildcard bpf/native/*.c tests/native/*.c) agent/vip_table.c $(addprefix common/,clock.c \
             parse.c error.c)

# The packet cases as lbagent carries them for its self-test; see agent/recording.h.
RECORD_SRC  := $(wildcard tests/record/*.c) $(addprefix tests/packet/,case.c \
               engine.c engine_native.c frame.c frame_print.c layer.c lexer.c play.c protocol.c \
               setup.c walk.c world.c) agent/recording.c agent/selftest.c $(WORLD_SRC)
$(call objects,$(wildcard tests/record/*.c tests/native/*.c) tests/packet/engine_native.c): \
	NATIVE := -Itests/packet -Itests/native $(NATIVE_FLAGS)

$(O)/tests/record/record: $(call objects,$(RECORD_SRC))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SAN) -o $@ $^ -lz

$(O)/gen/corpus.h: $(O)/tests/record/record $(wildcard tests/packet/cases/*.pkt)
	$(call say,RECORD,$@)
	$(Q)$< $@ $(filter %.pkt,$^)

$(O)/obj/agent/dataplane_selftest.o: $(O)/gen/corpus.h

# The web page as lbagent carries it: its files, and Chart.js with its licence, from Debian. A line
# each: how the linker, the browser and the file system call it, and what tells it from others.
PAGE_FILES := $(wildcard agent/ui/*) $(addprefix $(O)/gen/ui/,chart.js chart-licence.txt)

$(O)/gen/ui/chart.js: /usr/share/javascript/chart.js/chart.min.js
	$(Q)install -D -m 644 $< $@

$(O)/gen/ui/chart-licence.txt: /usr/share/doc/libjs-chart.js/copyright
	$(Q)install -D -m 644 $< $@

$(O)/gen/page_files.h: $(PAGE_FILES)
	$(call say,PAGE,$@)
	$(Q)mkdir -p $(@D)
	$(Q){ printf '#define PAGE_FILES(X)'; for file in $^; do name=$${file##*/}; \
		printf ' \\\n\tX(%s, "%s", "%s", "%.16s")' "$$(echo "$$name" | tr -c 'a-z\n' _)" \
		"$$name" "$$file" "$$(sha256sum <"$$file")"; done; echo; } >$@

$(O)/obj/agent/page.o $(O)/san/agent/page.o: $(O)/gen/page_files.h

$(O)/lbagent: $(call objects,$(COMMON_SRC) $(AGENT_SRC) $(wildcard bpf/native/*.c))
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SAN) -o $@ $^ $(AGENT_LIBS)

$(O)/lbctl: $(call objects,$(COMMON_SRC) $(CTL_SRC))
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SAN) -o $@ $^ $(CTL_LIBS)

$(O)/obj/backends/lbnode_decap.o: $(O)/gen/decap.skel.h
$(O)/obj/backends/lbnode_cookie.o: $(O)/gen/syncookie.skel.h

$(O)/lbnode: $(call objects,$(COMMON_SRC) $(wildcard backends/lbnode*.c))
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SAN) -o $@ $^ -lbpf -lelf -lz -lmicrohttpd -lmnl -lcjson -lm

# The demo services: what each has besides the base of all.
WEBAPP_SRC      := $(COMMON_SRC) $(wildcard backends/webapp*.c)
WEBAPP_hello    := backends/behaviour.c
WEBAPP_unstable := backends/behaviour.c
WEBAPP_store    := $(addprefix backends/,retry.c shard.c sqlite_file.c storage.c storage_redis.c \
                   storage_sqlite.c upstream.c)
WEBAPP_orders   := $(addprefix backends/,database.c database_mariadb.c database_sqlite.c order.c order_book.c \
                   retry.c sqlite_file.c)
WEBAPP_LIBS_orders := -lmariadb -lsqlite3
WEBAPP_LIBS_store  := -lcurl -lhiredis -lsqlite3

.SECONDEXPANSION:
$(addprefix $(O)/,$(WEBAPPS)): $(O)/%: $$(call objects,$(WEBAPP_SRC) backends/$$*.c $$(WEBAPP_$$*))
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SAN) -o $@ $^ -lmicrohttpd -lcjson $(WEBAPP_LIBS_$*) -lm

# --- tests: everything native runs under ASan and UBSan ---

TEST_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
TEST_LIBS := -lcmocka -lmicrohttpd -lsqlite3 -lgnutls -lcap -lbpf -lelf -lz -luv -lcurl -lhttp_parser -lssl -lcrypto -lmnl -lcjson \
             -lsmartcols -lm
UNIT_TESTS := $(patsubst tests/unit/%.c,$(O)/tests/unit/%,$(wildcard tests/unit/test_*.c))

tests: $(UNIT_TESTS) $(O)/tests/packet/lb_packet_test $(O)/tests/replay/lb_replay

san_objects = $(patsubst %.c,$(O)/san/%.o,$(1))

$(call san_objects,$(wildcard bpf/native/*.c tests/native/*.c) tests/unit/test_flow_table.c \
                   tests/unit/test_budget.c tests/unit/test_syncookie.c): \
	NATIVE := $(NATIVE_FLAGS) -Itests/native -fno-sanitize=alignment
$(call san_objects,$(wildcard tests/packet/*.c tests/replay/*.c) tests/unit/test_tracking.c \
                   tests/unit/native_dataplane.c): \
	NATIVE := -Itests/packet -Itests/native -Ibpf/native
$(O)/san/tests/packet/engine_bpf.o: $(O)/gen/ingress.skel.h
$(O)/san/tests/unit/test_decap.o: $(O)/gen/decap.skel.h
$(O)/san/tests/unit/test_probe_path.o: $(O)/gen/probe.skel.h
$(O)/san/tests/unit/test_decap.o $(O)/san/tests/unit/test_probe_path.o: NATIVE := -Itests/packet

$(O)/san/%.o: %.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(NATIVE) $(ALL_CFLAGS) -O1 -U_FORTIFY_SOURCE $(TEST_SAN) $(NATIVE) -c $< -o $@

EVENTS_SRC := agent/event.c agent/events.c agent/journal.c agent/journal_file.c

# What each unit test is linked with, besides common/.
FAKE_DATAPLANE  := tests/unit/fake_dataplane.c agent/vip_table.c
SRC_check       := agent/check.c agent/range.c agent/dns_message.c
SRC_policy      := agent/autoscale_policy.c agent/autoscale_schedule.c
SRC_desired     := agent/desired.c agent/owners.c agent/cookies.c $(SRC_policy) $(SRC_check)
SRC_config      := agent/config.c agent/config_field.c agent/config_check.c agent/config_scale.c $(SRC_desired)
TEST_autoscale  := agent/autoscale.c $(SRC_policy) $(SRC_check)
TEST_check      := $(SRC_check)
TEST_check_files := agent/check_files.c
TEST_config     := $(SRC_config)
TEST_cookies    := $(SRC_desired) agent/dataplane.c $(FAKE_DATAPLANE)
TEST_desired    := $(SRC_desired)
TEST_remember   := agent/remember.c agent/match.c $(SRC_desired)
TEST_dns_message := agent/dns_message.c
TEST_check_way  := agent/check_way.c $(SRC_desired)
TEST_health     := agent/health.c
TEST_announce   := agent/announce.c
TEST_announcer  := agent/announcer.c agent/announce.c agent/announce_note.c agent/rtnl.c $(SRC_desired) $(EVENTS_SRC)
TEST_digest     = $(TEST_plan)
TEST_slow_start := agent/slow_start.c
TEST_passive    := agent/passive.c
TEST_pool       := agent/pool.c
TEST_maglev     := agent/maglev.c
TEST_nexthop    := agent/nexthop.c agent/links.c agent/rtnl.c
TEST_latency    := agent/latency.c
TEST_load_poll  := agent/load_poll.c agent/curl_loop.c
TEST_curl_loop  := agent/curl_loop.c
TEST_load_weight := agent/load_weight.c agent/maglev.c
TEST_quantile   := ctl/quantile.c ctl/answer.c
TEST_metrics_text := agent/metrics_text.c agent/latency.c
TEST_accept     := agent/accept.c
TEST_process    := agent/process.c
TEST_links      := agent/links.c agent/rtnl.c
TEST_ports      := agent/ports.c agent/links.c agent/dataplane.c $(FAKE_DATAPLANE)
SRC_probe       := $(wildcard agent/probe*.c) agent/child.c agent/curl_loop.c agent/wheel.c agent/http_answer.c \
                   agent/check_run.c agent/http_request.c agent/latency.c $(SRC_check) \
                   tests/unit/probe_fixture.c
TEST_probe      := $(SRC_probe)
TEST_probe_https := $(SRC_probe)
TEST_probe_datagram := $(SRC_probe)
TEST_probe_exec := $(SRC_probe)
TEST_wheel      := agent/wheel.c
TEST_http_request := agent/http_request.c $(SRC_check)
TEST_carry      := agent/carry.c
TEST_selftest   := agent/selftest.c agent/recording.c
SRC_sync        := agent/digest.c agent/sync.c agent/vip_list.c agent/slot_marks.c agent/flow_sample.c agent/maglev.c
TEST_flow_sample := agent/flow_sample.c
TEST_flow_fold  := agent/flow_fold.c agent/slot_marks.c agent/dataplane.c $(FAKE_DATAPLANE)
TEST_slot_marks := agent/slot_marks.c agent/dataplane.c $(FAKE_DATAPLANE)
TEST_vip_table  := agent/vip_table.c
TEST_steady     := agent/steady.c
TEST_etcd_url   := agent/etcd_url.c
TEST_etcd_json  := agent/etcd_json.c
TEST_etcd       := agent/etcd.c agent/etcd_lease.c agent/etcd_json.c agent/etcd_url.c agent/curl_loop.c
TEST_balancer   := agent/balancer.c agent/balancer_id.c
TEST_rollout    := agent/rollout.c agent/balancer.c agent/maglev.c
TEST_store      := agent/store.c
TEST_dataplane  := agent/dataplane.c
TEST_flow_scan  := agent/flow_scan.c agent/slot_marks.c agent/dataplane.c $(FAKE_DATAPLANE)
TEST_journal    := agent/event.c agent/journal.c
TEST_journal_file := agent/event.c agent/journal.c agent/journal_file.c
TEST_events     := agent/change_events.c agent/diff.c agent/match.c $(SRC_config) $(EVENTS_SRC)
TEST_event_streams := agent/event_streams.c $(EVENTS_SRC)
TEST_packet_line := agent/packet_line.c
SRC_capture     := agent/capture_query.c agent/capture_names.c agent/verdict_words.c $(SRC_desired)
TEST_capture_query := $(SRC_capture)
TEST_capture_stream := agent/capture_stream.c agent/capture_file.c $(SRC_capture) $(EVENTS_SRC) agent/dataplane.c \
                   agent/links.c agent/rtnl.c tests/unit/fake_manager.c $(FAKE_DATAPLANE)
TEST_flow_list  := agent/flow_list.c agent/dataplane.c $(FAKE_DATAPLANE)
TEST_top        := ctl/rates.c ctl/frame.c ctl/answer.c ctl/human.c
TEST_ids        := agent/ids.c $(SRC_desired)
TEST_metrics    := agent/flow_fold.c agent/slot_marks.c agent/digest.c agent/metrics.c agent/metrics_text.c agent/figures.c agent/accept.c \
                   agent/process.c agent/view.c agent/verdict_words.c agent/latency.c $(SRC_config) agent/dataplane.c \
                   tests/unit/fake_autoscaler.c \
                   agent/links.c agent/rtnl.c \
                   tests/unit/fake_manager.c $(FAKE_DATAPLANE)
TEST_page       := agent/page.c
TEST_metrics_stream := agent/metrics_stream.c $(TEST_metrics)
TEST_view       := $(filter-out agent/metrics% agent/flow_fold.c agent/slot_marks.c agent/figures.c agent/accept.c agent/process.c, \
                   $(TEST_metrics))
TEST_summary    := agent/summary.c $(TEST_view)
TEST_doctor     := agent/doctor.c $(TEST_view)
TEST_options    := agent/options.c agent/source_list.c agent/etcd_url.c
TEST_peer       := agent/peer.c
TEST_door       := agent/door.c agent/guesses.c agent/tokens.c
TEST_etag       := agent/etag.c
TEST_privileges := agent/privileges.c
TEST_http_clients := agent/http_clients.c
SRC_announce    := agent/manager_announce.c agent/announcer.c agent/announce.c agent/announce_note.c agent/rtnl.c \
                   agent/document.c
SRC_load        := agent/load_run.c agent/load_weight.c agent/curl_loop.c tests/unit/fake_load_poll.c
TEST_manager    := agent/manager.c agent/manager_sync.c $(SRC_announce) agent/backend_run.c agent/service_run.c \
                   agent/backend_way.c agent/check_way.c agent/by_address.c agent/reply_takers.c agent/pool.c \
                   agent/passive.c agent/slow_start.c agent/latency.c $(SRC_load) agent/plan.c \
                   agent/check_run.c agent/check_files.c \
                   agent/stage.c agent/diff.c agent/match.c agent/remember.c $(SRC_config) agent/ids.c \
                   agent/health.c $(SRC_sync) agent/flow_scan.c agent/flow_fold.c \
                   agent/steady.c agent/sources.c agent/source_list.c agent/source_readings.c \
                   agent/dataplane.c agent/change_events.c $(EVENTS_SRC) \
                   $(FAKE_DATAPLANE) tests/unit/fake_nexthop.c \
                   tests/unit/fake_probe.c tests/unit/manager_fixture.c
TEST_service_run := $(TEST_manager)
TEST_load_run   := $(TEST_manager)
TEST_fleet_weights := agent/fleet_weights.c agent/etcd_json.c tests/unit/fake_etcd_lease.c $(SRC_desired)
TEST_fleet_store := tests/unit/fake_etcd_lease.c agent/fleet_store.c agent/etcd_error.c agent/fleet_roster.c agent/rollout_run.c $(TEST_rollout) agent/trial.c agent/etcd_json.c agent/etcd_url.c $(TEST_manager)
TEST_autoscale_predict := agent/autoscale_predict.c
TEST_scale_driver := agent/scale_driver.c agent/child.c
TEST_autoscale_run := agent/autoscale.c agent/autoscale_run.c agent/autoscale_pool.c \
                   agent/autoscale_act.c agent/autoscale_roster.c agent/autoscale_predict.c agent/autoscale_source_own.c \
                   agent/autoscale_source_handshakes.c \
                   agent/autoscale_source_promql.c agent/autoscale_view.c \
                   $(filter-out agent/check_files.c,$(TEST_manager))
TEST_backend_way := $(TEST_manager)
TEST_by_address := agent/by_address.c agent/maglev.c
TEST_reply_takers := agent/reply_takers.c $(SRC_desired)
TEST_document   := agent/document.c agent/match.c $(SRC_config) \
                   tests/unit/random_desired.c
TEST_diff       := agent/diff.c $(TEST_document)
TEST_plan       := agent/plan.c agent/stage.c $(SRC_sync) \
                   agent/slow_start.c agent/dataplane.c agent/ids.c $(TEST_diff) \
                   $(FAKE_DATAPLANE)
TEST_sync       := $(SRC_sync) agent/dataplane.c $(SRC_desired) \
                   agent/slow_start.c $(FAKE_DATAPLANE)
TEST_explain    := $(wildcard agent/explain*.c) $(wildcard bpf/native/*.c) $(SRC_desired) \
                   agent/dataplane.c agent/links.c $(SRC_sync) \
                   agent/slow_start.c agent/verdict_words.c \
                   tests/unit/fake_manager.c $(FAKE_DATAPLANE)
TEST_ctl        := $(filter-out ctl/lbctl.c,$(wildcard ctl/*.c))
TEST_tracking   := $(SRC_sync) agent/flow_scan.c agent/flow_fold.c agent/dataplane.c agent/slow_start.c $(SRC_desired) \
                   $(wildcard bpf/native/*.c tests/native/*.c) $(FAKE_DATAPLANE) \
                   tests/unit/native_dataplane.c
TEST_flow_table := tests/native/native_map.c
TEST_budget     := tests/native/native_map.c
TEST_source_list := agent/source_list.c
TEST_source_readings := agent/source_readings.c $(TEST_source_list)
TEST_sources    := agent/sources.c $(TEST_source_readings) agent/dataplane.c $(SRC_sync) \
                   agent/slow_start.c $(SRC_desired) $(FAKE_DATAPLANE)
TEST_decap      := $(addprefix tests/packet/,frame.c frame_print.c layer.c lexer.c protocol.c walk.c)
TEST_probe_path := $(TEST_decap)
# Of the demo services; these tests see backends/.
TEST_webapp_metrics := backends/webapp_metrics.c
TEST_webapp_route   := backends/webapp_route.c
TEST_webapp_options := backends/webapp_options.c
TEST_behaviour  := backends/behaviour.c backends/webapp_answer.c
TEST_lbnode_load := backends/lbnode_load.c
TEST_lbnode_hook := backends/lbnode_hook.c
TEST_retry      := backends/retry.c backends/upstream.c
TEST_shard      := backends/shard.c
TEST_storage    := backends/storage.c backends/storage_sqlite.c backends/sqlite_file.c backends/shard.c
TEST_order      := backends/order.c
TEST_database   := backends/database.c backends/retry.c
TEST_order_book := backends/order_book.c backends/order.c backends/database_sqlite.c \
                   backends/sqlite_file.c $(TEST_database)
$(call san_objects,$(patsubst %,tests/unit/test_%.c,webapp_metrics webapp_route webapp_options \
	behaviour lbnode_load lbnode_hook retry shard storage order database order_book)): NATIVE := -Ibackends
WRAP_config     := malloc calloc reallocarray
WRAP_journal_file := ftruncate write
WRAP_metrics    := calloc malloc
WRAP_options    := fopen
WRAP_probe      := setsockopt
WRAP_probe_https := setsockopt
WRAP_probe_datagram := setsockopt
WRAP_probe_exec := setsockopt
WRAP_load_run   := uv_now
WRAP_service_run := uv_now uv_timer_start
WRAP_autoscale_run := uv_now uv_timer_start store_save
WRAP_store      := fsync linkat openat renameat unlinkat write

$(O)/tests/unit/test_%: $$(call san_objects,tests/unit/test_$$*.c $$(TEST_$$*) $(COMMON_SRC))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_SAN) $(addprefix -Wl$(comma)--wrap=,$(WRAP_$*)) -o $@ $^ $(TEST_LIBS)

comma := ,

$(O)/tests/packet/lb_packet_test: $(call san_objects,$(wildcard tests/packet/*.c) \
		$(WORLD_SRC))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_SAN) -o $@ $^ $(TEST_LIBS)

$(O)/tests/replay/lb_replay: $(call san_objects,$(wildcard tests/replay/*.c) \
		$(filter-out %/lb_packet_test.c,$(wildcard tests/packet/*.c)) \
		$(WORLD_SRC))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_SAN) -o $@ $^ $(TEST_LIBS) -lpcap

# --- bench ---

$(O)/obj/tests/bench/harness.o: $(O)/gen/restore.skel.h
$(O)/obj/tests/bench/target.o: $(O)/gen/ingress.skel.h
$(O)/obj/tests/bench/peer.o: $(O)/gen/usual.skel.h
$(O)/obj/tests/bench/limits.o: $(O)/gen/limits.skel.h
BENCH_SRC := $(filter-out %.bpf.c,$(wildcard tests/bench/*.c))
$(call objects,$(wildcard tests/bench/live/*.c)): NATIVE := -Itests/bench -Itests/packet
$(call objects,$(BENCH_SRC) $(filter-out %/engine_native.c,$(wildcard tests/packet/*.c))): \
	NATIVE := -Itests/packet

# What runs packets through lb_ingress.
HARNESS_SRC := $(addprefix tests/bench/,fill.c harness.c scenario.c target.c) $(COMMON_SRC) \
               $(addprefix tests/packet/,case.c engine.c frame.c layer.c lexer.c protocol.c setup.c walk.c world.c) \
               $(addprefix agent/,flow_fold.c slot_marks.c vip_table.c)

$(O)/tests/bench/lb_live: $(call objects,$(wildcard tests/bench/live/*.c) $(HARNESS_SRC))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lbpf -lelf -lz -lcjson -lsystemd -lm

$(O)/tests/bench/lb_bench: $(call objects,$(sort $(BENCH_SRC) $(HARNESS_SRC)))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lbpf -lelf -lz -lcjson -lsystemd -lm

CONTROL_SRC := accept.c dataplane.c diff.c digest.c document.c figures.c ids.c latency.c maglev.c match.c \
               metrics.c metrics_text.c plan.c process.c slot_marks.c slow_start.c sync.c verdict_words.c \
               view.c vip_list.c flow_sample.c flow_fold.c

$(O)/tests/bench/lb_control: $(call objects,$(wildcard tests/bench/control/*.c) \
		$(FAKE_DATAPLANE) tests/unit/fake_autoscaler.c $(COMMON_SRC) $(SRC_config) $(addprefix agent/,$(CONTROL_SRC)))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lcjson -lgnutls -lm

$(O)/tests/bench/lb_simulate: $(call objects,$(wildcard tests/bench/simulate/*.c) agent/maglev.c)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ -lcjson -lm

# Each source by itself, for compilers that shall only judge it (tests/lint.sh).
compiled: $(call san_objects,$(COMMON_SRC) $(AGENT_SRC) $(CTL_SRC) $(wildcard backends/*.c bpf/native/*.c \
		tests/native/*.c tests/packet/*.c tests/replay/*.c tests/unit/*.c)) \
	$(call objects,$(BENCH_SRC) $(wildcard tests/bench/control/*.c tests/bench/live/*.c tests/bench/simulate/*.c))

include tests/fuzz/fuzz.mk

-include $(shell find $(O) -name '*.d' 2>/dev/null)

.PHONY: help deps build compiled dashboards demo lab lab-down monitor monitor-down test test-vm tests $(SCENARIOS) faults flood soak second-chance coverage replay lint fmt bench bench-compare bench-growth bench-live bench-probes bench-simulate install uninstall reproducible deb test-deb sbom vm-demo clean
