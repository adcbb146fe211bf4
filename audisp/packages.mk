# Packages, policies and what is checked of the binary. Included by the Makefile.
#
# Packages are built from HEAD, as it would be released. REUSE=1 packages
# build/release/audisp-preload as it is, instead of building it from the source
# package with the distribution's flags and running the tests.

##@ Packages
SOURCES := Makefile README.md LICENSE src include audisp sql tests man
TARBALL := build/$(NAME)-$(VERSION).tar.gz
DEB_TOP := build/deb
DEB_VERSION = $(shell dpkg-parsechangelog -l audisp/debian/changelog -S Version)
DEB = $(DEB_TOP)/$(NAME)_$(DEB_VERSION)_$(shell dpkg --print-architecture).deb
# The tools of a package have their own idea of make's flags.
CLEAN_ENV = env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES -u CI \
            $(if $(REUSE),PREBUILT=$(CURDIR)/$(BIN) DEB_BUILD_OPTIONS=nocheck)

.PHONY: dist deb rpm
dist: ## source tarball of HEAD
	@mkdir -p build
	@git diff --quiet HEAD || echo "dist: changes that are not committed are left out"
	git archive --format=tar --prefix=$(NAME)-$(VERSION)/ HEAD | gzip -9n >$(TARBALL)

# The version is stated in the Makefile; the packages' must be the same.
.PHONY: version
version:
	@grep -q '^$(NAME) ($(VERSION)-[0-9]*) ' audisp/debian/changelog || { \
	  echo "audisp/debian/changelog does not begin with $(VERSION)"; exit 1; }
	@grep -q '^Version: *$(VERSION)$$' audisp/rpm/$(NAME).spec || { \
	  echo "audisp/rpm/$(NAME).spec does not have $(VERSION)"; exit 1; }

# Debian's tools want debian/ at the top of the source and the tarball beside it.
deb: dist version $(if $(REUSE),$(BIN)) ## source and binary package in build/deb, checked by lintian (REUSE=1: of the binary that is there)
	rm -rf $(DEB_TOP) && mkdir -p $(DEB_TOP)
	tar -C $(DEB_TOP) -xzf $(TARBALL)
	cp -r $(DEB_TOP)/$(NAME)-$(VERSION)/audisp/debian $(DEB_TOP)/$(NAME)-$(VERSION)/
	cp $(TARBALL) $(DEB_TOP)/$(NAME)_$(VERSION).orig.tar.gz
	cd $(DEB_TOP)/$(NAME)-$(VERSION) && $(CLEAN_ENV) dpkg-buildpackage -us -uc -sa -Jauto $(if $(REUSE),-d)
	lintian --pedantic --fail-on error,warning,info,pedantic --tag-display-limit 0 $(DEB_TOP)/*.changes

# Debian's rpm knows no package by the names that the spec file needs (--nodeps)
# and makes no package of debugging symbols.
RPM_TOP = $(CURDIR)/build/rpm
rpm: dist version $(if $(REUSE),$(BIN)) ## build/*.rpm (REUSE=1: of the binary that is there)
	rm -rf build/rpm && mkdir -p build/rpm/SOURCES && rm -f build/*.rpm
	cp $(TARBALL) build/rpm/SOURCES/
	$(CLEAN_ENV) rpmbuild -bb --quiet --nodeps $(if $(REUSE),--nocheck) --define '_topdir $(RPM_TOP)' \
	  --define 'debug_package %{nil}' --define '_build_id_links none' audisp/rpm/$(NAME).spec
	mv build/rpm/RPMS/*/*.rpm build/

.PHONY: check-packages check-source
check-packages: ## the packages' contents; the .deb in a fresh Debian root: install, upgrade, remove, purge (as root)
	+$(MAKE) deb
	+$(MAKE) rpm
	sh tests/packages/dist_test $(TARBALL)
	sh tests/packages/rpm_test build/*.rpm
	sh tests/packages/deb_test $(DEB)

check-source: ## the source package of `make deb` builds in a fresh Debian root, its tests included (as root; minutes)
	sh tests/packages/source_test $(DEB_TOP)/*.dsc

.PHONY: check-vm
VM ?= systemd selinux
check-vm: ## the packages on a machine of their own: systemd and AppArmor, SELinux (as root; VM=systemd: that alone; BUILT=1: the packages that are there)
	$(if $(BUILT),,+$(MAKE) deb)
	$(if $(BUILT),,+$(MAKE) rpm)
	$(if $(filter selinux,$(VM)),+$(MAKE) policy)
	@for kind in $(VM); do sh tests/packages/vm_test $$kind $(DEB) build/*.rpm || exit 1; done

##@ Policy and binary
.PHONY: policy hardening reproducible clang
# -QTK: compile, load nothing, no cache.
policy: ## compile the SELinux module (build/policy/*.pp) and the AppArmor profile
	@mkdir -p build/policy
	checkmodule -M -m -o build/policy/audisp_preload.mod audisp/selinux/audisp_preload.te
	semodule_package -o build/policy/audisp_preload.pp -m build/policy/audisp_preload.mod \
	  -f audisp/selinux/audisp_preload.fc
	apparmor_parser -QTK audisp/apparmor/usr.sbin.$(NAME)

hardening: $(BIN) ## look for the binary's defences: PIE, RELRO, stack protector, FORTIFY, no run path
	sh tests/packages/hardening_test $(BIN)

# With -g, where paths would show.
reproducible: ## build in two folders and compare the bytes (two whole builds: minutes)
	sh tests/packages/reproducible_test $(SOURCES)

# Warnings come from the front end alone.
CLANG_FILES ?= $(SRCS) $(TESTS)
clang: $(CLANG_FILES:%=build/clang/%.ok) ## no warning from clang++ in product and tests
build/clang/%.ok: % $(BUILD)/gen/preload/sql.h
	@mkdir -p $(@D)
	clang++ -fsyntax-only -Werror $(ALL_CPPFLAGS) -Itests -std=c++20 $(WARN) $(PC_CFLAGS) $< && touch $@
