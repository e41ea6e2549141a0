package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/fixtures/neo4j"
	"github.com/throughline-dc/throughline/fixtures/sim"
	"github.com/throughline-dc/throughline/fixtures/sim/estate"
)

const cypherPage = "../../docs/cypher.md"

// question is one block of Cypher in the page, with its parameters and the answer below it.
type question struct {
	cypher string
	params map[string]any
	answer string
}

var questionForm = regexp.MustCompile("(?s)```cypher\n(.*?)```\n```\n(.*?)```\n")

func questions(t *testing.T, page string) []question {
	t.Helper()
	var qs []question
	for _, m := range questionForm.FindAllStringSubmatch(page, -1) {
		q := question{cypher: m[1], params: map[string]any{}, answer: m[2]}
		for _, p := range regexp.MustCompile(`(?m)^// \$(\w+): (.*)$`).FindAllStringSubmatch(m[1], -1) {
			var v any
			if err := json.Unmarshal([]byte(p[2]), &v); err != nil {
				t.Fatalf("parameter %s is %s: %v", p[1], p[2], err)
			}
			q.params[p[1]] = v
		}
		qs = append(qs, q)
	}
	return qs
}

// TestLiveCypher collects a simulated data center with all three sources into SQLite and Neo4j, holds the two to be the same graph, and asks every question of
// docs/cypher.md. With UPDATE_GOLDEN=1 the answers in the page are rewritten: read the difference.
func TestLiveCypher(t *testing.T) { //nolint:paralleltest // a database server and an estate are enough at once
	neo4j.Require(t)
	raw, err := os.ReadFile(cypherPage)
	if err != nil {
		t.Fatal(err)
	}
	qs := questions(t, string(raw))
	if len(qs) < 10 {
		t.Fatalf("%s has %d questions, want at least 10", cypherPage, len(qs))
	}
	server := startNeo4j(t)
	since := publishEstate(t, server.URI())
	page := string(raw)
	for _, q := range qs {
		if _, ok := q.params["since"]; ok {
			q.params["since"] = since.Format(time.RFC3339Nano)
		}
		got := ask(t, server, q)
		if got == "" {
			t.Errorf("no answer, so that the question shows nothing:\n%s", q.cypher)
		}
		if os.Getenv("UPDATE_GOLDEN") == "1" {
			page = strings.Replace(page, q.cypher+"```\n```\n"+q.answer, q.cypher+"```\n```\n"+got, 1)
			continue
		}
		if diff := cmp.Diff(q.answer, got); diff != "" {
			t.Errorf("%s\n(-page +Neo4j; rewrite with UPDATE_GOLDEN=1):\n%s", q.cypher, diff)
		}
	}
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(cypherPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func startNeo4j(t *testing.T) *neo4j.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	server, err := neo4j.Start(ctx, neo4j.Options{Home: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	return server
}

// publishEstate collects an estate with something wrong in it twice, the second time after a change, and returns a time between the two. Both stores hold
// the same graph each time.
func publishEstate(t *testing.T, uri string) time.Time {
	t.Helper()
	scene, err := estate.Demo()
	if err != nil {
		t.Fatal(err)
	}
	lab, err := sim.Start(t.Context(), scene.Estate, sim.Options{SSH: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	spoil(t, lab)
	strike(t, lab.Inventory(), "fw-2")
	dir := t.TempDir()
	file := filepath.Join(dir, "graph.db")
	collect := func(want int) {
		t.Helper()
		if code, _, errs := program(t, "collect", "--inventory", lab.Inventory(), "--store", file, "--publish", uri); code != want {
			t.Fatalf("collect: exit code %d, want %d\n%s", code, want, errs)
		}
		_, embedded, _ := program(t, "export", "--store", file)
		_, published, _ := program(t, "export", "--store", uri)
		if diff := cmp.Diff(graphOf(t, embedded), graphOf(t, published)); diff != "" {
			t.Errorf("SQLite and Neo4j differ (-SQLite +Neo4j):\n%s", diff)
		}
	}
	collect(exitOK)
	between := time.Now().Truncate(time.Second).Add(time.Second) // facts carry whole seconds
	if wait := time.Until(between); wait > 0 {
		<-time.After(wait)
	}
	change(t, lab, scene)
	collect(exitPartial)
	return between
}

// graphOf is the nodes of an export; the times of readings are told to Neo4j more rarely.
func graphOf(t *testing.T, export string) map[string]any {
	t.Helper()
	var whole struct {
		Nodes []map[string]any `json:"nodes"`
	}
	if err := json.Unmarshal([]byte(export), &whole); err != nil || len(whole.Nodes) == 0 {
		t.Fatalf("an export of %d octets with %d nodes: %v", len(export), len(whole.Nodes), err)
	}
	nodes := map[string]any{}
	for _, n := range whole.Nodes {
		nodes[fmt.Sprint(n["key"])] = n
	}
	return nodes
}

// spoil takes a guest's VLAN from the switch port of its host, and a cable.
func spoil(t *testing.T, lab *sim.Lab) {
	t.Helper()
	err := lab.Change(func(e *estate.Estate) error {
		hosts := e.Hosts()
		nic := e.Devices[hosts[0]].Ports.From
		_, lag := e.Far(estate.PortID(nic))
		vm := e.Devices[hosts[0]].VMs[0]
		e.DropVLAN(lag, e.VLANs[e.VNICsOf(vm)[0].VLAN].VID)
		return e.Recable(estate.PortID(e.Devices[hosts[2]].Ports.From), estate.None)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// strike takes a device out of an inventory: it is there still, and nobody knows it.
func strike(t *testing.T, inventory, name string) {
	t.Helper()
	raw, err := os.ReadFile(inventory)
	if err != nil {
		t.Fatal(err)
	}
	without := regexp.MustCompile(`(?m)^- name: `+name+`\n(  .*\n)*`).ReplaceAllString(string(raw), "")
	if without == string(raw) {
		t.Fatalf("no %s in the inventory:\n%s", name, raw)
	}
	if err := os.WriteFile(inventory, []byte(without), 0o600); err != nil {
		t.Fatal(err)
	}
}

// change moves a guest, and lets a switch fall silent.
func change(t *testing.T, lab *sim.Lab, scene estate.Scene) {
	t.Helper()
	err := lab.Change(func(e *estate.Estate) error { return e.Migrate(scene.VM, scene.Target) })
	if err != nil {
		t.Fatal(err)
	}
	agent, ok := lab.Agent("spine-2")
	if !ok {
		t.Fatal("there is no spine-2")
	}
	if err := agent.Close(); err != nil {
		t.Fatal(err)
	}
}

func program(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// ask gives one line for each row, values with bars between.
func ask(t *testing.T, server *neo4j.Server, q question) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	rows, err := server.Query(ctx, q.cypher, q.params)
	if err != nil {
		t.Fatalf("%s\n%v", q.cypher, err)
	}
	var b strings.Builder
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = strings.Trim(fmt.Sprint(v), "[]")
			if v == nil {
				cells[i] = "-"
			}
		}
		b.WriteString(strings.Join(cells, " | ") + "\n")
	}
	return b.String()
}
