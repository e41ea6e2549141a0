package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestGlossary_namesExist holds docs/glossary.md to the code: each name in a column "Go name" is exported by topology.
func TestGlossary_namesExist(t *testing.T) {
	t.Parallel()
	text := readText(t, "docs/glossary.md")
	names := goNames(text)
	if len(names) < 50 {
		t.Fatalf("found only %d names: the columns were not understood", len(names))
	}
	for _, name := range missing(names, exported(t, "topology")) {
		t.Errorf("docs/glossary.md: package topology exports no %s", name)
	}
}

func TestGlossary_theCheckCanFail(t *testing.T) {
	t.Parallel()
	const table = `
| concept | Go name | text |
|---|---|---|
| a | ` + "`Port`, `VPC`" + ` | ` + "`not a name`" + ` |
| b | ` + "`Snapshot.Conflicts`, `Snapshot.Decide`" + ` | – |

| other | table |
|---|---|
| c | ` + "`Nowhere`" + ` |
`
	got := missing(goNames(table), exported(t, "topology"))
	if want := []string{"VPC", "Snapshot.Decide"}; !slices.Equal(got, want) {
		t.Errorf("missing names: %q, want %q", got, want)
	}
}

var quoted = regexp.MustCompile("`([^`]+)`")

// goNames lists what stands in backquotes in the columns headed "Go name" of Markdown tables.
func goNames(text string) []string {
	var names []string
	column := -1
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			column = -1
			continue
		}
		cells := strings.Split(strings.TrimSpace(line), "|")
		if i := slices.IndexFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "Go name" }); i >= 0 {
			column = i
		} else if column >= 0 && column < len(cells) {
			for _, m := range quoted.FindAllStringSubmatch(cells[column], -1) {
				names = append(names, m[1])
			}
		}
	}
	return names
}

func missing(names []string, in map[string]bool) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return in[n] })
}

// exported lists the exported names of a package, methods and fields as Type.Name.
func exported(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names[receiver(d)+d.Name.Name] = true
			case *ast.GenDecl:
				for _, s := range d.Specs {
					addSpec(names, s)
				}
			}
		}
	}
	maps.DeleteFunc(names, func(n string, _ bool) bool {
		return slices.ContainsFunc(strings.Split(n, "."), func(part string) bool { return !ast.IsExported(part) })
	})
	return names
}

func addSpec(names map[string]bool, s ast.Spec) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		names[s.Name.Name] = true
		if st, ok := s.Type.(*ast.StructType); ok {
			for _, f := range st.Fields.List {
				for _, n := range f.Names {
					names[s.Name.Name+"."+n.Name] = true
				}
			}
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			names[n.Name] = true
		}
	}
}

// receiver gives "Type." for a method, "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if i, ok := t.(*ast.Ident); ok {
		return i.Name + "."
	}
	return ""
}

// TestDocs_linksResolve follows every relative link of every Markdown page.
func TestDocs_linksResolve(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)
	pages := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if filepath.Ext(name) != ".md" {
			return nil
		}
		pages++
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %s leads nowhere", name, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if pages == 0 {
		t.Error("no pages found: the walk looked in the wrong place")
	}
}

// TestADRs_areIndexedAndWhole holds the index to the folder, the numbers to be consecutive, and each ADR to its four parts.
func TestADRs_areIndexedAndWhole(t *testing.T) {
	t.Parallel()
	index := readText(t, "docs/adr/README.md")
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "adr", "[0-9]*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no ADRs: %v", err)
	}
	for i, name := range files {
		base := filepath.Base(name)
		if number := fmt.Sprintf("%04d", i+1); !strings.HasPrefix(base, number+"-") {
			t.Errorf("%s: want number %s", base, number)
		}
		if !strings.Contains(index, "("+base+")") {
			t.Errorf("docs/adr/README.md does not list %s", base)
		}
		text := readText(t, filepath.Join("docs", "adr", base))
		for _, part := range []string{"## Context", "## Decision", "## Consequences", "## What would make us revisit"} {
			if !strings.Contains(text, "\n"+part+"\n") {
				t.Errorf("%s: no %q", base, part)
			}
		}
	}
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
