// Package policy is what devices do to packets besides forwarding them: filters, translations, marks; in the words of no vendor.
package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// Filter is an ordered list of rules of one device, in no vendor's words: an access list, a chain of nftables or iptables, a VLAN map, a security group, a
// network filter of libvirt. The first rule that matches and decides counts. Parsers make it (collectors/filter, collectors/cli), package reach reads it.
//
// Nothing is left out: what a parser did not understand is a rule, too, with Unparsed. Text and place of every rule are kept.
type Filter struct {
	Name     string       `json:"name"`              // as the device names it: "101", "inet fw forward", "iptables filter FORWARD"
	Dialect  string       `json:"dialect"`           // whose words: ios, nxos, eos, nft-json, iptables-save, ip6tables-save, nwfilter …
	Family   Family       `json:"family"`            // packets that it looks at; others pass it by, as if it were not there
	Attached []Attachment `json:"attached,omitzero"` // where packets meet it; none: only other filters jump to it, or nobody uses it
	Default  Verdict      `json:"default"`           // what becomes of a packet that no rule decides; Return for a list that is jumped to
	Rules    []Rule       `json:"rules,omitzero"`
	Missing  string       `json:"missing,omitzero"` // the list is named, but not defined: what the platform does then is Default, and why
}

// Family is a set of packet families.
type Family uint8

// The families of packets.
const (
	IPv4  Family = 1 << iota // EtherType 0800
	IPv6                     // EtherType 86DD
	ARP                      // EtherType 0806
	Other                    // all other EtherTypes

	IP        = IPv4 | IPv6
	AnyFamily = IPv4 | IPv6 | ARP | Other
)

// Hook is a place on a device's way of a packet where filters are met, in the order in which a packet comes by.
type Hook uint8

// The hooks. A frame that is bridged meets HookIngress, the bridge's three and HookEgress; a packet that is routed HookIngress, HookPrerouting, HookForward,
// HookPostrouting, HookEgress; one for the device itself HookInput, one of its own HookOutput. A VLAN map is met by all that is bridged in its VLAN or routed
// into or out of it (Cisco: "VLAN ACLs").
const (
	_               Hook = iota
	HookIngress          // entering by a port, before all else: a port list, nft netdev ingress, what a VM sends on its vNIC
	HookVLAN             // on a VLAN, whatever way: VLAN map
	HookPrerouting       // entering a routed interface: IOS access-group in; nft and iptables prerouting
	HookInput            // for the device itself
	HookForward          // routed
	HookOutput           // of the device itself
	HookPostrouting      // leaving a routed interface: IOS access-group out; nft and iptables postrouting
	HookEgress           // leaving by a port, after all else: what a VM gets on its vNIC
	hookEnd
)

var hookNames = [hookEnd]string{ //nolint:gochecknoglobals // read-only table
	HookIngress: "ingress", HookVLAN: "vlan", HookPrerouting: "prerouting", HookInput: "input", HookForward: "forward",
	HookOutput: "output", HookPostrouting: "postrouting", HookEgress: "egress",
}

// Attachment is one place where packets meet a filter.
type Attachment struct {
	Hook      Hook   `json:"hook"`
	Bridged   bool   `json:"bridged,omitzero"`   // the bridge's hook of that name (ebtables, nft family bridge), not the router's
	Priority  int    `json:"priority,omitzero"`  // the lower the earlier, among filters of one hook (nft, iptables: raw -300, mangle -150, filter 0)
	Order     int    `json:"order,omitzero"`     // among those of one priority: chains of nft that translate, which the kernel all runs at one
	Interface string `json:"interface,omitzero"` // name of the interface or vNIC; none: all of the device
	Transit   bool   `json:"transit,omitzero"`   // packets of the device itself do not meet it, where those of others do as they leave
	VLANs     string `json:"vlans,omitzero"`     // of HookVLAN, as topology.VIDSet writes them
	Place     Place  `json:"place,omitzero"`     // where the configuration says so
}

// Verdict is what a rule does with a packet that matches.
type Verdict uint8

// The verdicts.
const (
	_        Verdict = iota
	Permit           // ends this filter; the packet goes on to the next one on its way (in nft and iptables: accept ends one base chain only)
	Deny             // ends all: the packet is gone
	Reject           // as Deny, and the sender is told
	Jump             // into Target, and back behind this rule where that has no verdict
	Goto             // into Target, and back to where this filter was jumped from
	Return           // to where this filter was jumped from; in a base chain: its Default
	Continue         // the next rule: it counts, logs or sets something
	verdictEnd
)

var verdictNames = [verdictEnd]string{ //nolint:gochecknoglobals // read-only table
	Permit: "permit", Deny: "deny", Reject: "reject", Jump: "jump", Goto: "goto", Return: "return", Continue: "continue",
}

// Rule is one rule: all its terms match, then the assignments are made, then the verdict holds.
type Rule struct {
	Match   []Term       `json:"match,omitzero"` // none: every packet
	Set     []Assignment `json:"set,omitzero"`
	Verdict Verdict      `json:"verdict,omitzero"`
	Target  string       `json:"target,omitzero"` // name of the filter of Jump or Goto, in the same device and dialect

	// Uncertain says why a packet that satisfies Match may still not match: a rate limit, a dynamic set, a time range. It may, or it may not.
	Uncertain string `json:"uncertain,omitzero"`
	// Unparsed says what of the rule was not understood: with packets that satisfy Match (those terms that were understood) it may do anything.
	Unparsed string `json:"unparsed,omitzero"`

	Text   string `json:"text"`            // as the device has it
	Place  Place  `json:"place,omitzero"`  // where
	Remark string `json:"remark,omitzero"` // comment that stands before it or in it
}

// Place is a line of a file, or of a command's answer.
type Place struct {
	File string `json:"file,omitzero"`
	Line int    `json:"line,omitzero"` // from 1; in answers without lines the number of the rule
}

// String is "file:line".
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Field is a field of a packet, or of what a device knows of it.
type Field uint8

// The fields that a rule may look at. Numbers are as on the wire.
const (
	_               Field = iota
	EtherType             // of the frame's payload, behind all tags
	SourceMAC             // 48 bits
	DestinationMAC        // 48 bits
	VLANTag               // outer VLAN identifier of the frame, 0 without
	Source                // IPv4 or IPv6 address
	Destination           // the same
	Protocol              // IPv4 protocol, IPv6 last next header (IANA)
	SourcePort            // TCP, UDP, SCTP, DCCP, UDP-Lite; nothing else has ports, and later fragments have none
	DestinationPort       // the same
	ICMPType              // of ICMP and ICMPv6
	ICMPCode              // the same
	TCPFlags              // FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128
	Fragment              // 0 whole, 1 first, 2 later
	ConnState             // of the device's connection tracking: the constants below
	InInterface           // name, on this device; where frames are bridged the bridge's
	OutInterface          // the same
	InPort                // bridge port the frame came in by (physdev)
	OutPort               // the same, out
	Mark                  // 32 bits, of the packet inside the device
	DSCP                  // 6 bits (RFC 2474)
	SourceType            // of the address, as the device routes it: AddrLocal, AddrBroadcast …
	DestinationType       // the same
	ARPOperation          // of ARP (RFC 826) for IPv4 over Ethernet: 1 request, 2 reply
	ARPSenderMAC          // ar$sha, 48 bits
	ARPSender             // ar$spa, IPv4
	ARPTargetMAC          // ar$tha, 48 bits; of a request 0
	ARPTarget             // ar$tpa, IPv4
	fieldEnd
)

var fieldNames = [fieldEnd]string{ //nolint:gochecknoglobals // read-only table
	EtherType: "etherType", SourceMAC: "sourceMAC", DestinationMAC: "destinationMAC", VLANTag: "vlan", Source: "source", Destination: "destination",
	Protocol: "protocol", SourcePort: "sourcePort", DestinationPort: "destinationPort", ICMPType: "icmpType", ICMPCode: "icmpCode", TCPFlags: "tcpFlags",
	Fragment: "fragment", ConnState: "state", InInterface: "in", OutInterface: "out", InPort: "inPort", OutPort: "outPort", Mark: "mark", DSCP: "dscp",
	SourceType: "sourceType", DestinationType: "destinationType",
	ARPOperation: "arpOperation", ARPSenderMAC: "arpSenderMAC", ARPSender: "arpSender", ARPTargetMAC: "arpTargetMAC", ARPTarget: "arpTarget",
}

// States of a connection, values of ConnState (nf_conntrack's words).
const (
	StateNew         = 0
	StateEstablished = 1
	StateRelated     = 2
	StateInvalid     = 3
	StateUntracked   = 4
)

// Types of addresses, values of SourceType and DestinationType.
const (
	AddrUnicast   = 0
	AddrLocal     = 1
	AddrBroadcast = 2
	AddrMulticast = 3
)

// Values of Fragment.
const (
	FragmentNone  = 0
	FragmentFirst = 1
	FragmentLater = 2
)

// Term restricts one field: its value is one of Of or Names; with Not, none of them. A field that the packet does not have matches neither way: a rule on ports
// never matches ICMP. Several terms on one field all hold.
type Term struct {
	Field  Field
	Family Family // of addresses: IPv4 or IPv6, and no packet of the other matches, Not or not; of those in ARP IPv4
	Not    bool
	Of     []Range
	Names  []string // of interfaces; "eth*" begins so
}

// Range is the values of a field from Lo to Hi, both included; or, with Mask, those that are Lo under the mask: wildcard masks that are no prefix, flags, marks.
type Range struct{ Lo, Hi, Mask Word }

// Word is the value of a field: an address of IPv4 is its 32 bits in Lo, one of IPv6 128 bits, a MAC address 48.
type Word struct{ Hi, Lo uint64 }

// Assignment writes a field: translation of addresses and ports, marks.
type Assignment struct {
	Field  Field
	Family Family  // of Source and Destination
	To     []Range // one value, or a pool from which the device chooses
	Keep   Word    // a translation prefix to prefix: the bits under it are kept, To is one value
	Own    bool    // the address of the interface by which the packet leaves (masquerade, overload); before the routing: by which it came (redirect)
}

// Less compares two values as numbers.
func (w Word) Less(v Word) bool { return w.Hi < v.Hi || w.Hi == v.Hi && w.Lo < v.Lo }

// Without is the value without the bits of another one.
func (w Word) Without(bits Word) Word { return Word{Hi: w.Hi &^ bits.Hi, Lo: w.Lo &^ bits.Lo} }

// Num is a small number as a Word.
func Num(n uint64) Word { return Word{Lo: n} }

// Is is the range of one number.
func Is(n uint64) Range { return Range{Lo: Num(n), Hi: Num(n)} }

// FromTo is the range of numbers from lo to hi.
func FromTo(lo, hi uint64) Range { return Range{Lo: Num(lo), Hi: Num(hi)} }

// Bits is the numbers that are value under the mask.
func Bits(value, mask uint64) Range { return Range{Lo: Num(value & mask), Mask: Num(mask)} }

// AddrWord is an address as a Word.
func AddrWord(a netip.Addr) Word {
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		return Num(uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3]))
	}
	var w Word
	for i, b := range a.As16() {
		if i < 8 {
			w.Hi = w.Hi<<8 | uint64(b)
		} else {
			w.Lo = w.Lo<<8 | uint64(b)
		}
	}
	return w
}

// PrefixRange is the addresses of a prefix.
func PrefixRange(p netip.Prefix) Range {
	p = p.Masked()
	lo := AddrWord(p.Addr())
	host := p.Addr().BitLen() - p.Bits()
	hi := lo
	switch {
	case host > 64:
		hi.Hi |= 1<<(host-64) - 1
		hi.Lo = ^uint64(0)
	case host == 64:
		hi.Lo = ^uint64(0)
	default:
		hi.Lo |= 1<<host - 1
	}
	return Range{Lo: lo, Hi: hi}
}

// ErrPolicy is wrapped by what DecodeFilter finds wrong.
var ErrPolicy = errors.New("not a filter")

// Encode gives the canonical text of a filter, which a Filter node keeps as its rules.
func (f *Filter) Encode() string {
	raw, err := json.Marshal(f)
	if err != nil {
		panic(err) // numbers and text alone
	}
	return string(raw)
}

// DecodeFilter is the inverse of Encode. It refuses what Check refuses.
func DecodeFilter(text string) (*Filter, error) {
	var f Filter
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	if err := f.Check(); err != nil {
		return nil, err
	}
	return &f, nil
}

// Check says what of a filter has no meaning. A parser's result always has one.
func (f *Filter) Check() error {
	if f.Default != Permit && f.Default != Deny && f.Default != Reject && f.Default != Return {
		return fmt.Errorf("%w: %s: its default is %s", ErrPolicy, f.Name, f.Default)
	}
	if f.Family == 0 || f.Family&^AnyFamily != 0 {
		return fmt.Errorf("%w: %s: family %d", ErrPolicy, f.Name, f.Family)
	}
	for _, a := range f.Attached {
		if a.Hook == 0 || a.Hook >= hookEnd {
			return fmt.Errorf("%w: %s: hook %d", ErrPolicy, f.Name, a.Hook)
		}
	}
	for i := range f.Rules {
		if err := f.Rules[i].check(); err != nil {
			return fmt.Errorf("%w: %s: rule %d (%s): %w", ErrPolicy, f.Name, i+1, f.Rules[i].Text, err)
		}
	}
	return nil
}

func (r *Rule) check() error {
	switch {
	case r.Unparsed == "" && (r.Verdict == 0 || r.Verdict >= verdictEnd):
		return fmt.Errorf("verdict %d", r.Verdict)
	case (r.Verdict == Jump || r.Verdict == Goto) != (r.Target != ""):
		return fmt.Errorf("%s to %q", r.Verdict, r.Target)
	}
	for _, t := range r.Match {
		if err := t.check(); err != nil {
			return err
		}
	}
	for _, a := range r.Set {
		if a.Field == 0 || a.Field >= fieldEnd || (len(a.To) > 0) == a.Own {
			return fmt.Errorf("assignment to field %d", a.Field)
		}
	}
	return nil
}

func (t Term) check() error {
	if t.Field == 0 || t.Field >= fieldEnd {
		return fmt.Errorf("field %d", t.Field)
	}
	named := interfaces(t.Field)
	if named != (len(t.Names) > 0) || named == (len(t.Of) > 0) {
		return fmt.Errorf("the term of %s has no values, or not its kind", t.Field)
	}
	if address(t.Field) != (t.Family == IPv4 || t.Family == IPv6) {
		return fmt.Errorf("the term of %s is of family %d", t.Field, t.Family)
	}
	for _, of := range t.Of {
		if of.Mask == (Word{}) && of.Hi.Less(of.Lo) {
			return fmt.Errorf("an empty range of %s", t.Field)
		}
	}
	return nil
}

func address(f Field) bool {
	return f == Source || f == Destination || f == ARPSender || f == ARPTarget
}

func isMAC(f Field) bool {
	return f == SourceMAC || f == DestinationMAC || f == ARPSenderMAC || f == ARPTargetMAC
}

func name(names []string, i int) string {
	if i <= 0 || i >= len(names) {
		return strconv.Itoa(i)
	}
	return names[i]
}

// String gives the word that encodings use.
func (v Verdict) String() string { return name(verdictNames[:], int(v)) }

// String gives the word that encodings use.
func (h Hook) String() string { return name(hookNames[:], int(h)) }

// String gives the word that encodings use.
func (f Field) String() string { return name(fieldNames[:], int(f)) }

// MarshalText gives the word.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// MarshalText gives the word.
func (h Hook) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// MarshalText gives the word.
func (f Field) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

func parseName[T ~uint8](names []string, raw []byte, what string, to *T) error {
	i := slices.Index(names, string(raw))
	if i <= 0 {
		return fmt.Errorf("%s %q", what, raw)
	}
	*to = T(i)
	return nil
}

// UnmarshalText reads the word.
func (v *Verdict) UnmarshalText(raw []byte) error {
	return parseName(verdictNames[:], raw, "verdict", v)
}

// UnmarshalText reads the word.
func (h *Hook) UnmarshalText(raw []byte) error { return parseName(hookNames[:], raw, "hook", h) }

// UnmarshalText reads the word.
func (f *Field) UnmarshalText(raw []byte) error { return parseName(fieldNames[:], raw, "field", f) }

// Has tells whether a value is in the range.
func (r Range) Has(w Word) bool {
	if r.Mask != (Word{}) {
		return w.Hi&r.Mask.Hi == r.Lo.Hi&r.Mask.Hi && w.Lo&r.Mask.Lo == r.Lo.Lo&r.Mask.Lo
	}
	return !w.Less(r.Lo) && !r.Hi.Less(w)
}
