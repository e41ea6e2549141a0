package ssh_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/fixtures/sim/sshhost"
)

// commandTable is the documentation of what is sent, as the code has it.
func commandTable() string {
	var b strings.Builder
	b.WriteString("\n| reading | command | on older systems | `sudo` | may be missing |\n|---|---|---|---|---|\n")
	mark := map[bool]string{true: "yes"}
	cell := func(line string) string { return "`" + strings.ReplaceAll(line, "|", `\|`) + "`" }
	for _, c := range ssh.Commands() {
		old := ""
		if len(c.Lines) > 1 {
			old = cell(c.Lines[1])
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c.Name, cell(c.Lines[0]), old, mark[c.Root], mark[c.May])
	}
	return b.String()
}

func TestDocumentationListsEveryCommand(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- commands -->", "<!-- /commands -->"
	page := filepath.Join("..", "..", "docs", "collectors", "ssh.md")
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	has, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the commands", page)
	}
	want := "\n" + commandTable() + "\n"
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(has, "\n")); diff != "" {
		t.Errorf("%s (UPDATE_GOLDEN=1 writes it): -code +page\n%s", page, diff)
	}
}

// documented gives the lines of the page, as a reader sees them, and whether root runs them.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "collectors", "ssh.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "<!-- commands -->")
	table, _, _ := strings.Cut(rest, "<!-- /commands -->")
	lines := map[string]bool{}
	for row := range strings.Lines(table) {
		cells := strings.Split(strings.ReplaceAll(row, `\|`, "\x00"), "|")
		if len(cells) != 7 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		for _, c := range cells[2:4] {
			if line := strings.ReplaceAll(strings.Trim(c, " `"), "\x00", "|"); line != "" {
				lines[line] = strings.TrimSpace(cells[4]) == "yes"
			}
		}
	}
	return lines
}

// Whatever a device is and answers, it never sees a command that the page does not list. Each command is seen in each form.
func TestNothingElseIsSent(t *testing.T) {
	t.Parallel()
	page := documented(t)
	var permitted []string
	for line, root := range page {
		permitted = append(permitted, variants(line, root)...)
	}
	handlers := map[string]sshhost.Handler{
		"a hypervisor": answersOf(machine(t, "r01-h01")),
		"a switch":     answersOf(machine(t, "r02-leaf-a")),
		"a firewall":   answersOf(machine(t, "fw-1")),
		"an old system": func(line string) sshhost.Answer {
			if strings.HasPrefix(line, "uname") {
				return sshhost.Answer{Stdout: "Linux old 2.6.32 i686\n"}
			}
			return sshhost.Answer{Stderr: "Option \"-j\" is unknown, try \"ip -help\".\n", Code: 255}
		},
		"a system without anything": func(line string) sshhost.Answer {
			if strings.HasPrefix(line, "uname") {
				return sshhost.Answer{Stdout: "Linux bare 6.1.0 x86_64\n"}
			}
			return sshhost.Answer{Stderr: "sh: 1: not found\n", Code: 127}
		},
		"no Linux": func(string) sshhost.Answer { return sshhost.Answer{Stdout: "% Invalid input\n"} },
		"a parrot": func(line string) sshhost.Answer {
			return sshhost.Answer{Stdout: "Linux $(reboot) `reboot` " + line + "; reboot\n"}
		},
		"a denier": func(line string) sshhost.Answer {
			return sshhost.Answer{Stderr: line + ": Permission denied\n", Code: 1}
		},
		"a humorist": func(string) sshhost.Answer {
			return sshhost.Answer{Stdout: "Linux a b c\n", Stderr: "sudo: reboot: command not found\n", Code: 1}
		},
	}
	seen := map[string]bool{}
	for name, handler := range handlers {
		for _, sudo := range []bool{false, true} {
			for _, faults := range []sshhost.Faults{{}, {MaxSessions: 1}, {SudoAsks: true}, {NoSudo: true}, {NoStatus: true}, {Garbage: true}} {
				h, d := startHost(t, handler, faults)
				access, ok := d.Access.(collectors.SSHAccess)
				if !ok {
					t.Fatal("no access")
				}
				access.Sudo = sudo
				d.Access = access
				c := ssh.New(ssh.Options{})
				_, _ = c.Collect(t.Context(), d) // what is sent is looked at, not what comes of it
				_, _ = c.Probe(t.Context(), d)
				for _, line := range h.Commands() {
					seen[line] = true
					if !slices.Contains(permitted, line) {
						t.Errorf("%s, sudo %t, %+v: was sent %q, which the page does not list", name, sudo, faults, line)
					}
				}
			}
		}
	}
	for line, root := range page {
		if !seen[line] || root && !seen["sudo -n "+line] {
			t.Errorf("%q is listed, and was never seen", line)
		}
	}
}

// A line is a constant of the program: what sends takes a row of the list, and rows are made of literals.
func TestLinesAreConstants(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	senders := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr: // of the transport, and of the library beneath, whatever runs a command
				if slices.Contains([]string{"Exec", "ExecUpTo", "Start", "Run", "CombinedOutput", "NewSession", "Shell", "SendRequest", "OpenChannel"}, n.Sel.Name) {
					senders++
					if name != "session.go" || n.Sel.Name != "ExecUpTo" {
						t.Errorf("%s: %s: only session.send sends something", files.Position(n.Pos()), n.Sel.Name)
					}
				}
			case *ast.CompositeLit:
				rows(t, files, n)
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if s, ok := left.(*ast.SelectorExpr); ok && (s.Sel.Name == "line" || s.Sel.Name == "old") {
						if inner, ok := s.X.(*ast.Ident); ok && inner.Name == "a" {
							continue // of an answer
						}
						t.Errorf("%s: a line is set after its row was made", files.Position(n.Pos()))
					}
				}
			}
			return true
		})
	}
	if senders != 1 {
		t.Errorf("%d places send something, want 1", senders)
	}
}

// rows checks the lines of rows of the list.
func rows(t *testing.T, files *token.FileSet, literal *ast.CompositeLit) {
	t.Helper()
	isTable := func(e ast.Expr) bool { name, ok := e.(*ast.Ident); return ok && name.Name == "table" }
	if list, ok := literal.Type.(*ast.ArrayType); ok && isTable(list.Elt) {
		for _, e := range literal.Elts {
			if row, ok := e.(*ast.CompositeLit); ok && row.Type == nil {
				row.Type = list.Elt // as if it were written out
			}
		}
		return
	}
	if !isTable(literal.Type) {
		return
	}
	for _, e := range literal.Elts {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			t.Errorf("%s: a row of the list names its fields", files.Position(e.Pos()))
			continue
		}
		if key, ok := pair.Key.(*ast.Ident); ok && (key.Name == "line" || key.Name == "old") {
			constant(t, files, pair.Value)
		}
	}
}

// constant allows literals, names, their concatenation, and functions of those.
func constant(t *testing.T, files *token.FileSet, value ast.Expr) {
	t.Helper()
	ast.Inspect(value, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			f, ok := n.Fun.(*ast.Ident)
			if !ok || f.Name != "sysfsLine" && f.Name != "ovsEach" {
				t.Errorf("%s: a line is made by a call", files.Position(n.Pos()))
			}
		case *ast.SelectorExpr, *ast.IndexExpr, *ast.FuncLit:
			t.Errorf("%s: a line is not made of constants", files.Position(n.Pos()))
		}
		return true
	})
}
