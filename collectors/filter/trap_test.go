package filter_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"github.com/throughline-dc/throughline/collectors/filter"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology/policy"
)

// fate says what becomes of a packet that meets all filters of a hook, one after the other: yes, no or unknown.
func fate(set filter.Ruleset, hook policy.Hook, at reach.Context, p map[string]uint64) string {
	filters := byName(set)
	var met []*policy.Filter
	for _, f := range set.Filters {
		if slices.ContainsFunc(f.Attached, func(a policy.Attachment) bool { return a.Hook == hook }) {
			met = append(met, f)
		}
	}
	slices.SortFunc(met, func(a, b *policy.Filter) int { return cmp.Compare(b.Attached[0].Priority, a.Attached[0].Priority) })
	h := reach.NewHeaders(policy.IPv4, reach.Orders[0], 0)
	must, may := h.Valid, h.Valid
	for _, f := range met { // from the last to the first
		must, may = h.Pass(filters, f.Name, at, reach.Must, must), h.Pass(filters, f.Name, at, reach.May, may)
	}
	header := make(packet.Packet, len(h.Fields()))
	for i, f := range h.Fields() {
		header[i] = packet.V(p[f.Name])
	}
	switch {
	case h.Has(must, header):
		return "yes"
	case h.Has(may, header):
		return "unknown"
	}
	return "no"
}

func byName(set filter.Ruleset) map[string]*policy.Filter {
	out := map[string]*policy.Filter{}
	for _, f := range set.Filters {
		out[f.Name] = f
	}
	return out
}

// syn is a packet from 192.0.2.1 to 198.51.100.1, TCP port 80.
func syn(more ...map[string]uint64) map[string]uint64 {
	p := map[string]uint64{"source": 0xc0000201, "destination": 0xc6336401, "protocol": 6, "sourcePort": 40000, "destinationPort": 80, "tcpFlags": 2}
	for _, m := range more {
		maps.Copy(p, m)
	}
	return p
}

func TestTraps(t *testing.T) {
	t.Parallel()
	save := func(text string) filter.Ruleset { return filter.IPTables(policy.IPv4, "f", []byte(text)) }
	nft := func(text string) filter.Ruleset {
		set, err := filter.NFT("f", []byte(`{"nftables": [`+text+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	chain := func(name, prio, policy string) string {
		return `{"chain": {"family": "inet", "table": "t", "name": "` + name + `", "type": "filter", "hook": "forward", "prio": ` + prio + `, "policy": "` + policy + `"}}`
	}
	rule := func(name, expr string) string {
		return `,{"rule": {"family": "inet", "table": "t", "chain": "` + name + `", "expr": [` + expr + `]}}`
	}
	docker := save("*filter\n:FORWARD DROP\n:DOCKER-USER -\n-A FORWARD -j DOCKER-USER\n-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n" +
		"-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n-A DOCKER-USER -j RETURN\nCOMMIT\n")
	later := map[string]uint64{"fragment": policy.FragmentLater, "sourcePort": 0, "destinationPort": 0, "tcpFlags": 0}
	spoofed := filter.Instantiate(defined(t, `<filter name='f' chain='ipv4'><rule action='return' direction='out'><ip srcipaddr='$IP'/></rule><rule action='drop' direction='out'/></filter>`),
		filter.VNIC{Name: "v", Filter: "f"})
	for _, c := range []struct {
		name string
		set  filter.Ruleset
		hook policy.Hook
		at   reach.Context
		p    map[string]uint64
		want string
	}{
		{"nft: accept ends one base chain, the next one drops", nft(chain("a", "0", "drop") + rule("a", accept) + "," + chain("b", "10", "drop")), policy.HookForward, reach.Context{}, syn(), "no"},
		{"nft: and so it does where it comes first", nft(chain("a", "-10", "drop") + "," + chain("b", "0", "accept") + rule("b", accept)), policy.HookForward, reach.Context{}, syn(), "no"},
		{"nft: both accept", nft(chain("a", "0", "drop") + rule("a", accept) + "," + chain("b", "10", "accept")), policy.HookForward, reach.Context{}, syn(), "yes"},
		{"iptables: accept in mangle is not accept in filter", save("*mangle\n:FORWARD ACCEPT\n-A FORWARD -j ACCEPT\nCOMMIT\n*filter\n:FORWARD DROP\nCOMMIT\n"), policy.HookForward, reach.Context{}, syn(), "no"},
		{"Docker drops what it does not know", docker, policy.HookForward, reach.Context{In: "eth0", Out: "br0"}, syn(), "no"},
		{"Docker lets containers out", docker, policy.HookForward, reach.Context{In: "docker0", Out: "eth0"}, syn(), "yes"},
		{"and answers in", docker, policy.HookForward, reach.Context{In: "eth0", Out: "docker0", State: policy.StateEstablished}, syn(), "yes"},
		{"but nobody else", docker, policy.HookForward, reach.Context{In: "eth0", Out: "docker0"}, syn(), "no"},
		{
			"what comes back of a goto is the policy's", save("*filter\n:FORWARD DROP\n:x -\n-A FORWARD -g x\n-A FORWARD -j ACCEPT\nCOMMIT\n"), policy.HookForward, reach.Context{}, syn(), "no",
		},
		{"and of a jump the next rule's", save("*filter\n:FORWARD DROP\n:x -\n-A FORWARD -j x\n-A FORWARD -j ACCEPT\nCOMMIT\n"), policy.HookForward, reach.Context{}, syn(), "yes"},
		{"later fragments have no ports", save("*filter\n:FORWARD DROP\n-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n"), policy.HookForward, reach.Context{}, syn(later), "no"},
		{"nor is none of the ports one", save("*filter\n:FORWARD DROP\n-A FORWARD -p tcp -m tcp ! --dport 22 -j ACCEPT\nCOMMIT\n"), policy.HookForward, reach.Context{}, syn(later), "no"},
		{
			"a table nat sees the first packet only", save("*nat\n:PREROUTING ACCEPT\n-A PREROUTING -j DNAT --to-destination 203.0.113.1\nCOMMIT\n*filter\n:FORWARD ACCEPT\nCOMMIT\n"),
			policy.HookPrerouting,
			reach.Context{State: policy.StateEstablished},
			syn(), "yes",
		},
		{"a limit does not promise", save("*filter\n:FORWARD DROP\n-A FORWARD -m limit --limit 1/s -j ACCEPT\nCOMMIT\n"), policy.HookForward, reach.Context{}, syn(), "unknown"},
		{"a target nobody knows", save("*filter\n:FORWARD ACCEPT\n-A FORWARD -p tcp -j FROB\nCOMMIT\n"), policy.HookForward, reach.Context{}, syn(), "unknown"},
		{"matters to its packets only", save("*filter\n:FORWARD ACCEPT\n-A FORWARD -p udp -j FROB\nCOMMIT\n"), policy.HookForward, reach.Context{}, syn(), "yes"},
		{"an address that libvirt learns", spoofed, policy.HookIngress, reach.Context{}, syn(), "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := fate(c.set, c.hook, c.at, c.p); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
