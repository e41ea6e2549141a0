package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/fixtures/sim"
	"github.com/throughline-dc/throughline/fixtures/sim/estate"
)

// printed runs a command and gives what it prints.
func printed(t *testing.T, want int, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), args, &stdout, &stderr); code != want {
		t.Fatalf("throughline %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, &stdout, &stderr)
	}
	return stdout.String()
}

// demoBlock is a question with its answer, in one of demoPages.
var demoBlock = regexp.MustCompile("(?s)<!-- demo -->\n```\n\\$ throughline ([^\n]*)\n(.*?)```\n")

var demoPages = map[string]int{"docs/reach.md": 2, "docs/check-migrate.md": 1} // how many questions they ask at least

// TestDocs_answersOfTheDemo holds the answers that pages show to those that the demo's store gives. With UPDATE_GOLDEN=1 they are rewritten.
func TestDocs_answersOfTheDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	printed(t, exitOK, "demo", "--dir", dir)
	for page, least := range demoPages {
		file := "../../" + page
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		text := demoBlock.ReplaceAllStringFunc(string(raw), func(block string) string {
			asked++
			m := demoBlock.FindStringSubmatch(block)
			words := strings.ReplaceAll(m[1], "fixtures/", "../../fixtures/") // as from the top folder
			args := append([]string{"--store", filepath.Join(dir, "throughline.db")}, strings.Fields(words)...)
			_, answer := ran(t, []int{exitOK, exitBlock, exitUnknown}, args...)
			return "<!-- demo -->\n```\n$ throughline " + m[1] + "\n" + strings.ReplaceAll(answer, "../../fixtures/", "fixtures/") + "```\n"
		})
		if asked < least {
			t.Errorf("%s asks %d questions", file, asked)
		}
		if os.Getenv("UPDATE_GOLDEN") == "1" {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if timeless(text) != timeless(string(raw)) {
			t.Errorf("%s does not show what the demo answers; rewrite it with UPDATE_GOLDEN=1 and read the difference", file)
		}
	}
}

// TestDemo_configurationsAreFollowed mends a list of the simulated estate: the next collection reads the new backup, and reach tells what got possible by it. A
// backup that is older than its limit is not known to hold, however new the collection.
func TestDemo_configurationsAreFollowed(t *testing.T) {
	t.Parallel()
	scene, err := estate.Demo()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lab, err := sim.Start(t.Context(), scene.Estate, sim.Options{Folder: filepath.Join(dir, "estate"), SSH: true, Backups: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	store := []string{"--store", filepath.Join(dir, "throughline.db")}
	client, server := scene.Estate.VMName(scene.Client), scene.Estate.VMName(scene.Server)
	collect := append([]string{"collect", "--inventory", lab.Inventory()}, store...)
	question := append([]string{"reach", client, server, "--port", "5432"}, store...)

	printed(t, exitOK, collect...)
	before := printed(t, exitOK, question...)
	if !strings.Contains(before, "tcp 5432: NO") || !strings.Contains(before, "drops backups/r02-leaf-a.cfg:") {
		t.Errorf("%s", before)
	}
	last := regexp.MustCompile(`revision (@\d+)`).FindStringSubmatch(printed(t, exitOK, append([]string{"impact"}, store...)...))
	if last == nil {
		t.Fatal("no revision is told")
	}
	if err := lab.Change(func(e *estate.Estate) error {
		e.Racks[1].Forgets = 0
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	printed(t, exitOK, collect...)
	if after := printed(t, exitOK, question...); !strings.Contains(after, "tcp 5432: YES") {
		t.Errorf("%s", after)
	}
	diff := printed(t, exitDiffers, append([]string{"reach", "diff", client, server, "--from", last[1], "--port", "5432"}, store...)...)
	if !strings.Contains(diff, "opened there: tcp 5432") || strings.Contains(diff, "lost there") || !strings.Contains(diff, "drops backups/r02-leaf-a.cfg:") && !strings.Contains(diff, "drops it: backups/r02-leaf-a.cfg:") {
		t.Errorf("%s", diff)
	}

	old := time.Now().Add(-30 * time.Hour) // nobody has backed it up since
	if err := os.Chtimes(filepath.Join(dir, "estate", "backups", "r02-leaf-a.cfg"), old, old); err != nil {
		t.Fatal(err)
	}
	printed(t, exitOK, collect...)
	if stale := printed(t, exitOK, question...); !strings.Contains(stale, "tcp 5432: UNKNOWN") || !strings.Contains(stale, "what r02-leaf-a said by cli eos-config is 30h") {
		t.Errorf("of a backup of 30 hours ago:\n%s", stale)
	}
	if known := printed(t, exitOK, append(slices.Clone(question), "--max-age", "31h")...); !strings.Contains(known, "tcp 5432: YES") {
		t.Errorf("where such a backup is new enough:\n%s", known)
	}
}

// TestInventoryCheck_files: a file that is not there is told by the name that the inventory has for it, and of which device it is.
func TestInventoryCheck_files(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"in.yaml":   "version: 1\ndefaults: {cli: {files: {eos-config: \"{name}.cfg\"}}}\ndevices:\n  - {name: leaf1, sources: [{source: cli}]}\n  - {name: leaf2, sources: [{source: cli}]}\n",
		"leaf1.cfg": "hostname leaf1\nend\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	run(t.Context(), []string{"inventory", "check", "--inventory", filepath.Join(dir, "in.yaml")}, &stdout, &stderr)
	said := stdout.String() + stderr.String()
	for _, want := range []string{"leaf1 cli: ok", "1 file of 20", "leaf2.cfg: no such file or directory"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
}
