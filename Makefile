# SPDX-License-Identifier: GPL-2.0-only
#
# make help says what there is. Everything that is made goes below BUILD.

SHELL := /bin/bash
.DELETE_ON_ERROR:

BUILD  ?= build
build  := $(abspath $(BUILD))
CROSS  := aarch64-linux-gnu-
PYTHON := /usr/bin/python3
extra  := $(build)/lab/extra

help:
	@echo "irqhop: redirects a passed-through device's interrupts from preempted vCPUs"
	@echo "to running ones."
	@echo
	@echo "  make demo         see the problem and the cure, in an emulated host"
	@echo "  make bench        real programs, with irqhop and with what else there is"
	@echo "  make bench-full   everything of that; takes hours, goes on where it stopped"
	@echo "  make where        where the slow operations of it wait, from traces"
	@echo "  make test         unit tests, and the tests in the emulated host"
	@echo "  make test-long    the same, and whatever is counted is counted for longer"
	@echo "  make test-mutants that each mechanism has a test that misses it"
	@echo "  make test-storm   a million interrupts while guest and host change much"
	@echo "  make test-matrix  the storm on every kernel that irqhop is tested with"
	@echo "  make check        static checks of the sources and of the module"
	@echo "  make model        search models of the races to the end (docs/races.md)"
	@echo "  make lab          a shell in the emulated host, with a guest running"
	@echo "  make choices      which rules are better, and for which guests"
	@echo "  make costs        what a preemption costs the host, in instructions"
	@echo "  make outlier      the slowest reads with irqhop on, event by event"
	@echo "  make module       build/kmod/irqhop.ko, for the emulated host's kernel"
	@echo "  make tool         build/tool/irqhop, for this machine"
	@echo "  make fetch        only download and unpack what the lab needs"
	@echo "  make clean        remove what was built; downloads stay"
	@echo "  make distclean    remove $(BUILD)/"

# What has to be installed is asked for once; then everything else follows.
deps:
	@lab/deps

# The same and what the static checks want. First where both are: one question.
deps-lint:
	@lab/deps lint

fetch: deps
	@lab/fetch $(build)

module: fetch
	@$(MAKE) -s -C kmod KDIR=$(build)/root/headers/kdir \
		BUILD=$(build)/kmod ARCH=arm64 CROSS_COMPILE=$(CROSS) \
		>$(build)/log/kmod.log 2>&1 || \
		{ tail -n 30 $(build)/log/kmod.log; exit 1; }

# The same with what only tests want: policies that no production host does.
module-test: module
	@$(MAKE) -s -C kmod KDIR=$(build)/root/headers/kdir \
		BUILD=$(build)/kmod-test ARCH=arm64 CROSS_COMPILE=$(CROSS) \
		IRQHOP_TEST=1 >$(build)/log/kmod-test.log 2>&1 || \
		{ tail -n 30 $(build)/log/kmod-test.log; exit 1; }

tool: deps
	@$(MAKE) -s -C tool BUILD=$(build)/tool

tool-arm64: fetch
	@$(MAKE) -s -C tool BUILD=$(build)/tool-arm64 CROSS_COMPILE=$(CROSS) \
		SYSROOT=$(build)/root/cross

images: module module-test tool-arm64
	@mkdir -p $(extra)/bin
	@cmp -s $(build)/kmod/irqhop.ko $(extra)/irqhop.ko || \
		cp $(build)/kmod/irqhop.ko $(extra)/irqhop.ko
	@cmp -s $(build)/kmod-test/irqhop.ko $(extra)/irqhop-test.ko || \
		cp $(build)/kmod-test/irqhop.ko $(extra)/irqhop-test.ko
	@cmp -s $(build)/tool-arm64/irqhop $(extra)/bin/irqhop || \
		cp $(build)/tool-arm64/irqhop $(extra)/bin/irqhop
	@$(MAKE) -s -C lab BUILD=$(build)

# The main job. LAB_PATH=injected: in a host without GICv4, whose KVM injects the
# interrupts. DEMO_FLAGS: see bench/demo.py --help.
LAB_PATH ?= direct
demo-out := $(if $(filter direct,$(LAB_PATH)),demo,demo-$(LAB_PATH))
demo: images
	@mkdir -p $(build)/$(demo-out)
	@$(PYTHON) bench/demo.py --build $(build) --path $(LAB_PATH) \
		--out $(build)/$(demo-out) $(DEMO_FLAGS)
	@$(PYTHON) bench/report.py $(build)/$(demo-out)/raw $(build)/$(demo-out)
	@echo
	@echo "The same: $(BUILD)/$(demo-out)/report.txt;"
	@echo "as a picture: $(BUILD)/$(demo-out)/latency.svg;"
	@echo "for programs: $(BUILD)/$(demo-out)/result.json"

# The evaluation: docs/bench.md. What was measured is not measured again; a new
# build of the module starts afresh. What is there gets its report, even if a
# cell has failed. BENCH_FLAGS: see bench/bench.py --help.
bench: programs
	@$(PYTHON) bench/bench.py --build $(build) --out $(build)/bench \
		$(BENCH_FLAGS); status=$$?; \
	$(PYTHON) bench/bench_report.py $(build)/bench && exit $$status

bench-full: programs
	@$(PYTHON) bench/bench.py --build $(build) --out $(build)/bench-full \
		--full $(BENCH_FLAGS); status=$$?; \
	$(PYTHON) bench/bench_report.py $(build)/bench-full && exit $$status

# docs/bench-report.md. WHERE_FLAGS: see bench/where.py --help.
where: programs
	@$(PYTHON) bench/where.py --build $(build) --out $(build)/bench \
		$(WHERE_FLAGS); status=$$?; \
	$(PYTHON) bench/bench_report.py $(build)/bench && exit $$status

# Two runs of a cell agree. REPEAT_FLAGS: see bench/repeat.py --help.
repeat: programs
	@$(PYTHON) bench/repeat.py --build $(build) --out $(build)/repeat \
		$(REPEAT_FLAGS)

# Some of the slowest reads with irqhop on, event by event, host and guest on
# one clock. OUTLIER_FLAGS: see bench/outlier.py --help.
outlier: images
	@$(PYTHON) bench/outlier.py --build $(build) $(OUTLIER_FLAGS)

# Measurements that defaults go by: docs/results.md. CHOICES_FLAGS, COSTS_FLAGS:
# see bench/choices.py and bench/costs.py --help.
choices: images
	@$(PYTHON) bench/choices.py --build $(build) --out $(build)/choices \
		$(CHOICES_FLAGS)

costs: images
	@$(PYTHON) bench/costs.py --build $(build) --out $(build)/costs \
		$(COSTS_FLAGS)

# Programs of the host's that only tests use, on a disk of their own.
tracers: images
	@lab/fetch $(build) tracers
	@$(MAKE) -s -C lab BUILD=$(build) tracers

# What make bench measures with, on a disk of its own.
programs: images
	@lab/fetch $(build) programs
	@$(MAKE) -s -C lab BUILD=$(build) programs

# What only the static checks want on this machine.
check-tools: deps-lint fetch
	@lab/fetch $(build) checkpatch

# docs/checks.md. CHECKS="sparse imports": only some of them. UPDATE=imports:
# take what the module imports now for what it shall.
check: check-tools module module-test tool
	@$(PYTHON) test/check/run.py --build $(build) $(UPDATE:%=--update %) $(CHECKS)

# SUITES="check core cost tool bench units model lab": only some of them.
test: deps-lint images tracers check-tools tool
	@$(PYTHON) test/run.py --build $(build) $(SUITES)

# docs/lab.md: what the short version leaves out.
test-long: export LAB_LONG := 1
test-long: test

# Builds that each lack one mechanism: what test notices? MUTANTS="A B": these.
test-mutants: images tracers
	@$(PYTHON) test/mutants.py --build $(build) $(MUTANTS)

# docs/lab.md. STORM_FLAGS: see lab/test/storm.py --help.
test-storm: images
	@$(PYTHON) lab/test/storm.py --build $(build) $(STORM_FLAGS)

# docs/lab.md. MATRIX_FLAGS: see lab/test/matrix.py --help.
test-matrix: images
	@$(PYTHON) lab/test/matrix.py --build $(build) $(MATRIX_FLAGS)

# docs/races.md. RUNS="hop its": only these of model/runs.conf.
model: deps
	@nice $(PYTHON) model/run.py --build $(build) $(RUNS)

lab: images
	@$(PYTHON) lab/interactive.py --build $(build)

clean:
	rm -rf $(build)/{kmod,kmod-test,tool,tool-arm64,core-test,lab,demo,demo-injected,bench,bench-full,repeat,choices,costs,test,storm,matrix,mutants,check,model}

distclean:
	rm -rf $(build)

# One after the other; what they call may well work in parallel.
.NOTPARALLEL:

.PHONY: help deps deps-lint fetch module module-test tool tool-arm64 images \
	tracers programs demo bench bench-full where repeat choices costs outlier check-tools check model test test-long test-mutants test-storm \
	test-matrix lab clean distclean
