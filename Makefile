# Manifold. `make` lists the targets.
SHELL := /bin/bash
MODULES := proto/gen shared/tensor shared services/diffusion services/lm services/tabular services/vae gateway manifold examples deploy/k8s tools/asm tools/check tools/results
BUILD := CGO_ENABLED=0 GOAMD64=v1 go build -trimpath
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
ADDR ?= 127.0.0.1:8080

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## static binaries in bin/: manifold, gatewayd, diffusiond, vaed, tabulard, lmd
	@mkdir -p bin
	$(BUILD) -ldflags "$(LDFLAGS)" -o bin/ ./manifold/cmd/manifold ./gateway/cmd/gatewayd ./services/diffusion/cmd/diffusiond ./services/vae/cmd/vaed ./services/tabular/cmd/tabulard ./services/lm/cmd/lmd

.PHONY: run
run: ## build, then start gateway, diffusion and the page in one process (ADDR=127.0.0.1:8080)
	@mkdir -p bin
	@tools/progress-build.sh bin/manifold ./manifold/cmd/manifold "$(LDFLAGS)"
	@exec bin/manifold up --addr $(ADDR)

.PHONY: test
test: ## all tests; browser tests use Node and Chromium where they are (SETUP=1 installs them)
	go test -timeout 30m $(TESTFLAGS) work
	gateway/web/test.sh

.PHONY: test-long
test-long: ## the long proofs; writes docs/results/
	tools/test-long.sh

.PHONY: lint
lint: tools ## gofmt, vet, golangci-lint, buf lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w"; exit 1; }
	go vet work
	@bad=0; for m in $(MODULES); do echo "golangci-lint $$m"; \
		(cd $$m && $(CURDIR)/.bin/golangci-lint run --allow-parallel-runners -c $(CURDIR)/.golangci.yml ./...) || bad=1; \
	done; exit $$bad
	.bin/buf lint
	.bin/buf breaking --against proto/baseline.binpb

.PHONY: generate
generate: tools ## regenerate protobuf code, assembly and the page's assets
	.bin/buf generate
	go generate ./shared/tensor/...
	cd gateway/web && npm ci --no-fund --no-audit && npm run generate && npm run check && npm run build

.PHONY: tools
tools: .bin/buf .bin/golangci-lint ## build the pinned tools into .bin/
.bin/buf: tools/buf/go.mod tools/gen/go.mod
	GOWORK=off GOBIN=$(CURDIR)/.bin go -C tools/buf install tool
	GOWORK=off GOBIN=$(CURDIR)/.bin go -C tools/gen install tool
	@touch $@
.bin/golangci-lint: tools/lint/go.mod
	GOWORK=off GOBIN=$(CURDIR)/.bin go -C tools/lint install tool
	@touch $@

.PHONY: modules
modules: ## build every module alone (GOWORK=off) and check that go.mod files are tidy
	@for m in $(MODULES); do echo "module $$m"; (cd $$m && GOWORK=off go build -o /dev/null ./... && GOWORK=off go mod tidy -diff) || exit 1; done

.PHONY: bench
bench: ## kernel benchmarks beside the machine's measured peak
	go run ./manifold/cmd/manifold bench kernels

.PHONY: benchstat
benchstat: ## Go benchmarks of every kernel, in the form that benchstat compares (COUNT=7)
	cd shared/tensor && go test -run '^$$' -bench . -benchmem -count $(or $(COUNT),7) ./...

PEERS_DIR ?= $(or $(XDG_CACHE_HOME),$(TMPDIR),/tmp)/manifold-peers

.PHONY: bench-peers
bench-peers: build ## ours and other libraries in turns (ROWS=minilm,vae repeats those); they go into PEERS_DIR
	tools/reference/peers/install.sh $(PEERS_DIR)
	python3 tools/reference/bench_peers.py --peers $(PEERS_DIR) $(if $(ROWS),--rows $(ROWS)) $(BENCHFLAGS)
	go run ./tools/results

.PHONY: clean
clean: ## remove built files
	rm -rf bin .bin
