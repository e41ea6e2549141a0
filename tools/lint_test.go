// Package tools_test shows that the linter's import rules really fire.
package tools_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/throughline-dc/throughline"

// forbidden holds, for each package with a rule in .golangci.yml, one import that its row
// refuses, and allowed one that it grants. A made-up module contains all of them at once,
// so they must not form a cycle.
var (
	forbidden = map[string]string{
		"topology":                  "os",
		"topology/policy":           module + "/topology/store",
		"topology/reconcile":        module + "/topology/store",
		"topology/topologytest":     module + "/topology/store",
		"topology/store":            module + "/web",
		"topology/store/memory":     "modernc.org/sqlite",
		"topology/store/sqlite":     "github.com/neo4j/neo4j-go-driver/v5/neo4j",
		"topology/store/neo4j":      module + "/collectors",
		"topology/store/storetest":  "modernc.org/sqlite",
		"planner":                   module + "/collectors",
		"planner/cpu":               module + "/topology",
		"planner/reach":             "net/http",
		"planner/reach/packet":      module + "/planner/reach",
		"collectors":                module + "/topology/store",
		"collectors/collectortest":  "github.com/gosnmp/gosnmp",
		"collectors/filter":         "os/exec",
		"collectors/libvirt":        "github.com/gosnmp/gosnmp",
		"collectors/shell":          module + "/topology/store",
		"collectors/snmp":           module + "/planner",
		"collectors/ssh":            module + "/provision",
		"collectors/cli":            module + "/topology/store",
		"collectors/san":            module + "/provision",
		"collectors/redfish":        "github.com/vmware/govmomi",
		"collectors/vsphere":        "github.com/stmcginnis/gofish",
		"provision":                 module + "/planner",
		"provision/provisiontest":   module + "/planner",
		"provision/vm":              module + "/collectors",
		"provision/vlan":            module + "/planner",
		"provision/zone":            module + "/topology/store",
		"provision/lun":             "github.com/scrapli/scrapligo",
		"provision/server":          module + "/collectors",
		"web":                       module + "/internal/transport",
		"internal/transport":        module + "/topology",
		"internal/telemetry":        module + "/topology",
		"internal/config":           module + "/internal/transport",
		"internal/snmprec":          module + "/topology",
		"internal/draw":             "os",
		"internal/report":           module + "/web",
		"fixtures/sim":              module + "/collectors/snmp",
		"fixtures/live":             module + "/collectors/libvirt",
		"fixtures/lab/deeply/below": module + "/topology/store",
		"fixtures/neo4j":            module + "/topology/store/neo4j",
	}
	allowed = map[string]string{
		"topology":                  "net/netip",
		"topology/store/sqlite":     "modernc.org/sqlite",
		"collectors/snmp":           "github.com/gosnmp/gosnmp",
		"collectors/libvirt":        module + "/collectors/filter",
		"fixtures/lab/deeply/below": module + "/topology",
		"cmd/throughline":           module + "/collectors/snmp",
	}
)

func TestImportRules_fire(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile(filepath.Join("..", ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	world := t.TempDir()
	write(t, filepath.Join(world, ".golangci.yml"), string(config))
	write(t, filepath.Join(world, "go.mod"), "module "+module+"\n\ngo 1.26.0\n")
	for pkg, imported := range forbidden {
		write(t, filepath.Join(world, pkg, "forbidden.go"), "package x\n\nimport _ \""+imported+"\"\n")
		write(t, filepath.Join(world, pkg, "fine_test.go"), "package x\n\nimport _ \"os\"\n")
	}
	for pkg, imported := range allowed {
		write(t, filepath.Join(world, pkg, "allowed.go"), "package x\n\nimport _ \""+imported+"\"\n")
	}

	report := lint(t, world)
	for pkg := range forbidden {
		if !strings.Contains(report, filepath.FromSlash(pkg)+"/forbidden.go:") {
			t.Errorf("%s importing %s went unnoticed", pkg, forbidden[pkg])
		}
	}
	for line := range strings.Lines(report) {
		if strings.Contains(line, "allowed.go:") || strings.Contains(line, "fine_test.go:") {
			t.Errorf("refused what the table grants: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("the linter said:\n%s", report)
	}
}

// TestImportRules_eachHasACase keeps forbidden complete: a rule without a case is a rule nobody saw fire.
func TestImportRules_eachHasACase(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile(filepath.Join("..", ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	rules := 0
	for line := range strings.Lines(string(config)) {
		_, pattern, found := strings.Cut(line, `files: ["${base-path}/`)
		if !found {
			continue
		}
		rules++
		pkg, isFolder := strings.CutSuffix(strings.SplitN(pattern, `"`, 2)[0], "/*.go")
		if _, ok := forbidden[pkg]; isFolder && !ok {
			t.Errorf("no case for the rule of %s", pkg)
		}
	}
	if rules != len(forbidden) {
		t.Errorf("%d rules, %d cases", rules, len(forbidden))
	}
}

// lint runs depguard alone over a folder and returns its findings.
func lint(t *testing.T, dir string) string {
	t.Helper()
	here, err := filepath.Abs("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "tool", "-modfile="+here, "golangci-lint", "run",
		"--enable-only", "depguard", "--output.text.colors=false", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOLANGCI_LINT_CACHE="+t.TempDir())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err == nil {
		t.Errorf("the linter found nothing at all:\n%s", out.String())
	}
	return out.String()
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
