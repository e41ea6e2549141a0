package main_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

const module = "github.com/throughline-dc/throughline"

// row says what one package, or one tree of packages, may import besides the
// standard library and itself.
type row struct {
	pkg  string   // path below the module; "x/..." is x and everything below it
	pure bool     // no I/O, no clock, no randomness, no logging: see impure
	all  bool     // may import whatever it likes
	own  []string // our packages, as in pkg
	libs []string // other people's packages, by path prefix
}

// importTable is who may know whom. A package that no row names fails the
// test: whoever adds one says here, and in .golangci.yml, what it may know.
var importTable = []row{
	// The model and what decides over it: pure.
	{pkg: "topology", pure: true},
	{pkg: "topology/policy", pure: true},
	{pkg: "topology/reconcile", pure: true, own: []string{"topology"}},
	{pkg: "topology/topologytest", own: []string{"topology"}},
	{pkg: "planner", pure: true, own: []string{"topology", "topology/policy", "planner/cpu", "planner/reach"}},
	{pkg: "planner/cpu", pure: true},
	{
		pkg: "planner/reach", pure: true, own: []string{"topology", "topology/policy", "planner/reach/packet"},
		libs: []string{"github.com/bits-and-blooms/bitset", "github.com/gaissmai/bart", "go4.org/netipx"},
	},
	{pkg: "planner/reach/packet", pure: true, own: []string{"topology/policy"}},

	// Stores: the contract, and one package for each engine.
	{pkg: "topology/store", own: []string{"topology"}},
	{pkg: "topology/store/memory", own: []string{"topology", "topology/store"}},
	{
		pkg: "topology/store/sqlite", own: []string{"topology", "topology/store"},
		libs: []string{"github.com/pressly/goose/v3", "modernc.org/sqlite"},
	},
	{
		pkg: "topology/store/neo4j", own: []string{"topology", "topology/store"},
		libs: []string{"github.com/neo4j/neo4j-go-driver/v5"},
	},
	{pkg: "topology/store/storetest", own: []string{"topology", "topology/store"}, libs: testLibs},

	// Readers of devices. Each knows one protocol family.
	{pkg: "collectors", own: []string{"topology", "internal/telemetry"}},
	{pkg: "collectors/collectortest", own: []string{"topology", "collectors"}, libs: testLibs},
	{pkg: "collectors/filter", pure: true, own: []string{"topology", "topology/policy"}},
	{pkg: "collectors/libvirt", own: readerOwn, libs: []string{"libvirt.org/go/libvirt", "libvirt.org/go/libvirtxml"}},
	{pkg: "collectors/snmp", own: append([]string{"internal/snmprec"}, readerOwn...), libs: []string{"github.com/gosnmp/gosnmp"}},
	{pkg: "collectors/shell", own: []string{"collectors", "internal/transport", "topology"}, libs: []string{"golang.org/x/crypto/ssh"}},
	{pkg: "collectors/ssh", own: append([]string{"collectors/shell"}, readerOwn...)},
	{pkg: "collectors/cli", own: readerOwn, libs: []string{"github.com/scrapli/scrapligo", "github.com/sirikothe/gotextfsm"}},
	{
		pkg: "collectors/san", own: append([]string{"collectors/shell"}, readerOwn...),
		libs: []string{"github.com/scrapli/scrapligo", "github.com/sirikothe/gotextfsm"},
	},
	{pkg: "collectors/redfish", own: readerOwn, libs: []string{"github.com/stmcginnis/gofish"}},
	{pkg: "collectors/vsphere", own: readerOwn, libs: []string{"github.com/vmware/govmomi"}},

	// Writers to devices. They execute a change-set and never decide.
	{pkg: "provision", own: []string{"topology", "internal/telemetry"}, libs: []string{"github.com/dbos-inc/dbos-transact-golang"}},
	{pkg: "provision/provisiontest", own: []string{"topology", "provision"}, libs: testLibs},
	{pkg: "provision/vm", own: writerOwn, libs: []string{"libvirt.org/go/libvirt", "libvirt.org/go/libvirtxml", "github.com/vmware/govmomi"}},
	{pkg: "provision/vlan", own: writerOwn, libs: []string{"github.com/scrapli/scrapligo", "github.com/ovn-kubernetes/libovsdb"}},
	{pkg: "provision/zone", own: writerOwn, libs: []string{"github.com/scrapli/scrapligo"}},
	{pkg: "provision/lun", own: writerOwn, libs: []string{"github.com/stmcginnis/gofish"}},
	{pkg: "provision/server", own: writerOwn, libs: []string{"github.com/stmcginnis/gofish"}},

	// The rim.
	{
		pkg: "web", own: []string{"topology", "planner", "provision", "internal/telemetry", "internal/draw", "internal/report"},
		libs: []string{
			"github.com/labstack/echo/v4", "github.com/danielgtaylor/huma/v2", "github.com/alexedwards/scs/v2",
			"github.com/coreos/go-oidc/v3", "golang.org/x/crypto/argon2",
		},
	},
	{
		pkg:  "internal/transport",
		libs: []string{"github.com/cenkalti/backoff/v5", "github.com/gosnmp/gosnmp", "golang.org/x/crypto/ssh", "golang.org/x/time/rate"},
	},
	{
		pkg:  "internal/telemetry",
		libs: []string{"github.com/jedib0t/go-pretty/v6", "github.com/prometheus/client_golang", "go.opentelemetry.io", "golang.org/x/term"},
	},
	{
		pkg: "internal/config", own: []string{"topology", "collectors", "planner"},
		libs: []string{"filippo.io/age", "github.com/goccy/go-yaml", "github.com/knadh/koanf/v2"},
	},
	{pkg: "internal/snmprec", pure: true}, // recordings as text: what collectors/snmp and the simulated agent share
	{pkg: "internal/draw", pure: true, own: []string{"topology", "planner"}},
	{pkg: "internal/report", pure: true, own: []string{"topology", "planner"}},

	// Simulated and real devices: for tests and for cmd.
	{pkg: "fixtures/sim/...", own: fixtureOwn, libs: fixtureLibs},
	{pkg: "fixtures/live/...", own: fixtureOwn, libs: fixtureLibs},
	{pkg: "fixtures/lab/...", own: append([]string{"fixtures/live/proc"}, fixtureOwn...), libs: fixtureLibs},
	{pkg: "fixtures/neo4j/...", libs: []string{"github.com/neo4j/neo4j-go-driver/v5"}},

	// Programs: the only places that know concrete types.
	{pkg: "cmd/throughline", all: true},
	{pkg: "fixtures/bench", all: true},
	{pkg: "fixtures/corpus", all: true},
	{pkg: "fixtures/oracle", all: true},
}

var (
	readerOwn   = []string{"topology", "topology/policy", "collectors", "collectors/filter", "internal/transport"}
	writerOwn   = []string{"topology", "provision", "internal/transport"}
	fixtureOwn  = []string{"topology", "internal/snmprec"}
	fixtureLibs = []string{"github.com/goccy/go-yaml", "github.com/gosnmp/gosnmp", "libvirt.org/go/libvirtxml", "golang.org/x/crypto/ssh", "github.com/gliderlabs/ssh"}

	// testLibs may be imported by every _test.go file and by the conformance suites.
	testLibs = []string{"github.com/google/go-cmp", "github.com/rogpeppe/go-internal", "go.uber.org/goleak", "pgregory.net/rapid"}

	// impure is the part of the standard library that a pure package does without.
	// A name stands for the package and everything below it; "$" ends an exact name.
	impure = []string{"crypto/rand", "database", "io/ioutil", "log", "math/rand", "net$", "net/http", "net/rpc", "net/smtp", "os", "plugin", "syscall"}
)

// importOf is one import line.
type importOf struct {
	path string
	file string
	test bool // stands in a _test.go file
}

// violations lists every import that the table does not allow, one sentence each.
// pkgs is keyed by the package's path below the module.
func violations(pkgs map[string][]importOf, table []row) []string {
	var out []string
	forTests := slices.Clone(testLibs) // tests may use what any row may: the library is pinned and read already
	for _, r := range table {
		forTests = append(forTests, r.libs...)
	}
	for pkg, imports := range pkgs {
		r, ok := rowOf(pkg, table)
		if !ok {
			out = append(out, pkg+": no row in importTable: add one, here and in .golangci.yml")
			continue
		}
		for _, i := range imports {
			if why := r.refuses(pkg, i, forTests); why != "" {
				out = append(out, fmt.Sprintf("%s imports %s: %s", i.file, i.path, why))
			}
		}
	}
	slices.Sort(out)
	return out
}

// rowOf finds the most specific row for a package.
func rowOf(pkg string, table []row) (row, bool) {
	best, found := row{}, false
	for _, r := range table {
		if covers(r.pkg, pkg) && (!found || len(r.pkg) > len(best.pkg)) {
			best, found = r, true
		}
	}
	return best, found
}

func covers(pattern, pkg string) bool {
	tree, isTree := strings.CutSuffix(pattern, "/...")
	return pkg == tree || isTree && strings.HasPrefix(pkg, tree+"/")
}

// refuses says why an import is not allowed, or "" when it is.
func (r row) refuses(pkg string, i importOf, forTests []string) string {
	own, isOwn := strings.CutPrefix(i.path, module+"/")
	first, _, _ := strings.Cut(i.path, "/")
	switch {
	case r.all || isOwn && (covers(r.pkg, own) || own == pkg):
		return ""
	case isOwn && (i.test || slices.ContainsFunc(r.own, func(p string) bool { return covers(p, own) })):
		return ""
	case isOwn:
		return r.pkg + " may not know " + own
	case i.path == "C":
		return "cgo belongs to libvirt.org/go/libvirt alone"
	case !strings.Contains(first, "."):
		if r.pure && !i.test && slices.ContainsFunc(impure, func(p string) bool { return stdCovers(p, i.path) }) {
			return r.pkg + " is pure: no I/O, no randomness, no logging"
		}
		return ""
	case slices.ContainsFunc(r.libs, func(p string) bool { return covers(p+"/...", i.path) }):
		return ""
	case i.test && slices.ContainsFunc(forTests, func(p string) bool { return covers(p+"/...", i.path) }):
		return ""
	default:
		return "not a library that " + r.pkg + " may use"
	}
}

func stdCovers(pattern, pkg string) bool {
	if exact, ok := strings.CutSuffix(pattern, "$"); ok {
		return pkg == exact
	}
	return covers(pattern+"/...", pkg)
}

// readImports reads the import lines of every Go file of the module, whatever
// build tags it carries: what `go list` leaves out on this machine counts too.
func readImports(t *testing.T, root string) map[string][]importOf {
	t.Helper()
	pkgs := map[string][]importOf{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			return skipDir(name, rel)
		}
		if path.Ext(rel) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(rel)
		pkgs[pkg] = append(pkgs[pkg], []importOf{}...)
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			pkgs[pkg] = append(pkgs[pkg], importOf{path: imported, file: rel, test: strings.HasSuffix(rel, "_test.go")})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pkgs
}

// skipDir leaves out what the go command leaves out: testdata, hidden folders, other modules.
func skipDir(name, rel string) error {
	base := path.Base(rel)
	if rel == "." {
		return nil
	}
	if base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// TestImports_holdTheTable is the import table as a test, for people without the linter.
func TestImports_holdTheTable(t *testing.T) {
	t.Parallel()
	pkgs := readImports(t, filepath.Join("..", ".."))
	if len(pkgs["cmd/throughline"]) == 0 {
		t.Fatal("the walk did not even see this package: it looked in the wrong place")
	}
	for _, v := range violations(pkgs, importTable) {
		t.Error(v)
	}
}

// TestImports_theCheckCanFail feeds the checker imports that the table forbids, and some that it allows.
func TestImports_theCheckCanFail(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, pkg, imports string
		test, allowed      bool
	}{
		{name: "model does I/O", pkg: "topology", imports: "os"},
		{name: "model does I/O below os", pkg: "topology", imports: "os/exec"},
		{name: "model dials", pkg: "topology", imports: "net"},
		{name: "model parses addresses", pkg: "topology", imports: "net/netip", allowed: true},
		{name: "model logs", pkg: "topology", imports: "log/slog"},
		{name: "model uses a library", pkg: "topology", imports: "golang.org/x/sync/errgroup"},
		{name: "model knows reconcile", pkg: "topology", imports: module + "/topology/reconcile"},
		{name: "reconcile knows the model", pkg: "topology/reconcile", imports: module + "/topology", allowed: true},
		{name: "reconcile knows the store", pkg: "topology/reconcile", imports: module + "/topology/store"},
		{name: "planner knows a collector", pkg: "planner", imports: module + "/collectors"},
		{name: "collector decides", pkg: "collectors/snmp", imports: module + "/planner"},
		{name: "collector writes the store", pkg: "collectors/libvirt", imports: module + "/topology/store"},
		{name: "collector borrows a protocol", pkg: "collectors/libvirt", imports: "github.com/gosnmp/gosnmp"},
		{name: "collector with its protocol", pkg: "collectors/snmp", imports: "github.com/gosnmp/gosnmp", allowed: true},
		{name: "name that only begins alike", pkg: "collectors/snmp", imports: "github.com/gosnmp/gosnmpfork"},
		{name: "collector tests use fixtures", pkg: "collectors/snmp", imports: module + "/fixtures/sim", test: true, allowed: true},
		{name: "collector uses fixtures", pkg: "collectors/snmp", imports: module + "/fixtures/sim"},
		{name: "tests use test libraries", pkg: "topology", imports: "pgregory.net/rapid", test: true, allowed: true},
		{name: "product uses test libraries", pkg: "topology", imports: "pgregory.net/rapid"},
		{name: "tests use a library of another row", pkg: "topology", imports: "github.com/goccy/go-yaml", test: true, allowed: true},
		{name: "tests bring a library of their own", pkg: "topology", imports: "github.com/stretchr/testify/assert", test: true},
		{name: "web reaches a device", pkg: "web", imports: module + "/internal/transport"},
		{name: "writer decides", pkg: "provision/vlan", imports: module + "/planner"},
		{name: "transport knows us", pkg: "internal/transport", imports: module + "/topology"},
		{name: "cgo of our own", pkg: "collectors/libvirt", imports: "C"},
		{name: "package that nobody listed", pkg: "topology/helpers", imports: "fmt"},
		{name: "tree pattern", pkg: "fixtures/sim/estate", imports: module + "/fixtures/sim", allowed: true},
		{name: "program", pkg: "cmd/throughline", imports: "github.com/spf13/cobra", allowed: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			fake := map[string][]importOf{tc.pkg: {{path: tc.imports, file: tc.pkg + "/x.go", test: tc.test}}}
			got := violations(fake, importTable)
			if tc.allowed != (len(got) == 0) {
				t.Errorf("%s importing %s: violations %q, allowed should be %v", tc.pkg, tc.imports, got, tc.allowed)
			}
		})
	}
}

// TestImports_linterHoldsTheSameTable compares the table with depguard's rules, so that they cannot drift apart.
func TestImports_linterHoldsTheSameTable(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	type denied struct {
		Pkg  string `yaml:"pkg"`
		Desc string `yaml:"desc"`
	}
	type rule struct {
		ListMode string   `yaml:"list-mode"`
		Files    []string `yaml:"files"`
		Allow    []string `yaml:"allow"`
		Deny     []denied `yaml:"deny"`
	}
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]rule `yaml:"rules"`
				} `yaml:"depguard"`
			} `yaml:"settings"`
		} `yaml:"linters"`
	}
	if err := yaml.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	got, want := map[string]rule{}, map[string]rule{}
	for name, r := range config.Linters.Settings.Depguard.Rules {
		slices.Sort(r.Allow)
		for i, d := range r.Deny {
			if strings.TrimSpace(d.Desc) == "" {
				t.Errorf(".golangci.yml: rule %s denies %s without a reason", name, d.Pkg)
			}
			r.Deny[i].Desc = ""
		}
		got[name] = r
	}
	var pure rule
	for _, r := range importTable {
		if r.all {
			continue
		}
		w := rule{ListMode: "strict", Allow: append([]string{"$gostd"}, r.libs...)}
		base, isTree := strings.CutSuffix(r.pkg, "/...")
		w.Files = []string{"${base-path}/" + base + "/*.go", "!$test"}
		if isTree {
			w.Files[0] = "${base-path}/" + base + "/**"
			w.Allow = append(w.Allow, module+"/"+base)
		}
		for _, o := range r.own {
			w.Allow = append(w.Allow, module+"/"+o+"$")
		}
		slices.Sort(w.Allow)
		w.Deny = []denied{{Pkg: module}}
		if r.pure {
			pure.Files = append(pure.Files, w.Files[0])
		}
		want[strings.ReplaceAll(base, "/", "-")] = w
	}
	pure.Files = append(pure.Files, "!$test")
	for _, pkg := range impure {
		pure.Deny = append(pure.Deny, denied{Pkg: pkg})
	}
	want["pure"] = pure
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf(".golangci.yml and importTable differ (- table, + linter):\n%s", diff)
	}
}
