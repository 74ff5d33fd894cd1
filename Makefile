# Building, running and testing Cloakroom. `make help` lists what there is.
#
# Everything is built in the release profile and for the whole workspace. Another profile or selection (`-p cloakroom`)
# gives dependencies other features, and wasmtime, which takes minutes, is built once more.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run build dist host plugins setup test soak lint bench clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: build ## Build and serve: State Server on 127.0.0.1:42424, HTTP on 127.0.0.1:8642
	@exec target/release/cloakroom serve --plugins target/plugins --data target/data

build: host plugins ## Build the host (target/release/cloakroom) and the plugins (target/plugins/*.wasm)

dist: setup plugins ## Build the host as it is installed (target/dist/cloakroom), which takes twice as long
	@cargo build --profile dist --workspace

host: setup
	@cargo build --release --workspace

plugins: setup
	@scripts/build-plugins

setup: ## See that this machine can build, and install what is missing
	@scripts/setup

test: build ## Check format, lints and docs, run all tests, print how many passed
	@scripts/setup-tests
	@scripts/build-plugins $(dir $(wildcard tests/fixtures/*/Cargo.toml))
	@$(MAKE) --no-print-directory lint
	@scripts/run-tests

soak: build ## Ten minutes of load among bad plugins, while plugins change
	@scripts/build-plugins $(dir $(wildcard tests/fixtures/*/Cargo.toml))
	CLOAKROOM_SOAK_SECONDS=600 cargo test --release --workspace --test soak -- --nocapture

lint: setup ## Check format, lints and docs
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps

bench: dist ## Print what an operation costs, and a store beside what others do
	@scripts/setup-tests
	@scripts/setup-bench
	cargo bench --profile dist --workspace --bench '*'

clean: ## Delete everything that was built
	rm -rf target
