package libvirt

import (
	"cmp"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/filter"
	"github.com/throughline-dc/throughline/topology"
)

// sheet takes down what one document says. Where libvirt's own schema would refuse a value, the sheet keeps the first such error and the
// document is rejected; what libvirt allows and this package does not know is noted as unparsed, and the rest of the document
// counts.
type sheet struct {
	host     topology.Key
	where    string // file or call that the document comes from; may be empty
	facts    []topology.Fact
	unparsed []collectors.Unparsed
	err      error

	subject topology.Key // the one object that the document is about, if there is one

	// What other documents need to know of this one.
	disks   []volumeDisk
	nics    []filteredNIC
	filters map[string]*filter.NWFilter
	pool    pool
	volumes map[volumeName]topology.Key
	nodes   map[string]node
}

// at names a place for people: "domains/web.xml:17".
func (s *sheet) at(e *element) string {
	switch {
	case e == nil:
		return s.where
	case s.where == "":
		return "line " + strconv.Itoa(e.line)
	}
	return s.where + ":" + strconv.Itoa(e.line)
}

// refuse keeps the first error. What is the attribute's name, or "" for the element's text.
func (s *sheet) refuse(e *element, what, value, why string) {
	if s.err != nil {
		return
	}
	if what != "" {
		what = " attribute " + what
	}
	s.err = fmt.Errorf("%w: %s: <%s>%s: %q is %s", collectors.ErrMalformed, s.at(e), e.name, what, value, why)
}

// note keeps a piece that is not understood.
func (s *sheet) note(e *element, text, why string) {
	s.unparsed = append(s.unparsed, collectors.Unparsed{Where: s.at(e), Text: text, Why: why})
}

func (s *sheet) set(key topology.Key, a topology.Attr, v topology.Value) {
	s.facts = append(s.facts, topology.Attribute(key, a, v))
}

// text states a text unless it is empty.
func (s *sheet) text(key topology.Key, a topology.Attr, text string) {
	if text != "" {
		s.set(key, a, topology.TextValue(text))
	}
}

func (s *sheet) relate(from topology.Key, r topology.Rel, to topology.Key) {
	s.facts = append(s.facts, topology.Relate(from, r, to))
}

func (s *sheet) number(key topology.Key, a topology.Attr, n uint64, ok bool) {
	if ok {
		s.set(key, a, topology.IntValue(n))
	}
}

// flag states true where the element is there; its absence says false by libvirt's schema.
func (s *sheet) flag(key topology.Key, a topology.Attr, e *element) {
	s.set(key, a, topology.BoolValue(e != nil))
}

// known states a truth value that the source of the document may not know.
func (s *sheet) known(key topology.Key, a topology.Attr, v *bool) {
	if v != nil {
		s.set(key, a, topology.BoolValue(*v))
	}
}

// unsigned reads a number of at most 63 bits from an attribute; false if the attribute is absent or refused.
func (s *sheet) unsigned(e *element, name string) (uint64, bool) {
	text, ok := e.lookup(name)
	if !ok {
		return 0, false
	}
	return s.parseUnsigned(e, name, text)
}

// count reads a number of at most 63 bits from the element's text.
func (s *sheet) count(e *element) (uint64, bool) {
	if e == nil {
		return 0, false
	}
	return s.parseUnsigned(e, "", e.word())
}

func (s *sheet) parseUnsigned(e *element, name, text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 0, 63)
	if err != nil {
		s.refuse(e, name, text, "not an unsigned number")
	}
	return n, err == nil
}

// size reads a scaled integer (libvirt's <memory unit='KiB'>, <capacity unit='bytes'>) in octets; unit is what an absent unit
// attribute means there.
func (s *sheet) size(e *element, unit string) (uint64, bool) {
	n, ok := s.count(e)
	if !ok {
		return 0, false
	}
	return s.scale(e, n, cmp.Or(e.attr("unit"), unit))
}

// scale multiplies by a unit of libvirt: b, bytes; KB, MB … are powers of 1000; k, KiB, M, MiB … are powers of 1024.
func (s *sheet) scale(e *element, n uint64, unit string) (uint64, bool) {
	factor := uint64(1)
	if u := strings.ToLower(unit); u != "b" && u != "byte" && u != "bytes" {
		power := strings.IndexByte("kmgtpe", (u + " ")[0]) + 1
		base := uint64(1024)
		if len(u) == 2 && u[1] == 'b' {
			base = 1000
		}
		if power == 0 || len(u) > 1 && u[1:] != "b" && u[1:] != "ib" {
			s.refuse(e, "unit", unit, "not a unit of size")
			return 0, false
		}
		for range power {
			factor *= base
		}
	}
	over, size := bits.Mul64(n, factor)
	if over != 0 || size > 1<<63-1 {
		s.refuse(e, "", strconv.FormatUint(n, 10)+" "+unit, "too large")
		return 0, false
	}
	return size, true
}

// mac states a hardware address. The all-zero address (a loopback's) says nothing.
func (s *sheet) mac(key topology.Key, e *element, name, text string) {
	if text == "" {
		return
	}
	mac, err := topology.ParseMAC(text)
	if err != nil {
		s.refuse(e, name, text, "not a MAC address")
		return
	}
	if mac != 0 {
		s.set(key, topology.AttrMAC, topology.MACValue(mac))
	}
}

// uuid gives the canonical form of a UUID; "" if there is none or it is refused.
func (s *sheet) uuid(e *element) string {
	if e.word() == "" {
		return ""
	}
	uuid, err := topology.ParseUUID(e.word())
	if err != nil {
		s.refuse(e, "", e.word(), "not a UUID")
		return ""
	}
	return uuid
}

// wwn gives a World Wide Name; false if it is absent, all zeros or all ones (no such thing) or refused.
func (s *sheet) wwn(e *element, name, text string) (topology.WWN, bool) {
	if text == "" {
		return 0, false
	}
	w, err := topology.ParseWWN(text)
	if err != nil {
		s.refuse(e, name, text, "not a World Wide Name")
		return 0, false
	}
	return w, w != 0 && w != ^topology.WWN(0)
}

// address states an address of an interface: <ip address='…' prefix='24'/> or netmask='255.255.255.0'.
func (s *sheet) address(key topology.Key, ip *element) {
	text := ip.attr("address")
	if text == "" {
		return
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		s.refuse(ip, "address", text, "not an IP address")
		return
	}
	length, ok := s.unsigned(ip, "prefix")
	if mask := ip.attr("netmask"); !ok && mask != "" {
		if length, ok = maskLength(mask); !ok {
			s.refuse(ip, "netmask", mask, "not a netmask")
			return
		}
	}
	if !ok {
		s.set(key, topology.AttrUnnumbered, topology.AddrValue(addr))
		return
	}
	if length > uint64(addr.BitLen()) {
		s.refuse(ip, "prefix", strconv.FormatUint(length, 10), "longer than the address")
		return
	}
	s.set(key, topology.AttrAddress, topology.PrefixValue(netip.PrefixFrom(addr, int(length))))
}

func maskLength(mask string) (uint64, bool) {
	addr, err := netip.ParseAddr(mask)
	if err != nil || !addr.Is4() {
		return 0, false
	}
	b := addr.As4()
	ones := bits.LeadingZeros32(^(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])))
	prefix, err := addr.Prefix(ones)
	return uint64(ones), err == nil && prefix.Addr() == addr
}

// pci reads the address of a PCI function, domain:bus:slot.function, from the attributes of an element.
func (s *sheet) pci(e *element) string {
	domain, _ := s.unsigned(e, "domain")
	bus, _ := s.unsigned(e, "bus")
	slot, ok := s.unsigned(e, "slot")
	function, _ := s.unsigned(e, "function")
	return pciAddress(domain, bus, slot, function, ok)
}

func pciAddress(domain, bus, slot, function uint64, ok bool) string {
	if !ok || domain > 0xffffffff || bus > 0xff || slot > 0x1f || function > 7 {
		return ""
	}
	return fmt.Sprintf("%04x:%02x:%02x.%x", domain, bus, slot, function)
}

// vlan states what <vlan> says of a vNIC, a network or a port group (libvirt formatdomain, "Setting VLAN tag"): one tag
// without trunk is an access port; trunk='yes' or several tags are a trunk, whose native VLAN is marked by nativeMode.
func (s *sheet) vlan(key topology.Key, v *element) {
	if v == nil {
		return
	}
	var ids []topology.VID
	var native topology.VID
	var untagged bool
	for tag := range v.all("tag") {
		n, ok := s.unsigned(tag, "id")
		if !ok {
			continue
		}
		if n < 1 || n > 4094 {
			s.note(tag, "VLAN "+tag.attr("id"), "reserved, no VLAN has this ID (IEEE 802.1Q)")
			continue
		}
		id := topology.VID(n)
		ids = append(ids, id)
		if mode := tag.attr("nativeMode"); mode != "" {
			native, untagged = id, mode == "untagged"
		}
	}
	if v.attr("trunk") != "yes" && len(ids) == 1 && native == 0 {
		s.set(key, topology.AttrVID, topology.IntValue(ids[0]))
		return
	}
	if len(ids) == 0 {
		return
	}
	tagged := topology.VIDs(ids...)
	if native != 0 {
		s.set(key, topology.AttrPVID, topology.IntValue(native))
		if untagged {
			tagged = tagged.Minus(topology.VIDs(native))
			s.set(key, topology.AttrUntagged, topology.VIDsValue(topology.VIDs(native)))
		}
	}
	s.set(key, topology.AttrTagged, topology.VIDsValue(tagged))
}

// isolated states that <port> keeps a vNIC, or those of a network, from others that are isolated, too (libvirt formatdomain, "Isolating guests' network
// traffic from each other").
func (s *sheet) isolated(key topology.Key, port *element) {
	if port.attr("isolated") == "yes" {
		s.text(key, topology.AttrPortLimit, "isolated")
	}
}

// virtualPort states how a vNIC, network or port group is attached (802.1Qbg, 802.1Qbh, Open vSwitch, MidoNet).
func (s *sheet) virtualPort(key topology.Key, v *element) {
	s.text(key, topology.AttrVirtualPort, v.attr("type"))
	p := v.child("parameters")
	s.text(key, topology.AttrInterfaceID, cmp.Or(p.attr("interfaceid"), p.attr("instanceid")))
	s.text(key, topology.AttrProfileID, p.attr("profileid"))
}

// mtu states <mtu size='9000'/>.
func (s *sheet) mtu(key topology.Key, e *element) {
	n, ok := s.unsigned(e.child("mtu"), "size")
	s.number(key, topology.AttrMTU, n, ok)
}

// sorted gives the facts in canonical order, each once.
func sorted(facts []topology.Fact) []topology.Fact {
	slices.SortFunc(facts, topology.Fact.Compare)
	return slices.CompactFunc(facts, func(a, b topology.Fact) bool { return a.Compare(b) == 0 })
}
