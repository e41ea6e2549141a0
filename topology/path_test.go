package topology_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/topology"
)

// rails describes the rails of a node, a line a path: its hops, where it is broken or in doubt, and why it is not complete.
func rails(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *topology.Snapshot, key string,
) string {
	t.Helper()
	var b strings.Builder
	for _, r := range mustNode(t, s, key).Rails() {
		fmt.Fprintf(&b, "%s %d independent", r.Name, r.Independent)
		if r.More > 0 {
			fmt.Fprintf(&b, ", %d more", r.More)
		}
		fmt.Fprintln(&b)
		for _, p := range r.Paths {
			fmt.Fprintln(&b, describePath(p))
		}
	}
	return b.String()
}

func describePath(p topology.Path) string {
	var words []string
	for _, h := range p.Hops {
		_, id, _ := strings.Cut(h.Node.Key().String(), ":")
		if h.VID > 0 {
			id += fmt.Sprintf(" %d", h.VID)
			if h.Tagged {
				id += "t"
			}
		}
		if h.Fault != "" {
			id += " X(" + h.Fault + ")"
		}
		if h.Doubt != "" {
			id += " ?(" + h.Doubt + ")"
		}
		words = append(words, id)
	}
	line := strings.Join(words, " > ")
	if p.Complete {
		return "  " + line + " ."
	}
	return "  " + line + "\n    ... " + p.Gap
}

func mustNode(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *topology.Snapshot, key string,
) topology.Node {
	t.Helper()
	k, err := topology.ParseKey(key)
	if err != nil {
		t.Fatalf("%v", err)
	}
	n, ok := s.Node(k)
	if !ok {
		t.Fatalf("%s is not in the graph", key)
	}
	return n
}

// tiny is a VM on a host with one NIC, a switch, and a firewall that routes VLAN 120. The vNIC's VLAN, the VLANs of the switch's ports and what the
// firewall says are left to the case.
const tiny = `
vm:v Contains vnic:v/n
vnic:v/n AttachedTo virtualswitch:h/br0
host:h Contains virtualswitch:h/br0
host:h Contains nic:h/e
virtualswitch:h/br0 SupportedBy nic:h/e
switch:s Contains port:s/1
switch:s Contains port:s/2
port:s/1 ifName=s1
port:s/2 ifName=s2
nic:h/e Link port:s/1 ~95
firewall:f Contains port:f/1
port:f/1 ifName=f1
port:f/1 Link port:s/2 ~95
firewall:f Contains port:f/v
port:f/v ifName=f1.120
port:f/v ifType=135
port:f/v InSubnet subnet:192.0.2.0/24
port:f/v SupportedBy port:f/1
`

const tagged = "vnic:v/n vid=120\nport:s/1 tagged=120\nport:s/2 tagged=120\n"

// A path is shown as complete only where every source that counts says so: what is not known is doubt, what speaks against it a fault.
func TestRails_admission(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, facts, want string }{
		{"tagged all the way", tagged, `
network 1 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"untagged into the PVID, tagged out", "port:s/1 pvid=120\nport:s/1 untagged=120\nport:s/2 tagged=120", `
network 1 independent
  v/n > h/br0 > h/e > s/1 120 > s/2 120t > f/1 120t > f/v 120 .
`},
		{"the PVID alone is known", "port:s/1 pvid=120\nport:s/2 tagged=120", `
network 1 independent
  v/n > h/br0 > h/e > s/1 120 > s/2 120t > f/1 120t > f/v 120 .
`},
		{"the PVID is no member", "port:s/1 pvid=120\nport:s/1 tagged=130\nport:s/2 tagged=120", `
network 0 independent
  v/n > h/br0 > h/e > s/1 120 X(VLAN 120 is not carried on s1) > s/2 120t > f/1 120t > f/v 120 .
`},
		{"the PVID has a tag", "port:s/1 pvid=120\nport:s/1 tagged=120\nport:s/2 tagged=120", `
network 0 independent
  v/n > h/br0 > h/e > s/1 120 ?(s1 takes frames without a tag for VLAN 120, and sends those of VLAN 120 with a tag) > s/2 120t > f/1 120t > f/v 120
    ... its end is known, but not all of the way: s1 takes frames without a tag for VLAN 120, and sends those of VLAN 120 with a tag
`},
		{"a VLAN that the switch is said to have", tagged + "switch:s Contains vlan:s/120\nvlan:s/120 state=active", `
network 1 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"a VLAN that is suspended", tagged + "switch:s Contains vlan:s/120\nvlan:s/120 state=suspended", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t X(VLAN 120 is suspended on s) > s/2 120t > f/1 120t > f/v 120 .
`},
		{"a switch with other VLANs", tagged + "switch:s Contains vlan:s/130", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t ?(VLAN 120 is not among those that s is said to have) > s/2 120t > f/1 120t > f/v 120
    ... its end is known, but not all of the way: VLAN 120 is not among those that s is said to have
`},
		{"a firewall whose cable is no port of a bridge", tagged + "firewall:f Contains vlan:f/1", `
network 1 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"one whose cable is", tagged + "firewall:f Contains vlan:f/1\nport:f/1 tagged=120", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t ?(VLAN 120 is not among those that f is said to have) > f/v 120
    ... its end is known, but not all of the way: VLAN 120 is not among those that f is said to have
`},
		{"no source gives the VLANs of the switch", "vnic:v/n vid=120", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t ?(no source says which VLANs s1 carries) > s/2 120t ?(no source says which VLANs s2 carries) > f/1 120t > f/v 120
    ... its end is known, but not all of the way: no source says which VLANs s1 carries
`},
		{"no source gives the VLANs of the port of arrival", "vnic:v/n vid=120\nport:s/2 tagged=120", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t ?(no source says which VLANs s1 carries) > s/2 120t > f/1 120t > f/v 120
    ... its end is known, but not all of the way: no source says which VLANs s1 carries
`},
		{"no source gives the PVID", "port:s/1 tagged=130\nport:s/2 tagged=120", `
network 0 independent
  v/n > h/br0 > h/e > s/1 ?(no source says to which VLAN frames without a tag belong on s1)
    ... the VLAN is not known at s, so the way to a gateway cannot be told
`},
		{"a port that does not bridge on a switch that tells its VLANs", "vnic:v/n vid=120\nport:s/1 tagged=120", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t
    ... no gateway of VLAN 120 is known behind s: collect the router or firewall that routes it
`},
		{"not carried where it arrives", "vnic:v/n vid=120\nport:s/1 tagged=130\nport:s/2 tagged=120", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t X(VLAN 120 is not carried on s1) > s/2 120t > f/1 120t > f/v 120 .
`},
		{"untagged where the frame has a tag", "vnic:v/n vid=120\nport:s/1 untagged=120\nport:s/2 tagged=120", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t X(VLAN 120 has no tag on s1, and the frame has one) > s/2 120t > f/1 120t > f/v 120 .
`},
		{"not carried where it leaves, and nowhere else", "vnic:v/n vid=120\nport:s/1 tagged=120\nport:s/2 tagged=130", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t
    ... no gateway of VLAN 120 is known behind s: collect the router or firewall that routes it
`},
		{"not carried where it leaves, but on the far end", "vnic:v/n vid=120\nport:s/1 tagged=120\nport:s/2 tagged=130\nport:f/1 tagged=120", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t X(VLAN 120 is not carried on s2, but it is on the far end, f f1) > f/1 120t > f/v 120 .
`},
		{"not carried on the far end", tagged + "port:f/1 tagged=130", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t X(VLAN 120 is not carried on f1) > f/v 120 .
`},
		{"membership of the aggregate counts for its members", "vnic:v/n vid=120\nswitch:s Contains lag:s/po1\nlag:s/po1 ifName=po1\nlag:s/po1 SupportedBy port:s/1\n" +
			"lag:s/po1 tagged=120\nport:s/1 pvid=1\nport:s/1 tagged=1\nport:s/2 tagged=120", `
network 1 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"blocked by the common spanning tree", tagged + "port:s/2 stpState=0 blocking", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t X(spanning tree blocks s2) > f/1 120t > f/v 120 .
`},
		{"blocked where it arrives without a tag", "port:s/1 pvid=120\nport:s/2 tagged=120\nport:s/1 stpState=0 learning", `
network 0 independent
  v/n > h/br0 > h/e > s/1 120 X(spanning tree blocks s1) > s/2 120t > f/1 120t > f/v 120 .
`},
		{"the VLAN's own spanning tree forwards", tagged + "port:s/2 stpState=0 blocking\nport:s/2 stpState=120 forwarding", `
network 1 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"another VLAN's spanning tree blocks", tagged + "port:s/2 stpState=130 blocking\nport:s/2 stpState=0 forwarding", `
network 1 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"the uplink is down", tagged + "port:s/2 state=lowerLayerDown", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t X(state is lowerLayerDown) > f/1 120t > f/v 120 .
`},
		{"the NIC is switched off", tagged + "nic:h/e adminState=down", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t X(it is switched off) > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
		{"a port that tests or sleeps passes nothing", tagged + "port:f/1 state=dormant", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t X(state is dormant) > f/v 120 .
`},
		{"the gateway's interface is down", tagged + "port:f/v state=down", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 X(state is down) .
`},
		{"native VLANs that differ", "port:s/1 pvid=120\nport:s/2 untagged=120\nport:f/1 pvid=130\nport:f/1 untagged=130", `
network 0 independent
  v/n > h/br0 > h/e > s/1 120 > s/2 120 > f/1 120 X(VLAN 120 comes without a tag, and f1 takes it for VLAN 130) > f/v 120 .
`},
		{"a trunk into the guest", "vnic:v/n tagged=120,130\nport:s/1 tagged=120\nport:s/2 tagged=120", `
network 0 independent
  v/n ?(trunk of VLANs 120,130: each has a way of its own) > h/br0 > h/e > s/1
    ... the VLAN is not known at s, so the way to a gateway cannot be told
`},
		{"two sources disagree on the cable", tagged + "switch:z Contains port:z/1\nnic:h/e Link port:z/1 ~95", `
network 0 independent
  v/n 120t > h/br0 120t > h/e 120t > z/1 120t ?(sources disagree on what e is cabled to)
    ... no gateway of VLAN 120 is known behind z: collect the router or firewall that routes it
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t ?(sources disagree on what e is cabled to) > s/2 120t > f/1 120t > f/v 120
    ... its end is known, but not all of the way: sources disagree on what e is cabled to
`},
		{"the operator's word on the cable is surer", tagged + "switch:z Contains port:z/1\nnic:h/e Link port:z/1 ~60", `
network 1 independent
  v/n 120t > h/br0 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/v 120 .
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := rails(t, graph(t, tiny+c.facts), "vnic:v/n")
			if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// What a gateway is takes evidence: an interface with an address on the VLAN, reached by the cable at hand, of a device that routes.
func TestRails_gateway(t *testing.T) {
	t.Parallel()
	const toSwitch = `
vnic:v/n AttachedTo nic:h/e
vnic:v/n vid=120
host:h Contains nic:h/e
nic:h/e Link port:s/1 ~95
switch:s Contains port:s/1
port:s/1 ifName=s1
port:s/1 tagged=120
`
	for _, c := range []struct{ name, facts, want string }{
		{"an SVI of a switch that routes", "switch:s Contains port:s/v\nport:s/v ifName=Vlan120\nport:s/v ifType=53\nport:s/v InSubnet subnet:192.0.2.0/24\nswitch:s capability=router", `
network 1 independent
  v/n 120t > h/e 120t > s/1 120t > s/v 120 .
`},
		{"an SVI of a switch that nobody says routes", "switch:s Contains port:s/v\nport:s/v ifName=Vlan120\nport:s/v ifType=53\nport:s/v InSubnet subnet:192.0.2.0/24", `
network 0 independent
  v/n 120t > h/e 120t > s/1 120t > s/v 120 ?(no source says that s routes: Vlan120 may be its own address only)
    ... its end is known, but not all of the way: no source says that s routes: Vlan120 may be its own address only
`},
		{"an SVI of a switch that forwards its protocol", "switch:s Contains port:s/v\nport:s/v ifName=Vlan120\nport:s/v ifType=53\nport:s/v address=192.0.2.1/24\nport:s/v InSubnet subnet:192.0.2.0/24\nswitch:s forwarding=ipv4", `
network 1 independent
  v/n 120t > h/e 120t > s/1 120t > s/v 120 .
`},
		{"an SVI of a switch that forwards another protocol", "switch:s Contains port:s/v\nport:s/v ifName=Vlan120\nport:s/v ifType=53\nport:s/v address=192.0.2.1/24\nport:s/v InSubnet subnet:192.0.2.0/24\nswitch:s forwarding=ipv6", `
network 0 independent
  v/n 120t > h/e 120t > s/1 120t > s/v 120 ?(no source says that s routes: Vlan120 may be its own address only)
    ... its end is known, but not all of the way: no source says that s routes: Vlan120 may be its own address only
`},
		{"an SVI of another VLAN", "switch:s Contains port:s/v\nport:s/v ifName=Vlan130\nport:s/v ifType=53\nport:s/v InSubnet subnet:192.0.2.0/24\nswitch:s capability=router", `
network 0 independent
  v/n 120t > h/e 120t > s/1 120t
    ... no gateway of VLAN 120 is known behind s: collect the router or firewall that routes it
`},
		{"a routed aggregate whose number looks like the VLAN", "switch:s Contains port:s/v\nport:s/v ifName=Port-channel120\nport:s/v ifType=53\nport:s/v InSubnet subnet:192.0.2.0/24\nswitch:s capability=router", `
network 0 independent
  v/n 120t > h/e 120t > s/1 120t
    ... no gateway of VLAN 120 is known behind s: collect the router or firewall that routes it
`},
		{"an SVI that is in another subnet than the guest", "switch:s Contains port:s/v\nport:s/v vid=120\nport:s/v InSubnet subnet:192.0.2.0/24\nswitch:s capability=router\nvnic:v/n InSubnet subnet:198.51.100.0/24", `
network 0 independent
  v/n 120t > h/e 120t > s/1 120t
    ... no gateway of VLAN 120 is known behind s: collect the router or firewall that routes it
`},
		{"an interface in the guest's subnet, on nobody knows which VLAN", "switch:s Contains port:s/v\nport:s/v ifName=web\nport:s/v InSubnet subnet:192.0.2.0/24\nswitch:s capability=router\nvnic:v/n InSubnet subnet:192.0.2.0/24", `
network 0 independent
  v/n 120t > h/e 120t > s/1 120t > s/v 120 ?(no source says on which VLAN web is)
    ... its end is known, but not all of the way: no source says on which VLAN web is
`},
		{"an interface in the guest's subnet that has the guest in its neighbour cache", "switch:s Contains port:s/v\nport:s/v ifName=web\nport:s/v InSubnet subnet:192.0.2.0/24\nswitch:s capability=router\n" +
			"vnic:v/n InSubnet subnet:192.0.2.0/24\nvnic:v/n mac=52:54:00:00:53:01\nport:s/v arp=192.0.2.7 52:54:00:00:53:01", `
network 1 independent
  v/n 120t > h/e 120t > s/1 120t > s/v 120 .
`},
		{"a router on a cable without tags", "switch:s Contains port:s/2\nport:s/2 ifName=s2\nport:s/2 untagged=120\nrouter:r Contains port:r/1\nport:r/1 Link port:s/2 ~95\nport:r/1 address=192.0.2.1/24\nport:r/1 InSubnet subnet:192.0.2.0/24", `
network 1 independent
  v/n 120t > h/e 120t > s/1 120t > s/2 120 > r/1 120 .
`},
		{"a router that says nothing of its interfaces", "switch:s Contains port:s/2\nport:s/2 ifName=s2\nport:s/2 tagged=120\nrouter:r Contains port:r/1\nrouter:r name=r1\nport:r/1 ifName=r1\nport:r/1 Link port:s/2 ~95", `
network 0 independent
  v/n 120t > h/e 120t > s/1 120t
    ... no gateway of VLAN 120 is known behind s: collect the router or firewall that routes it (r1 is reached at r1, and no source says which of its interfaces routes VLAN 120)
`},
		{"a router whose interface on the VLAN lies on another port", "switch:s Contains port:s/2\nport:s/2 ifName=s2\nport:s/2 tagged=120\nrouter:r Contains port:r/1\nrouter:r name=r1\nport:r/1 ifName=r1\nport:r/1 Link port:s/2 ~95\n" +
			"router:r Contains port:r/v\nport:r/v vid=120\nport:r/v InSubnet subnet:192.0.2.0/24\nport:r/v SupportedBy port:r/9", `
network 0 independent
  v/n 120t > h/e 120t > s/1 120t
    ... no gateway of VLAN 120 is known behind s: collect the router or firewall that routes it (r1 is reached at r1, and no source says which of its interfaces routes VLAN 120)
`},
		{"no way through a firewall that is not the gateway", "switch:s Contains port:s/2\nport:s/2 ifName=s2\nport:s/2 tagged=120\nfirewall:f Contains port:f/1\nfirewall:f Contains port:f/2\nport:f/1 ifName=f1\nport:f/1 Link port:s/2 ~95\n" +
			"router:r Contains port:r/1\nport:f/2 Link port:r/1 ~95\nrouter:r Contains port:r/v\nport:r/v vid=120\nport:r/v InSubnet subnet:192.0.2.0/24", `
network 0 independent
  v/n 120t > h/e 120t > s/1 120t
    ... no gateway of VLAN 120 is known behind s: collect the router or firewall that routes it (f is reached at f1, and no source says which of its interfaces routes VLAN 120)
`},
		{"through a firewall that bridges", "switch:s Contains port:s/2\nport:s/2 tagged=120\nfirewall:f Contains port:f/1\nfirewall:f Contains port:f/2\nport:f/1 tagged=120\nport:f/2 tagged=120\nport:f/1 Link port:s/2 ~95\n" +
			"router:r Contains port:r/1\nport:f/2 Link port:r/1 ~95\nrouter:r Contains port:r/v\nport:r/v vid=120\nport:r/v InSubnet subnet:192.0.2.0/24\nport:r/v SupportedBy port:r/1", `
network 1 independent
  v/n 120t > h/e 120t > s/1 120t > s/2 120t > f/1 120t > f/2 120t > r/1 120t > r/v 120 .
`},
		{"another host is no gateway, whatever its address", "switch:s Contains port:s/2\nport:s/2 tagged=120\nhost:g Contains nic:g/e\nnic:g/e Link port:s/2 ~95\nhost:g capability=router\nhost:g Contains port:g/v\nport:g/v vid=120\nport:g/v InSubnet subnet:192.0.2.0/24", `
network 0 independent
  v/n 120t > h/e 120t > s/1 120t
    ... no gateway of VLAN 120 is known behind s: collect the router or firewall that routes it
`},
		{"a neighbour that nobody has collected is named", "switch:s Contains port:s/2\nport:s/2 ifName=s2\nport:s/2 tagged=120\nport:s/2 HasNeighbor neighbor:x\nneighbor:x sysName=fw1\nneighbor:x neighborPort=ifName/e1\nneighbor:x mgmtAddress=192.0.2.9\n" +
			"switch:s Contains port:s/3\nport:s/3 ifName=s3\nport:s/3 tagged=130\nport:s/3 HasNeighbor neighbor:y\nneighbor:y sysName=fw2", `
network 0 independent
  v/n 120t > h/e 120t > s/1 120t
    ... no gateway of VLAN 120 is known behind s: collect the router or firewall that routes it (s s2 hears fw1 (192.0.2.9), port ifName/e1, of which nothing was read: collect it)
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := rails(t, graph(t, toSwitch+c.facts), "vnic:v/n")
			if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// Inside a host the VLAN of a frame follows from the vNIC, its port group or network, and the interfaces on VLANs below.
func TestRails_host(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, facts, want string }{
		{"nothing is known", "vm:v Contains vnic:v/n", `
network 0 independent
  v/n
    ... no source says what v/n plugs into: collect the host by libvirt
`},
		{"a network that the host does not have", "vnic:v/n sourceType=network\nvnic:v/n source=lan", `
network 0 independent
  v/n
    ... no source says what v/n plugs into (it names network "lan"): collect the host by libvirt
`},
		{"the VLAN of the port group", "vnic:v/n AttachedTo portgroup:h/lan/web\nnetwork:h/lan Contains portgroup:h/lan/web\nportgroup:h/lan/web vid=120\nnetwork:h/lan vid=130\nnetwork:h/lan SupportedBy nic:h/e", `
network 0 independent
  v/n 120t > h/lan/web 120t > h/lan 120t > h/e 120t
    ... no LLDP, CDP, forwarding entry or operator says what e is cabled to: collect the switch at its other end
`},
		{"the VLAN of the network of a port group without one", "vnic:v/n AttachedTo portgroup:h/lan/web\nnetwork:h/lan Contains portgroup:h/lan/web\nnetwork:h/lan vid=130\nnetwork:h/lan SupportedBy nic:h/e", `
network 0 independent
  v/n 130t > h/lan/web 130t > h/lan 130t > h/e 130t
    ... no LLDP, CDP, forwarding entry or operator says what e is cabled to: collect the switch at its other end
`},
		{"the VLAN of the network's default port group", "vnic:v/n AttachedTo network:h/lan\nnetwork:h/lan Contains portgroup:h/lan/web\nnetwork:h/lan portGroup=web\nportgroup:h/lan/web name=web\nportgroup:h/lan/web vid=120\nnetwork:h/lan SupportedBy nic:h/e", `
network 0 independent
  v/n 120t > h/lan 120t > h/e 120t
    ... no LLDP, CDP, forwarding entry or operator says what e is cabled to: collect the switch at its other end
`},
		{"a port group without its network", "vnic:v/n AttachedTo portgroup:h/lan/web", `
network 0 independent
  v/n > h/lan/web
    ... no source says what lan/web plugs into: collect the host by libvirt
`},
		{"a bridge over an interface on a VLAN", "vnic:v/n AttachedTo virtualswitch:h/br0\nvirtualswitch:h/br0 SupportedBy port:h/b.120\nport:h/b.120 vid=120\nport:h/b.120 SupportedBy nic:h/e", `
network 0 independent
  v/n > h/br0 > h/b.120 120t > h/e 120t
    ... no LLDP, CDP, forwarding entry or operator says what e is cabled to: collect the switch at its other end
`},
		{"a bridge over an interface on nobody knows which VLAN", "vnic:v/n AttachedTo virtualswitch:h/br0\nvirtualswitch:h/br0 SupportedBy port:h/web\nport:h/web ifName=web\nport:h/web ifType=135\nport:h/web SupportedBy nic:h/e\n" +
			"nic:h/e Link port:s/1\nswitch:s Contains port:s/1\nport:s/1 pvid=1\nport:s/1 untagged=1", `
network 0 independent
  v/n > h/br0 > h/web ?(no source says on which VLAN web is) > h/e > s/1
    ... the VLAN is not known at s, so the way to a gateway cannot be told
`},
		{"a bridge without an uplink", "vnic:v/n AttachedTo virtualswitch:h/br0", `
network 0 independent
  v/n > h/br0
    ... no source says which uplink virtualswitch br0 has; libvirt knows that of Linux bridges only: read the host by SSH
`},
		{"a network that the host routes", "vnic:v/n AttachedTo network:h/default\nnetwork:h/default forwardMode=nat\nnetwork:h/default SupportedBy virtualswitch:h/virbr0", `
network 0 independent
  v/n > h/default > h/virbr0 .
`},
		{"the bridge of a network that the host routes", "vnic:v/n AttachedTo virtualswitch:h/virbr0\nnetwork:h/default forwardMode=nat\nnetwork:h/default SupportedBy virtualswitch:h/virbr0", `
network 0 independent
  v/n > h/virbr0 .
`},
		{"a network that is not started", "vnic:v/n AttachedTo network:h/default\nnetwork:h/default forwardMode=nat\nnetwork:h/default state=inactive", `
network 0 independent
  v/n > h/default X(network is inactive) .
`},
		{"an isolated network", "vnic:v/n AttachedTo network:h/lab\nnetwork:h/lab name=lab\nnetwork:h/lab forwardMode=isolated\nnetwork:h/lab SupportedBy virtualswitch:h/virbr1", `
network 0 independent
  v/n > h/lab > h/virbr1
    ... network lab is isolated: nothing leads out of the host
`},
		{"a NIC that hears somebody", "vnic:v/n AttachedTo nic:h/e\nnic:h/e HasNeighbor neighbor:x\nneighbor:x neighborChassis=mac/02:00:00:00:00:ee", `
network 0 independent
  v/n > h/e
    ... e hears mac/02:00:00:00:00:ee, port not named, of which nothing was read: collect it
`},
		{"a NIC that hears a device, but not which port of it", "vnic:v/n AttachedTo nic:h/e\nnic:h/e HasNeighbor neighbor:x\nneighbor:x sysName=leaf\nneighbor:x IdentifiedAs switch:s", `
network 0 independent
  v/n > h/e
    ... e hears leaf, which is s, but not on which of its ports
`},
		{"a cable to nobody's port", "vnic:v/n AttachedTo nic:h/e\nnic:h/e Link port:s/1", `
network 0 independent
  v/n > h/e > s/1
    ... no source says what 1 belongs to
`},
		{"a cable to another host", "vnic:v/n AttachedTo nic:h/e\nnic:h/e Link nic:g/e\nhost:g Contains nic:g/e\nnic:g/e InSubnet subnet:192.0.2.0/24\nnic:g/e address=192.0.2.1/24", `
network 0 independent
  v/n > h/e > g/e
    ... it ends at host g, which is no gateway as far as is known
`},
		{"a cable back into the same host", "vnic:v/n AttachedTo nic:h/e\nhost:h Contains nic:h/e\nnic:h/e Link nic:h/x\nhost:h Contains nic:h/x", `
network 0 independent
  v/n > h/e > h/x
    ... x is on the same device: a loop
`},
		{"an aggregate that alone has a cable, as forwarding databases tell", "vnic:v/n AttachedTo lag:h/bond\nhost:h Contains lag:h/bond\nlag:h/bond SupportedBy nic:h/e\nlag:h/bond SupportedBy nic:h/x\nlag:h/bond Link port:s/1 ~60\nlag:h/bond Link port:z/1 ~60\n" +
			"switch:s Contains port:s/1\nswitch:z Contains port:z/1\nport:s/1 pvid=120\nport:z/1 pvid=120", `
network 0 independent
  v/n > h/bond > s/1 120
    ... no gateway of VLAN 120 is known behind s: collect the router or firewall that routes it
  v/n > h/bond > z/1 120
    ... no gateway of VLAN 120 is known behind z: collect the router or firewall that routes it
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := rails(t, graph(t, c.facts), "vnic:v/n")
			if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
