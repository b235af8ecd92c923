# Everything a person or CI runs. The work itself is in scripts and in the `countersign` program.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Where the demo's files go.
DIR ?= .demo
# A kubeconfig: stand in front of that cluster instead of starting one.
CLUSTER ?=
# Agree beforehand to what CLUSTER asks.
YES ?=
# Keep the demo's files when it ends.
KEEP ?=
# Which benchmark.
WHAT ?= all
# Seconds for each fuzz target.
SECONDS_EACH ?= 60

CARGO := cargo
COUNTERSIGN := $(CARGO) run --quiet --locked --package gateway-cli --

demo_flags = --dir "$(DIR)" $(if $(KEEP),--keep)
ifdef CLUSTER
demo_cluster = --cluster "$(CLUSTER)" $(if $(YES),--yes)
else
demo_cluster = --cluster-program "$$(tests/cluster/build | tail -n 1)"
endif

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  DIR=path         where the demo's files go (.demo)"
	@echo "  CLUSTER=path     a kubeconfig: demo in front of that cluster; YES=1 agrees beforehand"
	@echo "  KEEP=1           keep the demo's files when it ends"
	@echo "  WHAT=name        which benchmark"

.PHONY: install
install: ## install the Debian packages that are missing
	@tests/install

.PHONY: demo
demo: install ## a real API server, an issuer, the gateway and a guided tour, until Ctrl-C
	@$(CARGO) build --locked --package gateway-cli
	@exec $(COUNTERSIGN) demo up $(demo_flags) $(demo_cluster)

.PHONY: demo-check
demo-check: install ## the same, walked and checked by script
	@$(CARGO) build --locked --package gateway-cli
	@exec $(COUNTERSIGN) demo check $(demo_flags) $(demo_cluster)

.PHONY: test
test: ## everything CI runs
	@.ci/steps

.PHONY: check
check: ## the fast part: format, lints and tests of the crates without IO
	@.ci/steps quick

.PHONY: bench
bench: ## measure; WHAT= names one benchmark
	@tests/install bench
	@benches/run "$(WHAT)"

.PHONY: conformance
conformance: install ## kubectl's own suite through the gateway
	@tests/conformance/run

.PHONY: helm
helm: install ## helm through the gateway; builds it from its Go module, three minutes on first use
	@$(CARGO) test -p gateway-tests --locked -- --ignored clients::helm

.PHONY: fuzz
fuzz: ## each fuzz target for SECONDS_EACH=60 seconds; needs cargo-fuzz and a nightly toolchain
	@fuzz/run "$(SECONDS_EACH)"

.PHONY: fmt
fmt: ## format Rust and policies
	@$(CARGO) fmt --all
	@for bundle in policies/*/; do $(COUNTERSIGN) policy fmt "$$bundle"; done

.PHONY: clean
clean: ## remove what was built; the test cluster's cache stays
	@$(CARGO) clean
	@rm -rf .demo
