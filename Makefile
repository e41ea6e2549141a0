# `make help` lists what there is. CI runs the same targets: see .ci/run.
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-builtin-rules

GO   ?= go
LINT  = $(GO) tool -modfile=tools/go.mod golangci-lint

# The linter's cache knows packages by content, not by folder: shared by two clones, it reports one's findings in the other.
export GOLANGCI_LINT_CACHE := $(CURDIR)/bin/lint-cache

# With REQUIRE_LIVE=1 the tests that need real daemons run too, and none of them may skip.
# The tag brings the libvirt client (cgo, opened at run time: no headers needed).
ifeq ($(REQUIRE_LIVE),1)
TAGS := -tags libvirt_dlopen
GUEST := guest
endif

# The program that the lab's guests run, for the tests: they do not build it themselves.
export THROUGHLINE_LABGUEST := $(CURDIR)/bin/throughline-labguest

PKGS       ?= ./...
BENCH      ?= .
RACE_PKGS  ?= ./...
TEST_FLAGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## collect a simulated two-rack estate and show the path of a VM
	bin/throughline demo

.PHONY: build
build: ## build bin/throughline without cgo (no live libvirt)
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/throughline ./cmd/throughline

# Compiled, not only looked for: the headers are a package of their own.
.PHONY: compiler
compiler:
	@works() { printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | $$($(GO) env CC) -x c -o /dev/null - 2>/dev/null; }; \
	if ! works && [ "$(LAB_INSTALL)" = 1 ]; then tools/install.sh gcc libc6-dev; fi; \
	works || { echo "there is no C compiler, and live libvirt needs one: apt-get install -y --no-install-recommends gcc libc6-dev"; exit 1; }

.PHONY: build-libvirt
build-libvirt: compiler ## build bin/throughline with live libvirt (needs a C compiler)
	CGO_ENABLED=1 $(GO) build -trimpath -tags libvirt_dlopen -o bin/throughline ./cmd/throughline

.PHONY: test
test: bin/gotest $(GUEST) ## vet and run all tests; REQUIRE_LIVE=1 runs the live ones too
	$(GO) vet ./...
ifneq ($(TAGS),)
	$(GO) vet $(TAGS) ./...
endif
	bin/gotest $(TAGS) -timeout 25m $(TEST_FLAGS) $(PKGS)

.PHONY: race
race: bin/gotest ## run the tests under the race detector (RACE_PKGS chooses packages)
	bin/gotest -race -short -timeout 25m $(RACE_PKGS)

.PHONY: live
live: bin/gotest guest ## run only the live suites: libvirtd with a guest, snmpd, lldpd (needs root)
	REQUIRE_LIVE=1 bin/gotest -tags libvirt_dlopen -count=1 -timeout 15m -run 'Live' $(PKGS)

.PHONY: lab
lab: build-libvirt guest ## run a miniature data center of real daemons on this machine (needs root; LAB_INSTALL=1 installs what it lacks; LAB=--small, --bmc, or --file FILE)
ifeq ($(LAB_INSTALL),1)
	missing=$$(bin/throughline lab packages $(filter --bmc,$(LAB))); \
	if [ -n "$$missing" ] || ! apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1; then tools/install.sh $$missing; fi
endif
	bin/throughline lab up $(LAB)

.PHONY: lab-test
lab-test: bin/gotest guest ## run only the tests of the lab: it is built, read, broken and taken down (needs root)
	REQUIRE_LIVE=1 bin/gotest -tags libvirt_dlopen -count=1 -timeout 15m -run 'Live(Lab|Guests)' ./fixtures/lab/... ./cmd/throughline

.PHONY: oracle
oracle: bin/gotest ## compare what reach says with what packets find: ORACLE_PROBES of them (10,000), in random networks (needs root)
	ORACLE_PROBES=$(or $(ORACLE_PROBES),10000) REQUIRE_LIVE=1 $(GO) test -count=1 -timeout 60m -run LiveOracle -v ./fixtures/oracle | grep -v '^=== '

.PHONY: lab-full
lab-full: bin/gotest guest ## the same, all that can be broken and every move, and the default lab ten times up and down
	LAB_FULL=1 LAB_CYCLES=10 REQUIRE_LIVE=1 bin/gotest -tags libvirt_dlopen -count=1 -timeout 60m -run 'Live(Lab|Guests)' ./fixtures/lab/... ./cmd/throughline

.PHONY: guest
guest: ## build bin/throughline-labguest, the program that the lab's guests run
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/throughline-labguest ./fixtures/lab/guest

.PHONY: suites
suites: bin/gotest ## run the conformance suites of stores and collectors
	bin/gotest -count=1 -run 'Suite|Conformance' ./topology/store/... ./collectors/...

.PHONY: sim
sim: bin/gotest ## run the program end to end against the simulated estate
	bin/gotest -count=1 ./fixtures/sim/... ./cmd/throughline/...

.PHONY: corpus
corpus: ## replay the corpus of recordings: one line per bar
	$(GO) run ./fixtures/corpus

.PHONY: fuzz
fuzz: ## fuzz every target, FUZZTIME_TOTAL seconds in all (300)
	tools/fuzz.sh

.PHONY: torture
torture: bin/gotest ## kill the store during 1,000 commits, cut what publishes it 1,000 times, simulate a day of 50 hosts, try the planner's laws on new worlds (hours)
	$(GO) test -count=1 -run TestLaw -timeout 1h ./planner -args -law.seed=0 -law.cases=100000
	TORTURE=1 bin/gotest -count=1 -run Torture -timeout 2h ./topology/store/...
	TORTURE=1 $(GO) test -count=1 -run Torture -v -timeout 2h ./cmd/throughline/... | grep -v '^=== '

.PHONY: bench
bench: ## run the benchmarks that have a goal, beside their peers, into docs/benchmarks.md (an hour; ROWS chooses by id: make bench ROWS=P-C1)
	$(GO) run ./fixtures/bench -write -only '$(ROWS)'

.PHONY: benchmarks
benchmarks: ## run the Go benchmarks that match BENCH
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKGS)

.PHONY: cover
cover: ## measure test coverage, into bin/cover.out
	@mkdir -p bin
	$(GO) test -coverpkg=./... -coverprofile=bin/cover.out $(PKGS)
	$(GO) tool cover -func=bin/cover.out | tail -1

.PHONY: golden
golden: ## rewrite golden files: read the diff before you commit it
	$(GO) test -count=1 $$(grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -n1 dirname | sort -u) -update
	git diff --stat

.PHONY: generate
generate: ## run go generate
	$(GO) generate ./...

.PHONY: generated
generated: ## fail if generating or tidying would change a file
	@state() { git ls-files -coz --exclude-standard | xargs -0 sha256sum 2>/dev/null | sha256sum; }; \
	before=$$(state); $(MAKE) --no-print-directory generate; \
	if [ "$$before" != "$$(state)" ]; then echo "make generate changed files:"; git status --short; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) -C tools mod tidy -diff

.PHONY: fmt
fmt: ## format the code
	$(LINT) fmt ./...

# The first run builds golangci-lint, which takes a minute or more; then the build cache has it.
.PHONY: lint
lint: bin/gotest ## lint, with and without the libvirt tag; show that the import rules fire
	$(LINT) run ./...
	$(LINT) run --build-tags libvirt_dlopen ./...
	cd tools && $(GO) tool golangci-lint run ./...
	cd tools && ../bin/gotest ./...

.PHONY: vuln
vuln: ## look for known vulnerabilities (needs its online database)
	@out=$$($(GO) tool -modfile=tools/go.mod govulncheck ./... 2>&1) && rc=0 || rc=$$?; echo "$$out"; \
	if grep -q 'fetching vulnerabilities' <<<"$$out"; then \
		echo "vuln: NOT CHECKED: the vulnerability database cannot be reached; this is not a pass"; \
	elif [ $$rc -eq 0 ]; then echo "vuln: checked"; else exit $$rc; fi

.PHONY: neo4j
neo4j: ## run a Neo4j server on 127.0.0.1:7687 until Ctrl-C (needs java 17 and Maven)
	@mkdir -p bin
	$(GO) build -o bin/neo4j-serve ./fixtures/neo4j/serve
	@exec bin/neo4j-serve

.PHONY: check
check: lint generated vuln test ## what CI runs on every change

.PHONY: tidy
tidy: ## tidy both modules
	$(GO) mod tidy
	$(GO) -C tools mod tidy

bin/gotest: tools/gotest/main.go
	$(GO) -C tools build -o ../bin/gotest ./gotest
