package storetest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSuite_knowsNoImplementation holds the suite to one rule for all stores: it neither imports nor names one, skips nothing, and asks
// neither a test nor a store what it is. What may differ is a field of Harness.
func TestSuite_knowsNoImplementation(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "storetest" {
			names = append(names, e.Name())
		}
	}
	if len(names) < 2 {
		t.Fatalf("the implementations beside the suite are %q: it looked in the wrong place", names)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, why := range exceptions(parsed, names) {
			t.Errorf("%s: %s", fset.Position(why.at), why.text)
		}
	}
}

type exception struct {
	at   token.Pos
	text string
}

// exceptions lists what would treat one implementation otherwise than another.
func exceptions(file *ast.File, names []string) []exception {
	var found []exception
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			for _, name := range names {
				if n.Kind == token.STRING && strings.Contains(strings.ToLower(n.Value), name) {
					found = append(found, exception{n.Pos(), "names the implementation " + name})
				}
			}
		case *ast.TypeAssertExpr:
			found = append(found, exception{n.Pos(), "asks for a concrete type"})
		case *ast.SelectorExpr:
			switch n.Sel.Name {
			case "Skip", "Skipf", "SkipNow":
				found = append(found, exception{n.Pos(), "skips"})
			case "Name":
				found = append(found, exception{n.Pos(), "asks for a name"})
			case "TypeOf":
				found = append(found, exception{n.Pos(), "asks for a type"})
			}
		}
		return true
	})
	return found
}

func TestSuite_theRuleCanFail(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`if t.Name() == "x" { return }`, `t.Skip("later")`, `_, _ = s.(interface{ Ping() })`, `if kind == "sqlite" { return }`,
		`switch s.(type) { }`, `_ = reflect.TypeOf(s)`,
	} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nfunc f() { "+body+" }", 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(exceptions(parsed, []string{"memory", "sqlite"})) == 0 {
			t.Errorf("%s passes", body)
		}
	}
}
