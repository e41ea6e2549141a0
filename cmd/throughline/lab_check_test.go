//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/fixtures/lab"
	"github.com/throughline-dc/throughline/internal/config"
	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// labPolicy is the one that is shipped for labs.
func labPolicy(t *testing.T) planner.Policy {
	t.Helper()
	p, err := config.LoadPolicy("../../fixtures/policy/lab.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return p.Policy
}

// labPlan checks one move.
func labPlan(t *testing.T, g *topology.Snapshot, vm, host string) *planner.Plan {
	t.Helper()
	plan, err := planner.New(g, labPolicy(t), time.Now()).Migrate(t.Context(), labNamed(t, g, topology.VM, vm), labNamed(t, g, topology.Host, host))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func labNamed(t *testing.T, g *topology.Snapshot, kind topology.Kind, name string) topology.Key {
	t.Helper()
	for n := range g.Nodes(kind) {
		if n.Name() == name {
			return n.Key()
		}
	}
	t.Fatalf("the graph has no %s %s", kind, name)
	return topology.Key{}
}

// judged wants the check before a migration to say what a break declares: the verdict, and by which checks, of which objects.
func (r *labWorld) judged(t *testing.T, b lab.Break) {
	t.Helper()
	for until := time.Now().Add(settleLimit); ; {
		g := r.sweepArrays(t)
		var wrong []string
		for _, c := range b.Checks {
			wrong = append(wrong, misjudged(g, labPlan(t, g, c.VM, c.To), c)...)
		}
		if len(wrong) == 0 {
			return
		}
		if time.Now().After(until) {
			t.Errorf("%s", strings.Join(wrong, "\n"))
			return
		}
	}
}

// forced makes a move that the check blocks for what the VM loses on the network, and wants exactly that to be lost.
func (r *labWorld) forced(t *testing.T, b lab.Break) {
	t.Helper()
	for _, c := range b.Checks {
		if !c.Forced {
			continue
		}
		from, err := r.HostOf(t.Context(), c.VM)
		if err != nil {
			t.Fatal(err)
		}
		g := r.sweepArrays(t)
		before := r.saidToReach(t, g, r.askers(t, g, nil))
		after := r.predicted(t, g, labPlan(t, g, c.VM, c.To))
		lost := 0
		for way, answer := range before {
			if answer.Verdict == reach.Yes && after[way].Verdict != reach.Yes {
				lost++
			}
		}
		if lost == 0 {
			t.Errorf("%s to %s: no way is said to be lost", c.VM, c.To)
		}
		if err := r.Migrate(t.Context(), c.VM, from, c.To); err != nil {
			t.Fatal(err)
		}
		r.kept(t, after)
		if err := r.Migrate(t.Context(), c.VM, c.To, from); err != nil {
			t.Fatal(err)
		}
		r.kept(t, before)
		t.Logf("%s, moved to %s all the same, lost %d ways", c.VM, c.To, lost)
	}
}

// misjudged lists what a plan does not say of what it should.
func misjudged(g *topology.Snapshot, plan *planner.Plan, c lab.Check) (wrong []string) {
	if plan.Verdict.String() != c.Verdict {
		wrong = append(wrong, fmt.Sprintf("%s to %s: %s, want %s: %s", c.VM, c.To, plan.Verdict, c.Verdict, sentences(plan)))
	}
	for _, reason := range c.Reasons {
		if !slices.ContainsFunc(plan.Findings, func(f planner.Finding) bool {
			return f.Code == reason.Code && f.Verdict.String() == c.Verdict && (reason.Object == "" || slices.ContainsFunc(f.Objects, func(k topology.Key) bool { return labObject(g, k) == reason.Object }))
		}) {
			wrong = append(wrong, fmt.Sprintf("%s to %s: nothing of %s: %s", c.VM, c.To, reason, sentences(plan)))
		}
	}
	return wrong
}

// labObject names a node as the lab's file does.
func labObject(g *topology.Snapshot, k topology.Key) string {
	n, ok := g.Node(k)
	owner, owned := n.Owner()
	switch {
	case !ok:
		return ""
	case owned && k.Kind.Interface():
		return owner.Name() + "/" + n.Name()
	case k.Kind == topology.TargetPort:
		name, _, _ := strings.Cut(k.ID, ",") // of one portal
		return name
	}
	return n.Name()
}

// sentences words all findings that are more than nothing, a line for each.
func sentences(plan *planner.Plan) string {
	var lines []string
	for _, f := range plan.Findings {
		if f.Verdict > planner.Pass {
			lines = append(lines, fmt.Sprintf("\n  %s %s: %s %v", f.Code, f.Verdict, f.Text, f.Objects))
		}
	}
	return strings.Join(lines, "")
}

// promised wants nothing to be said against a move in a lab that is whole, and gives what is said to get through after it.
func (r *labWorld) promised(t *testing.T, g *topology.Snapshot, vm, to string) map[string]reach.Answer {
	t.Helper()
	plan := labPlan(t, g, vm, to)
	if plan.Verdict > planner.Warn {
		t.Errorf("%s to %s: %s%s", vm, to, plan.Verdict, sentences(plan))
	}
	return r.predicted(t, g, plan)
}

func (r *labWorld) predicted(t *testing.T, g *topology.Snapshot, plan *planner.Plan) map[string]reach.Answer {
	t.Helper()
	then, err := g.With(plan.Move)
	if err != nil {
		t.Fatal(err)
	}
	return r.saidToReach(t, then, r.askers(t, g, nil))
}

// kept wants what guests find when they knock at each other, after a move, to be what was promised before it.
func (r *labWorld) kept(t *testing.T, promised map[string]reach.Answer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settleLimit)
	defer cancel()
	for {
		wrong := disagree(promised, r.knock(ctx, r.Spec.VMs), false)
		if len(wrong) == 0 {
			t.Logf("%d ways are as they were promised", len(promised))
			return
		}
		if ctx.Err() != nil {
			t.Errorf("%d of %d ways are not as they were promised, such as\n%s", len(wrong), len(promised), strings.Join(wrong[:min(len(wrong), 12)], "\n"))
			return
		}
	}
}
