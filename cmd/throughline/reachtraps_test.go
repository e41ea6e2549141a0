package main_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/cli"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// wired is guests on hosts of their own, each cabled with one port of a device whose configuration is read: what the words of a vendor come to in an answer.
type wired struct {
	t     *testing.T
	facts []topology.Fact
}

// key reads a key.
func (w *wired) key(text string) topology.Key {
	k, err := topology.ParseKey(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

func (w *wired) relate(from string, r topology.Rel, to string) {
	w.facts = append(w.facts, topology.Relate(w.key(from), r, w.key(to)))
}

func (w *wired) set(subject string, a topology.Attr, text string) {
	v, err := topology.ParseValue(a.Type(), text)
	if err != nil {
		w.t.Fatal(err)
	}
	w.facts = append(w.facts, topology.Attribute(w.key(subject), a, v))
}

// config reads a configuration, and gives its ports by their names there.
func (w *wired) config(answer string, kind topology.Kind, text string) (device string, ports map[string]string) {
	c, err := cli.ReadConfig(answer, "d.cfg", collectors.Device{Handle: "d", Kind: kind}, []byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	ports = map[string]string{}
	for _, f := range c.Facts() {
		if f.Rel != 0 || f.Attr != topology.AttrIfDescr {
			continue
		}
		ports[f.Value.String()] = f.Subject.String()
		id, _, _ := strings.Cut(f.Subject.ID, "/")
		device = topology.Key{Kind: kind, ID: id}.String()
	}
	w.facts = append(w.facts, c.Facts()...)
	w.relate("filtertext:none", topology.AppliesTo, device)
	return device, ports
}

// guest is a VM on a NIC without tags, cabled with a port.
func (w *wired) guest(name, address, port string) {
	n, nic := "vnic:"+name+"/n", "nic:h"+name+"/e"
	w.relate("host:h"+name, topology.Contains, nic)
	w.relate("filtertext:none", topology.AppliesTo, "host:h"+name)
	w.relate("vm:"+name, topology.Contains, n)
	w.relate(n, topology.AttachedTo, nic)
	w.set(n, topology.AttrAddress, address)
	w.relate(nic, topology.Link, port)
}

// ask asks for tcp 80 from one guest to another.
func (w *wired) ask(from, to string) string {
	w.t.Helper()
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	r := topology.Reading{ReadingKey: topology.ReadingKey{Device: "test", Source: topology.SourceSSH, Table: "all"}, Time: now}
	w.set("filtertext:none", topology.AttrState, "parsed")
	for _, f := range w.facts {
		if f.Rel == 0 && f.Attr == topology.AttrAddress {
			w.relate(f.Subject.String(), topology.InSubnet, "subnet:"+f.Value.Prefix().Masked().String())
		}
	}
	delta := topology.Delta{Time: now, Renew: []topology.Reading{r}}
	seen := map[topology.Fact]bool{}
	for _, f := range w.facts {
		f.Reading, f.Since, f.Confidence = r.ReadingKey, now, topology.ConfidenceStated
		if !seen[f.Identity()] {
			seen[f.Identity()] = true
			delta.Add = append(delta.Add, f)
		}
	}
	s, err := topology.Empty().Apply(delta)
	if err != nil {
		w.t.Fatal(err)
	}
	end := func(name string) reach.Endpoint {
		n, _ := s.Node(w.key("vnic:" + name + "/n"))
		return reach.Endpoints(n)[0]
	}
	proto, port := uint8(6), policy.Is(80)
	a, err := reach.NewNetwork(s, topology.AgeLimits{}, now.Add(time.Minute)).Between(w.t.Context(), end(from), end(to), reach.Flow{Protocol: &proto, Ports: &port})
	if err != nil {
		w.t.Fatal(err)
	}
	text := fmt.Sprintf("%s, %s", a.Forward.Verdict, a.Return.Verdict)
	if doubts := append(a.Forward.Doubts, a.Return.Doubts...); len(doubts) > 0 {
		text += ": " + doubts[0]
	}
	return text
}

// TestReach_switchesAsConfigured: two guests at two ports of one switch, by what its configuration says of them.
func TestReach_switchesAsConfigured(t *testing.T) {
	t.Parallel()
	const (
		base  = "vlan 7\n name a\nvlan 8\n name b\n"
		trunk = " switchport\n" + " switchport mode trunk\n"
	)
	access := func(lines string) string {
		return " switchport\n" + " switchport mode access\n" + " switchport access vlan 7\n no shutdown\n" + lines
	}
	for _, c := range []struct{ name, top, one, two, want string }{
		{"one VLAN", base, access(""), access(""), "yes, yes"},
		{"two VLANs", base, access(""), access(" switchport access vlan 8\n"), "unknown"},
		{"both protected", base, access(" switchport protected\n"), access(" switchport protected\n"), "unknown"},
		{"one protected", base, access(" switchport protected\n"), access(""), "yes, yes"},
		{"a port that is shut", base, access(" shutdown\n"), access(""), "no, no"},
		{"a host of a private VLAN", base, access(" switchport mode private-vlan host\n switchport private-vlan host-association 7 8\n"), access(""), "unknown"},
		{"a private VLAN", "vlan 7\n private-vlan isolated\n", access(""), access(""), "unknown"},
		{"a VLAN that is suspended", "vlan 7\n state suspend\n", access(""), access(""), "no, no"},
		{"a VLAN that is shut", "vlan 7\n shutdown\n", access(""), access(""), "no, no"},
		{"a VLAN that is not created", "vlan 8\n name b\n", access(""), access(""), "unknown"},
		{"a port with port security", base, access(" switchport port-security\n"), access(""), "unknown"},
		{"a trunk that has the VLAN without a tag", base, trunk + " switchport trunk native vlan 7\n no shutdown\n", access(""), "yes, yes"},
		{"a trunk with another native VLAN", base, trunk + " switchport trunk native vlan 8\n no shutdown\n", access(""), "unknown"},
		{"a trunk that allows no VLAN", base, trunk + " switchport trunk native vlan 7\n switchport trunk allowed vlan none\n no shutdown\n", access(""), "no, no"},
		{"a trunk that allows others", base, trunk + " switchport trunk native vlan 7\n switchport trunk allowed vlan 8\n no shutdown\n", access(""), "no, no"},
		{"VLANs that are translated", base, access(" switchport vlan mapping 7 8\n"), access(""), "unknown"},
		{"tags within tags", base, access(" switchport mode dot1q-tunnel\n"), access(""), "unknown"},
		{"native VLANs that get tags", base + "vlan dot1q tag native\n", access(""), access(""), "unknown"},
		{"addresses that are looked at", base, access(" ip verify source\n"), access(""), "unknown"},
		{"answers to ARP that are looked at", base + "ip arp inspection vlan 7\n", access(""), access(""), "unknown"},
		{"a statement that nobody knows", base, access(" frobnicate 7\n"), access(""), "unknown"},
		{"and one of another port", base + "interface Ethernet9\n frobnicate 7\n", access(""), access(""), "yes, yes"},
	} {
		for _, answer := range []string{"ios-config", "nxos-config", "eos-config"} {
			t.Run(c.name+"/"+answer, func(t *testing.T) {
				t.Parallel()
				w := &wired{t: t}
				_, ports := w.config(answer, topology.Switch, c.top+"interface Ethernet1\n"+c.one+"interface Ethernet2\n"+c.two)
				w.guest("v", "192.0.2.10/24", ports["Ethernet1"])
				w.guest("u", "192.0.2.11/24", ports["Ethernet2"])
				if got := w.ask("v", "u"); !strings.HasPrefix(got, c.want) {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	}
}

// routed is a router with a guest behind each of two interfaces; its forwarding table has both subnets, and more routes.
func routed(t *testing.T, top, one, two string, more ...string) *wired {
	t.Helper()
	w := &wired{t: t}
	device, ports := w.config("ios-config", topology.Router, top+"interface GigabitEthernet0/0\n ip address 192.0.2.1 255.255.255.0\n no shutdown\n"+one+
		"interface GigabitEthernet0/1\n ip address 198.51.100.1 255.255.255.0\n no shutdown\n"+two)
	w.guest("v", "192.0.2.10/24", ports["GigabitEthernet0/0"])
	w.guest("w", "198.51.100.10/24", ports["GigabitEthernet0/1"])
	for prefix, port := range map[string]string{"192.0.2.0/24": "GigabitEthernet0/0", "198.51.100.0/24": "GigabitEthernet0/1"} {
		route := "route:" + strings.TrimPrefix(device, "router:") + "/default/" + strings.ReplaceAll(prefix, "/", "%2F") + "/" + port
		w.relate(device, topology.Contains, route)
		w.set(route, topology.AttrPrefix, prefix)
		w.relate(route, topology.RoutesVia, ports[port])
	}
	for _, line := range more {
		what, text, _ := strings.Cut(line, "=")
		route := "route:" + strings.TrimPrefix(device, "router:") + "/default/" + what
		w.relate(device, topology.Contains, route)
		prefix, next, _ := strings.Cut(text, " ")
		w.set(route, topology.AttrPrefix, prefix)
		w.set(route, topology.AttrNextHop, next)
	}
	return w
}

// manyLines is an access list of ten thousand entries, none of which is another.
func manyLines(last string) string {
	var b strings.Builder
	b.WriteString("ip access-list extended LONG\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, " %s tcp 10.%d.%d.0 0.0.0.255 host 203.0.113.%d eq %d\n", []string{"permit", "deny"}[i%2], i/250, i%250, i%251, 1+i%60_000)
	}
	return b.String() + " " + last + "\n"
}

// TestReach_badInput: what contradicts itself, has no end, is too long or in no known words gets an answer, unknown where nobody can know.
func TestReach_badInput(t *testing.T) {
	t.Parallel()
	const in = " ip access-group X in\n"
	list := func(lines ...string) string {
		return "ip access-list extended X\n " + strings.Join(lines, "\n ") + "\n"
	}
	for _, c := range []struct {
		name, top, one, two string
		more                []string
		want                string
	}{
		{"nothing bad", "", "", "", nil, "yes, yes"},
		{"lines that contradict each other: the first counts", list("permit tcp any any eq 80", "deny tcp any any eq 80"), in, "", nil, "yes, yes"},
		{"and the other way round", list("deny tcp any any eq 80", "permit tcp any any eq 80"), in, "", nil, "no, no"},
		{"lists that contradict each other: both have to permit", list("permit ip any any") + "ip access-list extended Y\n deny ip any any\n", in, " ip access-group Y out\n", nil, "no, no"},
		{"a list of ten thousand lines that permits at its end", manyLines("permit ip any any"), " ip access-group LONG in\n", "", nil, "yes, yes"},
		{"one that denies at its end", manyLines("deny ip any any"), " ip access-group LONG in\n", "", nil, "no, no"},
		{
			"groups that contain each other", "object-group network A\n host 192.0.2.77\n group-object B\nobject-group network B\n group-object A\n" + list("permit tcp object-group A any eq 80"), in, "", nil,
			"unknown",
		},
		{
			"and the line behind them", "object-group network A\n group-object B\nobject-group network B\n group-object A\n" + list("permit tcp any any eq 80", "permit tcp object-group A any eq 80"), in, "", nil,
			"yes, yes",
		},
		{"a group that is not there", list("deny tcp object-group NOBODY any", "permit ip any any"), in, "", nil, "unknown"},
		{"a list that is not there", "", in, "", nil, "unknown"},
		{"an entry in no known words", list("frobnicate any any", "permit ip any any"), in, "", nil, "unknown"},
		{"behind one that decides", list("permit ip any any", "frobnicate any any"), in, "", nil, "yes, yes"},
		{"established is ACK or RST: it opens nothing", list("permit tcp any any established"), in, "", nil, "no, no"},
		{"and lets answers back, whoever holds no state", list("permit tcp any any established"), "", in, nil, "yes, yes"},
		{"a statement that nobody knows", "", " frobnicate\n", "", nil, "unknown"},
		{"policy routing", "", " ip policy route-map ELSEWHERE\n", "", nil, "unknown"},
		{"a look at the way back", "", " ip verify unicast source reachable-via rx\n", "", nil, "unknown"},
		{"a next hop that nobody has", "", "", "", []string{"more=198.51.100.10/32 192.0.2.99"}, "unknown"},
		{"the device's own route of nothing", "", "", "", []string{"more=203.0.113.0/24 192.0.2.99"}, "yes, yes"},
		{"a list of IPv6 alone", "ipv6 access-list SIX\n deny ipv6 any any\n", " ipv6 traffic-filter SIX in\n", "", nil, "yes, yes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := routed(t, c.top, c.one, c.two, c.more...).ask("v", "w"); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
