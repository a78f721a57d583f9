# SPDX-License-Identifier: Apache-2.0
# The fuzzers of tests/fuzz/: clang's libFuzzer, under ASan and UBSan. `make fuzz T=NAME` builds and
# runs one, `make fuzzers` builds all.

FUZZERS  := packet decap http config state answer lbctl
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined

fuzz_objects = $(patsubst %.c,$(O)/fuzz/obj/%.o,$(1))

$(O)/fuzz/obj/%.o: %.c
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(NATIVE) $(ALL_CFLAGS) -O1 -gline-tables-only $(FUZZ_SAN) $(FUZZ_COVER) $(NATIVE) -c $< -o $@

# What is fuzzed leads the way; what only brings it to run does not.
FUZZ_COVER := -fsanitize=fuzzer-no-link

FUZZ_PACKET := $(addprefix tests/packet/,case.c engine.c engine_native.c frame.c frame_print.c layer.c \
               lexer.c protocol.c setup.c walk.c world.c) tests/replay/judge.c agent/vip_table.c \
               $(wildcard bpf/native/*.c tests/native/*.c)
# What each is linked with, besides common/.
FUZZ_packet := tests/fuzz/packet_world.c tests/fuzz/packet_mutate.c $(FUZZ_PACKET)
FUZZ_decap  := tests/fuzz/decap_native.c $(addprefix tests/packet/,frame.c frame_print.c layer.c lexer.c protocol.c walk.c) \
               tests/native/native_map.c
FUZZ_config := tests/fuzz/sound.c $(sort agent/options.c agent/etcd_url.c agent/source_list.c agent/ids.c $(filter agent/%,$(TEST_document)))
FUZZ_state  := $(sort agent/store.c agent/autoscale_roster.c $(SRC_config))
FUZZ_http   := tests/fuzz/sound.c $(filter-out $(addprefix agent/,main.c dataplane_%.c doors.c listen.c load_poll.c nexthop.c \
               options.c port_watch.c preflight.c probe%.c recording.c selftest.c setup.c store.c xdp_dispatcher.c), \
               $(wildcard agent/*.c)) $(wildcard bpf/native/*.c) $(addprefix tests/unit/,fake_dataplane.c \
               fake_load_poll.c fake_nexthop.c fake_probe.c manager_fixture.c)
FUZZ_answer := $(filter agent/%,$(SRC_probe)) agent/autoscale_source_promql.c agent/etcd_json.c agent/rollout.c \
               agent/balancer.c agent/maglev.c
FUZZ_WRAP_http := MHD_lookup_connection_value_n
FUZZ_lbctl  := $(wildcard ctl/*.c)
FUZZ_WRAP_lbctl := client_new

$(call fuzz_objects,$(wildcard bpf/native/*.c tests/native/*.c)): \
	NATIVE := $(NATIVE_FLAGS) -Itests/native -fno-sanitize=alignment
$(call fuzz_objects,$(wildcard tests/packet/*.c tests/replay/*.c tests/fuzz/*packet*.c)): \
	NATIVE := -Itests/packet -Itests/native -Itests/replay -Ibpf/native

$(call fuzz_objects,$(wildcard tests/*/*.c)): FUZZ_COVER :=

$(O)/fuzz/obj/tests/fuzz/decap_native.o: NATIVE := $(NATIVE_FLAGS) -Itests/native -fno-sanitize=alignment
$(O)/fuzz/obj/tests/fuzz/decap_native.o: FUZZ_COVER := -fsanitize=fuzzer-no-link
$(O)/fuzz/obj/tests/fuzz/fuzz_decap.o: NATIVE := -Itests/packet
$(call fuzz_objects,$(wildcard ctl/*.c) tests/fuzz/fuzz_lbctl.c): NATIVE := -Ictl
$(O)/fuzz/obj/tests/fuzz/fuzz_http.o: NATIVE := -Itests/unit
$(O)/fuzz/obj/agent/page.o: $(O)/gen/page_files.h
$(O)/fuzz/obj/ctl/lbctl.o: NATIVE := -Ictl -Dmain=lbctl_main -Wno-missing-prototypes

$(addprefix $(O)/fuzz/,$(FUZZERS)): $(O)/fuzz/%: \
		$$(call fuzz_objects,tests/fuzz/fuzz_$$*.c $$(FUZZ_$$*) $(COMMON_SRC))
	$(call say,LD,$@)
	$(Q)$(CLANG) $(FUZZ_SAN) -fsanitize=fuzzer $(addprefix -Wl$(comma)--wrap=,$(FUZZ_WRAP_$*)) -o $@ $^ \
		$(TEST_LIBS)

fuzzers: $(addprefix $(O)/fuzz/,$(FUZZERS)) $(O)/fuzz/lb_differential

# The same packets natively and in the kernel.
$(call san_objects,$(wildcard tests/fuzz/*packet*.c) tests/fuzz/lb_differential.c): \
	NATIVE := -Itests/packet -Itests/native -Itests/replay -Ibpf/native

$(O)/fuzz/lb_differential: $(call san_objects,tests/fuzz/lb_differential.c tests/fuzz/packet_world.c \
		tests/replay/judge.c $(filter-out %/lb_packet_test.c,$(wildcard tests/packet/*.c)) \
		$(WORLD_SRC))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_SAN) -o $@ $^ $(TEST_LIBS)

fuzz: deps ## look for inputs that break a part: T=packet|http|... [SECONDS=600]
	$(Q)$(MAKE) --no-print-directory $(O)/fuzz/$(T)
	$(Q)bash tests/fuzz/fuzz.sh $(T) $(or $(SECONDS),600)

.PHONY: fuzz fuzzers
