package topology_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/topology"
)

const twoHosts = `
host:h name=h
host:h Contains virtualswitch:h/br0
host:h Contains virtualswitch:h/br9
host:g name=g
host:g Contains virtualswitch:g/br0
host:g Contains volume:g//img/b
vm:v name=web-07
vm:v RunsOn host:h
vm:v Contains vnic:v/0
vm:v Contains vnic:v/1
vm:v Contains vnic:v/2
vm:v Contains vdisk:v/a
vm:v Contains vdisk:v/b
vm:v Contains vdisk:v/c
vnic:v/0 AttachedTo virtualswitch:h/br0
vnic:v/1 AttachedTo virtualswitch:h/br9
vdisk:v/a StoredOn logicalunit:u
vdisk:v/b StoredOn volume:h//img/b
vdisk:v/c StoredOn volume:h//img/c
volume:h//img/b StoredOn logicalunit:w
volume:g//img/b StoredOn logicalunit:w
host:h Contains volume:h//img/c
`

func TestMoveVM(t *testing.T) {
	t.Parallel()
	s := graph(t, twoHosts)
	vm, h, g := topology.Key{Kind: topology.VM, ID: "v"}, topology.Key{Kind: topology.Host, ID: "h"}, topology.Key{Kind: topology.Host, ID: "g"}
	cs, missing, err := s.MoveVM(vm, g)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range cs.Changes {
		got = append(got, c.String())
		if c.Cause != "move of web-07 to g" {
			t.Errorf("%s: cause is %q", c, c.Cause)
		}
	}
	want := []string{
		"- vm:v RunsOn host:h", "+ vm:v RunsOn host:g", "- vnic:v/0 AttachedTo virtualswitch:h/br0", "+ vnic:v/0 AttachedTo virtualswitch:g/br0",
		"- vnic:v/1 AttachedTo virtualswitch:h/br9", "- vdisk:v/b StoredOn volume:h//img/b", "+ vdisk:v/b StoredOn volume:g//img/b",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"g has no virtualswitch br9 for v/1", "g has no volume /img/c for v/c"}, missing); d != "" {
		t.Errorf("missing (-want +got):\n%s", d)
	}
	moved, err := s.With(cs)
	if err != nil {
		t.Fatal(err)
	}
	if host, _ := mustNode(t, moved, "vm:v").First(topology.RunsOn); host.Key() != g {
		t.Errorf("after the move it runs on %s", host.Key())
	}
	if back, err := moved.With(cs.Reverse()); err != nil || !topology.Diff(s, back).Empty() {
		t.Errorf("there and back: %v, %v", err, topology.Diff(s, back).Changes)
	}
	if cs, missing, err := s.MoveVM(vm, h); err != nil || !cs.Empty() || len(missing) > 0 {
		t.Errorf("a move to where it is: %v, %v, %v", cs.Changes, missing, err)
	}
	for _, pair := range [][2]topology.Key{{h, g}, {vm, vm}, {vm, {Kind: topology.Host, ID: "x"}}, {{Kind: topology.VM, ID: "x"}, g}, {}} {
		if _, _, err := s.MoveVM(pair[0], pair[1]); !errors.Is(err, topology.ErrSchema) {
			t.Errorf("move of %s to %s: %v", pair[0], pair[1], err)
		}
	}
}

func TestChange_inWords(t *testing.T) {
	t.Parallel()
	before := graph(t, "port:a mtu=1500\nport:a state=up\nvm:v RunsOn host:h")
	after := graph(t, "port:a mtu=9000\nport:a ifAlias=x\nvm:v RunsOn host:g")
	var got []string
	for _, c := range topology.Diff(before, after).Changes {
		got = append(got, c.String())
	}
	want := "- vm:v RunsOn host:h\n+ vm:v RunsOn host:g\n- port:a state up\n+ port:a ifAlias x\n~ port:a mtu 1500 -> 9000"
	if d := cmp.Diff(want, strings.Join(got, "\n")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestNode_evidence(t *testing.T) {
	t.Parallel()
	n := mustNode(t, graph(t, "snmp ifTable:\nport:a mtu=1500\ncli interfaces:\nport:a mtu=9000"), "port:a")
	if f, ok := n.Evidence(topology.AttrMTU); !ok || f.Value.Int() != 9000 || f.Reading.Table != "interfaces" {
		t.Errorf("the evidence of %s is %s from %s", n.Text(topology.AttrMTU), f, f.Reading)
	}
	if f, ok := n.Evidence(topology.AttrState); ok {
		t.Errorf("there is evidence of nothing: %s", f)
	}
	var none topology.Node
	if _, ok := none.Evidence(topology.AttrMTU); ok || !none.IsZero() || !none.Key().IsZero() || none.Text(topology.AttrMTU) != "" ||
		none.Out(topology.Link) != nil || none.In(topology.Link) != nil || none.Claims(topology.Link) != nil || none.Values(topology.AttrMTU) != nil {
		t.Error("no node has something")
	}
}
