package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// ebRule reads a rule of ebtables(8). Ports of the bridge are InPort and OutPort, the bridge itself ("--logical-in") is an interface.
func ebRule(r *xtRule) {
	for _, o := range r.options {
		read, known := ebOptions[o.name]
		switch {
		case r.target != "" && ebTargetOption(o.name):
			r.of = append(r.of, o)
		case ebWatcher(o.name):
		case !known && ebBeyond(o.name):
			r.beyond(o.not, "%s", strings.TrimPrefix(o.String(), "! "))
		case !known:
			r.lost("%s", o)
		default:
			if err := read(r, o); err != nil {
				r.lost("%s: %v", o, err)
			}
		}
	}
	ebTarget(r)
}

// Options of targets; of watchers, which only log; of matches on what the model does not hold.
func ebTargetOption(name string) bool {
	return slices.ContainsFunc([]string{"--mark-", "--set-mark", "--or-mark", "--and-mark", "--xor-mark", "--to-", "--snat-", "--dnat-", "--redirect-", "--arpreply-"},
		func(head string) bool { return strings.HasPrefix(name, head) })
}

func ebWatcher(name string) bool {
	return name == "--log" || strings.HasPrefix(name, "--log-") || strings.HasPrefix(name, "--nflog") || strings.HasPrefix(name, "--ulog")
}

func ebBeyond(name string) bool {
	return slices.ContainsFunc([]string{"--arp-", "--stp-", "--802_3-", "--among-", "--limit", "--pkttype-type", "--vlan-prio", "--string-", "--ip-igmp-type"},
		func(head string) bool { return strings.HasPrefix(name, head) })
}

var ebOptions = map[string]func(*xtRule, option) error{ //nolint:gochecknoglobals // read-only table
	"-j": target(false), "--jump": target(false), "-s": ebMAC(policy.SourceMAC), "--source": ebMAC(policy.SourceMAC), "--src": ebMAC(policy.SourceMAC),
	"-d": ebMAC(policy.DestinationMAC), "--destination": ebMAC(policy.DestinationMAC), "--dst": ebMAC(policy.DestinationMAC), "-p": ebType, "--protocol": ebType, "--proto": ebType,
	"-i": interfaceName(policy.InPort), "--in-interface": interfaceName(policy.InPort), "-o": interfaceName(policy.OutPort), "--out-interface": interfaceName(policy.OutPort),
	"--logical-in": interfaceName(policy.InInterface), "--logical-out": interfaceName(policy.OutInterface),
	"--ip-src": ebAddress(policy.Source, policy.IPv4), "--ip-source": ebAddress(policy.Source, policy.IPv4),
	"--ip-dst": ebAddress(policy.Destination, policy.IPv4), "--ip-destination": ebAddress(policy.Destination, policy.IPv4),
	"--ip6-src": ebAddress(policy.Source, policy.IPv6), "--ip6-source": ebAddress(policy.Source, policy.IPv6),
	"--ip6-dst": ebAddress(policy.Destination, policy.IPv6), "--ip6-destination": ebAddress(policy.Destination, policy.IPv6),
	"--ip-proto": ipProtocol, "--ip-protocol": ipProtocol, "--ip6-proto": ipProtocol, "--ip6-protocol": ipProtocol,
	"--ip-sport": ports(policy.SourcePort), "--ip-source-port": ports(policy.SourcePort), "--ip6-sport": ports(policy.SourcePort), "--ip6-source-port": ports(policy.SourcePort),
	"--ip-dport": ports(policy.DestinationPort), "--ip-destination-port": ports(policy.DestinationPort), "--ip6-dport": ports(policy.DestinationPort),
	"--ip6-destination-port": ports(policy.DestinationPort), "--ip-tos": ebTOS, "--ip6-tclass": ebTOS, "--ip-icmp-type": ebICMP, "--ip6-icmp-type": ebICMP,
	"--arp-opcode": arpOperation, "--arp-op": arpOperation, "--arp-htype": arpUsual(1), "--arp-ptype": arpUsual(0x0800),
	"--arp-ip-src": ebAddress(policy.ARPSender, policy.IPv4), "--arp-ip-dst": ebAddress(policy.ARPTarget, policy.IPv4),
	"--arp-mac-src": ebMAC(policy.ARPSenderMAC), "--arp-mac-dst": ebMAC(policy.ARPTargetMAC),
	"--vlan-id": ebVLAN, "--vlan-encap": ebEncap, "--mark": mark, "--comment": comment,
}

func ebMAC(field policy.Field) func(*xtRule, option) error {
	return func(r *xtRule, o option) error {
		text, err := o.one()
		if err != nil {
			return err
		}
		value, mask, err := macText(text)
		if err == nil {
			r.macTerm(field, o.not, value, mask)
		}
		return err
	}
}

func ebType(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	if strings.EqualFold(text, "LENGTH") { // 802.3: the type is a length
		r.beyond(o.not, "-p LENGTH")
		return nil
	}
	n, err := hexType(text)
	if err == nil {
		r.frameType(o.not, n)
	}
	return err
}

// hexType reads a type of frames by name or in hexadecimal, 0x before it or not (ebtables(8)).
func hexType(text string) (uint64, error) {
	if n, ok := etherTypes[strings.ToLower(text)]; ok {
		return n, nil
	}
	return number("0x"+strings.TrimPrefix(strings.ToLower(text), "0x"), 65535)
}

func ebAddress(field policy.Field, family policy.Family) func(*xtRule, option) error {
	return func(r *xtRule, o option) error {
		text, err := o.one()
		if err != nil {
			return err
		}
		of, err := addresses(text, family)
		if err == nil {
			r.address(field, family, o.not, of)
		}
		return err
	}
}

func ebTOS(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	n, err := number("0x"+strings.TrimPrefix(strings.ToLower(text), "0x"), 255)
	if err == nil {
		r.tosByte(o.not, n)
	}
	return err
}

func ebICMP(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	return r.icmpRanges(text, o.not)
}

func ebVLAN(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	n, err := number(text, 4095)
	if err == nil {
		r.term(policy.VLANTag, o.not, policy.Is(n))
	}
	return err
}

// ebEncap is the type behind the tag; ebtables takes it in hexadecimal, and libvirt writes it in decimal.
func ebEncap(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	n, err := hexType(text)
	if err == nil {
		r.term(policy.EtherType, o.not, policy.Is(n))
	}
	return err
}

// ebTarget gives the rule its verdict. Targets that write addresses of frames are not understood.
func ebTarget(r *xtRule) {
	v, plain := map[string]policy.Verdict{"": policy.Continue, "ACCEPT": policy.Permit, "DROP": policy.Deny, "CONTINUE": policy.Continue, "RETURN": policy.Return}[r.target]
	switch {
	case plain && len(r.of) == 0:
		r.Verdict = v
	case r.table.chains[r.target] != nil && len(r.of) == 0:
		r.Verdict, r.Target = policy.Jump, r.table.chainName(r.target)
	case r.target == "mark":
		if err := ebSetMark(r); err != nil {
			r.lost("target mark: %v", err)
		}
	default:
		r.lost("target %s", r.target)
		r.anything()
	}
}

// ebSetMark writes the mark, and then does what --mark-target says: ACCEPT, unless it says otherwise.
func ebSetMark(r *xtRule) error {
	r.Verdict = policy.Permit
	return r.each(func(o option, arg string) (bool, error) {
		if o.name == "--mark-target" {
			v, known := map[string]policy.Verdict{"ACCEPT": policy.Permit, "DROP": policy.Deny, "CONTINUE": policy.Continue, "RETURN": policy.Return}[arg]
			if !known {
				return true, fmt.Errorf("it goes on to %s", arg)
			}
			r.Verdict = v
			return true, nil
		}
		n, err := number(arg, 1<<32-1)
		switch o.name {
		case "--mark-set", "--set-mark":
			r.setBits(policy.Mark, n, 1<<32-1, 32)
		case "--mark-or", "--or-mark":
			r.setBits(policy.Mark, n, n, 32)
		case "--mark-and", "--and-mark":
			r.setBits(policy.Mark, 0, ^n&(1<<32-1), 32)
		default:
			return false, nil
		}
		return true, err
	})
}

// Operations of ARP by name, as ebtables has them (RFC 826, 903, 1931, 2390), and as nft does.
var (
	ebOperations  = []string{"Request", "Reply", "Request_Reverse", "Reply_Reverse", "DRARP_Request", "DRARP_Reply", "DRARP_Error", "InARP_Request", "ARP_NAK"} //nolint:gochecknoglobals // read-only table
	arpOperations = map[string]uint64{"request": 1, "reply": 2, "rrequest": 3, "rreply": 4, "inrequest": 8, "inreply": 9, "nak": 10}                            //nolint:gochecknoglobals // read-only table
)

func operationNumber(text string) (uint64, error) {
	if i := slices.IndexFunc(ebOperations, func(n string) bool { return strings.EqualFold(n, text) }); i >= 0 {
		return uint64(i) + 1, nil
	}
	return number(text, 65535)
}

func arpOperation(r *xtRule, o option) error {
	text, err := o.one()
	if err != nil {
		return err
	}
	n, err := operationNumber(text)
	if err == nil {
		r.term(policy.ARPOperation, o.not, policy.Is(n))
	}
	return err
}

// arpUsual reads what is the same in all ARP for IPv4 over Ethernet; nobody asks about another.
func arpUsual(usual uint64) func(*xtRule, option) error {
	return func(r *xtRule, o option) error {
		text, err := o.one()
		if err != nil {
			return err
		}
		n, err := number(text, 65535)
		if usual == 0x0800 {
			n, err = hexType(text)
		}
		if err == nil && (n != usual || o.not) {
			r.beyond(o.not, "%s", strings.TrimPrefix(o.String(), "! "))
		}
		return err
	}
}
