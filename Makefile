# audisp-preload. `make help` lists the targets.
#
# CXX, CXXFLAGS, CPPFLAGS, LDFLAGS and LDLIBS belong to whoever builds and come
# last on each command line; what the code needs is in the ALL_* variables.
# Each MODE has its own build directory.

NAME    := audisp-preload
VERSION := 0.1.0

prefix        ?= /usr
sbindir       ?= $(prefix)/sbin
sysconfdir    ?= /etc
datadir       ?= $(prefix)/share
mandir        ?= $(datadir)/man
unitdir       ?= $(prefix)/lib/systemd/system
sysusersdir   ?= $(prefix)/lib/sysusers.d
libexecdir    ?= $(prefix)/libexec
localstatedir ?= /var
DESTDIR       ?=
INSTALL       ?= install
PKG_CONFIG    ?= pkg-config

# ---- Architecture: layers bottom-up. A file of one may include its own layer
# and those before it in this list; `make layers` checks.
LAYERS := base procfs capture audit correlate detect store enrich deliver sandbox doctor daemon

# ---- Modes
MODE  ?= release
BUILD := build/$(MODE)

opt_release   := -O2 -g1
opt_debug     := -O0 -g
opt_coverage  := -O0 -g
CXXFLAGS      ?= $(or $(opt_$(MODE)),-O1 -g1)
# Most tests run little code of their own. -g1 suffices for a stack trace.
TEST_CXXFLAGS ?= $(CXXFLAGS) -O0 -g1 -U_FORTIFY_SOURCE $(test_$(MODE))
mode_release  := $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CXXFLAGS)),,-D_FORTIFY_SOURCE=2)
mode_debug    := -D_GLIBCXX_ASSERTIONS
mode_asan     := -fno-omit-frame-pointer -fsanitize=address -D_GLIBCXX_ASSERTIONS
# Tests and fuzz targets share this one's objects.
mode_sanitize := -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -D_GLIBCXX_ASSERTIONS
test_sanitize := -fno-sanitize=undefined
mode_ubsan    := -fsanitize=undefined,float-divide-by-zero -fno-sanitize-recover=all
mode_tsan     := -fsanitize=thread
mode_coverage := --coverage
# These modes are clang's; a CXX on the command line of make stays.
ifneq ($(filter sanitize tsan,$(MODE)),)
CXX := $(filter ccache,$(CXX)) clang++
endif

# ---- Dependencies (checked once, and only by goals that compile)
LIBS       := audit auparse spdlog fmt sqlite3 libcap-ng libseccomp libcrypto
TEST_LIBS  := gtest gmock
BENCH_LIBS := benchmark

# Packages by manager and purpose. The first manager that is there is used; each
# goal installs the lists that $(needs) names for it, and `build` in any case.
apt.install    := env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends
apt.update     := apt-get update
apt.build      := g++ make pkg-config libaudit-dev libauparse-dev libspdlog-dev \
                  libfmt-dev libsqlite3-dev libcap-ng-dev libseccomp-dev libssl-dev \
                  nlohmann-json3-dev libexpected-dev auditd sqlite3
apt.test       := libgtest-dev libgmock-dev rsyslog util-linux libcap2-bin fakeroot \
                  eatmydata faketime torsocks proxychains4 prometheus \
                  prometheus-node-exporter curl logrotate git
apt.bench      := libbenchmark-dev
apt.lint       := clang-format clang-tidy groff mandoc shellcheck nodejs git dpkg-dev rpm systemd
apt.clang      := clang libclang-rt-14-dev
apt.coverage   := gcovr
apt.package    := dpkg-dev debhelper lintian rpm mmdebstrap eatmydata util-linux git
apt.policy     := checkpolicy semodule-utils apparmor
apt.vm         := qemu-system-x86 e2fsprogs
apt.ecs         = $(if $(shell command -v npm),,nodejs npm)
dnf.install    := dnf install -y
dnf.build      := gcc-c++ make pkgconf-pkg-config audit-libs-devel spdlog-devel fmt-devel \
                  sqlite-devel libcap-ng-devel libseccomp-devel openssl-devel json-devel \
                  expected-devel audit sqlite
dnf.test       := gtest-devel gmock-devel rsyslog fakeroot libfaketime torsocks \
                  proxychains-ng glibc-static libstdc++-static git
dnf.bench      := google-benchmark-devel
dnf.lint       := clang-tools-extra groff mandoc ShellCheck
dnf.clang      := clang compiler-rt
dnf.coverage   := gcovr
zypper.install := zypper --non-interactive install
zypper.build   := gcc-c++ make pkgconf audit-devel spdlog-devel fmt-devel sqlite3-devel \
                  libcap-ng-devel libseccomp-devel libopenssl-devel \
                  nlohmann_json-devel tl-expected-devel audit sqlite3
zypper.test    := gtest gmock rsyslog fakeroot glibc-devel-static git
zypper.bench   := benchmark-devel
zypper.lint    := groff mandoc ShellCheck
zypper.clang   := clang
pacman.install := pacman -S --needed --noconfirm
pacman.build   := gcc make pkgconf audit spdlog fmt sqlite libcap-ng libseccomp openssl \
                  nlohmann-json tl-expected
pacman.test    := gtest fakeroot git
pacman.bench   := benchmark
pacman.lint    := clang groff mandoc shellcheck
pacman.clang   := clang
PACKAGER = $(firstword $(foreach p,apt dnf zypper pacman,$(if $(shell command -v $(p:apt=apt-get)),$(p))))

test_goals     := check check-unit check-pipeline check-live check-readme soak debug asan ubsan
package_goals  := deb rpm dist check-packages check-source
$(foreach g,$(test_goals),$(eval needs.$(g) := test))
$(foreach g,sanitize tsan,$(eval needs.$(g) := test clang))
$(foreach g,fuzz clang,$(eval needs.$(g) := test clang))
$(foreach g,lint tidy format format-check,$(eval needs.$(g) := lint))
$(foreach g,$(package_goals),$(eval needs.$(g) := package test))
needs.coverage   := test coverage
needs.bench      := test bench
needs.check-vm   := package test policy vm
needs.policy     := policy
needs.check-ecs  := test ecs
# `make deps FOR="lint fuzz"` installs for these and makes none of them.
needs = $(sort build $(foreach g,$(MAKECMDGOALS) $(FOR),$(needs.$(g))))

NO_COMPILE := clean help deps policy format format-check layers dist uninstall
WITH_DEPS  := $(filter deps,$(MAKECMDGOALS))
ifneq ($(filter-out $(NO_COMPILE),$(or $(MAKECMDGOALS),all)),)
ifeq ($(WITH_DEPS),)
ifneq ($(shell $(PKG_CONFIG) --exists --print-errors $(LIBS) && echo ok),ok)
$(error missing libraries; see above, then `make deps`)
endif
endif
endif
# As many jobs as processors, unless told otherwise: by -j on the command line,
# which outranks this, or in the environment's MAKEFLAGS.
ifeq ($(MAKELEVEL)$(filter -j% --jobs%,$(MAKEFLAGS) $(shell printenv MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
# Asked on first use, so that `make deps install` can install them before.
PC_CFLAGS = $(eval PC_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBS) | sed 's/-I/-isystem /g'))$(PC_CFLAGS)
PC_LIBS   = $(eval PC_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBS)))$(PC_LIBS)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
        -Wnon-virtual-dtor -Wold-style-cast -Wcast-align -Wformat=2
# Of the modes of g++ in release alone: optimised differently, it sees
# uninitialised memory where there is none.
ifneq ($(filter $(CI)$(MODE),truerelease truesanitize),)
WARN += -Werror
endif
HARDEN := -fstack-protector-strong -fPIE
ALL_CPPFLAGS = -Iinclude -I$(BUILD)/gen -DPRELOAD_VERSION='"$(VERSION)"' $(CPPFLAGS)
BASE_FLAGS   = -std=c++20 -pthread $(WARN) $(HARDEN) $(mode_$(MODE)) $(PC_CFLAGS)
ALL_CXXFLAGS = $(BASE_FLAGS) $(CXXFLAGS)
ALL_LDFLAGS  = -pthread -pie -Wl,-z,relro,-z,now $(mode_$(MODE)) $(CXXFLAGS) $(LDFLAGS)
ALL_LDLIBS   = $(PC_LIBS) $(LDLIBS)

# ---- Files
SRCS     := $(sort $(wildcard src/*/*.cc))
MAIN     := src/daemon/main.cc
LIB_SRCS := $(filter-out $(MAIN),$(SRCS))
SUPPORT  := $(sort $(wildcard tests/support/*.cc))
UNIT     := $(sort $(wildcard $(LAYERS:%=tests/%/*_test.cc)))
# The thread sanitizer finds nothing in tests that have one thread.
ifeq ($(MODE),tsan)
UNIT := $(filter $(addprefix tests/,base/b% base/t% base/w% capture/exec% capture/snapshot_r% \
          correlate/late% daemon/% deliver/relay% deliver/syslog% doctor/self% enrich/% \
          store/history_w% store/readers%),$(UNIT))
endif
PIPELINE := $(sort $(wildcard tests/pipeline/*_test.cc))
LIVE     := $(sort $(wildcard tests/live/*_test.cc))
FUZZERS  := $(sort $(wildcard tests/fuzz/fuzz_*.cc))
BENCHES  := $(sort $(wildcard tests/bench/bench_*.cc))
SQL      := $(sort $(wildcard sql/migrations/*.sql sql/statements/*.sql))
PROGRAMS := $(patsubst tests/programs/%.c,$(BUILD)/programs/%,$(wildcard tests/programs/*.c)) \
            $(BUILD)/programs/$(NAME)
BENCH_PROGRAMS := $(patsubst tests/bench/%.c,$(BUILD)/programs/%,$(wildcard tests/bench/*.c))
REPLAY   := tests/bench/replay.cc
FAST     := tests/programs/fast_plugin.cc
TESTS    := $(SUPPORT) $(UNIT) $(PIPELINE) $(LIVE) $(FAST)
CXX_ALL  := $(SRCS) $(TESTS) $(FUZZERS) $(BENCHES) $(REPLAY) \
            $(sort $(wildcard include/preload/*/*.h tests/*/*.h)) man/generate.cc

obj = $(patsubst %.cc,$(BUILD)/%.o,$(1))
TIDY := $(patsubst %.cc,$(BUILD)/%.tidy,$(SRCS) $(TESTS) $(FUZZERS) $(BENCHES) $(REPLAY) man/generate.cc)
LIB  := $(BUILD)/libpreload.a
BIN  := $(BUILD)/$(NAME)
UNIT_TEST     := $(BUILD)/unit_test
PIPELINE_TEST := $(BUILD)/pipeline_test
LIVE_TEST     := $(BUILD)/live_test

.DELETE_ON_ERROR:
.SECONDARY:            # keep the objects of chained rules
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Commands are shown short; V=1 shows them whole.
say = $(if $(filter 1,$(V)),,@printf '  %-4s %s\n' $(1) $@;)
.PHONY: all
all: $(BIN) ## build build/release/audisp-preload

# PREBUILT=FILE takes that program instead of building one.
ifneq ($(PREBUILT),)
$(BIN): $(PREBUILT)
	$(INSTALL) -D $< $@
else
$(BIN): $(call obj,$(MAIN)) $(LIB)
	$(call say,LINK)$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)
endif

$(LIB): $(call obj,$(LIB_SRCS))
	$(call say,AR)rm -f $@ && $(AR) rcsD $@ $^

# The same program with the short intervals of the tests.
$(BUILD)/programs/$(NAME): $(call obj,$(FAST)) $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

TEST_LDLIBS = $(shell $(PKG_CONFIG) --libs $(TEST_LIBS)) -lgtest_main
$(UNIT_TEST): $(call obj,$(UNIT) $(SUPPORT)) $(LIB)
$(PIPELINE_TEST): $(call obj,$(PIPELINE) $(SUPPORT)) $(LIB)
$(LIVE_TEST): $(call obj,$(LIVE) $(SUPPORT)) $(LIB)
$(UNIT_TEST) $(PIPELINE_TEST) $(LIVE_TEST):
	$(call say,LINK)$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS) $(TEST_LDLIBS)

$(BUILD)/bench: $(call obj,$(BENCHES)) $(LIB)
	$(call say,LINK)$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS) -lbenchmark_main $(shell $(PKG_CONFIG) --libs $(BENCH_LIBS))

$(BUILD)/replay: $(call obj,$(REPLAY)) $(LIB)
	$(call say,LINK)$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(LIB)
	$(call say,LINK)$(CXX) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(ALL_LDLIBS)

# Small programs that tests run; the 32-bit one only where it can be built.
$(BUILD)/programs/%: tests/programs/%.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -O1 -Wall -Wextra -static -pthread -o $@ $<
$(BUILD)/programs/%: tests/bench/%.c tests/bench/percentiles.h
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -O1 -Wall -Wextra -static -pthread -o $@ $<
$(BUILD)/programs/exit_now_32: tests/programs/exit_now_32.c
	@mkdir -p $(@D)
	-$(call say,CC)$(CC) -m32 -O1 -nostdlib -static -fno-pic -no-pie -o $@ $<

# Objects: header dependencies come from the compiler (-MMD -MP); a change of
# flags or compiler rebuilds through $(BUILD)/flags; sql.h must exist first.
$(BUILD)/%.o: %.cc $(BUILD)/flags | $(BUILD)/gen/preload/sql.h
	@mkdir -p $(@D)
	$(call say,CXX)$(CXX) $(ALL_CPPFLAGS) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

# Headers that most files include, compiled once for the product and once with
# the flags of tests. Each file still includes what it uses: MODE=sanitize
# compiles the product without them.
HEADERS := algorithm array atomic chrono cstdint cstdlib filesystem functional \
           map memory mutex optional set span string string_view thread utility \
           vector fmt/format.h
TEST_HEADERS := $(HEADERS) fstream random regex gmock/gmock.h gtest/gtest.h
PCH      := $(BUILD)/common.h
TEST_PCH := $(BUILD)/tests/common.h
# A few tests run so much code of their own that they are optimised.
THOROUGH := %/elastic_conformance_test.cc %/ecs_format_test.cc %/text_format_test.cc
PLAIN_TESTS := $(call obj,$(filter-out $(THOROUGH),$(TESTS)))
# `private`: not for prerequisites, or $(BUILD)/flags would depend on the goal,
# and each change of goal would compile everything again.
$(BUILD)/tests/%: private ALL_CPPFLAGS += -Itests
$(PLAIN_TESTS) $(TEST_PCH).gch: private ALL_CXXFLAGS = $(BASE_FLAGS) $(TEST_CXXFLAGS)
$(PLAIN_TESTS): private ALL_CPPFLAGS += -include $(TEST_PCH)
$(PLAIN_TESTS): $(TEST_PCH).gch
ifneq ($(MODE),sanitize)
$(call obj,$(SRCS)): private ALL_CPPFLAGS += -include $(PCH)
$(call obj,$(SRCS)): $(PCH).gch
endif
$(PCH).gch: private INCLUDED = $(HEADERS)
$(TEST_PCH).gch: private INCLUDED = $(TEST_HEADERS)
$(PCH).gch $(TEST_PCH).gch: $(BUILD)/flags
	@mkdir -p $(@D); printf '#include <%s>\n' $(INCLUDED) >$(basename $@)
	$(call say,PCH)$(CXX) $(ALL_CPPFLAGS) $(ALL_CXXFLAGS) -x c++-header -o $@ $(basename $@)

-include $(patsubst %.o,%.d,$(call obj,$(SRCS) $(TESTS) $(FUZZERS) $(BENCHES) $(REPLAY)))

# `make deps ...` installs before anything else is done.
ifneq ($(WITH_DEPS),)
$(filter-out deps,$(MAKECMDGOALS)) $(PROGRAMS) $(BUILD)/flags $(BUILD)/man/generate: | deps
endif
FLAGS = $(CXX) $(ALL_CPPFLAGS) $(ALL_CXXFLAGS) $(TEST_CXXFLAGS) $(ALL_LDFLAGS) $(TEST_HEADERS)
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

# ---- Manuals: man/PAGE.in with the tables of the program filled in. The
# generator runs on the machine that builds, so CXX_FOR_BUILD compiles it.
CXX_FOR_BUILD ?= c++
MANUALS := $(patsubst man/%.in,$(BUILD)/man/%,$(sort $(wildcard man/*.in)))
$(BUILD)/man/generate: man/generate.cc $(patsubst %,src/base/%.cc,settings metrics text) $(wildcard include/preload/base/*.h)
	@mkdir -p $(@D)
	$(call say,CXX)$(CXX_FOR_BUILD) -std=c++20 -O0 -Iinclude -DFMT_HEADER_ONLY -o $@ $(filter %.cc,$^)
$(BUILD)/man/%: man/%.in $(BUILD)/man/generate
	$(call say,MAN)$(BUILD)/man/generate $(VERSION) <$< >$@
.PHONY: manuals
manuals: $(MANUALS)

##@ Checks
.PHONY: check check-unit check-pipeline check-live
GTEST_FLAGS = --gtest_brief=1 $(if $(T),--gtest_filter='$(T)')
# Parts of unit and pipeline tests that run side by side.
SHARDS ?= $(shell nproc 2>/dev/null || echo 1)
export PRELOAD_BINARY   = $(CURDIR)/$(BIN)
export PRELOAD_PROGRAMS = $(CURDIR)/$(BUILD)/programs

check: ## all tests: unit, pipeline, live; says what ran and what could not
	+sh tests/check levels $(MAKE)

check-unit: $(UNIT_TEST) ## unit tests alone (T=Glob* for some)
	sh tests/check shards $(SHARDS) $(UNIT_TEST) $(GTEST_FLAGS)

check-pipeline: $(PIPELINE_TEST) $(BIN) $(PROGRAMS) ## the whole program on records of real children, unprivileged
	sh tests/check shards $(SHARDS) $(PIPELINE_TEST) $(GTEST_FLAGS)

check-live: T := $(or $(T),-SoakLive.*)
check-live: $(LIVE_TEST) $(BIN) $(PROGRAMS) ## with kernel, auditd and rsyslogd, as root
	$(LIVE_TEST) $(GTEST_FLAGS)

.PHONY: check-ecs
check-ecs: $(UNIT_TEST) ## the ECS documents against the field list of ECS and the rule's query
	$(UNIT_TEST) --gtest_brief=1 --gtest_filter='EcsFormat.*'
	sh tests/ecs/run

.PHONY: test-binaries
test-binaries: $(UNIT_TEST) $(PIPELINE_TEST) $(BIN) $(PROGRAMS)

.PHONY: check-readme
check-readme: ## run the commands of README.md as printed, as root, in a mount namespace
	sh tests/docs/readme_test

.PHONY: soak
SOAK_SECONDS ?= 300
soak: $(LIVE_TEST) $(BIN) $(PROGRAMS) ## a steady load for SOAK_SECONDS, as root: nothing may grow
	PRELOAD_SOAK_SECONDS=$(SOAK_SECONDS) $(LIVE_TEST) --gtest_filter='SoakLive.*'

.PHONY: debug asan ubsan sanitize tsan
debug asan ubsan sanitize tsan: ## unit and pipeline tests under another build mode
	+$(MAKE) MODE=$@ check-unit
	+$(MAKE) MODE=$@ check-pipeline

.PHONY: coverage
coverage: ## line and branch coverage of src/
	+$(MAKE) MODE=$@ check-unit check-pipeline
	gcovr --root . --filter src/ --print-summary --html-details build/coverage/report.html

.PHONY: fuzz fuzzers
fuzzers: $(patsubst tests/fuzz/%.cc,$(BUILD)/%,$(FUZZERS))
FUZZ_SECONDS ?= 30
fuzz: ## run each fuzz target for FUZZ_SECONDS
ifeq ($(MODE),sanitize)
fuzz: fuzzers
	@for t in $(patsubst tests/fuzz/fuzz_%.cc,%,$(FUZZERS)); do \
	   mkdir -p $(BUILD)/corpus/$$t; \
	   $(BUILD)/fuzz_$$t -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=1024 \
	     $(BUILD)/corpus/$$t tests/fuzz/corpus/$$t || exit 1; done
else
	+$(MAKE) MODE=sanitize fuzz
endif

.PHONY: bench
bench: $(BUILD)/bench $(BUILD)/replay $(BIN) $(PROGRAMS) $(BENCH_PROGRAMS) ## figures beside other plugins, as root: build/bench.json (QUICK=1: a try; PARTS='cost ...': some)
	sh tests/bench/run $(BIN)

.PHONY: format format-check
format: ## rewrite sources with clang-format
	clang-format -i $(CXX_ALL)
format-check:
	clang-format --dry-run -Werror $(CXX_ALL)

$(BUILD)/%.tidy: %.cc .clang-tidy | $(BUILD)/gen/preload/sql.h
	@mkdir -p $(@D)
	clang-tidy --quiet $< -- $(ALL_CPPFLAGS) -Itests -std=c++20 $(PC_CFLAGS) && touch $@

# Whatever begins as a shell script does, and Debian's maintainer scripts.
SCRIPTS = $(shell grep -rlE -m1 '^\#! ?/.*[/ ](sh|bash)$$' .ci audisp tests | sort)
.PHONY: lint tidy layers
tidy: $(TIDY) ## clang-tidy over everything
lint: format-check layers version $(MANUALS) ## clang-format, layers, manuals, shell, SQL, unit files, JavaScript, package files
	for m in $(MANUALS); do groff -t -man -Tutf8 -ww -z $$m && mandoc -Tlint -Wwarning $$m || exit 1; done
	shellcheck $(SCRIPTS)
	sh tests/packages/lint

# A file of layer L may include "preload/M/x.h" only if M comes no later in
# LAYERS than L.
layers: ## check that includes point down the list of layers
	@awk -v layers='$(LAYERS)' ' \
	  BEGIN { n = split(layers, l, " "); for (i = 1; i <= n; i++) rank[l[i]] = i } \
	  FNR == 1 { n = split(FILENAME, p, "/"); own = p[n - 1] } \
	  match($$0, /^#include "preload\/[a-z]+\//) { \
	    other = substr($$0, 19, RLENGTH - 19); \
	    if ((other in rank) && rank[other] > rank[own]) { bad = 1; \
	      print FILENAME ": " own " may not include " other } } \
	  END { exit bad }' $(SRCS) $(wildcard include/preload/*/*.h)

##@ Install
.PHONY: install uninstall start stop
EXAMPLES := $(datadir)/$(NAME)
# Files that the user may have edited: put in place once, then left alone; the
# newest is always in $(EXAMPLES). What uninstall sets aside as *.disabled (see
# audisp/control) gets its name back.
KEPT = $(BUILD)/staged/preload.conf:$(sysconfdir)/audit/plugins.d/preload.conf \
       audisp/audisp-preload.conf:$(sysconfdir)/audit/audisp-preload.conf \
       audisp/rules/45-preload.rules:$(sysconfdir)/audit/rules.d/45-preload.rules

# Policy for those who run SELinux or AppArmor; as source, loaded by nobody.
POLICY := audisp/selinux/audisp_preload.te audisp/selinux/audisp_preload.fc \
          audisp/apparmor/usr.sbin.$(NAME)

$(BUILD)/staged/preload.conf: audisp/preload.conf.in Makefile
	@mkdir -p $(@D)
	sed 's,@sbindir@,$(sbindir),' $< >$@

install: $(BIN) $(MANUALS) $(BUILD)/staged/preload.conf ## put everything in place under DESTDIR; keeps what the user edited
	$(INSTALL) -D -m 0750 $(BIN) $(DESTDIR)$(sbindir)/$(NAME)
	$(INSTALL) -d -m 0750 $(DESTDIR)$(sysconfdir)/audit $(DESTDIR)$(sysconfdir)/audit/plugins.d $(DESTDIR)$(sysconfdir)/audit/rules.d
	@for pair in $(KEPT); do from=$${pair%%:*}; to=$(DESTDIR)$${pair#*:}; \
	  $(INSTALL) -D -m 0644 $$from $(DESTDIR)$(EXAMPLES)/examples/$${from##*/}; \
	  if [ -e $$to.disabled ] && [ ! -e $$to ]; then mv $$to.disabled $$to; fi; \
	  if [ -e $$to ]; then cmp -s $$from $$to || echo "kept $$to, which differs from $(EXAMPLES)/examples/$${from##*/}"; \
	  else $(INSTALL) -m 0640 $$from $$to && echo "installed $$to"; fi; done
	$(INSTALL) -D -m 0644 audisp/systemd/50-$(NAME).conf $(DESTDIR)$(unitdir)/auditd.service.d/50-$(NAME).conf
	$(INSTALL) -D -m 0644 audisp/logrotate/$(NAME) $(DESTDIR)$(sysconfdir)/logrotate.d/$(NAME)
	$(INSTALL) -d -m 0755 $(DESTDIR)$(EXAMPLES)/queries
	$(INSTALL) -m 0644 sql/queries/*.sql $(DESTDIR)$(EXAMPLES)/queries
	$(INSTALL) -D -m 0644 audisp/sysusers/$(NAME).conf $(DESTDIR)$(sysusersdir)/$(NAME).conf
	$(INSTALL) -d -m 2750 $(DESTDIR)$(localstatedir)/lib/$(NAME)
	$(INSTALL) -D -m 0755 audisp/control $(DESTDIR)$(libexecdir)/$(NAME)/control
	$(INSTALL) -D -m 0644 -t $(DESTDIR)$(EXAMPLES)/policy $(POLICY)
	@for m in $(MANUALS); do $(INSTALL) -D -m 0644 $$m $(DESTDIR)$(mandir)/man$${m##*.}/$${m##*/} || exit 1; done

uninstall: $(if $(DESTDIR),,stop) $(BUILD)/staged/preload.conf ## remove it; keeps the history and what the user edited
	@for pair in $(KEPT); do from=$${pair%%:*}; to=$(DESTDIR)$${pair#*:}; \
	  [ -e $$to ] || continue; \
	  if cmp -s $$from $$to; then rm -f $$to; \
	  elif [ $${to##*/} = $(NAME).conf ]; then echo "kept $$to"; \
	  else mv $$to $$to.disabled && echo "kept as $$to.disabled"; fi; done
	rm -f $(DESTDIR)$(sbindir)/$(NAME) $(DESTDIR)$(unitdir)/auditd.service.d/50-$(NAME).conf \
	  $(DESTDIR)$(sysconfdir)/logrotate.d/$(NAME) $(DESTDIR)$(sysusersdir)/$(NAME).conf \
	  $(DESTDIR)$(libexecdir)/$(NAME)/control \
	  $(foreach m,$(notdir $(MANUALS)),$(DESTDIR)$(mandir)/man$(patsubst .%,%,$(suffix $(m)))/$(m))
	rm -rf $(DESTDIR)$(EXAMPLES)
	-rmdir $(DESTDIR)$(unitdir)/auditd.service.d $(DESTDIR)$(libexecdir)/$(NAME) 2>/dev/null
	@echo "the history stays in $(DESTDIR)$(localstatedir)/lib/$(NAME), and so does its owner, the user $(NAME)"

start: | $(filter install,$(MAKECMDGOALS)) ## create the user, load the rules and have auditd start the plugin (as root)
	sh audisp/control start $(sbindir)/$(NAME)
stop: ## have auditd stop the plugin and remove its rules (as root)
	sh audisp/control stop $(sbindir)/$(NAME)

.PHONY: demo
demo: $(BIN) $(PROGRAMS) ## see it work: a private auditd, real programs, their alerts
	sh tests/demo/demo $(BIN)

include audisp/packages.mk

##@ Other
.PHONY: deps
deps: ## install what building needs, and what the goals named beside it need (as root)
	@[ -n "$(PACKAGER)" ] || { echo "no apt, dnf, zypper or pacman here: install by hand $(LIBS)"; exit 1; }
	$(if $($(PACKAGER).update),$($(PACKAGER).update))
	$($(PACKAGER).install) $(foreach list,$(needs),$($(PACKAGER).$(list)))

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^##@/{print "\n" substr($$0,5)} /^[a-z].*:.*## /{printf "  %-16s %s\n",$$1,$$2}' $(MAKEFILE_LIST)
