package filter

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// VNIC is a vNIC with a <filterref>.
type VNIC struct {
	Name       string // names its filters
	Interface  string // where packets meet them: the attachment's interface
	Filter     string
	Parameters map[string][]string // of the <filterref>; MAC is libvirt's own
}

// nwRule is a rule of one of the filters of a vNIC, with the variables that hold for it.
type nwRule struct {
	nwEntry

	chain     string
	variables map[string][]string
}

// nwInstance is the filters of a vNIC while they are made.
type nwInstance struct {
	VNIC

	defined map[string]*NWFilter
	rules   []nwRule
	chains  map[string]int // those beside root, with their priorities
	open    []string       // filters that are being read
	out     Ruleset
}

// Instantiate gives the filters that libvirt makes for a vNIC: what the guest sends is looked at as a frame, then as a packet; what it gets as a packet, then as a
// frame. Packets are looked at where the bridge hands them to iptables (net.bridge.bridge-nf-call-iptables); frames that a rule of a protocol's own chain ends for are
// accepted there, as ebtables' chains do.
func Instantiate(defined map[string]*NWFilter, nic VNIC) Ruleset {
	n := &nwInstance{VNIC: nic, defined: defined, chains: map[string]int{}}
	n.collect(nic.Filter, policy.Place{File: "nwfilter " + nic.Filter}, nic.Parameters)
	slices.SortStableFunc(n.rules, func(a, b nwRule) int { // virNWFilterRuleInstSort
		if (a.chain == "root") != (b.chain == "root") {
			return cmp.Compare(b2i(b.chain == "root"), b2i(a.chain == "root"))
		}
		return cmp.Compare(a.priority, b.priority)
	})
	n.frames("out", policy.Attachment{Hook: policy.HookIngress, Interface: nic.Interface})
	n.packets("out", policy.Attachment{Hook: policy.HookIngress, Priority: 1, Interface: nic.Interface})
	n.packets("in", policy.Attachment{Hook: policy.HookEgress, Interface: nic.Interface})
	n.frames("in", policy.Attachment{Hook: policy.HookEgress, Priority: 1, Interface: nic.Interface})
	return n.out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// collect gathers the rules of a filter and of those that it refers to. Variables of the vNIC are stronger than those of a reference (virNWFilterCreateVarsFrom).
func (n *nwInstance) collect(name string, at policy.Place, variables map[string][]string) {
	f := n.defined[name]
	if f == nil || slices.Contains(n.open, name) || len(n.open) > 32 {
		why := fmt.Sprintf("filter %q is not known", name)
		if f != nil {
			why = fmt.Sprintf("filter %q refers to itself", name)
		}
		n.rules = append(n.rules, lostRule(at, "<filterref filter='"+printable(name)+"'/>", why))
		return
	}
	n.open = append(n.open, name)
	n.out.Rest = append(n.out.Rest, f.rest...)
	for _, l := range f.rest { // it may be any rule, before all others
		n.rules = append(n.rules, lostRule(l.Place, l.Text, l.Why))
	}
	if _, there := n.chains[f.chain]; !there && f.chain != "root" {
		n.chains[f.chain] = f.priority
	}
	for _, e := range f.entries {
		if e.include == "" {
			n.rules = append(n.rules, nwRule{nwEntry: e, chain: f.chain, variables: variables})
			continue
		}
		inner := maps.Clone(e.parameters)
		maps.Copy(inner, variables)
		n.collect(e.include, e.at, inner)
	}
	n.open = n.open[:len(n.open)-1]
}

// lostRule is a rule that nobody understood: for frames and packets in both directions.
func lostRule(at policy.Place, text, why string) nwRule {
	return nwRule{nwEntry: nwEntry{at: at, direction: "inout", action: "accept", priority: -1000, text: text, lost: why}, chain: "root"}
}

func (n *nwInstance) filterName(direction, layer string) string {
	return printable("nwfilter " + n.Name + " " + direction + " " + layer)
}

// applies tells whether a rule is about what the guest sends ("out") or gets ("in"), and whether source and destination change their places there: a rule for
// both is written as for "in".
func (r *nwRule) applies(direction string) (yes, swapped bool) {
	if r.direction == "inout" {
		return true, direction == "out"
	}
	return r.direction == direction, false
}

// frames makes the filters of layer 2: the root chain, in which the others are jumped to in the order of their priorities (ebiptablesApplyNewRules).
func (n *nwInstance) frames(direction string, at policy.Attachment) {
	root := &policy.Filter{Name: n.filterName(direction, "frames"), Dialect: "nwfilter", Family: policy.AnyFamily, Attached: []policy.Attachment{at}, Default: policy.Permit}
	n.out.Filters = append(n.out.Filters, root)
	filters := map[string]*policy.Filter{"root": root}
	chains := n.used(direction)
	for _, c := range chains {
		f := &policy.Filter{Name: n.filterName(direction, "frames "+c), Dialect: "nwfilter", Family: policy.AnyFamily, Default: policy.Permit}
		filters[c] = f
		n.out.Filters = append(n.out.Filters, f)
	}
	for i := range n.rules {
		r := &n.rules[i]
		for r.chain == "root" && r.layer2() && len(chains) > 0 && n.chains[chains[0]] <= r.priority {
			root.Rules = append(root.Rules, jumpTo(chains[0], filters[chains[0]].Name))
			chains = chains[1:]
		}
		yes, swapped := r.applies(direction)
		if r.layer2() && yes {
			filters[r.chain].Rules = append(filters[r.chain].Rules, r.expand(func(d *draft, attrs []nwAttr) bool { return r.frame(d, attrs, swapped) })...)
		}
	}
	for _, c := range chains {
		root.Rules = append(root.Rules, jumpTo(c, filters[c].Name))
	}
}

// used gives the chains beside root that have rules for a direction, in the order of their priorities. There are no others: one without rules would accept what
// comes to its end.
func (n *nwInstance) used(direction string) []string {
	chains := slices.DeleteFunc(slices.Sorted(maps.Keys(n.chains)), func(chain string) bool {
		return !slices.ContainsFunc(n.rules, func(r nwRule) bool {
			yes, _ := r.applies(direction)
			return yes && r.layer2() && r.chain == chain
		})
	})
	slices.SortStableFunc(chains, func(a, b string) int { return cmp.Compare(n.chains[a], n.chains[b]) })
	return chains
}

// jumpTo leads the frames of a protocol into its chain (ebtablesCreateTmpSubChainFW).
func jumpTo(chain, filter string) policy.Rule {
	d := draft{Rule: policy.Rule{Verdict: policy.Jump, Target: filter, Text: "(chain " + chain + ")"}}
	for _, c := range nwChains {
		if c.frames != 0 && (chain == c.name || strings.HasPrefix(chain, c.name+"-")) {
			d.frameType(false, c.frames)
		}
	}
	if chain == "stp" || strings.HasPrefix(chain, "stp-") {
		d.macTerm(policy.DestinationMAC, false, bridgeGroup, allMAC)
	}
	return d.finish()
}

// notCalled is what no definition says, and decides whether rules for packets are met at all.
const notCalled = "where net.bridge.bridge-nf-call-iptables is 0, what a bridge forwards does not come here"

// packets makes the filter of layer 3. A rule for the one direction is one for the other, too, with source and destination changed: answers pass.
func (n *nwInstance) packets(direction string, at policy.Attachment) {
	f := &policy.Filter{Name: n.filterName(direction, "packets"), Dialect: "nwfilter", Family: policy.IP, Attached: []policy.Attachment{at}, Default: policy.Permit}
	n.out.Filters = append(n.out.Filters, f)
	if slices.ContainsFunc(n.rules, func(r nwRule) bool { return r.layer3() }) {
		f.Rules = []policy.Rule{{Verdict: policy.Permit, Uncertain: notCalled, Text: "(bridge)"}}
	}
	for i := range n.rules {
		if r := &n.rules[i]; r.layer3() {
			f.Rules = append(f.Rules, r.expand(func(d *draft, attrs []nwAttr) bool { return r.packet(d, attrs, direction) })...)
		}
	}
}

// expand makes a rule for each combination of the values of its variables; build says whether there is one.
func (r *nwRule) expand(build func(d *draft, attrs []nwAttr) bool) []policy.Rule {
	var out []policy.Rule
	for _, c := range r.combinations() {
		d := draft{family: policy.IP, Rule: policy.Rule{Text: r.text, Place: r.at}}
		if r.lost != "" {
			d.lost("%s", r.lost)
		}
		if c.unsure != "" {
			d.unsure("%s", c.unsure)
		}
		if build(&d, c.attrs) {
			out = append(out, d.finish())
		}
	}
	return out
}
