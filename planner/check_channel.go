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
	host, at topology.Node
	prefix   netip.Prefix
	fact     topology.Fact
}

func (e end) words() string {
	return fmt.Sprintf("%s of %s (%s)", e.at.Name(), e.host.Name(), e.prefix.Addr())
}

// ends lists the addresses of a host that others reach it by. What several sources say, it has once.
func ends(host topology.Node) []end {
	var all []end
	for n := range host.Objects(topology.Contains) {
		if !n.Kind().Interface() && n.Kind() != topology.VirtualSwitch {
			continue
		}
		for fact := range n.About(topology.AttrAddress) {
			p := fact.Value.Prefix()
			said := slices.ContainsFunc(all, func(e end) bool { return e.at == n && e.prefix == p })
			if a := p.Addr(); !said && !a.IsLinkLocalUnicast() && !a.IsLoopback() && !p.IsSingleIP() {
				all = append(all, end{host, n, p, fact})
			}
		}
	}
	return all
}

// channel asks for the interfaces of both hosts in the networks of moves. Where the policy names none, these are the subnets that both have an address in: which of
// them libvirt takes depends on how the target's name is resolved, so that one that is down is no more than a warning.
func (f *finder) channel() {
	if f.source.IsZero() {
		f.unknown("no source says where "+f.vm.Name()+" runs", f.vm)
		return
	}
	if f.source == f.target { // HOST-1
		f.idle("the VM stays on "+f.source.Name(), f.source)
		return
	}
	all := slices.Concat(ends(f.source), ends(f.target))
	if nets := f.policy.Channel.Networks; len(nets) > 0 {
		f.named(all, nets)
		return
	}
	nets := common(all)
	if len(nets) == 0 {
		f.unknown(fmt.Sprintf("no source says an address of %s and one of %s in one subnet: name the networks of moves in the policy", f.source.Name(), f.target.Name()), f.source, f.target)
		return
	}
	var words, faults []string
	bad, known := 0, true
	for _, net := range nets {
		before := len(faults)
		for _, e := range all {
			if e.prefix.Masked() == net {
				fault, ok := f.fault(e)
				if known = known && ok; fault != "" {
					faults = append(faults, fault)
				}
				words = append(words, e.words())
			}
		}
		if len(faults) > before {
			bad++
		}
	}
	switch text := strings.Join(once(faults), "; "); {
	case bad == len(nets):
		f.block(text, f.target, f.source)
	case bad > 0:
		f.warn(text+": whether moves go there is not known: name the networks of moves in the policy", f.target, f.source)
	case known:
		f.pass("interfaces for moves are up: "+strings.Join(once(words), ", "), f.source, f.target)
	}
}

// named asks for the interfaces in the networks that the policy names. Each host has one in one of them.
func (f *finder) named(all []end, nets []netip.Prefix) {
	var words []string
	well := true
	for _, host := range []topology.Node{f.source, f.target} {
		found := false
		for _, e := range all {
			if e.host != host || !slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(e.prefix.Addr()) }) {
				continue
			}
			found = true
			words = append(words, e.words())
			fault, ok := f.fault(e)
			if well = well && ok && fault == ""; fault != "" {
				f.block(fault, e.at, host)
			}
		}
		if !found {
			well = false
			f.unknown(fmt.Sprintf("no source says an address of %s in the networks of moves", host.Name()), host)
		}
	}
	if well {
		f.pass("interfaces for moves are up: "+strings.Join(once(words), ", "), f.source, f.target)
	}
}

// once leaves out what was said before: a bridge is a switch and an interface of one name.
func once(words []string) []string {
	var all []string
	for _, w := range words {
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// common lists the subnets that two hosts have an address in. One address at both, as of libvirt's own networks, joins nothing.
func common(all []end) []netip.Prefix {
	var nets []netip.Prefix
	for i, x := range all {
		for _, y := range all[i+1:] {
			if net := x.prefix.Masked(); x.host != y.host && net == y.prefix.Masked() && x.prefix != y.prefix && !slices.Contains(nets, net) {
				nets = append(nets, net)
			}
		}
	}
	return nets
}

// fault says that an interface for moves is down, or too slow. It is false where that is not known, of which an unknown is taken down.
func (f *finder) fault(e end) (string, bool) {
	if !f.rests(e.at, e.fact) {
		return "", false
	}
	least := cmp.Or(f.policy.Channel.MinBits, DefaultMinBits)
	bits, ok := f.bits(e.at, 0)
	switch {
	case !ok:
		return "", false
	case bits == 0:
		return e.words() + " is down", true
	case bits < least:
		return fmt.Sprintf("%s carries %s, and moves want %s", e.words(), rate(bits), rate(least)), true
	}
	return "", true
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
	if !f.where() {
		return
	}
	most, free := cmp.Or(f.policy.Channel.Concurrent, 1), true
	for _, host := range []topology.Node{f.source, f.target} {
		n, known := f.moves(host)
		if free = free && known && n < most; known && n >= most {
			f.warn(fmt.Sprintf("%d moves from or to %s are under way: the policy wants no more than %d at once, this one has to wait", n, host.Name(), most), host)
		}
	}
	if free {
		f.pass("no moves of others have to be waited for", f.source, f.target)
	}
}

// moves counts the moves from and to a host that are under way, that of this VM left out.
func (f *finder) moves(host topology.Node) (n int, known bool) {
	if !f.listed(host, topology.SourceLibvirt, domains) {
		return 0, false
	}
	known = true
	for vm := range host.Subjects(topology.RunsOn) {
		if vm == f.vm {
			continue
		}
		is, ok := f.awake(vm)
		if known = known && ok; !is {
			continue
		}
		job, ok := f.text(vm, topology.AttrJob)
		if known = known && ok; strings.HasPrefix(job, "migration-") {
			n++
		}
	}
	return n, known
}
