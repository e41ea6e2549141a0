//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/fixtures/lab"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// reachesAll is about the lab that is whole.
func (r *labWorld) reachesAll(t *testing.T) {
	t.Helper()
	r.reaches(t, nil, false)
}

// reaches wants what is said of every VM, every other VM and every service to be what the guests find when they knock. In a lab that is whole everything is
// known; in one that is broken some may not be. Guests of a host whose libvirt cannot be read cannot be asked, but they are knocked at.
func (r *labWorld) reaches(t *testing.T, unread []lab.Show, broken bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settleLimit)
	defer cancel()
	last := []string{"no guest has answered in time"}
	for {
		graph := r.sweepBut(t, unread)
		askers := r.askers(t, graph, unread)
		said, found := r.saidToReach(t, graph, askers), r.knock(ctx, askers)
		if ctx.Err() != nil { // what guests were still asked is not known
			slices.Sort(last)
			t.Errorf("%d ways differ, such as\n%s", len(last), strings.Join(last[:min(len(last), 12)], "\n"))
			return
		}
		if last = disagree(said, found, broken); len(last) == 0 {
			t.Logf("%d ways of %d VMs are as the guests find them", len(said), len(askers))
			return
		}
	}
}

// askers is the VMs that can be asked what they find.
func (r *labWorld) askers(t *testing.T, g *topology.Snapshot, unread []lab.Show) []lab.VM {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(r.Spec.VMs), func(vm lab.VM) bool {
		n, ok := g.Node(topology.Key{Kind: topology.VM, ID: vm.UUID()})
		if !ok {
			t.Fatalf("the graph has no %s", vm.Name)
		}
		host, _ := n.First(topology.RunsOn)
		return slices.ContainsFunc(unread, func(s lab.Show) bool { return s.Device == host.Name() && s.Unread == topology.SourceLibvirt.String() })
	})
}

func disagree(said map[string]reach.Answer, found map[string]string, broken bool) (wrong []string) {
	for way, answer := range said {
		vm, _, _ := strings.Cut(way, " ")
		if why := found[unasked(vm)]; why != "" {
			wrong = append(wrong, way+": "+why)
			continue
		}
		want := reach.Yes
		if found[way] == lab.PortSilent || found[way] == "" {
			want = reach.No
		}
		if answer.Verdict != want && (answer.Verdict != reach.NotKnown || !broken) {
			why := slices.Concat(answer.Forward.Doubts, answer.Return.Doubts)
			wrong = append(wrong, fmt.Sprintf("%s: %s (there %s, back %s), the guest found %s; not known: %q",
				way, answer.Verdict, answer.Forward.Verdict, answer.Return.Verdict, found[way], why))
		}
	}
	return wrong
}

// saidToReach asks the graph, by "vm1 vm2 tcp/80".
func (r *labWorld) saidToReach(t *testing.T, s *topology.Snapshot, askers []lab.VM) map[string]reach.Answer {
	t.Helper()
	net := reach.NewNetwork(s, topology.AgeLimits{}, time.Now())
	ends := map[string]reach.Endpoint{}
	for vm := range s.Nodes(topology.VM) {
		if es := reach.Endpoints(vm); len(es) == 1 {
			ends[vm.Name()] = es[0]
		}
	}
	said := map[string]reach.Answer{}
	for _, from := range askers {
		for _, to := range r.Spec.VMs {
			for _, service := range []string{"tcp/80", "tcp/443", "tcp/8080", "udp/9000"} {
				way := from.Name + " " + to.Name + " " + service
				a, b := ends[from.Name], ends[to.Name]
				if from.Name == to.Name {
					continue
				}
				if said[way] = (reach.Answer{Verdict: reach.NotKnown}); a.Node.IsZero() || b.Node.IsZero() {
					continue
				}
				proto, port, _ := strings.Cut(service, "/")
				flow, err := flowOf(proto, port)
				if err != nil {
					t.Fatal(err)
				}
				answer, err := net.Between(t.Context(), a, b, flow)
				if err != nil {
					t.Fatal(err)
				}
				said[way] = answer
			}
		}
	}
	return said
}

// unasked is where it stands why a VM could not be asked.
func unasked(vm string) string { return "error " + vm }

// knock has VMs knock at all others, all at once.
func (r *labWorld) knock(ctx context.Context, askers []lab.VM) map[string]string {
	var all sync.WaitGroup
	var mu sync.Mutex
	found := map[string]string{}
	names := map[netip.Addr]string{}
	for _, vm := range r.Spec.VMs {
		names[vm.Address] = vm.Name
	}
	for _, vm := range askers {
		all.Go(func() {
			var peers []netip.Addr
			for _, other := range r.Spec.VMs {
				if other.Name != vm.Name {
					peers = append(peers, other.Address)
				}
			}
			answers, err := r.Probe(ctx, vm.Name, peers...)
			mu.Lock()
			defer mu.Unlock()
			for peer, services := range answers {
				for service, is := range services {
					found[vm.Name+" "+names[peer]+" "+service] = is
				}
			}
			if err != nil {
				found[unasked(vm.Name)] = err.Error()
			}
		})
	}
	all.Wait()
	return found
}
