# Packages, policies and what is checked of the binary. Included by the Makefile.
#
# REUSE=1 packages build/release/audisp-preload as it is, instead of building it
# again from the staged source with the distribution's flags.

##@ Packages
STAGED   = build/stage/$(NAME)-$(VERSION)
SOURCES := Makefile README.md LICENSE src include audisp sql tests man
DEB      = build/$(NAME)_$(VERSION)_$(shell dpkg --print-architecture).deb
# The tools of a package have their own idea of make's flags.
CLEAN_ENV = env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES -u CI \
            $(if $(REUSE),PREBUILT=$(CURDIR)/$(BIN))

.PHONY: stage deb rpm
stage: $(if $(REUSE),$(BIN))
	@rm -rf $(STAGED) && mkdir -p $(STAGED) && cp -a $(SOURCES) $(STAGED)

# The version is stated in the Makefile; the packages' must be the same.
.PHONY: version
version:
	@grep -q '^$(NAME) ($(VERSION)) ' audisp/debian/changelog || { \
	  echo "audisp/debian/changelog does not begin with $(VERSION)"; exit 1; }
	@grep -q '^Version: *$(VERSION)$$' audisp/rpm/$(NAME).spec || { \
	  echo "audisp/rpm/$(NAME).spec does not have $(VERSION)"; exit 1; }

deb: stage version ## build/audisp-preload_VERSION_ARCH.deb, looked at by lintian (REUSE=1: of the binary that is there)
	cp -r audisp/debian $(STAGED)/debian
	cd $(STAGED) && $(CLEAN_ENV) DEB_BUILD_OPTIONS="noautodbgsym $$DEB_BUILD_OPTIONS" \
	  dpkg-buildpackage -b -us -uc $(if $(REUSE),-d)
	mv build/stage/$(notdir $(DEB)) build/
	lintian --fail-on error,warning --tag-display-limit 0 $(DEB)

# Debian's rpm knows no package by the names that the spec file needs: --nodeps.
# rpm builds from a tarball with one folder NAME-VERSION.
RPM_TOP = $(CURDIR)/build/rpm
rpm: stage version ## build/*.rpm (REUSE=1: of the binary that is there)
	rm -rf build/rpm && mkdir -p build/rpm/SOURCES && rm -f build/*.rpm
	tar -C build/stage -czf build/rpm/SOURCES/$(NAME)-$(VERSION).tar.gz $(NAME)-$(VERSION)
	$(CLEAN_ENV) rpmbuild -bb --quiet --nodeps --define '_topdir $(RPM_TOP)' audisp/rpm/$(NAME).spec
	mv build/rpm/RPMS/*/*.rpm build/

.PHONY: check-packages
check-packages: ## the packages' contents; the .deb in a fresh Debian root: install, upgrade, remove, purge (as root)
	+$(MAKE) deb
	+$(MAKE) rpm
	+$(MAKE) dist
	sh tests/packages/dist_test build/$(NAME)-$(VERSION).tar.gz
	sh tests/packages/rpm_test build/*.rpm
	sh tests/packages/deb_test $(DEB)

.PHONY: check-vm
VM ?= systemd selinux
check-vm: ## the packages on an emulated machine of their own: systemd and AppArmor, SELinux (as root; VM=systemd: that alone)
	+$(MAKE) deb
	+$(MAKE) rpm
	+$(MAKE) policy
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
