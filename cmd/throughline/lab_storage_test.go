//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/fixtures/lab"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// logsIn wants what is said of every initiator from every host to every unit at every portal to be what a real login from there finds: also of hosts where the VM does not
// run, and of units that are others'. Everything is known in a lab that is whole.
func (r *labWorld) logsIn(t *testing.T) {
	t.Helper()
	for until := time.Now().Add(settleLimit); ; {
		said, found := r.saidToSee(t, r.sweepArrays(t)), r.login(t.Context())
		var wrong []string
		for way, is := range found {
			if said[way] != is {
				wrong = append(wrong, fmt.Sprintf("%s: said %q, found %q", way, said[way], is))
			}
		}
		if len(wrong) == 0 && len(said) == len(found) {
			t.Logf("%d logins are as the graph says", len(found))
			return
		}
		if time.Now().After(until) {
			slices.Sort(wrong)
			t.Fatalf("%d of %d logins differ (%d said):\n%s", len(wrong), len(found), len(said), strings.Join(wrong, "\n"))
		}
	}
}

// sweepArrays reads the lab with its arrays over SSH, too, into a store of its own: what an array's own filters do to packets for its portals, nothing else says.
func (r *labWorld) sweepArrays(t *testing.T) *topology.Snapshot {
	t.Helper()
	const san = "      - {source: san, dialect: tgt}\n"
	inventory, store := filepath.Join(r.dir, "arrays.yaml"), filepath.Join(r.dir, "arrays.db")
	text := strings.ReplaceAll(string(r.Inventory()), san, san+"      - {source: ssh}\n")
	if err := os.WriteFile(inventory, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if code := run(t.Context(), []string{"--store", store, "collect", "--inventory", inventory}, &said, &said); code != exitOK && code != exitPartial {
		t.Fatalf("collect ends with %d:\n%s", code, &said)
	}
	g, err := (&app{store: store, out: &said, errs: &said, now: time.Now}).snapshotAt(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// saidToSee asks the graph, by "vm1 on r1h1 to vm2 at 10.1.30.50:3260".
func (r *labWorld) saidToSee(t *testing.T, s *topology.Snapshot) map[string]string {
	t.Helper()
	said := map[string]string{}
	hosts := map[string]topology.Key{}
	for h := range s.Nodes(topology.Host) {
		hosts[h.Name()] = h.Key()
	}
	for _, vm := range r.Spec.VMs {
		for _, host := range r.Spec.Hosts {
			cs, missing, err := s.MoveVM(topology.Key{Kind: topology.VM, ID: vm.UUID()}, hosts[host.Name])
			if err != nil || len(missing) > 0 {
				t.Fatalf("%s on %s: %v, %q", vm.Name, host.Name, err, missing)
			}
			there, err := s.With(cs)
			if err != nil {
				t.Fatal(err)
			}
			r.saidFrom(t, there, vm, host.Name, said)
		}
	}
	return said
}

// saidFrom asks for one VM on one host, and the units of all VMs.
func (r *labWorld) saidFrom(t *testing.T, there *topology.Snapshot, vm lab.VM, host string, said map[string]string) {
	t.Helper()
	net := reach.NewNetwork(there, topology.AgeLimits{}, time.Now())
	from, _ := there.Node(topology.Key{Kind: topology.VM, ID: vm.UUID()})
	for _, other := range r.Spec.VMs {
		unit, ok := r.Spec.Unit(other.Name)
		if !ok {
			continue
		}
		designator := "naa." + unit.SCSIID
		node, ok := there.Node(topology.Key{Kind: topology.LogicalUnit, ID: designator})
		if !ok {
			t.Fatalf("the unit of %s, %s, is not in the graph", other.Name, designator)
		}
		a, err := net.Storage(t.Context(), from, node)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range a.Paths {
			if owner, _ := p.Initiator.Owner(); owner != from {
				continue // the host's own
			}
			_, portal, _ := strings.Cut(p.Target.Key().ID, ",")
			is := string(p.Verdict)
			if p.Verdict == reach.NotKnown {
				is += ": " + p.Why()
			}
			said[fmt.Sprintf("%s on %s to %s at %s", vm.Name, host, other.Name, portal)] = is
		}
	}
}

// login logs in for every VM from every host to every unit at every portal, and asks the unit who it is.
func (r *labWorld) login(ctx context.Context) map[string]string {
	var all sync.WaitGroup
	var mu sync.Mutex
	found := map[string]string{}
	for _, host := range r.Spec.Hosts {
		all.Go(func() {
			for _, vm := range r.Spec.VMs {
				me, _ := r.Spec.Unit(vm.Name)
				for _, other := range r.Spec.VMs {
					unit, _ := r.Spec.Unit(other.Name)
					for _, portal := range unit.Portals {
						login := lab.Login{From: host.Name, Unit: unit, Portal: portal, Initiator: me.Initiator}
						up, err := login.Observe(ctx, r.Lab)
						is := string(reach.No)
						if up == "UP" {
							is = string(reach.Yes)
						}
						if err != nil {
							is = err.Error()
						}
						mu.Lock()
						found[fmt.Sprintf("%s on %s to %s at %s", vm.Name, host.Name, other.Name, portal)] = is
						mu.Unlock()
					}
				}
			}
		})
	}
	all.Wait()
	return found
}
