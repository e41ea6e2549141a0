package filter

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// Protocols of layer 2: they become rules of ebtables. All others become rules of iptables or ip6tables.
var nwFrames = map[string]uint64{ //nolint:gochecknoglobals // read-only table; the types of their frames
	"": 0, "mac": 0, "stp": 0, "vlan": 0x8100, "arp": 0x0806, "rarp": 0x8035, "ip": 0x0800, "ipv6": 0x86dd,
}

var nwPackets = map[string]uint64{ //nolint:gochecknoglobals // read-only table; their numbers
	"all": 0, "tcp": tcp, "udp": udp, "udplite": udplite, "esp": 50, "ah": 51, "icmp": icmp, "icmpv6": icmpv6, "igmp": 2, "sctp": sctp,
}

func (r *nwRule) layer2() bool { _, is := nwFrames[r.protocol]; return is }

// layer3 tells whether a rule is one for packets; one that is not understood at all is both.
func (r *nwRule) layer3() bool { return !r.layer2() || r.lost != "" && r.protocol == "" }

// act gives a rule its verdict. Ebtables cannot answer: reject is drop there.
func (r *nwRule) act(d *draft, frame bool) {
	v, known := map[string]policy.Verdict{
		"accept": policy.Permit, "drop": policy.Deny, "reject": policy.Reject, "return": policy.Return, "continue": policy.Continue,
	}[r.action]
	if !known {
		d.lost("action %q", r.action)
	}
	if frame && v == policy.Reject {
		v = policy.Deny
	}
	d.Verdict = v
	if r.direction != "in" && r.direction != "out" && r.direction != "inout" {
		d.lost("direction %q", r.direction)
	}
}

// nwAttrs is the attributes of a rule while they are taken.
type nwAttrs struct {
	*draft

	all     []nwAttr
	not     bool
	swapped bool
	taken   []string
}

func newAttrs(d *draft, all []nwAttr, swapped bool) *nwAttrs {
	a := &nwAttrs{draft: d, all: all, swapped: swapped}
	if match, ok := a.take("match"); ok {
		a.not = match == "no"
	}
	if text, ok := a.take("comment"); ok {
		d.Remark = text
	}
	return a
}

// take gives an attribute, "" and false where there is none, or where its value is not known: it then restricts nothing, and the rule is uncertain.
func (a *nwAttrs) take(name string) (string, bool) {
	a.taken = append(a.taken, name)
	for _, x := range a.all {
		if x.name == name && !x.unknown {
			return x.value, true
		}
	}
	return "", false
}

// has tells whether one of the attributes is there, known or not.
func (a *nwAttrs) has(names ...string) bool {
	return slices.ContainsFunc(a.all, func(x nwAttr) bool { return slices.Contains(names, x.name) })
}

// beside tells whether there are other attributes than these.
func (a *nwAttrs) beside(names ...string) bool {
	return slices.ContainsFunc(a.all, func(x nwAttr) bool { return !slices.Contains(names, x.name) })
}

// with reads an attribute, if it is there.
func (a *nwAttrs) with(name string, read func(text string) error) {
	if text, ok := a.take(name); ok {
		if err := read(text); err != nil {
			a.lost("%s='%s': %v", name, text, err)
		}
	}
}

// rest notes what was not taken.
func (a *nwAttrs) rest() {
	for _, x := range a.all {
		if !slices.Contains(a.taken, x.name) {
			a.lost("%s='%s'", x.name, x.value)
		}
	}
}

// side is source or destination, changed where the rule is.
func (a *nwAttrs) side(source bool, s, d policy.Field) policy.Field {
	if source != a.swapped {
		return s
	}
	return d
}

// frame makes a rule of layer 2.
func (r *nwRule) frame(d *draft, attrs []nwAttr, swapped bool) bool {
	r.act(d, true)
	if r.lost != "" {
		return true
	}
	a := newAttrs(d, attrs, swapped)
	a.macs()
	switch r.protocol {
	case "mac":
		a.with("protocolid", func(text string) error {
			n, err := lookUp(etherTypes, text, 65535)
			if err == nil {
				d.frameType(a.not, n)
			}
			return err
		})
	case "vlan":
		d.frameType(false, 0x8100)
		a.vlan()
	case "stp":
		d.macTerm(policy.DestinationMAC, false, bridgeGroup, allMAC)
		for _, x := range a.all {
			if !slices.Contains(a.taken, x.name) {
				a.with(x.name, func(text string) error { d.beyond(a.not, "--stp-%s %s", x.name, text); return nil })
			}
		}
	case "arp", "rarp":
		d.frameType(false, nwFrames[r.protocol])
		a.arp()
	case "ip":
		d.frameType(false, nwFrames["ip"])
		a.addresses(policy.IPv4)
		a.inside()
		a.with("dscp", func(text string) error { // libvirt hands it over as the whole octet
			n, err := number(text, 63)
			if err == nil {
				d.tosByte(a.not, n)
			}
			return err
		})
	case "ipv6":
		d.frameType(false, nwFrames["ipv6"])
		a.addresses(policy.IPv6)
		a.inside()
		a.icmpv6()
	}
	a.rest()
	return true
}

// macs reads the addresses of the frame.
func (a *nwAttrs) macs() {
	for _, source := range []bool{true, false} {
		name := map[bool]string{true: "srcmac", false: "dstmac"}[source]
		mask := uint64(allMAC)
		a.with(name+"mask", func(text string) (err error) { mask, err = mac(text); return err })
		a.with(name+"addr", func(text string) error {
			value, err := mac(text)
			if err == nil {
				a.macTerm(a.side(source, policy.SourceMAC, policy.DestinationMAC), a.not, value, mask)
			}
			return err
		})
	}
}

func (a *nwAttrs) vlan() {
	a.with("vlanid", func(text string) error {
		n, err := number(text, 4095)
		if err == nil {
			a.term(policy.VLANTag, a.not, policy.Is(n))
		}
		return err
	})
	a.with("encap-protocol", func(text string) error {
		n, err := lookUp(etherTypes, text, 65535)
		if err == nil {
			a.term(policy.EtherType, a.not, policy.Is(n))
			a.unsure("%s", encapDecimal)
		}
		return err
	})
}

// encapDecimal is seen with libvirt 4.0.0 and ebtables 1.8.9: "--vlan-encap 2054" is type 2054 in hexadecimal.
const encapDecimal = "libvirt writes the type behind the tag in decimal, which ebtables takes in hexadecimal"

// arp reads the fields of ARP. Those that are the same in all ARP for IPv4 over Ethernet say nothing, what is none of its fields is in the words of ebtables.
func (a *nwAttrs) arp() {
	a.with("opcode", func(text string) error {
		n, err := operationNumber(text)
		if err == nil {
			a.term(policy.ARPOperation, a.not, policy.Is(n))
		}
		return err
	})
	for _, x := range []struct {
		name, option string
		usual        uint64
		form         func(n uint64) string
	}{
		{"hwtype", "--arp-htype", 1, func(n uint64) string { return strconv.FormatUint(n, 10) }},
		{"protocoltype", "--arp-ptype", 0x0800, func(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }},
	} {
		a.with(x.name, func(text string) error {
			n, err := number(text, 65535)
			if err == nil && (n != x.usual || a.not) {
				a.beyond(a.not, "%s %s", x.option, x.form(n))
			}
			return err
		})
	}
	a.with("gratuitous", func(text string) error { a.beyond(a.not, "--arp-gratuitous %s", text); return nil })
	for _, source := range []bool{true, false} {
		name := map[bool]string{true: "arpsrc", false: "arpdst"}[source]
		a.with(name+"macaddr", func(text string) error {
			n, err := mac(text)
			if err == nil {
				a.macTerm(a.side(source, policy.ARPSenderMAC, policy.ARPTargetMAC), a.not, n, allMAC)
			}
			return err
		})
		mask, masked := a.take(name + "ipmask")
		a.with(name+"ipaddr", func(text string) error {
			if masked {
				text += "/" + mask
			}
			of, err := addresses(text, policy.IPv4)
			if err == nil {
				a.address(a.side(source, policy.ARPSender, policy.ARPTarget), policy.IPv4, a.not, of)
			}
			return err
		})
	}
}

// addresses reads those of IP, as prefixes, masks or ranges.
func (a *nwAttrs) addresses(family policy.Family) {
	for _, source := range []bool{true, false} {
		name := map[bool]string{true: "srcip", false: "dstip"}[source]
		field := a.side(source, policy.Source, policy.Destination)
		mask, masked := a.take(name + "mask")
		a.with(name+"addr", func(text string) error {
			if masked {
				text += "/" + mask
			}
			of, err := addresses(text, family)
			if err == nil {
				a.address(field, family, a.not, of)
			}
			return err
		})
		to, ranged := a.take(name + "to")
		a.with(name+"from", func(text string) error {
			if ranged {
				text += "-" + to
			}
			of, err := addressRange(text, family)
			if err == nil {
				a.address(field, family, a.not, of)
			}
			return err
		})
	}
}

// inside reads what layer 2 knows of the packet: its protocol and ports.
func (a *nwAttrs) inside() {
	a.with("protocol", func(text string) error {
		n, err := lookUp(protocols, text, 255)
		if err == nil {
			a.term(policy.Protocol, a.not, policy.Is(n))
		}
		return err
	})
	a.ports()
}

func (a *nwAttrs) ports() {
	for _, source := range []bool{true, false} {
		name := map[bool]string{true: "srcport", false: "dstport"}[source]
		end, ranged := a.take(name + "end")
		a.with(name+"start", func(text string) error {
			if ranged {
				text += ":" + end
			}
			of, err := span(text, ":", 65535)
			if err == nil {
				a.term(a.side(source, policy.SourcePort, policy.DestinationPort), a.not, of)
			}
			return err
		})
	}
}

// icmpv6 reads type and code, or ranges of them.
func (a *nwAttrs) icmpv6() {
	if !a.has("type", "typeend", "code", "codeend") {
		return
	}
	parts := map[string]string{}
	for _, name := range []string{"type", "typeend", "code", "codeend"} {
		parts[name], _ = a.take(name)
	}
	text := "0:255"
	if parts["type"] != "" {
		text = parts["type"] + ":" + orElse(parts["typeend"], parts["type"])
	}
	if parts["code"] != "" {
		text += "/" + parts["code"] + ":" + orElse(parts["codeend"], parts["code"])
	}
	if err := a.icmpRanges(text, a.not); err != nil {
		a.lost("type and code %s: %v", text, err)
	}
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// packet makes a rule of layer 3 for a direction, as iptablesCreateRuleInstance does, and says whether there is one.
func (r *nwRule) packet(d *draft, attrs []nwAttr, direction string) bool {
	r.act(d, false)
	if r.lost != "" {
		return true
	}
	in := r.direction != "out" // a rule for both is one for what comes in
	swapped := in == (direction == "out")
	a := newAttrs(d, attrs, swapped)
	name, v6 := strings.CutSuffix(r.protocol, "-ipv6")
	v6 = v6 || name == "icmpv6"
	n, known := nwPackets[name]
	if !known {
		d.lost("protocol %s", r.protocol)
	}
	family, ether := policy.IPv4, uint64(0x0800)
	if v6 {
		family, ether = policy.IPv6, 0x86dd
	}
	d.term(policy.EtherType, false, policy.Is(ether))
	if n != 0 {
		d.term(policy.Protocol, false, policy.Is(n))
	}
	a.sourceMAC()
	a.addresses(family)
	a.ports()
	a.dscp()
	a.tcp()
	missed := a.icmp(v6, r.direction, direction)
	bare := swapped && a.has("srcmacaddr") && !a.beside("srcmacaddr", "srcmacmask", "match", "comment", "state", "connlimit-above", "ipset", "ipsetflags")
	states := a.states(r, direction)
	a.after()
	a.rest()
	return !bare && !missed && states
}

// sourceMAC is looked at only where the guest's or the sender's address stands as the source: iptables knows no other.
func (a *nwAttrs) sourceMAC() {
	text, there := a.take("srcmacaddr")
	if !there || a.swapped {
		return
	}
	n, err := mac(text)
	if err != nil {
		a.lost("srcmacaddr='%s': %v", text, err)
		return
	}
	a.term(policy.SourceMAC, a.not, policy.Is(n))
}

func (a *nwAttrs) dscp() {
	a.with("dscp", func(text string) error {
		n, err := number(text, 63)
		if err == nil {
			a.term(policy.DSCP, a.not, policy.Is(n))
		}
		return err
	})
}

// tcp reads MASK/FLAGS; either may be empty: none.
func (a *nwAttrs) tcp() {
	a.with("flags", func(text string) error {
		head, tail, ok := strings.Cut(text, "/")
		if !ok {
			return errors.New("no mask and flags")
		}
		mask, err := flagBits(orElse(head, "none"))
		if err != nil {
			return err
		}
		value, err := flagBits(orElse(tail, "none"))
		if err == nil {
			a.masked(policy.TCPFlags, a.not, value, mask)
		}
		return err
	})
	a.with("option", func(text string) error { a.unsure("--tcp-option %s", text); return nil })
}

// icmp reads type and code. With a type there is no rule for the answers, which have another one; and none at all of a rule for both directions.
func (a *nwAttrs) icmp(v6 bool, rule, direction string) (missed bool) {
	code, coded := a.take("code")
	text, typed := a.take("type")
	if !typed {
		return false
	}
	if coded {
		text += "/" + code
	}
	if err := a.icmpType(text, v6, a.not); err != nil {
		a.lost("type and code %s: %v", text, err)
	}
	return rule != direction
}

// states adds the term on the state of the connection, and says whether there is a rule for this direction.
func (a *nwAttrs) states(r *nwRule, direction string) bool {
	text, stated := a.take("state")
	if stated && !r.noState {
		if r.direction != direction && r.direction != "inout" {
			return false
		}
		// iptablesCreateRuleInstanceStateCtrl: a rule for both is one for what comes in, there and here.
		if !strings.EqualFold(text, "NONE") {
			of, unknown := listOf(connStates, text)
			if len(unknown) > 0 {
				a.lost("state='%s'", text)
				return true
			}
			a.term(policy.ConnState, false, of...)
		}
		return true
	}
	if r.noState || r.direction == "inout" || r.action != "accept" {
		return true
	}
	of := []policy.Range{policy.Is(policy.StateEstablished)}
	if r.direction == direction {
		of = []policy.Range{policy.Is(policy.StateNew), policy.Is(policy.StateEstablished)}
	}
	a.term(policy.ConnState, false, of...)
	return true
}

// after reads what depends on more than the packet.
func (a *nwAttrs) after() {
	a.with("connlimit-above", func(text string) error {
		a.unsure("match connlimit %s--connlimit-above %s", a.negation(), text)
		return nil
	})
	flags, _ := a.take("ipsetflags")
	a.with("ipset", func(text string) error {
		a.unsure("match set %s--match-set %s %s", a.negation(), text, a.setFlags(flags))
		return nil
	})
}

func (a *nwAttrs) negation() string {
	if a.not {
		return "! "
	}
	return ""
}

// setFlags are src and dst, changed where the rule is.
func (a *nwAttrs) setFlags(flags string) string {
	var out []string
	for f := range strings.SplitSeq(strings.ToLower(flags), ",") {
		switch {
		case a.swapped && f == "src":
			f = "dst"
		case a.swapped && f == "dst":
			f = "src"
		}
		out = append(out, f)
	}
	return strings.Join(out, ",")
}
