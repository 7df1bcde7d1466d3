# One flat file. Sources are found by wildcard: adding a file needs no edit here.
#
#   make VARIANT=debug|release|asan|tsan|cov|fuzz   objects under build/VARIANT/
#   make CC=clang                              objects under build/clang-VARIANT/
#   make CFLAGS=... LDFLAGS=...                appended to ours, never replacing them

VARIANT ?= release
SEEDS   ?= 3000
JOBS    ?= $(shell nproc 2>/dev/null || echo 1)
PREFIX  ?= /usr/local
DESTDIR ?=

ifeq ($(origin CC),default)
CC := gcc
endif
IS_CLANG := $(findstring clang,$(notdir $(CC)))

ifeq ($(filter $(VARIANT),debug release asan tsan cov fuzz),)
$(error VARIANT=$(VARIANT): known are debug release asan tsan cov fuzz)
endif
ifeq ($(VARIANT)$(IS_CLANG),fuzz)
$(error VARIANT=fuzz is for libFuzzer: CC=clang)
endif

B := build/$(if $(IS_CLANG),clang-)$(VARIANT)

# ---- flags --------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
    -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
    -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wswitch-enum \
    -Wnull-dereference -Wdouble-promotion -Wdate-time
ifneq ($(IS_CLANG),)
WARNINGS += -Wcast-align -Wimplicit-fallthrough -Wconditional-uninitialized -Wcomma \
    -Wassign-enum -Wunreachable-code -Wthread-safety
else
WARNINGS += -Wcast-align=strict -Wimplicit-fallthrough=5 -Wduplicated-cond \
    -Wduplicated-branches -Wlogical-op -Wjump-misses-init
endif

SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=all
SANITIZE_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
SANITIZE_tsan := -fsanitize=thread
SANITIZE_cov  := --coverage -DCOVERAGE

VARIANT_debug   := -O0 -g3
VARIANT_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong \
    -fstack-clash-protection -fcf-protection
# Instrumented code hides ranges from the compiler: it then warns of truncation that cannot be.
VARIANT_asan    := -O1 -g -fno-omit-frame-pointer -Wno-format-truncation
VARIANT_fuzz    := -O1 -g -fno-omit-frame-pointer
VARIANT_tsan    := -O1 -g -fno-omit-frame-pointer
VARIANT_cov     := -O0 -g

# WERROR=1 is what `make check` builds with.
BASE_FLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L -Iinclude -Isrc -fno-common -pthread \
    $(WARNINGS) $(if $(WERROR),-Werror) $(VARIANT_$(VARIANT)) $(SANITIZE_$(VARIANT))
COMPILE := $(CC) $(BASE_FLAGS) -MMD -MP $(CFLAGS)
LINK    := $(CC) -pthread $(SANITIZE_$(VARIANT)) -Wl,--as-needed $(CFLAGS) $(LDFLAGS)
LIBS    := -lzmq -lczmq -lmsgpackc -lcivetweb -lxxhash -lpthread -lm

# ---- files --------------------------------------------------------------------------------

objects = $(patsubst %.c,$(B)/%.o,$(wildcard $(1)))

SRC_OBJECTS      := $(call objects,src/*/*.c)
MAIN_OBJECT      := $(call objects,src/main.c)
SIM_OBJECTS      := $(call objects,tests/sim/*.c)
SCENARIO_OBJECTS := $(call objects,tests/scenarios/*.c)
MONITOR_OBJECTS  := $(call objects,tests/monitor/*.c)
LINCHECK_MAIN    := $(call objects,tests/lincheck/main.c)
SUPPORT_OBJECTS  := $(filter-out %/main.o,$(SIM_OBJECTS) $(MONITOR_OBJECTS) \
    $(call objects,tests/support/*.c tests/lincheck/*.c tests/unit/support/*.c))
TEST_OBJECTS     := $(call objects,tests/unit/test_*.c tests/crash/test_*.c)
LOAD_OBJECTS     := $(call objects,loadtest/*.c)
RAW_OBJECTS      := $(call objects,loadtest/raw/*.c)
FUZZ_OBJECTS     := $(call objects,tests/fuzz/*.c)
CHAOS_OBJECTS    := $(call objects,tests/chaos/*.c)
EXPLORE_OBJECTS  := $(call objects,tests/models/*.c)
OBJECTS := $(sort $(SRC_OBJECTS) $(MAIN_OBJECT) $(SIM_OBJECTS) $(SCENARIO_OBJECTS) \
    $(MONITOR_OBJECTS) $(SUPPORT_OBJECTS) $(LINCHECK_MAIN) $(TEST_OBJECTS) $(LOAD_OBJECTS) $(RAW_OBJECTS) \
    $(FUZZ_OBJECTS) $(CHAOS_OBJECTS) $(EXPLORE_OBJECTS))

# Files with coverage marks or buggify points (base/marks.h, base/buggify.h), once more with
# these alive: of the simulator only. Linked before the archive, which then gives the rest.
PROBED_OBJECTS := $(patsubst %.c,$(B)/probed/%.o, \
    $(shell grep -lw -e MARK -e MARK_IF -e MARK_ROW -e BUGGIFY src/*/*.c))
OBJECTS += $(PROBED_OBJECTS)

# What programs of others link: src/client and what it stands on, position independent, with
# nothing visible but consens_*.
CLIENT_SOURCES := $(wildcard src/client/*.c) src/wire/client_call.c src/wire/reader.c \
    src/base/bytes.c src/base/check.c src/base/clock.c src/base/status.c \
    src/config/address.c src/config/sentence.c
CLIENT_OBJECTS := $(CLIENT_SOURCES:%.c=$(B)/pic/%.o)
OBJECTS += $(CLIENT_OBJECTS)
CLIENT_SONAME  := libconsens.so.0
CLIENT_SHARED  := $(B)/$(CLIENT_SONAME)
CLIENT_STATIC  := $(B)/libconsens.a

LIBRARY   := $(B)/libconsens-all.a
LOAD_PARTS := $(B)/libloadtest.a
SUPPORT   := $(B)/libtest-support.a
PROGRAM   := $(if $(MAIN_OBJECT),$(B)/consens)
SIM       := $(if $(SIM_OBJECTS),$(B)/sim)
SCENARIOS := $(if $(SCENARIO_OBJECTS),$(B)/scenarios)
LINCHECK  := $(if $(LINCHECK_MAIN),$(B)/lincheck)
MONITOR   := $(if $(MONITOR_OBJECTS),$(B)/monitor)
TESTS     := $(TEST_OBJECTS:.o=)
FUZZ_TARGETS := $(patsubst $(B)/tests/fuzz/fuzz_%.o,$(B)/fuzz/%, \
    $(filter $(B)/tests/fuzz/fuzz_%,$(FUZZ_OBJECTS)))
LOADTEST  := $(B)/consens-loadtest
RAW       := $(patsubst $(B)/loadtest/raw/%.o,$(B)/loadtest-%,$(RAW_OBJECTS))
# Goes into nodes of any variant: a sanitizer of its own would be in the way.
CHAOS     := $(if $(filter build/release,$(B)),$(B)/chaos-preload.so)
TRANSCRIPTS  := $(sort $(wildcard tests/scenarios/*.txt))
SYSTEM_TESTS := $(filter-out tests/system/lib%.sh tests/system/tsan%.sh, \
    $(sort $(wildcard tests/system/*.sh)))
TSAN_SYSTEM_TESTS := $(sort $(wildcard tests/system/tsan*.sh))

# What people read and what the formatter owns.
C_FILES := $(sort $(foreach d,src src/* include/* tests/* tests/*/* loadtest loadtest/raw, \
    $(wildcard $(d)/*.c $(d)/*.h)))

# ---- building -----------------------------------------------------------------------------

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: FORCE help all programs deps deps-check deps-bench run demo test scenarios scenarios-rewrite \
    sim lincheck mutants mutants-quick monitor-mutants fuzz fuzz-corpus fuzz-mutants fuzz-merge \
    system chaos chaos-liars models models-full load bench asan asan-system tsan tsan-system cov fmt reformat layers purity tidy \
    lint clang-tidy cppcheck check clean install

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' Makefile

# The plain release build is what everything else calls build/consens.
ifeq ($(B),build/release)
all: $(if $(PROGRAM),build/consens) ## build the program: build/consens
programs load bench system: build/loadtest
build/consens: $(PROGRAM)
build/loadtest: $(LOADTEST)
build/consens build/loadtest:
	@cp $< $@.new && mv $@.new $@
else
all: $(PROGRAM)
endif

# Sanitizers' runtimes belong to programs, not to libraries.
CLIENT_LIBRARIES := $(if $(filter debug release,$(VARIANT)),$(CLIENT_SHARED) $(CLIENT_STATIC))

programs: all $(LIBRARY) $(CLIENT_LIBRARIES) $(SUPPORT) $(TESTS) $(SIM) $(SCENARIOS) $(LINCHECK) $(MONITOR) $(CHAOS) $(LOADTEST) $(RAW) ## build all there is

# Rewritten only when the command changes, so that other flags rebuild the objects.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(COMPILE) $(LINK)' >$@.$$PPID
	@if cmp -s $@.$$PPID $@; then rm $@.$$PPID; else mv $@.$$PPID $@; fi

$(filter-out $(B)/probed/% $(B)/pic/%,$(OBJECTS)): $(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "CC   $< ($(notdir $(B)))"
	@$(COMPILE) $(if $(filter src/%,$<),,-Itests -I.) $(if $(filter tests/sim/%,$<),-DPROBES) \
	    -c $< -o $@

$(PROBED_OBJECTS): $(B)/probed/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "CC   $< ($(notdir $(B)), probed)"
	@$(COMPILE) -DPROBES -c $< -o $@

$(CLIENT_OBJECTS): $(B)/pic/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "CC   $< ($(notdir $(B)), pic)"
	@$(COMPILE) -fPIC -fvisibility=hidden -c $< -o $@

$(CLIENT_SHARED): $(CLIENT_OBJECTS)
	@echo "LINK $@"
	@$(LINK) -shared -Wl,-soname,$(CLIENT_SONAME) -Wl,-z,defs -o $@ $^ -lzmq

# One object, in which hidden names have become local.
$(CLIENT_STATIC): $(CLIENT_OBJECTS)
	@rm -f $@
	@$(LD) -r -o $(B)/pic/consens.o $^
	@objcopy --localize-hidden $(B)/pic/consens.o
	@ar rcs $@ $(B)/pic/consens.o

$(LIBRARY): $(SRC_OBJECTS)
$(SUPPORT): $(SUPPORT_OBJECTS)
$(B)/loadtest/report.o: loadtest/page.html
$(LOAD_PARTS): $(filter-out %/main.o,$(LOAD_OBJECTS))
$(LIBRARY) $(SUPPORT) $(LOAD_PARTS):
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^

$(B)/consens: $(MAIN_OBJECT) $(LIBRARY)
$(B)/sim: $(PROBED_OBJECTS) $(SIM_OBJECTS) $(SUPPORT) $(LIBRARY)
$(B)/scenarios: $(SCENARIO_OBJECTS) $(SUPPORT) $(LIBRARY)
$(B)/explore: $(EXPLORE_OBJECTS) $(LIBRARY)
$(B)/monitor: $(B)/tests/monitor/main.o $(SUPPORT) $(LIBRARY)
$(B)/lincheck: $(LINCHECK_MAIN) $(SUPPORT) $(LIBRARY)
$(LOADTEST): $(B)/loadtest/main.o $(LOAD_PARTS) $(SUPPORT) $(LIBRARY)
$(RAW): $(B)/loadtest-%: $(B)/loadtest/raw/%.o $(LIBRARY)
$(B)/consens $(B)/sim $(B)/scenarios $(B)/explore $(B)/lincheck $(B)/monitor $(LOADTEST) $(RAW):
	@echo "LINK $@"
	@$(LINK) -o $@ $^ $(LIBS)

# Loaded into the nodes of tests/chaos by LD_PRELOAD.
$(CHAOS_OBJECTS): private override CFLAGS += -fPIC
$(B)/chaos-preload.so: $(CHAOS_OBJECTS)
	@echo "LINK $@"
	@$(LINK) -shared -o $@ $^

$(TESTS): %: %.o $(LOAD_PARTS) $(SUPPORT) $(LIBRARY)
	@echo "LINK $@"
	@$(LINK) -o $@ $^ -lcmocka $(LIBS)

# A fuzz target has libFuzzer's main, or, in any other variant, one that replays files.
FUZZ_SUPPORT := $(B)/libfuzz-support.a
FUZZ_MAIN    := $(B)/tests/fuzz/replay.o
$(FUZZ_SUPPORT): $(filter-out %/main.o,$(SCENARIO_OBJECTS)) \
    $(filter-out $(FUZZ_MAIN) $(B)/tests/fuzz/fuzz_%,$(FUZZ_OBJECTS))
	@rm -f $@
	@ar rcs $@ $^
$(FUZZ_TARGETS): $(B)/fuzz/%: $(B)/tests/fuzz/fuzz_%.o \
    $(if $(filter fuzz,$(VARIANT)),,$(FUZZ_MAIN)) $(FUZZ_SUPPORT) $(SUPPORT) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "LINK $@"
	@$(LINK) $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer) -o $@ $^ -lcmocka $(LIBS)

-include $(OBJECTS:.o=.d)

# A mutant is one deliberate mistake (base/mutant.h), linked into its KILLER: sim, scenarios or
# one test program. Only the files that have MUTANT_IS(N) are compiled again; they are linked
# before the archive, which then gives only the rest.
ifneq ($(MUTANT),)
M := build/mutant/$(MUTANT)
KILLER ?= sim
MUTANT_SOURCES := $(shell grep -lF 'MUTANT_IS($(MUTANT))' src/*/*.c)
MUTANT_OBJECTS := $(MUTANT_SOURCES:%.c=$(M)/%.o)
KILLER_OBJECTS := $(if $(filter sim,$(KILLER)),$(SIM_OBJECTS) $(filter-out \
        $(MUTANT_OBJECTS:$(M)/%=$(B)/probed/%),$(PROBED_OBJECTS))) \
    $(if $(filter scenarios,$(KILLER)),$(SCENARIO_OBJECTS)) \
    $(if $(filter explore,$(KILLER)),$(EXPLORE_OBJECTS)) $(filter %/$(KILLER).o,$(TEST_OBJECTS))
FUZZ_MUTANTS   := $(FUZZ_TARGETS:$(B)/%=$(B)/mutant/$(MUTANT)/%)
FUZZ_MUTANT_OBJECTS := $(MUTANT_SOURCES:%.c=$(B)/mutant/$(MUTANT)/%.o)
$(FUZZ_MUTANT_OBJECTS): $(B)/mutant/$(MUTANT)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@$(COMPILE) -DMUTANT=$(MUTANT) -c $< -o $@
$(FUZZ_MUTANTS): $(B)/mutant/$(MUTANT)/fuzz/%: $(FUZZ_MUTANT_OBJECTS) \
    $(B)/tests/fuzz/fuzz_%.o $(FUZZ_MAIN) $(FUZZ_SUPPORT) $(SUPPORT) $(LIBRARY)
	@$(if $(FUZZ_MUTANT_OBJECTS),,echo "no src/*/*.c has MUTANT_IS($(MUTANT))" >&2; exit 1)
	@mkdir -p $(@D)
	@$(LINK) -o $@ $^ -lcmocka $(LIBS)
$(MUTANT_OBJECTS): $(M)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@$(COMPILE) -O1 -g0 $(if $(filter sim,$(KILLER)),-DPROBES) -DMUTANT=$(MUTANT) \
	    -c $< -o $@
$(M)/$(KILLER): $(MUTANT_OBJECTS) $(KILLER_OBJECTS) $(SUPPORT) $(LIBRARY)
	@$(if $(MUTANT_OBJECTS),,echo "no src/*/*.c has MUTANT_IS($(MUTANT))" >&2; exit 1)
	@$(if $(strip $(KILLER_OBJECTS)),,echo "no test is called $(KILLER)" >&2; exit 1)
	@$(LINK) -Wl,--strip-debug -o $@ $^ -lcmocka $(LIBS)
-include $(MUTANT_OBJECTS:.o=.d) $(FUZZ_MUTANT_OBJECTS:.o=.d)
endif

# ---- setting up ---------------------------------------------------------------------------

deps: ## install the Debian packages that building and running need
	@config/deps.sh run

deps-check: ## install also what the tests and checks need
	@config/deps.sh run check

deps-bench: ## install also etcd, which `make bench` measures beside us
	@config/deps.sh run bench

# These goals set up by themselves; a plain `make` never installs anything.
ifneq ($(filter run demo bench,$(MAKECMDGOALS)),)
$(OBJECTS): | $(if $(filter bench,$(MAKECMDGOALS)),deps-bench,deps)
endif

run: deps all ## start three nodes on 3000, 4000 and 5000; Ctrl-C stops them
	@build/consens dev 3

demo: deps all ## put on one node, get from all three, stop: exits 0 if it works
	@config/demo.sh

INSTALLED := $(DESTDIR)$(PREFIX)
SHARE     := $(INSTALLED)/share
install: all $(CLIENT_LIBRARIES) ## program, libconsens, man page, completions: to PREFIX (/usr/local), under DESTDIR
	install -D -m 755 build/consens $(INSTALLED)/bin/consens
	install -D -m 755 $(CLIENT_SHARED) $(INSTALLED)/lib/$(CLIENT_SONAME)
	ln -sf $(CLIENT_SONAME) $(INSTALLED)/lib/libconsens.so
	install -m 644 $(CLIENT_STATIC) $(INSTALLED)/lib/libconsens.a
	install -d $(INSTALLED)/include/consens $(INSTALLED)/lib/pkgconfig
	install -m 644 $(wildcard include/consens/*) $(INSTALLED)/include/consens
	sed 's,@PREFIX@,$(PREFIX),' config/consens.pc >$(INSTALLED)/lib/pkgconfig/consens.pc
	install -D -m 644 config/consens.1 $(SHARE)/man/man1/consens.1
	install -d $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions \
	    $(SHARE)/fish/vendor_completions.d
	build/consens completion bash >$(SHARE)/bash-completion/completions/consens
	build/consens completion zsh >$(SHARE)/zsh/site-functions/_consens
	build/consens completion fish >$(SHARE)/fish/vendor_completions.d/consens.fish

clean: ## remove build/
	rm -rf build

# ---- testing ------------------------------------------------------------------------------

test: $(TESTS) ## unit and crash tests
	@EACH_JOBS=$$((2 * $(JOBS))) tests/tools/each.sh $(TESTS) # they mostly wait

scenarios: $(SCENARIOS) ## replay the transcripts of tests/scenarios
	@$(if $(TRANSCRIPTS),$(SCENARIOS) $(TRANSCRIPTS),echo "no transcripts"; exit 1)

scenarios-rewrite: $(SCENARIOS) ## write the transcripts anew; review them as a diff
	@$(SCENARIOS) --rewrite $(TRANSCRIPTS)

sim: $(SIM) ## simulate: SEEDS=3000 of them, or SEED=17 alone, in full
	@$(if $(SIM),,echo "no simulator"; exit 1)
	@$(if $(SEED),$(SIM) --seed $(SEED),tests/tools/simulate.sh $(SIM) $(SEEDS) $(JOBS))

models: ## Spin models of the rules, the real core explored, and the mutants of both
	@tests/tools/models.sh check

models-full: ## the larger models, within 8 GB and MODEL_TIMEOUT=600 s each
	@tests/tools/models.sh full

lincheck: $(LINCHECK) ## the checker of histories, checked: SEED=1, 1,000 bad and 10,000 good ones
	@$(LINCHECK) --self-test $(or $(SEED),1)

mutants: $(SIM) $(SCENARIOS) $(TESTS) ## plant each mistake of tests/mutants.txt: all must be found
	@tests/tools/mutants.sh

mutants-quick: $(SIM) $(SCENARIOS) $(TESTS) ## those that die at once, and a seventh of the rest
	@tests/tools/mutants.sh quick

monitor-mutants: $(SIM) ## mistakes that tests/monitor must find, with no other judge
	@MUTANT_TABLE=tests/monitor/mutants.txt tests/tools/mutants.sh

# libFuzzer needs clang; the corpus is replayed by gcc's ASan and UBSan, as the unit tests are.
FUZZ_NAMES := $(sort $(if $(FUZZ),$(FUZZ),$(notdir $(FUZZ_TARGETS))))
FUZZERS    := $(FUZZ_NAMES:%=build/clang-fuzz/fuzz/%)
REPLAYS    := $(FUZZ_NAMES:%=build/asan/fuzz/%)
fuzz: ## libFuzzer, each target of tests/fuzz FUZZ_SECONDS=60 long, or FUZZ=NAME alone
	@$(MAKE) --no-print-directory CC=clang VARIANT=fuzz $(FUZZERS)
	@tests/tools/fuzz.sh $(FUZZERS)

fuzz-corpus: ## replay the corpora of tests/fuzz under ASan and UBSan
	@$(MAKE) --no-print-directory VARIANT=asan $(REPLAYS)
	@tests/tools/each.sh $(REPLAYS)

fuzz-mutants: ## plant each mistake of tests/fuzz/mutants.txt: the corpus must find it
	@$(MAKE) --no-print-directory VARIANT=asan $(REPLAYS)
	@tests/tools/fuzz-mutants.sh

fuzz-merge: ## make the corpora anew from all that was found: review the size of the diff
	@$(MAKE) --no-print-directory CC=clang VARIANT=fuzz $(FUZZERS)
	@tests/tools/fuzz.sh --merge $(FUZZERS)

system: all $(MONITOR) ## real processes: kill, cut off, restart
	@tests/tools/each.sh $(SYSTEM_TESTS)

MINUTES ?= 10
chaos: all $(CHAOS) $(LINCHECK) ## real processes, every fault, histories checked: MINUTES=10 SEED=1
	@tests/chaos/chaos.py --minutes $(MINUTES) --seed $(or $(SEED),1)

chaos-liars: all $(CHAOS) $(LINCHECK) ## disks that lie, and a power loss: chaos must find what is lost
	@tests/chaos/chaos.py --liars

load: bench
bench: deps-bench all $(LOADTEST) $(RAW) ## measure, beside the raw figures of the same run
	@loadtest/bench.sh

asan: ## unit tests, scenarios and 200 seeds under ASan and UBSan
	@$(MAKE) --no-print-directory VARIANT=asan test
	@$(MAKE) --no-print-directory VARIANT=asan scenarios
	@$(MAKE) --no-print-directory VARIANT=asan SEEDS=200 sim

tsan: ## unit tests and tests/system/tsan*.sh under TSan
	@$(MAKE) --no-print-directory VARIANT=tsan test
	@$(MAKE) --no-print-directory tsan-system

# libzmq is not instrumented: the suppressions name it. Tests of what has threads go with it.
THREADED := handoff wal_thread wal_thread_failures http_worker peers engine client_calls client_future
tsan-system: ## threaded unit tests and tests/system/tsan*.sh under TSan
	@$(MAKE) --no-print-directory VARIANT=tsan all $(THREADED:%=build/tsan/tests/unit/test_%)
	@CONSENS=build/tsan/consens tests/tools/each.sh \
	    $(THREADED:%=build/tsan/tests/unit/test_%) $(TSAN_SYSTEM_TESTS)

ASAN_SYSTEM_TESTS := tests/system/10_first_minute.sh tests/system/20_kill_nine.sh
asan-system: ## the first minute and kill -9 with nodes under ASan and UBSan
	@$(MAKE) --no-print-directory VARIANT=asan all
	@CONSENS=build/asan/consens tests/tools/each.sh $(ASAN_SYSTEM_TESTS)

export TSAN_OPTIONS ?= suppressions=$(CURDIR)/config/tsan.supp halt_on_error=1
export UBSAN_OPTIONS ?= print_stacktrace=1

# Both objects of a file count together, probed or not. Left out are only: the branch of a CHECK
# that aborts (its condition counts as a line), the planted mistakes, which -DCOVERAGE turns into
# constants (base/mutant.h), and the simulator's marks, which are nothing in the product
# (base/marks.h). What stays uncovered has its reason in tests/uncovered.txt.
COVERED   := src/paxos src/wire src/wal
COV_FUZZ  := $(FUZZ_NAMES:%=build/cov/fuzz/%)
COV_SEEDS ?= 50
GCOVR     := gcovr --root . --exclude-unreachable-branches \
    --exclude-branches-by-pattern '\s*CHECK\(.*' \
    --exclude-lines-by-pattern '\s*MARK(_IF|_ROW)?\(.*\);'
cov: ## line and branch coverage; fails under 98 / 95 % in src/paxos, src/wire or src/wal
	@$(MAKE) --no-print-directory VARIANT=cov programs $(COV_FUZZ)
	@find build/cov -name '*.gcda' -delete
	@$(MAKE) --no-print-directory VARIANT=cov test
	@tests/tools/each.sh $(COV_FUZZ)
	@$(MAKE) --no-print-directory VARIANT=cov scenarios
	@$(MAKE) --no-print-directory VARIANT=cov SEEDS=$(COV_SEEDS) sim
	@$(GCOVR) --object-directory build/cov --filter src/ --json build/cov/all.json
	@$(GCOVR) --add-tracefile build/cov/all.json --html-details build/cov/index.html \
	    --print-summary
	@for folder in $(COVERED); do echo "$$folder"; $(GCOVR) \
	    --add-tracefile build/cov/all.json --filter "$$folder/" --print-summary \
	    --fail-under-line 98 --fail-under-branch 95 >build/cov/summary || failed=1; \
	    grep -E '^(lines|branches)' build/cov/summary; done; [ -z "$$failed" ]

# ---- checks that run nothing ---------------------------------------------------------------

fmt: ## is everything formatted? (clang-format 14)
	@clang-format-14 --dry-run -Werror $(C_FILES)

reformat: ## format everything in place
	@clang-format-14 -i $(C_FILES)

layers: ## does each folder include only what src/LAYERS allows?
	@tests/tools/layers.sh

purity: $(SRC_OBJECTS) ## does the core call anything but mem* and the CHECK handler?
	@tests/tools/purity.sh $(filter $(B)/src/paxos/%,$(SRC_OBJECTS))

tidy: ## sizes, banned calls, tabs, threads named, tests present
	@tests/tools/tidy.sh $(C_FILES)

LINT_FILES := $(filter src/%.c loadtest/%.c,$(C_FILES))
LINT_FLAGS := -D_POSIX_C_SOURCE=200809L -Iinclude -Isrc -Itests -I.
lint: clang-tidy cppcheck ## clang-tidy and cppcheck

# One file a process: version 14 mistakes va_lists when it reads several in one.
clang-tidy:
	@printf '%s\n' $(LINT_FILES) | xargs -P $(JOBS) -n 1 sh -c \
	    'out=$$(clang-tidy-14 --quiet "$$1" -- -std=c11 $(LINT_FLAGS) 2>&1) || \
	        { printf "%s\n" "$$out"; exit 1; }' -

cppcheck:
	@mkdir -p build/cppcheck
	@cppcheck --quiet -j $(JOBS) --std=c11 --library=posix --inline-suppr --error-exitcode=1 \
	    --enable=warning,style,performance,portability \
	    --cppcheck-build-dir=build/cppcheck $(LINT_FLAGS) $(LINT_FILES)

check: deps-check ## everything a change must pass; ends with `N passed, N failed`
	@tests/tools/check.sh
