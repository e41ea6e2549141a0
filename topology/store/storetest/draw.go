package storetest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
)

// Draw is a source of choices: *math/rand/v2.Rand, or Rapid for tests that shrink.
type Draw interface {
	// IntN gives a number from 0 to n-1.
	IntN(n int) int
}

// Rapid draws from a rapid test.
type Rapid struct{ T *rapid.T }

// IntN gives a number from 0 to n-1.
func (r Rapid) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(r.T, "n") }

// Start is the time of the first delta that Delta draws from an empty snapshot.
func Start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC) }

func one[T any](d Draw, from []T) T { return from[d.IntN(len(from))] }

func chance(d Draw, percent int) bool { return d.IntN(100) < percent }

// Hostile are texts that break stores: markup of every query language, NUL, other line ends, combining and right-to-left text, emoji,
// text that looks like numbers, escaped octets.
func Hostile() []string {
	return []string{
		"", " ", "'", `"`, "`", `\`, `'; DROP TABLE fact; --`, `" OR ""="`, "%s%n%d", "$1 ?1 :a @a", "{{.}}", "\x00", "a\x00b", "\r\n", "\t",
		"\u202eevil\u202c", "مضيف", "e\u0301", "\u00e9", "\U0001f9ef\u200d\U0001f680", "\ufeff", "\ufffd", "\u2028", "NULL", "0", "00", "1e3", "0x10", "true", "-1",
		topology.Text([]byte{0xff, 0xfe, 'x'}), "../../etc/passwd", "a/b", "@local", "~", "<script>alert(1)</script>",
	}
}

// Delta draws a delta that fits the snapshot, of about size facts: facts of all types of value and relation from few nodes, so that sources
// disagree, edges cross and the same facts come and go. It is never empty.
func Delta(d Draw, s *topology.Snapshot, size int) topology.Delta {
	delta := topology.Delta{Time: Start()}
	if s.Revision() > 0 {
		delta.Time = s.Time().Add(time.Duration(d.IntN(600_000)) * time.Millisecond)
	}
	there := map[topology.Fact]bool{}
	uses := map[topology.ReadingKey]int{}
	known := map[topology.ReadingKey]bool{}
	for _, r := range s.Readings() {
		known[r.ReadingKey] = true
	}
	removals := d.IntN(size/2 + 1)
	facts := slices.Collect(s.Facts())
	for _, f := range facts {
		there[f.Identity()] = true
		uses[f.Reading]++
	}
	for len(facts) > 0 && removals > 0 {
		removals--
		f := one(d, facts)
		if there[f.Identity()] {
			delete(there, f.Identity())
			uses[f.Reading]--
			delta.Remove = append(delta.Remove, f)
		}
	}
	for range d.IntN(4) + len(delta.Remove)%2 {
		r := reading(d, delta.Time)
		known[r.ReadingKey] = true
		delta.Renew = append(delta.Renew, r)
	}
	keys := sortedKeys(known)
	for range d.IntN(size) {
		if len(keys) == 0 {
			break
		}
		f := Fact(d)
		f.Reading = one(d, keys)
		f.Since = delta.Time.Add(-time.Duration(d.IntN(86_400)) * time.Second).Truncate(time.Second)
		if !there[f.Identity()] {
			there[f.Identity()] = true
			uses[f.Reading]++
			delta.Add = append(delta.Add, f)
		}
	}
	for _, k := range keys {
		if uses[k] == 0 && chance(d, 30) {
			delta.Forget = append(delta.Forget, k)
		}
	}
	if delta.Empty() {
		delta.Renew = append(delta.Renew, reading(d, delta.Time))
	}
	return delta
}

func sortedKeys(set map[topology.ReadingKey]bool) []topology.ReadingKey {
	keys := make([]topology.ReadingKey, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, topology.ReadingKey.Compare)
	return keys
}

func reading(d Draw, at time.Time) topology.Reading {
	r := topology.Reading{
		ReadingKey: topology.ReadingKey{
			Device: one(d, []string{"leaf1", "leaf2", "host1", "", "o'hara\x00"}),
			Source: one(d, []topology.Source{topology.SourceManual, topology.SourceLibvirt, topology.SourceSNMP}),
			Table:  one(d, []string{"ifTable", "domains", "lldpRemTable"}), Partial: chance(d, 20),
		},
		Command: one(d, []string{"1.3.6.1.2.1.2.2", "virConnectListAllDomains"}),
		Time:    at.Add(-time.Duration(d.IntN(60_000)) * time.Millisecond),
		Rows:    d.IntN(1000),
	}
	if r.Partial {
		r.Reason = one(d, Hostile())
	}
	return r
}

// Fact draws a fact that the model allows, without reading and time.
func Fact(d Draw) topology.Fact {
	var f topology.Fact
	if chance(d, 35) {
		f = relation(d)
	} else {
		a := attribute(d)
		f = topology.Attribute(node(d, nil), a, Value(d, a.Type()))
	}
	if chance(d, 40) {
		f.Confidence = one(d, []uint8{1, topology.ConfidenceDenied, topology.ConfidenceARP, topology.ConfidenceLLDP, 100})
	}
	f.Derived = chance(d, 20)
	return f
}

// attribute prefers a few, so that they meet.
func attribute(d Draw) topology.Attr {
	if chance(d, 70) {
		return one(d, []topology.Attr{topology.AttrName, topology.AttrMTU, topology.AttrAddress, topology.AttrMAC, topology.AttrLearned, topology.AttrTagged})
	}
	return one(d, topology.Attrs())
}

func relation(d Draw) topology.Fact {
	for {
		r := one(d, topology.Rels())
		if chance(d, 60) {
			r = one(d, []topology.Rel{topology.RunsOn, topology.Link, topology.Contains, topology.SupportedBy})
		}
		spec := r.Spec()
		f := topology.Relate(node(d, spec.From), r, node(d, spec.To))
		if f.Check() == nil { // a mutual relation from a node to itself is none
			return f
		}
	}
}

func node(d Draw, kinds []topology.Kind) topology.Key {
	if len(kinds) == 0 {
		kinds = topology.Kinds()
		if chance(d, 70) {
			kinds = []topology.Kind{topology.VM, topology.Port, topology.Host}
		}
	}
	id := fmt.Sprintf("n%d", d.IntN(12))
	if chance(d, 10) {
		id = "h" + one(d, Hostile())
	}
	return topology.Key{Kind: one(d, kinds), ID: id}
}

// Value draws a value of the type.
func Value(d Draw, typ topology.ValueType) topology.Value {
	switch typ {
	case topology.TypeInt:
		return topology.IntValue(one(d, []int64{0, 1, -1, 1500, 9000, 1<<63 - 1, -1 << 63}))
	case topology.TypeBool:
		return topology.BoolValue(chance(d, 50))
	case topology.TypeMAC:
		return topology.MACValue(topology.MAC(one(d, []uint64{0, 0x00005e005301, 0x00005e005302, 1<<48 - 1})))
	case topology.TypeWWN:
		return topology.WWNValue(topology.WWN(one(d, []uint64{0, 0x21000024ff000001, 1<<64 - 1})))
	case topology.TypeAddr:
		return topology.AddrValue(netip.MustParseAddr(one(d, []string{"192.0.2.1", "2001:db8::1", "fe80::1%eth0"})))
	case topology.TypePrefix:
		return topology.PrefixValue(netip.MustParsePrefix(one(d, []string{"192.0.2.1/24", "2001:db8::1/64", "0.0.0.0/0"})))
	case topology.TypeVIDs:
		return topology.VIDsValue(one(d, []topology.VIDSet{{}, topology.VIDs(10, 20, 21), topology.VIDRange(1, 4094)}))
	case topology.TypeFDB:
		return topology.FDBValue(topology.FDBEntry{
			VID: topology.VID(d.IntN(3) * 2047), MAC: topology.MAC(0x00005e005300 + d.IntN(4)), Status: topology.FDBStatus(d.IntN(7)),
		})
	case topology.TypeText:
	}
	if chance(d, 1) {
		return topology.TextValue(strings.Repeat("long ", d.IntN(20_000)))
	}
	if chance(d, 30) {
		return topology.TextValue(one(d, Hostile()))
	}
	return topology.TextValue(fmt.Sprintf("text %d", d.IntN(5)))
}

// Estate is the delta that brings an empty store about n nodes: hosts with a NIC on a leaf port, and 20 VMs each with a vNIC and a disk,
// with what a hypervisor says of them.
func Estate(n int, at time.Time) topology.Delta {
	d, since := topology.Delta{Time: at}, at.Truncate(time.Second)
	say := func(k topology.ReadingKey, subject topology.Key, a topology.Attr, v topology.Value) {
		d.Add = append(d.Add, topology.Fact{Subject: subject, Attr: a, Value: v, Reading: k, Since: since})
	}
	join := func(k topology.ReadingKey, subject topology.Key, r topology.Rel, object topology.Key) {
		f := topology.Relate(subject, r, object)
		f.Reading, f.Since = k, since
		d.Add = append(d.Add, f)
	}
	const vms = 20
	for h := range max(1, n/(3*vms+3)) {
		name := fmt.Sprintf("host%05d", h)
		k := topology.ReadingKey{Device: name, Source: topology.SourceLibvirt, Table: "domains"}
		d.Renew = append(d.Renew, topology.Reading{ReadingKey: k, Command: "virConnectListAllDomains", Time: at, Rows: vms})
		host := topology.Key{Kind: topology.Host, ID: uuid(1, h)}
		nic := topology.PartKey(topology.NIC, host, "eno1")
		sw := topology.PartKey(topology.VirtualSwitch, host, "br0")
		say(k, host, topology.AttrName, topology.TextValue(name))
		say(k, host, topology.AttrMemoryBytes, topology.IntValue(512<<30))
		say(k, nic, topology.AttrMAC, topology.MACValue(topology.MAC(0x02<<40+h)))
		join(k, host, topology.Contains, nic)
		join(k, host, topology.Contains, sw)
		join(k, sw, topology.SupportedBy, nic)
		for v := range vms {
			id := h*vms + v
			vm := topology.Key{Kind: topology.VM, ID: uuid(2, id)}
			mac := topology.MAC(0x02<<40 + 1<<32 + id)
			vnic := topology.Key{Kind: topology.VNIC, ID: vm.ID + "/" + mac.String()}
			disk := topology.Key{Kind: topology.VDisk, ID: vm.ID + "/vda"}
			say(k, vm, topology.AttrName, topology.TextValue(fmt.Sprintf("vm%07d", id)))
			say(k, vm, topology.AttrState, topology.TextValue("running"))
			say(k, vm, topology.AttrCPUs, topology.IntValue(1+id%16))
			say(k, vm, topology.AttrMemoryBytes, topology.IntValue((1+id%64)<<30))
			join(k, vm, topology.RunsOn, host)
			join(k, vm, topology.Contains, vnic)
			join(k, vm, topology.Contains, disk)
			say(k, vnic, topology.AttrMAC, topology.MACValue(mac))
			say(k, vnic, topology.AttrMTU, topology.IntValue(1500))
			join(k, vnic, topology.AttachedTo, sw)
			say(k, disk, topology.AttrSource, topology.TextValue(fmt.Sprintf("/var/lib/libvirt/images/vm%07d.qcow2", id)))
			say(k, disk, topology.AttrFormat, topology.TextValue("qcow2"))
		}
	}
	return d
}

// Move is the delta that moves the VM numbered vm of an Estate to the host numbered to.
func Move(s *topology.Snapshot, vm, to int) topology.Delta {
	at := s.Time().Add(time.Minute)
	d := topology.Delta{Time: at}
	n, _ := s.Node(topology.Key{Kind: topology.VM, ID: uuid(2, vm)})
	for f := range n.Facts() {
		if f.Rel == topology.RunsOn {
			d.Remove = append(d.Remove, f)
			f.Object, f.Since = topology.Key{Kind: topology.Host, ID: uuid(1, to)}, at.Truncate(time.Second)
			f.Reading.Device = fmt.Sprintf("host%05d", to)
			d.Add = append(d.Add, f)
		}
	}
	return d
}

// uuid is a random-looking but fixed UUID, version 4.
func uuid(sort, n int) string {
	x := (uint64(sort)<<32 + uint64(n)) * 0x9e3779b97f4a7c15
	y := (x ^ x>>29) * 0xbf58476d1ce4e5b9
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", x>>32, x>>16&0xffff, x>>4&0xfff, y>>52, y>>3&0xffffffffffff)
}
