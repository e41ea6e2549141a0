package topology_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/topology"
)

// emulated is a VM whose program logs in to an array over two portals, with a disk by each: the host has one bond under a bridge, the array two ports.
const emulated = `
vm:v name=v
vm:v state=running
vm:v RunsOn host:h
vm:v Contains vdisk:v/a
vm:v Contains vdisk:v/b
vm:v Contains initiatorport:iqn.2026-01.test:v
vdisk:v/a protocol=iscsi
vdisk:v/a sourceHost=192.0.2.50
vdisk:v/a StoredOn logicalunit:u
vdisk:v/b protocol=iscsi
vdisk:v/b sourceHost=198.51.100.50:3260
vdisk:v/b StoredOn logicalunit:u
initiatorport:iqn.2026-01.test:v iqn=iqn.2026-01.test:v
initiatorport:iqn.2026-01.test:v Nexus targetport:t,192.0.2.50:3260 ~20
initiatorport:iqn.2026-01.test:v Nexus targetport:t,198.51.100.50:3260 ~20
host:h name=h
host:h Contains port:h/stor1
host:h Contains port:h/stor2
host:h Contains virtualswitch:h/br
host:h Contains lag:h/bond
host:h Contains nic:h/e1
host:h Contains nic:h/e2
port:h/stor1 address=192.0.2.11/24
port:h/stor1 SupportedBy virtualswitch:h/br
port:h/stor2 address=198.51.100.11/24
port:h/stor2 SupportedBy virtualswitch:h/br
virtualswitch:h/br SupportedBy lag:h/bond
lag:h/bond SupportedBy nic:h/e1
lag:h/bond SupportedBy nic:h/e2
nic:h/e1 state=up
nic:h/e2 state=up
array:x name=x
array:x Contains port:x/p1
array:x Contains port:x/p2
port:x/p1 state=up
port:x/p1 address=192.0.2.50/24
port:x/p2 state=up
port:x/p2 address=198.51.100.50/24
san targets x:
array:x Contains targetport:t,192.0.2.50:3260
array:x Contains targetport:t,198.51.100.50:3260
targetport:t,192.0.2.50:3260 Exports logicalunit:u
targetport:t,198.51.100.50:3260 Exports logicalunit:u
targetport:t,192.0.2.50:3260 sessions=2
targetport:t,198.51.100.50:3260 sessions=2
initiatorport:iqn.2026-01.test:v sessionFrom=t 192.0.2.11
initiatorport:iqn.2026-01.test:v sessionFrom=t 198.51.100.11
mapping:m MapsUnit logicalunit:u
mapping:m MapsInitiator initiatorport:iqn.2026-01.test:v
mapping:m initiatorName=iqn.2026-01.test:v
san tcp x:
initiatorport:iqn.2026-01.test:v Nexus targetport:t,192.0.2.50:3260
initiatorport:iqn.2026-01.test:v Nexus targetport:t,198.51.100.50:3260
ssh tcp h:
host:h sessions=2
host:h sessionTo=192.0.2.11 192.0.2.50:3260 1
host:h sessionTo=198.51.100.11 198.51.100.50:3260 1
`

// without takes lines out of emulated, those that begin so, and adds others before the first reading of the array.
func without(more string, lines ...string) string {
	var kept []string
	for line := range strings.Lines(emulated) {
		drop := false
		for _, l := range lines {
			drop = drop || strings.HasPrefix(line, l)
		}
		if !drop {
			kept = append(kept, line)
		}
	}
	return more + "\n" + strings.Join(kept, "")
}

func TestRails_portals(t *testing.T) {
	t.Parallel()
	const (
		way   = "v/a > u > t,192.0.2.50:3260%s > iqn.2026-01.test:v%s"
		nexus = "initiatorport:iqn.2026-01.test:v Nexus targetport:t,192.0.2.50:3260\n"
		from  = "initiatorport:iqn.2026-01.test:v sessionFrom=t 192.0.2.11"
		to    = "host:h sessionTo=192.0.2.11 192.0.2.50"
	)
	noneListed := "x lists no session of iqn.2026-01.test:v from h"
	for _, c := range []struct {
		name, facts string
		target      string // what is wrong at the target, or the initiator: "X" before a fault
		initiator   string
	}{
		{"all is well", emulated, "", ""},
		{"the array's interface is down", strings.Replace(emulated, "port:x/p1 state=up", "port:x/p1 state=down", 1), "Xx p1: state is down", ""},
		{"the array's interface is switched off", without("port:x/p1 adminState=down"), "Xx p1: it is switched off", ""},
		{"nobody says that the array's interface is up", without("", "port:x/p1 state"), "no source says that x p1 is up: read it by SNMP or SSH", ""},
		{"nobody knows where the array has the address", without("", "port:x/p1 address"), "no source says on which interface x has 192.0.2.50: read it by SNMP or SSH", ""},
		{
			"the port at the other end of the array's cable is down",
			without("switch:s name=s\nswitch:s Contains port:s/1\nport:s/1 state=down\nport:s/1 Link port:x/p1"), "Xs 1, at the other end of the cable of x p1: state is down", "",
		},
		{"the host's interface is down", without("port:h/stor1 state=down"), "", "Xh stor1: state is down"},
		{"one member of the host's bond is down", strings.Replace(emulated, "nic:h/e1 state=up", "nic:h/e1 state=down", 1), "", ""},
		{"both members are", strings.ReplaceAll(strings.ReplaceAll(emulated, "nic:h/e1 state=up", "nic:h/e1 state=down"), "nic:h/e2 state=up", "nic:h/e2 state=lowerLayerDown"), "", "Xh e1: state is down"},
		{"one is down, of the other nothing is known", strings.Replace(without("", "nic:h/e2 state"), "nic:h/e1 state=up", "nic:h/e1 state=down", 1), "", "no source says that h e2 is up: read it by SNMP or SSH"},
		{"no uplink is known", without("", "virtualswitch:h/br SupportedBy"), "", "no source says which uplink virtualswitch br of h has; libvirt knows that of Linux bridges only: read the host by SSH"},
		{"members that stand by", without("lag:h/bond SupportedBy nic:h/e1 ~20\nlag:h/bond SupportedBy nic:h/e2 ~20", "lag:h/bond SupportedBy"), "", "nothing below h bond is in force as far as is known"},
		{"the host has no interface there", without("", "port:h/stor1 address"), "", "no source says by which interface h reaches 192.0.2.50"},
		{"two interfaces in the subnet, one of them down", without("host:h Contains nic:h/e9\nnic:h/e9 state=down\nnic:h/e9 address=192.0.2.19/24"), "", "h e9: state is down"},
		{"a wider network on another interface", without("host:h Contains nic:h/e9\nnic:h/e9 state=down\nnic:h/e9 address=192.0.0.19/16"), "", ""},
		{"the array alone was asked", without("", "ssh tcp", "host:h session"), "", ""},
		{"the host alone was asked", without("", "targetport:t,192.0.2.50:3260 sessions", from, nexus), "", ""},
		{"nobody was asked", without("", "targetport:t,192.0.2.50:3260 sessions", from, "san tcp", nexus, "ssh tcp", "host:h session"), "", "no source has seen a session of iqn.2026-01.test:v to t,192.0.2.50:3260: collect the array, or the host by SSH"},
		{"both were, and have none", without("", from, nexus, to), "", "X" + noneListed + ", and h has no connection to 192.0.2.50:3260"},
		{"nor does it run", strings.Replace(without("", from, nexus, to), "state=running", "state=shutoff", 1), "", "v does not run: whether it can log in is seen when it starts"},
		{"the array has none", without("", from, nexus), "", noneListed + ", but h has 1 connections to 192.0.2.50:3260"},
		{"the array has one from elsewhere", strings.Replace(emulated, "sessionFrom=t 192.0.2.11", "sessionFrom=t 192.0.2.12", 1), "", noneListed + ", but h has 1 connections to 192.0.2.50:3260"},
		{"the host has none", without("", to), "", "x lists a session of iqn.2026-01.test:v from h, but h has no connection to 192.0.2.50:3260"},
		{"the host was not read to its end at last", emulated + "ssh tcp~ h:\nhost:h name=h", "", "the connections of h were not all read when that was last tried"},
		{"the array was not", emulated + "san targets~ x:\nhost:h name=h", "", "the sessions of x were not all read when that was last tried"},
		{"not at which portal the session is", without("", nexus), "", ""},
		{"neither that nor how many there are", without("", nexus, "ssh tcp", "host:h session"), "", "x has a session of iqn.2026-01.test:v from h, and no source says that it is at 192.0.2.50:3260"},
		{
			"another VM needs one, too", without("vm:w name=w\nvm:w RunsOn host:h\nvm:w Contains vdisk:w/a\nvdisk:w/a protocol=iscsi\nvdisk:w/a sourceHost=192.0.2.50:3260"), "",
			"h has 1 connections to 192.0.2.50:3260, and the disks of its VMs need 2",
		},
		{
			"what is there is the host's own", without("host:h Contains initiatorport:iqn.2026-01.test:h\ninitiatorport:iqn.2026-01.test:h Nexus targetport:other,192.0.2.50:3260"), "",
			"x lists a session of iqn.2026-01.test:v from h, but h has no connection to 192.0.2.50:3260",
		},
		{"a name in other letters", strings.Replace(emulated, "v iqn=iqn.2026-01.test:v", "v iqn=iqn.2026-01.test:V", 1), "", "Xno mapping of u admits iqn.2026-01.test:v at t,192.0.2.50:3260: " +
			"the array admits iqn.2026-01.test:v and tells upper from lower case; the initiator is said to call itself iqn.2026-01.test:V"},
		{
			"sources that write it in two ways", emulated + "initiatorport:iqn.2026-01.test:v iqn=iqn.2026-01.test:V", "",
			"the array admits iqn.2026-01.test:v and tells upper from lower case; the initiator is said to call itself iqn.2026-01.test:V, iqn.2026-01.test:v",
		},
		{
			"nobody says how it writes it", without("", "initiatorport:iqn.2026-01.test:v iqn"), "",
			"the array admits iqn.2026-01.test:v and tells upper from lower case, and no source says how the initiator writes its name",
		},
		{"another name is admitted in other letters", emulated + "mapping:m initiatorName=iqn.2026-01.test:OTHER", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, _, _ := strings.Cut(rails(t, graph(t, c.facts), "vdisk:v/a"), "\n    ...")
			_, got, _ = strings.Cut(strings.TrimSuffix(got, "\n"), "\n  ")
			word := func(text string) string {
				switch fault, is := strings.CutPrefix(text, "X"); {
				case is:
					return " X(" + fault + ")"
				case text != "":
					return " ?(" + text + ")"
				}
				return ""
			}
			got = strings.TrimSuffix(got, " .")
			if d := cmp.Diff(fmt.Sprintf(way, word(c.target), word(c.initiator)), got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// What a VM's own initiator has over several portals is as many ways as there are interfaces at both ends, whatever addresses they have.
func TestRails_portalsShareInterfaces(t *testing.T) {
	t.Parallel()
	both := without("", "lag:h/bond SupportedBy nic:h/e2")
	for _, c := range []struct {
		name, facts string
		want        int
	}{
		{"a bond of two, two ports", emulated, 2},
		{"one cable of the host", both, 1},
		{"two addresses of one port of the array", strings.Replace(emulated, "port:x/p2 address=198.51.100.50/24", "port:x/p1 address=198.51.100.50/24", 1), 1},
		{"one port is down", strings.Replace(emulated, "port:x/p2 state=up", "port:x/p2 state=down", 1), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rails := mustNode(t, graph(t, c.facts), "initiatorport:iqn.2026-01.test:v").Rails()
			if len(rails) != 1 || rails[0].Independent != c.want {
				t.Errorf("%d rails, %d independent ways, want %d", len(rails), rails[0].Independent, c.want)
			}
		})
	}
}

// The most ways that have no interface in common are a largest matching of the interfaces at both ends: found here by trying all sets of portals.
func TestRails_portalsAreMatched(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		fmt.Fprint(&b, "vm:v state=running\nvm:v RunsOn host:h\nvm:v Contains vdisk:v/a\nvdisk:v/a StoredOn logicalunit:u\nvm:v Contains initiatorport:iqn.2026-01.test:v\n")
		portals := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]int {
			return [2]int{rapid.IntRange(0, 3).Draw(t, "host's interface"), rapid.IntRange(0, 3).Draw(t, "array's interface")}
		}), 0, 6).Draw(t, "portals")
		for i, p := range portals {
			target := fmt.Sprintf("targetport:t,10.0.%d.50:3260", i)
			fmt.Fprintf(&b, "host:h Contains nic:h/e%[1]d\nnic:h/e%[1]d state=up\nnic:h/e%[1]d address=10.0.%[2]d.1/24\n", p[0], i)
			fmt.Fprintf(&b, "array:x Contains port:x/p%[1]d\nport:x/p%[1]d state=up\nport:x/p%[1]d address=10.0.%[2]d.50/24\n", p[1], i)
			fmt.Fprintf(&b, "array:x Contains %[1]s\n%[1]s Exports logicalunit:u\n%[1]s sessions=1\ninitiatorport:iqn.2026-01.test:v Nexus %[1]s\n", target)
			fmt.Fprintf(&b, "initiatorport:iqn.2026-01.test:v sessionFrom=t 10.0.%d.1\n", i)
		}
		want := 0
		for set := range 1 << len(portals) {
			near, far, n := map[int]bool{}, map[int]bool{}, 0
			for i, p := range portals {
				if set>>i&1 == 1 {
					near[p[0]], far[p[1]] = true, true
					n++
				}
			}
			if len(near) == n && len(far) == n {
				want = max(want, n)
			}
		}
		rails := mustNode(t, graph(t, unique(b.String())), "initiatorport:iqn.2026-01.test:v").Rails()
		if rails[0].Independent != want {
			t.Errorf("%d independent ways, want %d\n%s", rails[0].Independent, want, b.String())
		}
	})
}

// unique leaves out lines that came before.
func unique(text string) string {
	seen := map[string]bool{}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !seen[line] {
			b.WriteString(line)
		}
		seen[line] = true
	}
	return b.String()
}

// both is what the array and the host of emulated say of the session of its first disk.
type both struct {
	array, host  string // asked: never, once, at last
	from         string // where the array has a session from
	proven, runs bool   // it is known at which portal; the VM runs
	have, others int    // connections of the host, and disks of other VMs
}

func (c both) facts() string {
	const target = "t,192.0.2.50:3260"
	facts := without("", "targetport:"+target+" sessions", "initiatorport:iqn.2026-01.test:v sessionFrom", "initiatorport:iqn.2026-01.test:v Nexus targetport:"+target+"\n",
		"san tcp", "ssh tcp", "host:h sess", "initiatorport:iqn.2026-01.test:v Nexus targetport:t,198.51.100.50:3260\n")
	if !c.runs {
		facts = strings.Replace(facts, "vm:v state=running", "vm:v state=shutoff", 1)
	}
	var more strings.Builder
	for i := range c.others {
		fmt.Fprintf(&more, "vm:w%[1]d RunsOn host:h\nvm:w%[1]d Contains vdisk:w%[1]d/a\nvdisk:w%[1]d/a protocol=iscsi\nvdisk:w%[1]d/a sourceHost=192.0.2.50\n", i)
	}
	facts += more.String()
	if c.array != "never" {
		facts += "san sessions x:\ntargetport:" + target + " sessions=7\n"
		if c.from != "" {
			facts += "initiatorport:iqn.2026-01.test:v sessionFrom=t " + c.from + "\n"
		}
		if c.proven && c.from != "" {
			facts += "initiatorport:iqn.2026-01.test:v Nexus targetport:" + target + "\n"
		}
		if c.array == "once" {
			facts += "san sessions~ x:\narray:x name=x\n"
		}
	}
	if c.host != "never" {
		facts += fmt.Sprintf("ssh tcp h:\nhost:h sessions=%d\n", c.have)
		if c.have > 0 {
			facts += fmt.Sprintf("host:h sessionTo=192.0.2.11 192.0.2.50:3260 %d\n", c.have)
		}
		if c.host == "once" {
			facts += "ssh tcp~ h:\nhost:h name=h\n"
		}
	}
	return facts
}

// want is what follows: a path is sound only if one of them saw the session and neither knows better, and broken only if both were asked and have none.
func (c both) want() string {
	here, enough := c.from == "192.0.2.11", c.have > c.others
	switch {
	case c.array == "once" || c.host == "once", c.array == "never" && c.host == "never":
		return "doubt"
	case c.array == "never":
		return map[bool]string{true: "sound", false: "doubt"}[enough]
	case c.host == "never":
		return map[bool]string{true: "sound", false: "doubt"}[here && c.proven]
	case here && enough:
		return "sound"
	case !here && !enough && c.runs:
		return "broken"
	}
	return "doubt"
}

// All that both ends can say.
func TestRails_sessionsAreSeen(t *testing.T) {
	t.Parallel()
	asked, flags, met := []string{"never", "once", "at last"}, []bool{false, true}, map[string]int{}
	for n := range 3 * 3 * 3 * 2 * 2 * 4 * 3 {
		draw := func(among int) int {
			i := n % among
			n /= among
			return i
		}
		c := both{
			asked[draw(3)], asked[draw(3)], []string{"", "192.0.2.11", "192.0.2.12"}[draw(3)], flags[draw(2)], flags[draw(2)], draw(4), draw(3),
		}
		got := "sound"
		for _, r := range mustNode(t, graph(t, c.facts()), "vdisk:v/a").Rails() {
			for _, p := range r.Paths {
				switch {
				case p.Faulty():
					got = "broken"
				case !p.Complete:
					got = "doubt"
				}
			}
		}
		if got != c.want() {
			t.Errorf("%+v: %s, want %s", c, got, c.want())
		}
		met[got]++
	}
	if len(met) != 3 {
		t.Errorf("only %v came up: the test proves little", met)
	}
}

// A move that is simulated has no session yet: that another one from the host to the portal stands speaks for it.
func TestRails_sessionsOfASimulatedMove(t *testing.T) {
	t.Parallel()
	const there = "host:g name=g\nhost:g Contains nic:g/e\nnic:g/e state=up\nnic:g/e address=192.0.2.12/24\n"
	for name, c := range map[string]struct{ more, want string }{
		"nothing is known":      {there, "no connection of g to 192.0.2.50:3260 is known: whether it can log in there is not proven"},
		"it has a session":      {there + "ssh tcp g:\nhost:g sessions=1\nhost:g sessionTo=192.0.2.12 192.0.2.50:3260 1\n", ""},
		"it has none there":     {there + "ssh tcp g:\nhost:g sessions=0\n", "no connection of g to 192.0.2.50:3260 is known: whether it can log in there is not proven"},
		"its interface is down": {strings.Replace(there, "state=up", "state=down", 1) + "ssh tcp g:\nhost:g sessions=1\nhost:g sessionTo=192.0.2.12 192.0.2.50:3260 1\n", "g e: state is down"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := graph(t, emulated+c.more)
			cs, _, err := s.MoveVM(topology.Key{Kind: topology.VM, ID: "v"}, topology.Key{Kind: topology.Host, ID: "g"})
			if err != nil {
				t.Fatal(err)
			}
			moved, err := s.With(cs)
			if err != nil {
				t.Fatal(err)
			}
			rail := mustNode(t, moved, "vdisk:v/a").Rails()[0]
			last := rail.Paths[0].Hops[len(rail.Paths[0].Hops)-1]
			if got := last.Fault + last.Doubt; !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
