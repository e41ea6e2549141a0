package planner

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// channelChecks ask whether the two hosts can move a VM between them.
func channelChecks() []Check {
	return []Check{
		{
			Code: "MIG-1", Asks: "Have both hosts an interface for moves that is up and fast enough?", Facts: "addresses, states and speeds of the hosts' interfaces (SSH); the networks of moves (policy)",
			Mends: "bring the interface up", run: (*finder).channel,
		},
		{
			Code: "MIG-2", Asks: "Does the source get into the target's libvirt?", Facts: "keys and certificates", Mends: "exchange them", When: AtRun,
			Why: "the source's libvirt has to log in to the target's",
		},
		{
			Code: "MIG-3", Asks: "Has the target a name by which the source finds it?", Facts: "names of both hosts (libvirt: virConnectGetHostname)", Mends: "give the host a name (hostnamectl), and restart libvirt",
			run: (*finder).hostName,
		},
		{
			Code: "MIG-4", Asks: "Are there no more moves under way than the hosts may make at once?", Facts: "jobs of the VMs on both hosts (libvirt: virDomainGetJobStats); how many at once (policy)",
			Mends: "wait for the moves that are under way", run: (*finder).queue,
		},
		{
			Code: "MIG-5", Asks: "What becomes of a move that does not come to an end?", Facts: "settings of the run", Mends: "allow more time, slow the guest down, or let it run on the target early", When: AtRun,
			Why: "it is set when the move is made; early on the target (post-copy) only where the policy's channel allows it",
		},
	}
}

// end is an address of a host.
type end struct {
	at     topology.Node
	prefix netip.Prefix
	fact   topology.Fact
}

// ends lists the addresses of a host that others reach it by.
func ends(host topology.Node) []end {
	var all []end
	for n := range host.Objects(topology.Contains) {
		if !n.Kind().Interface() && n.Kind() != topology.VirtualSwitch {
			continue
		}
		for fact := range n.About(topology.AttrAddress) {
			p := fact.Value.Prefix()
			if a := p.Addr(); !a.IsLinkLocalUnicast() && !a.IsLoopback() && !p.IsSingleIP() {
				all = append(all, end{n, p, fact})
			}
		}
	}
	return all
}

// channel asks for the interfaces of both hosts in the networks of moves. Where the policy names none, these are the subnets that both have an address in: which of
// them libvirt takes depends on how the target's name is resolved.
func (f *finder) channel() {
	if f.source.IsZero() {
		f.unknown("no source says where "+f.vm.Name()+" runs", f.vm)
		return
	}
	if f.source == f.target { // HOST-1
		f.idle("the VM stays on "+f.source.Name(), f.source)
		return
	}
	from, to := ends(f.source), ends(f.target)
	nets := f.policy.Channel.Networks
	if len(nets) == 0 {
		nets = common(from, to)
	}
	if len(nets) == 0 {
		f.unknown(fmt.Sprintf("no source says an address of %s and one of %s in one subnet: name the networks of moves in the policy", f.source.Name(), f.target.Name()), f.source, f.target)
		return
	}
	before := len(f.found)
	for _, side := range []struct {
		host topology.Node
		ends []end
	}{{f.source, from}, {f.target, to}} {
		in := slices.DeleteFunc(slices.Clone(side.ends), func(e end) bool {
			return !slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(e.prefix.Addr()) })
		})
		if len(in) == 0 {
			f.unknown(fmt.Sprintf("no source says an address of %s in the networks of moves", side.host.Name()), side.host)
		}
		for _, e := range in {
			f.carries(side.host, e)
		}
	}
	if len(f.found) == before {
		f.pass(fmt.Sprintf("%s and %s have interfaces for moves that are up", f.source.Name(), f.target.Name()), f.source, f.target)
	}
}

// common lists the subnets that both have an address in. One address at both, as of libvirt's own networks, joins nothing.
func common(a, b []end) []netip.Prefix {
	var nets []netip.Prefix
	for _, x := range a {
		for _, y := range b {
			if net := x.prefix.Masked(); net == y.prefix.Masked() && x.prefix != y.prefix && !slices.Contains(nets, net) {
				nets = append(nets, net)
			}
		}
	}
	return nets
}

// carries tells of an interface for moves that is down, or too slow.
func (f *finder) carries(host topology.Node, e end) {
	if !f.rests(e.at, e.fact) {
		return
	}
	least := cmp.Or(f.policy.Channel.MinBits, DefaultMinBits)
	bits, ok := f.bits(e.at, 0)
	switch {
	case !ok:
	case bits == 0:
		f.block(fmt.Sprintf("%s of %s, which has %s, is down", e.at.Name(), host.Name(), e.prefix.Addr()), e.at, host)
	case bits < least:
		f.block(fmt.Sprintf("%s of %s, which has %s, carries %s: moves want %s", e.at.Name(), host.Name(), e.prefix.Addr(), rate(bits), rate(least)), e.at, host)
	}
}

func rate(bits int64) string { return fmt.Sprintf("%g Gbit/s", float64(bits)/1e9) }

// bits is what an interface carries: 0 where it is down, or all below it is; else its own speed, if nothing is below it, or that of the fastest below it. What is not
// known of it is taken down as unknown.
func (f *finder) bits(n topology.Node, depth int) (int64, bool) {
	const deepest = 8
	if n.Kind() != topology.VirtualSwitch { // a bridge has no state of its own
		if state, ok := f.text(n, topology.AttrState); !ok || state != "up" {
			return 0, ok
		}
	}
	best, below, known := int64(0), false, true
	for lower := range n.Objects(topology.SupportedBy) {
		if !lower.Kind().Interface() && lower.Kind() != topology.VirtualSwitch || n.Kind() == topology.LAG || depth == deepest {
			continue
		}
		bits, ok := f.bits(lower, depth+1)
		below, known, best = true, known && ok, max(best, bits)
	}
	if below {
		return best, known
	}
	return f.number(n, topology.AttrSpeedBits)
}

// hostName asks for a name that libvirt sends a guest to: it refuses "localhost", and takes two hosts of one name for one (qemuMigrationCookieXMLParse).
func (f *finder) hostName() {
	name, ok := f.text(f.target, topology.AttrName)
	if !ok || !f.where() {
		return
	}
	own, ok := f.text(f.source, topology.AttrName)
	switch {
	case !ok:
	case strings.HasPrefix(name, "localhost"):
		f.block(fmt.Sprintf("the target calls itself %s: libvirt sends no guest to that", name), f.target)
	case !validHostName(name):
		f.block(fmt.Sprintf("%q is no name of a host (RFC 1123)", name), f.target)
	case name == own && f.source != f.target:
		f.block(fmt.Sprintf("both hosts call themselves %s: libvirt takes them for one", name), f.target, f.source)
	default:
		f.pass("the target calls itself "+name, f.target)
	}
}

// validHostName tells whether a text is labels of letters, digits and hyphens (RFC 1123, section 2.1).
func validHostName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

// queue counts the moves from and to both hosts.
func (f *finder) queue() {
	if !f.where() || !f.listed(f.source, topology.SourceLibvirt, domains) || !f.listed(f.target, topology.SourceLibvirt, domains) {
		return
	}
	most, full := cmp.Or(f.policy.Channel.Concurrent, 1), false
	for _, host := range []topology.Node{f.source, f.target} {
		moves := 0
		for vm := range host.Subjects(topology.RunsOn) {
			if vm == f.vm {
				continue
			}
			if is, known := f.awake(vm); known && !is {
				continue
			}
			job, ok := f.text(vm, topology.AttrJob)
			if !ok {
				return
			}
			if strings.HasPrefix(job, "migration-") {
				moves++
			}
		}
		if moves >= most {
			full = true
			f.warn(fmt.Sprintf("%d moves from or to %s are under way: the policy wants no more than %d at once, this one has to wait", moves, host.Name(), most), host)
		}
	}
	if !full {
		f.pass("no moves of others have to be waited for", f.source, f.target)
	}
}
