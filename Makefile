# demo · test · lint · bench: the only commands to remember.
# Each does its own set-up, as root, and does it once: what is made lies in .venv* and .cache.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench clean

help:
	@sed -n 's/^## //p' Makefile

## make demo    set up, then run a container made of this machine's own programs
demo:
	@tools/setup packages venv
	@tools/demo

## make test    set up, lint, then unit, contract and end-to-end tests
test:
	@tools/setup packages registry debootstrap busybox tini skopeo umoci shells openssl objdump headers engines runc bindfs btrfs xfs ext4 erofs machine nftables iptables iproute2 cni browser git ssh
	@tools/setup cells test-venvs debian-root kernel
	@tools/lint
	@tools/run-tests

## make lint    ruff, mypy --strict and import-linter
lint:
	@tools/setup packages test-venvs
	@tools/lint

## make bench   milliseconds of a start by stage, and beside every runtime that is installed
bench:
	@tools/setup packages venv
	@tools/bench

## make clean   remove what the others made
clean:
	rm -rf .venv* .cache build dist
