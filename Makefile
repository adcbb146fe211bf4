# audisp-preload. `make help` lists the targets.
#
# CXXFLAGS, CPPFLAGS, LDFLAGS and LDLIBS belong to whoever builds; what the
# code needs is in the ALL_* variables. Each MODE has its own build directory.

NAME    := audisp-preload
VERSION := 0.1.0

prefix        ?= /usr
sbindir       ?= $(prefix)/sbin
sysconfdir    ?= /etc
datadir       ?= $(prefix)/share
mandir        ?= $(datadir)/man
unitdir       ?= $(prefix)/lib/systemd/system
localstatedir ?= /var
DESTDIR       ?=
INSTALL       ?= install
PKG_CONFIG    ?= pkg-config

# ---- Architecture: layers bottom-up. A file of one may include its own layer
# and those before it in this list; `make layers` checks.
LAYERS := base capture audit correlate detect store deliver daemon

# ---- Modes
MODE  ?= release
BUILD := build/$(MODE)

CXXFLAGS ?= -O2 -g
mode_release  := -D_FORTIFY_SOURCE=2
mode_debug    := -O0 -D_GLIBCXX_ASSERTIONS
mode_asan     := -O1 -fno-omit-frame-pointer -fsanitize=address -D_GLIBCXX_ASSERTIONS
mode_ubsan    := -O1 -fsanitize=undefined,float-divide-by-zero -fno-sanitize-recover=all
mode_tsan     := -O1 -fsanitize=thread
mode_coverage := -O0 --coverage
mode_fuzz     := -O1 -fsanitize=fuzzer-no-link,address,undefined
ifeq ($(MODE),fuzz)
CXX := clang++
endif

# ---- Dependencies (checked once, and only by goals that compile)
LIBS       := audit auparse spdlog fmt sqlite3 libcap-ng libseccomp libcrypto
TEST_LIBS  := gtest gmock
BENCH_LIBS := benchmark

NO_COMPILE := clean help deps format format-check layers dist uninstall
ifneq ($(filter-out $(NO_COMPILE),$(or $(MAKECMDGOALS),all)),)
ifneq ($(filter deps,$(MAKECMDGOALS)),deps)
ifneq ($(shell $(PKG_CONFIG) --exists --print-errors $(LIBS) && echo ok),ok)
$(error missing libraries; see above, then `make deps`)
endif
endif
endif
# Asked on first use, so that `make deps install` can install them before.
PC_CFLAGS = $(eval PC_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBS) | sed 's/-I/-isystem /g'))$(PC_CFLAGS)
PC_LIBS   = $(eval PC_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBS)))$(PC_LIBS)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
        -Wnon-virtual-dtor -Wold-style-cast -Wcast-align -Wformat=2
ifdef CI
WARN += -Werror
endif
HARDEN := -fstack-protector-strong -fPIE
ALL_CPPFLAGS = -Iinclude -Itests -I$(BUILD)/gen -DPRELOAD_VERSION='"$(VERSION)"' $(CPPFLAGS)
ALL_CXXFLAGS = -std=c++20 -pthread $(WARN) $(HARDEN) $(CXXFLAGS) $(mode_$(MODE)) $(PC_CFLAGS)
ALL_LDFLAGS  = -pthread -pie -Wl,-z,relro,-z,now $(mode_$(MODE)) $(LDFLAGS)
ALL_LDLIBS   = $(PC_LIBS) $(LDLIBS)

# ---- Files
SRCS     := $(sort $(wildcard src/*/*.cc))
MAIN     := src/daemon/main.cc
LIB_SRCS := $(filter-out $(MAIN),$(SRCS))
SUPPORT  := $(sort $(wildcard tests/support/*.cc))
UNIT     := $(sort $(wildcard $(LAYERS:%=tests/%/*_test.cc)))
PIPELINE := $(sort $(wildcard tests/pipeline/*_test.cc))
LIVE     := $(sort $(wildcard tests/live/*_test.cc))
FUZZERS  := $(sort $(wildcard tests/fuzz/fuzz_*.cc))
BENCHES  := $(sort $(wildcard tests/bench/bench_*.cc))
SQL      := $(sort $(wildcard sql/migrations/*.sql sql/statements/*.sql))
PROGRAMS := $(patsubst tests/programs/%.c,$(BUILD)/programs/%,$(wildcard tests/programs/*.c))
TESTS    := $(SUPPORT) $(UNIT) $(PIPELINE) $(LIVE)
CXX_ALL  := $(SRCS) $(TESTS) $(FUZZERS) $(BENCHES) \
            $(sort $(wildcard include/preload/*/*.h tests/*/*.h))

obj = $(patsubst %.cc,$(BUILD)/%.o,$(1))
TIDY := $(patsubst %.cc,$(BUILD)/%.tidy,$(SRCS) $(TESTS) $(FUZZERS) $(BENCHES))
LIB  := $(BUILD)/libpreload.a
BIN  := $(BUILD)/$(NAME)
UNIT_TEST     := $(BUILD)/unit_test
PIPELINE_TEST := $(BUILD)/pipeline_test
LIVE_TEST     := $(BUILD)/live_test

.DELETE_ON_ERROR:
.SECONDARY:            # keep the objects of chained rules
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
.PHONY: all
all: $(BIN) ## build build/release/audisp-preload

$(BIN): $(call obj,$(MAIN)) $(LIB)
	$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

$(LIB): $(call obj,$(LIB_SRCS))
	rm -f $@ && $(AR) rcsD $@ $^

TEST_LDLIBS = $(shell $(PKG_CONFIG) --libs $(TEST_LIBS)) -lgtest_main
$(UNIT_TEST): $(call obj,$(UNIT) $(SUPPORT)) $(LIB)
	$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS) $(TEST_LDLIBS)
$(PIPELINE_TEST): $(call obj,$(PIPELINE) $(SUPPORT)) $(LIB)
	$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS) $(TEST_LDLIBS)
$(LIVE_TEST): $(call obj,$(LIVE) $(SUPPORT)) $(LIB)
	$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS) $(TEST_LDLIBS)

$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(LIB)
	$(CXX) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_LDLIBS)

# Small programs that tests run; the 32-bit one only where it can be built.
$(BUILD)/programs/%: tests/programs/%.c
	@mkdir -p $(@D)
	$(CC) -O1 -Wall -Wextra -static -pthread -o $@ $<
$(BUILD)/programs/exit_now_32: tests/programs/exit_now_32.c
	@mkdir -p $(@D)
	-$(CC) -m32 -O1 -nostdlib -static -fno-pic -no-pie -o $@ $<

# Objects: header dependencies come from the compiler (-MMD -MP); a change of
# flags or compiler rebuilds through $(BUILD)/flags; sql.h must exist first.
$(BUILD)/%.o: %.cc $(BUILD)/flags | $(BUILD)/gen/preload/sql.h
	@mkdir -p $(@D)
	$(CXX) $(ALL_CPPFLAGS) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

-include $(patsubst %.o,%.d,$(call obj,$(SRCS) $(TESTS) $(FUZZERS) $(BENCHES)))

FLAGS = $(CXX) $(ALL_CPPFLAGS) $(ALL_CXXFLAGS) $(ALL_LDFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@
.PHONY: FORCE
FORCE:

# sql/statements/term_find.sql -> preload::sql::statements_term_find, and the
# migrations in their order as preload::sql::kMigrations.
$(BUILD)/gen/preload/sql.h: $(SQL) Makefile
	@mkdir -p $(@D)
	@{ echo '// Generated from sql/ by the Makefile; do not edit.'; \
	   echo '#pragma once'; echo '#include <string_view>'; \
	   echo 'namespace preload::sql {'; \
	   for f in $(SQL); do \
	     n=$$(echo $$f | sed 's,^sql/,,; s,\.sql$$,,; s,[/-],_,g'); \
	     printf 'inline constexpr std::string_view %s = R"sql(' $$n; cat $$f; echo ')sql";'; \
	   done; \
	   echo 'inline constexpr std::string_view kMigrations[] = {'; \
	   for f in $(filter sql/migrations/%,$(SQL)); do \
	     echo $$f | sed 's,^sql/,,; s,\.sql$$,,; s,[/-],_,g; s/$$/,/'; done; \
	   echo '};'; echo '}  // namespace preload::sql'; } >$@.tmp && mv $@.tmp $@

##@ Checks
.PHONY: check check-unit check-pipeline check-live
GTEST_FLAGS = --gtest_brief=1 $(if $(T),--gtest_filter='$(T)')
export PRELOAD_BINARY   = $(CURDIR)/$(BIN)
export PRELOAD_PROGRAMS = $(CURDIR)/$(BUILD)/programs

check-unit: $(UNIT_TEST) ## unit tests alone (T=Glob* for some)
	$(UNIT_TEST) $(GTEST_FLAGS)

check-pipeline: $(PIPELINE_TEST) $(BIN) $(PROGRAMS) ## the whole program on records of real children, unprivileged
	$(PIPELINE_TEST) $(GTEST_FLAGS)

check-live: $(LIVE_TEST) $(BIN) $(PROGRAMS) ## with kernel, auditd and rsyslogd, as root
	$(LIVE_TEST) $(GTEST_FLAGS)

.PHONY: format format-check
format: ## rewrite sources with clang-format
	clang-format -i $(CXX_ALL)
format-check:
	clang-format --dry-run -Werror $(CXX_ALL)

$(BUILD)/%.tidy: %.cc .clang-tidy | $(BUILD)/gen/preload/sql.h
	@mkdir -p $(@D)
	clang-tidy --quiet $< -- $(ALL_CPPFLAGS) -std=c++20 $(PC_CFLAGS) && touch $@

.PHONY: tidy
tidy: $(TIDY)

.PHONY: clean
clean: ## remove build/
	rm -rf build
