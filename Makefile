# What a person types. Everything else is in scripts/, one story per file.
.DEFAULT_GOAL := help
.PHONY: help run build web test bench fuzz fmt lint

help: ## show this list
	@grep -E '^[a-z]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 10

run: ## build everything and start the demo: the server on SQLite beside the sandbox
	scripts/need build web
	scripts/web
	scripts/cargo run --locked -- demo $(ARGS)

build: ## a release binary with the cabinet in it: target/release/switchboard
	scripts/need build web
	scripts/web
	cargo build --release --locked --bin switchboard

web: ## build the cabinet into web/dist, where something of it changed
	scripts/need web
	scripts/web

test: ## every check there is, on both databases and in a browser
	scripts/need build lint web postgres mail browser bot_api b24pysdk
	scripts/test

bench: ## measure, and write bench/results/*.json; PEERS=<folder> measures the peers in the same rounds
	scripts/need build postgres
	bench/run $(ARGS)

fuzz: ## throw bytes at the parsers of strangers' bytes: every target for a minute, or ARGS="letter vk" for SECONDS_EACH=600
	scripts/need build
	scripts/fuzz $(ARGS)

fmt: ## format the code
	cargo fmt

lint: ## the checks that need no running
	scripts/need build lint
	cargo fmt --check
	scripts/cargo clippy --locked --all-targets -- -D warnings
