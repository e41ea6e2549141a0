package planner_test

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	generated "github.com/throughline-dc/throughline/fixtures/sim/estate"
	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// moving is an estate of which everything is known that flows depend on: ways, addresses, and filters, which are the same lists at the ports of all hosts.
type moving struct {
	*generated.Estate
	s *topology.Snapshot
}

func movingEstate(b *testing.B) *moving {
	b.Helper()
	hosts := 160
	if n, err := strconv.Atoi(os.Getenv("BENCH_HOSTS")); err == nil {
		hosts = n
	}
	size := generated.Hosts(hosts)
	size.VMsPerHost = 10
	e, err := generated.New(size, 1)
	if err != nil {
		b.Fatal(err)
	}
	reading := topology.Reading{ReadingKey: topology.ReadingKey{Device: "bench", Source: topology.SourceLibvirt, Table: "truth"}, Time: noon}
	d := topology.Delta{Time: noon, Renew: []topology.Reading{reading}}
	add := func(f topology.Fact) {
		f.Reading, f.Since, f.Confidence = reading.ReadingKey, noon, topology.ConfidenceStated
		d.Add = append(d.Add, f)
	}
	for f := range e.Truth() {
		add(f)
	}
	none := topology.Key{Kind: topology.FilterText, ID: "none"}
	add(topology.Attribute(none, topology.AttrState, topology.TextValue("parsed")))
	for i := range e.Devices {
		id := generated.DeviceID(i)
		switch dev := &e.Devices[i]; dev.Role {
		case generated.Leaf, generated.Spine, generated.Hypervisor, generated.Gateway:
			add(topology.Relate(none, topology.AppliesTo, e.DeviceKey(id)))
			if dev.Role == generated.Gateway {
				routed(e, id, add)
			}
			if dev.Role == generated.Leaf {
				lists(e, id, add)
			}
		default:
		}
	}
	for _, n := range e.VNICs {
		k, a := e.VNICKey(n), e.VNICAddr(n)
		add(topology.Attribute(k, topology.AttrAddress, topology.PrefixValue(a)))
		add(topology.Relate(k, topology.InSubnet, topology.Key{Kind: topology.Subnet, ID: a.Masked().String()}))
	}
	s, err := topology.Empty().Apply(d)
	if err != nil {
		b.Fatal(err)
	}
	return &moving{e, s}
}

// routed states the subnets of a gateway, and its routes to them.
func routed(e *generated.Estate, d generated.DeviceID, add func(topology.Fact)) {
	for _, v := range e.PodVLANs(e.Devices[d].Pod) {
		k, p := e.SubinterfaceKey(d, v.VID), e.GatewayAddr(d, v).Masked()
		route := topology.Key{Kind: topology.Route, ID: e.DeviceKey(d).ID + "/default/" + p.Addr().String() + "%2F" + strconv.Itoa(p.Bits()) + "/" + strconv.Itoa(int(v.VID))}
		add(topology.Attribute(k, topology.AttrVID, topology.IntValue(v.VID)))
		add(topology.Relate(k, topology.InSubnet, topology.Key{Kind: topology.Subnet, ID: p.String()}))
		add(topology.Relate(e.DeviceKey(d), topology.Contains, route))
		add(topology.Attribute(route, topology.AttrPrefix, topology.PrefixValue(p)))
		add(topology.Relate(route, topology.RoutesVia, k))
	}
}

// lists states one list at the ports of all hosts of a leaf, for what they get.
func lists(e *generated.Estate, leaf generated.DeviceID, add func(topology.Fact)) {
	f := policy.Filter{Name: "to-hosts", Dialect: "eos", Family: policy.IPv4, Default: policy.Deny}
	tcp := policy.Term{Field: policy.Protocol, Of: []policy.Range{policy.Is(6)}}
	answers := policy.Rule{Verdict: policy.Permit, Match: []policy.Term{tcp, {Field: policy.TCPFlags, Of: []policy.Range{policy.Bits(16, 16), policy.Bits(4, 4)}}}}
	f.Rules = []policy.Rule{answers}
	for _, v := range e.Tenants(e.Devices[leaf].Pod) {
		f.Rules = append(f.Rules, policy.Rule{Verdict: policy.Permit, Match: []policy.Term{tcp, {Field: policy.DestinationPort, Of: []policy.Range{policy.Is(uint64(e.Offers(v)))}}}})
	}
	for i := range f.Rules {
		f.Rules[i].Text = f.Rules[i].String()
	}
	span := e.Devices[leaf].LAGs
	hosts := e.Racks[e.Devices[leaf].Rack].Hosts.Len()
	for l := span.From; l < span.From+int32(hosts); l++ {
		f.Attached = append(f.Attached, policy.Attachment{Hook: policy.HookEgress, Interface: e.LAGName(generated.LAGID(l))})
	}
	k := topology.PartKey(topology.Filter, e.DeviceKey(leaf), f.Name)
	add(topology.Relate(e.DeviceKey(leaf), topology.Contains, k))
	add(topology.Attribute(k, topology.AttrRules, topology.TextValue(f.Encode())))
}

// BenchmarkFlows is what it costs to find out whose flows a move to another host of the rack may change (ours), and what the comparison with one other end costs (each), of
// which there would be as many as there are addresses. BENCH_HOSTS says how many hosts there are, with ten VMs each.
func BenchmarkFlows(b *testing.B) {
	m := movingEstate(b)
	n := reach.NewNetwork(m.s, topology.AgeLimits{}, noon.Add(time.Minute))
	var moves []shifted
	for i := 0; i < len(m.VNICs); i += 1 + len(m.VNICs)/64 {
		moves = append(moves, m.moves(b, n, m.VNICs[i]))
	}
	ask := func(o shifted) reach.Shift {
		shift, err := reach.Moves(b.Context(), n, n.After(o.then, o.made), o.was, o.is)
		if err != nil {
			b.Fatal(err)
		}
		return shift
	}
	near, places := 0, 0
	for _, o := range moves { // the first round is to warm up
		shift := ask(o)
		if near, places = near+len(shift.Near), places+shift.Places; shift.Routed || len(shift.Same) > 0 {
			b.Fatalf("what is routed is the same for all hosts of a rack, and known: %q", shift.Same)
		}
	}
	b.Run("ours", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			ask(moves[i%len(moves)])
		}
		b.ReportMetric(float64(near)/float64(len(moves)), "ends-near")
		b.ReportMetric(float64(places)/float64(len(moves)), "places")
	})
	b.Run("each", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			o, other := moves[i%len(moves)], moves[(i+1)%len(moves)].was
			now, _ := other.Node.On(o.then)
			ends := [2][2]reach.Endpoint{{o.was, other}, {o.is, {Node: now, Addr: other.Addr}}}
			if _, err := reach.Compare(b.Context(), n, n.After(o.then, o.made), ends[0], ends[1], reach.Flow{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMigrateFlows is what the checks of flows (NET-9, NET-10) take of one move. Warm: other VMs of the same host have been asked about before, to the same target.
// Cold: nobody has asked anything. BENCH_HOSTS says how many hosts there are.
func BenchmarkMigrateFlows(b *testing.B) {
	m := movingEstate(b)
	type question struct{ vm, host topology.Key }
	var first, then []question
	for h := 0; h < len(m.Racks); h += 1 + len(m.Racks)/16 {
		hosts := m.Racks[h].Hosts
		from, to := generated.DeviceID(hosts.From), generated.DeviceID(hosts.From+int32(7%hosts.Len()))
		var all []question
		for i, vm := range m.VMs {
			if vm.Host == from {
				all = append(all, question{m.VMKey(generated.VMID(i)), m.DeviceKey(to)})
			}
		}
		half := len(all) / 2
		first, then = append(first, all[:half]...), append(then, all[half:]...)
	}
	ask := func(p *planner.Planner, q question) {
		if _, err := p.Migrate(b.Context(), q.vm, q.host); err != nil {
			b.Fatal(err)
		}
	}
	p := planner.New(m.s, only("NET-9", "NET-10"), noon.Add(time.Minute))
	for _, q := range first {
		ask(p, q)
	}
	for name, of := range map[string]func() *planner.Planner{
		"warm": func() *planner.Planner { return p },
		"cold": func() *planner.Planner { return planner.New(m.s, only("NET-9", "NET-10"), noon.Add(time.Minute)) },
	} {
		b.Run(name, func(b *testing.B) {
			var asked time.Duration
			for i := 0; b.Loop(); i++ {
				p, start := of(), processorTime(b)
				ask(p, then[i%len(then)])
				asked += processorTime(b) - start
			}
			b.ReportMetric(float64(asked.Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// shifted is a move that is to be asked about.
type shifted struct {
	made    topology.ChangeSet
	then    *topology.Snapshot
	was, is reach.Endpoint
}

// moves gives the move of a VM to another host of its rack.
func (m *moving) moves(b *testing.B, n *reach.Network, v generated.VNIC) (o shifted) {
	b.Helper()
	from := m.VMs[v.VM].Host
	hosts := m.Racks[m.Devices[from].Rack].Hosts
	to := generated.DeviceID(hosts.From + (int32(from)-hosts.From+7)%int32(hosts.Len()))
	var err error
	if o.made, _, err = n.MoveVM(m.VMKey(v.VM), m.DeviceKey(to)); err != nil {
		b.Fatal(err)
	}
	if o.then, err = n.With(o.made); err != nil {
		b.Fatal(err)
	}
	was, _ := n.Node(m.VNICKey(v))
	is, _ := o.then.Node(m.VNICKey(v))
	o.was, o.is = reach.Endpoints(was)[0], reach.Endpoints(is)[0]
	return o
}
