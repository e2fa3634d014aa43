# tapdeck. `make help` lists the targets; README.md tells where to start.
#
# Everything is built under $(BUILD), so differently built trees stand side by side:
#   make BUILD=build-asan SAN='-fsanitize=address,undefined' all
BUILD    ?= build
CC       := $(if $(filter default,$(origin CC)),gcc,$(CC))
SAN      ?=
JOBS     ?= $(shell nproc 2>/dev/null || echo 1)
OPT      ?= -O2 -g
WARN     := -std=c11 -pedantic -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror
CPPFLAGS += -D_GNU_SOURCE -Istack/include -Istack -Iapps
CFLAGS   += $(WARN) $(OPT) $(SAN) -fno-strict-aliasing -fstack-protector-strong
LDFLAGS  += $(SAN)

sources   = $(sort $(foreach d,$(1),$(shell find $(d) -name '*.c' 2>/dev/null)))
objects   = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

CORE_SRC := $(filter-out stack/dev/%,$(call sources,stack))
DEV_SRC  := $(call sources,stack/dev)
CORE_OBJ := $(call objects,$(CORE_SRC))
DEV_OBJ  := $(call objects,$(DEV_SRC))
LIB      := $(BUILD)/libtapdeck.a
DEVLIB   := $(BUILD)/libtapdeck-dev.a

# $(APPLIB) holds everything of the daemon and the console but their main()s, so that tests can link it.
APP_MAIN   := apps/tapdeckd/main.c apps/tapdeck/main.c apps/man/commands.c
APP_SRC    := $(filter-out $(APP_MAIN),$(call sources,apps))
APPLIB     := $(BUILD)/libtapdeck-apps.a
APP_LIBS   := -ljansson -lhttp_parser -lnettle -lpcap -lyaml -lz
DEV_LIBS   := -lpcap -lnettle -lz

PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
MANDIR   ?= $(PREFIX)/share/man

all: $(BUILD)/tapdeckd $(BUILD)/tapdeck ## build the daemon, the console and the libraries
lib: $(LIB) $(DEVLIB)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The parts of the page of `replay --report html` are put into the program as they are (.incbin).
$(BUILD)/obj/apps/replay/report_files.o: $(shell find apps/replay/report -type f)

$(LIB): $(CORE_OBJ)
$(DEVLIB): $(DEV_OBJ)
$(APPLIB): $(call objects,$(APP_SRC))
$(LIB) $(DEVLIB) $(APPLIB):
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/tapdeckd: $(BUILD)/obj/apps/tapdeckd/main.o $(APPLIB) $(DEVLIB) $(LIB)
	$(CC) $(LDFLAGS) -o $@ $^ $(APP_LIBS)
# The client has the daemon's commands too: a tape that is replayed is looked at with them.
$(BUILD)/tapdeck: $(BUILD)/obj/apps/tapdeck/main.o $(APPLIB) $(DEVLIB) $(LIB)
	$(CC) $(LDFLAGS) -o $@ $^ $(APP_LIBS) -lreadline

# ---- tests: one program a file tests/…/test_*.c, scripts tests/…/test_*.sh and tests/e2e/*.sh ----
TEST_SRC    := $(shell find tests/stack tests/apps -name 'test_*.c' 2>/dev/null | sort)
TEST_BIN    := $(TEST_SRC:%.c=$(BUILD)/%)
TEST_COMMON := $(call objects,$(call sources,tests/common))
TEST_LIBS    = $(shell pkg-config --libs check 2>/dev/null) $(APP_LIBS) -lreadline
$(TEST_BIN): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(TEST_COMMON) $(APPLIB) $(DEVLIB) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $< $(TEST_COMMON) $(APPLIB) $(DEVLIB) $(LIB) $(TEST_LIBS)
$(BUILD)/obj/tests/%: CPPFLAGS += -Itests -Itests/common
tests: $(TEST_BIN)
$(BUILD)/tests/sim/sim: $(BUILD)/obj/tests/sim/sim.o $(TEST_COMMON) $(APPLIB) $(DEVLIB) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $< $(TEST_COMMON) $(APPLIB) $(DEVLIB) $(LIB) $(TEST_LIBS)

deps-build:
	@scripts/deps.sh build
deps-demo:
	@scripts/deps.sh build demo
deps-test:
	@scripts/deps.sh build demo test
deps-bench:
	@scripts/deps.sh build demo test bench

demo: deps-demo ## install what is missing, build, ping it, curl it, show what it did (KEEP=1: stay)
	@$(MAKE) --no-print-directory -j$(JOBS) -s all
	@BUILD=$(BUILD) KEEP='$(KEEP)' scripts/demo.sh

test: deps-test ## install what is missing, build, run every test
	@$(MAKE) --no-print-directory -j$(JOBS) -s all tests
	@BUILD=$(BUILD) scripts/run-tests.sh unit scripts drill valgrind:start e2e fuzz valgrind

unit: deps-test ## the unit tests alone: no root, no sleeping
	@$(MAKE) --no-print-directory -j$(JOBS) -s all tests
	@BUILD=$(BUILD) scripts/run-tests.sh unit scripts drill

ASAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
asan: deps-test ## the same tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory -j$(JOBS) -s BUILD=$(BUILD)-asan SAN='$(ASAN)' OPT='-O1 -g' all tests
	@BUILD=$(BUILD)-asan SANITIZED=1 scripts/run-tests.sh unit:start drill e2e unit

SECONDS ?= 60
fuzz: deps-test ## every fuzz target for SECONDS=60 each
	@BUILD=$(BUILD) tests/fuzz/run.sh $(SECONDS)

conformance: unit ## every clause of the requirement tables: which test shows it, or why not
	@BUILD=$(BUILD) scripts/conformance.sh

mutants: deps-test ## break one clause at a time: does its test turn red?
	@$(MAKE) --no-print-directory -j$(JOBS) -s all tests
	@BUILD=$(BUILD) CC='$(CC)' FLAGS='$(CPPFLAGS) $(CFLAGS)' LIBS='$(LDFLAGS) $(TEST_LIBS)' scripts/mutate.sh $(N)

faults: deps-test ## switch one deliberate bug on at a time: do the tests of its clauses turn red?
	@$(MAKE) --no-print-directory -j$(JOBS) -s all tests
	@BUILD=$(BUILD) scripts/faults.sh $(F)

sim: deps-test ## flows over a bottleneck in virtual time, beside theory: a TSV; PLOT=1: and plots (SVG)
	@$(MAKE) --no-print-directory -j$(JOBS) -s $(BUILD)/tests/sim/sim
	@mkdir -p $(BUILD)/sim
	$(BUILD)/tests/sim/sim $(BUILD)/sim
	@echo "results: $(BUILD)/sim/results.tsv"
	@if [ -n '$(PLOT)' ]; then \
		command -v gnuplot >/dev/null || { echo 'gnuplot is missing: apt-get install gnuplot-nox' >&2; exit 1; }; \
		gnuplot -e "dir='$(BUILD)/sim'" tests/sim/plot.gp && echo "plots: $(BUILD)/sim/*.svg"; \
	fi

bench: deps-bench ## the measured figures, side by side with peers
	@$(MAKE) --no-print-directory -j$(JOBS) -s all $(BUILD)/bench/bulk $(BUILD)/bench/forward $(BUILD)/bench/fib
	@pkg-config --exists libdpdk && $(MAKE) --no-print-directory -j$(JOBS) -s $(BUILD)/bench/fib-dpdk || true
	@BUILD=$(BUILD) scripts/bench.sh
bench-fib: deps-bench ## of them, route lookups, memory and updates, beside DPDK's rte_lpm (ROUNDS=3)
	@$(MAKE) --no-print-directory -j$(JOBS) -s $(BUILD)/bench/fib
	@pkg-config --exists libdpdk && $(MAKE) --no-print-directory -j$(JOBS) -s $(BUILD)/bench/fib-dpdk || true
	@BUILD=$(BUILD) ROUNDS=$(or $(ROUNDS),3) scripts/fib_bench.sh
goodput: deps-bench ## of them, the goodput over a line that loses 1 %, beside the kernel's (ROUNDS=15)
	@$(MAKE) --no-print-directory -j$(JOBS) -s all $(BUILD)/bench/bulk
	@BUILD=$(BUILD) ROUNDS=$(or $(ROUNDS),15) scripts/goodput.sh
$(BUILD)/bench/fib: tests/bench/fib.c $(BUILD)/libtapdeck.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lnettle
$(BUILD)/bench/fib-dpdk: tests/bench/fib.c $(BUILD)/libtapdeck.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -w -DWITH_DPDK $$(pkg-config --cflags libdpdk) $(LDFLAGS) -o $@ $^ -lnettle -lrte_eal -lrte_lpm
$(BUILD)/bench/journal: tests/bench/journal.c $(BUILD)/libtapdeck.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lnettle
$(BUILD)/bench/forward: tests/bench/forward.c $(BUILD)/libtapdeck-dev.a $(BUILD)/libtapdeck.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DEV_LIBS)
$(BUILD)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $<

docs: ## the pages that are made from the sources: stack/EVENTS.md
	awk -f scripts/events.awk stack/core/events.def >$(BUILD).page && mv $(BUILD).page stack/EVENTS.md

MAN := apps/man/tapdeck.1 apps/man/tapdeck-topology.5 apps/man/tapdeckd.conf.5 apps/man/tapdeckd.8 \
	$(BUILD)/man/tapdeck-commands.7
man: $(MAN) ## the manual pages; that of the commands is made from their registration
$(BUILD)/man/commands: $(BUILD)/obj/apps/man/commands.o $(APPLIB) $(DEVLIB) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(APP_LIBS) -lreadline
$(BUILD)/man/tapdeck-commands.7: $(BUILD)/man/commands
	$< >$@.new && mv $@.new $@

# What install puts where: the library and its headers for programs that embed the stack, too.
install: all man ## install to PREFIX (/usr/local), below DESTDIR
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include/tapdeck
	install $(BUILD)/tapdeckd $(BUILD)/tapdeck $(DESTDIR)$(BINDIR)
	install -m 644 $(LIB) $(DEVLIB) $(DESTDIR)$(PREFIX)/lib
	install -m 644 stack/include/tapdeck/*.h $(DESTDIR)$(PREFIX)/include/tapdeck
	install -D -m 644 scripts/tapdeck.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/tapdeck
	for page in $(MAN); do \
		install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; \
	done
	install -D -m 644 scripts/tapdeck.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/tapdeck
	install -D -m 755 scripts/install-extcap $(DESTDIR)$(PREFIX)/share/tapdeck/install-extcap
uninstall: ## remove what install put there
	rm -f $(foreach f,tapdeckd tapdeck,$(DESTDIR)$(BINDIR)/$(f)) \
		$(foreach f,$(notdir $(LIB) $(DEVLIB)),$(DESTDIR)$(PREFIX)/lib/$(f)) \
		$(foreach f,$(notdir $(MAN)),$(DESTDIR)$(MANDIR)/man$(lastword $(subst ., ,$(f)))/$(f)) \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/tapdeck
	rm -rf $(DESTDIR)$(PREFIX)/include/tapdeck $(DESTDIR)$(PREFIX)/share/tapdeck

clean: ## remove everything that was built
	rm -rf build build-*

.PHONY: all lib help tests deps-build deps-demo deps-test deps-bench demo test unit asan fuzz \
	conformance mutants faults bench bench-fib goodput docs man install uninstall clean
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
