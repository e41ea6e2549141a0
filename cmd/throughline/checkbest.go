package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

// bestView lists the hosts for a VM, the best first.
type bestView struct {
	VM       report.Object      `json:"vm"`
	Revision topology.Revision  `json:"revision"`
	Time     time.Time          `json:"time"`
	Policy   *report.PolicyFile `json:"policy,omitempty"`
	Hosts    []choiceView       `json:"hosts"`
}

type choiceView struct {
	Host    report.Object   `json:"host"`
	Verdict planner.Verdict `json:"verdict"`
	Codes   []string        `json:"codes"`          // of the checks that decide
	Why     string          `json:"why"`            // the first of what they found
	Changes int             `json:"changes"`        // how many would make a blocked move pass; -1: it is not known, or nothing helps
	Room    *int            `json:"room,omitempty"` // percent that are left of what is scarcer there, once the VM has come; none: not known
}

// checkBest asks all hosts. Its exit code is that of the best one.
func (a *app) checkBest(ctx context.Context, vmName string) error {
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	vm, err := a.findKind(s, vmName, topology.VM)
	if err != nil {
		return err
	}
	choices, err := a.planner(s).Best(ctx, vm.Key())
	if err != nil {
		return err
	}
	v := bestView{VM: report.ObjectOf(s, vm.Key()), Revision: s.Revision(), Time: a.when(s), Policy: a.policyUsed(), Hosts: []choiceView{}}
	for _, c := range choices {
		v.Hosts = append(v.Hosts, choiceOf(s, c))
	}
	if err := a.print(v, func(w io.Writer) error { writeBest(w, v); return nil }); err != nil {
		return err
	}
	if len(v.Hosts) == 0 {
		return exitWith(exitNothing, "no other host is known that %s could move to", vm.Name())
	}
	return verdictExit(v.Hosts[0].Verdict)
}

func choiceOf(s *topology.Snapshot, c planner.Choice) choiceView {
	v := choiceView{Host: report.ObjectOf(s, c.Host), Verdict: c.Verdict, Codes: []string{}, Why: c.Why, Changes: c.Changes}
	if c.Room.Doubt == "" {
		left := c.Room.Share()
		v.Room = &left
	}
	if c.Plan == nil || c.Verdict == planner.Pass {
		return v
	}
	for i, f := range c.Plan.Worst() {
		if i == 0 {
			v.Why = f.Text
		}
		if len(v.Codes) == 0 || v.Codes[len(v.Codes)-1] != f.Code {
			v.Codes = append(v.Codes, f.Code)
		}
	}
	return v
}

func writeBest(w io.Writer, v bestView) {
	fmt.Fprintf(w, "hosts for %s, the best first, at revision @%d\n\n", printable(v.VM.Name), v.Revision)
	rows := make([][]string, len(v.Hosts))
	for i, h := range v.Hosts {
		changes, room := "", "?"
		switch {
		case h.Changes > 0:
			changes = strconv.Itoa(h.Changes)
		case h.Changes < 0:
			changes = "?"
		}
		if h.Room != nil {
			room = fmt.Sprintf("%d%%", *h.Room)
		}
		rows[i] = []string{h.Host.Name, h.Verdict.String(), changes, room, strings.Join(h.Codes, " "), h.Why}
	}
	printTable(w, []string{"host", "verdict", "changes", "room", "checks", "why"}, rows)
}
