package ssh

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// network is what the commands of the network stack said.
type network struct {
	links     []link // ip link
	numbered  []link // ip address: interfaces with their addresses
	named     map[string]link
	routes    []route
	neighbors []neighborEntry
	rules     []rule // of both families
	ports     []bridgePort
	members   []membership
	entries   []fdbEntry
	heard     []heard
	chassis   []lldpSystem // the device's own; one at most
	announced []announced
	frr       map[string][]route // by table
	vnis      []vni
	switches  kernelSwitches
}

// networkTables are the commands of the network stack: iproute2, bridge, LLDP, FRR.
func networkTables() []table {
	return []table{
		ipLink(), ipAddr(), ipRoute(), ipNeigh(), ipRule(), ip6Rule(), bridgeLink(), bridgeVLAN(), bridgeFDB(),
		lldpNeighbors(), lldpChassis(), lldpInterfaces(), frrRoute(), frrRoute6(), frrVNI(), sysctlNet(),
	}
}

// cardName matches the names that a kernel or udev gives to network cards. A veth that has one, and whose other end is in another namespace, is the card of a host
// that is a container itself: the host's end of a container's cable is named otherwise (veth1a2b3c, cali..., lxc...).
var cardName = regexp.MustCompile(`^(eth\d+|en[bopsx]\w+)$`)

// guestEnd matches the names that libvirt keeps for the host's end of a vNIC, and for the dummy port of its own bridges.
var guestEnd = regexp.MustCompile(`^(vnet\d+|macvtap\d+|macvlan\d+|virbr\d+-nic)$`)

// IANAifType of what Linux calls Ethernet (ARPHRD_ETHER) and has no cable. A MIB takes it for ethernetCsmacd.
const (
	typeEthernet = 6
	typeLoopback = 24
	typeVirtual  = 53 // propVirtual
	typeTunnel   = 131
	typeVLAN     = 135 // l2vlan
	typeBridge   = 209
)

// link finds an interface by its name, as ip link or ip address has it.
func (s *sheet) link(name string) (link, bool) {
	l, ok := s.named[name]
	return l, ok
}

// interfaceKey gives the key of an interface: a bond or team is a LAG, a host's own network card a NIC, all else a Port. Nobody may know what it is, when
// another command failed: it is a Port then, which reconcile joins with the NIC or LAG of its name.
func (s *sheet) interfaceKey(name string) topology.Key {
	kind := topology.Port
	if l, ok := s.link(name); ok {
		switch {
		case l.aggregate():
			kind = topology.LAG
		case l.card() && s.device.Kind == topology.Host:
			kind = topology.NIC
		}
	}
	return topology.PartKey(kind, s.device, name)
}

// bridgeKey gives the key of a bridge in a host.
func (s *sheet) bridgeKey(name string) topology.Key {
	return topology.PartKey(topology.VirtualSwitch, s.device, name)
}

// vrf states a VRF and gives its key.
func (w *words) vrf(s *sheet, name string) topology.Key {
	k := topology.PartKey(topology.VRF, s.device, name)
	w.contains(s, k)
	w.Text(k, topology.AttrName, name)
	return k
}

// vlan states a VLAN of a switch and gives its key.
func (w *words) vlan(s *sheet, vid topology.VID) topology.Key {
	k := topology.PartKey(topology.VLAN, s.device, strconv.Itoa(int(vid)))
	w.contains(s, k)
	w.Set(k, topology.AttrVID, topology.IntValue(vid))
	return k
}

// record is a piece of a textual answer: a line, and those that go on with it.
type record struct {
	line    int // of the first, from 1
	lines   []string
	numbers []int // of all
}

func (r record) text() string { return strings.Join(r.lines, "\n") }

// records cuts a text where a line begins a record; blank lines are none. What comes before the first record is records of their own.
func records(raw []byte, begins func(line string) bool) []record {
	var all []record
	begun := false
	n := 0
	for line := range strings.Lines(string(raw)) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		first := begins(line)
		if begun = begun || first; first || !begun {
			all = append(all, record{line: n})
		}
		last := &all[len(all)-1]
		last.lines, last.numbers = append(last.lines, line), append(last.numbers, n)
	}
	return all
}

// flush reports that a line is not indented: most commands go on with a record in an indented line.
func flush(line string) bool { return line[0] != ' ' && line[0] != '\t' }

func unread(where, text string, err error) collectors.Unparsed {
	return shell.Unread(where, text, err.Error())
}

// isJSON reports that an answer is JSON: no command of these begins a line of text so, and an answer of nothing has no form.
func isJSON(raw []byte) bool {
	text := strings.TrimLeft(string(raw), " \t\r\n")
	return strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{")
}

// form reads answers whose rows are elements of a JSON array in the one form and records of lines in the other. Either function gives what a row
// holds; nothing at all is a row that is understood and says nothing to us.
type form[T any] struct {
	element func(json.RawMessage) ([]T, error)
	record  func(record) ([]T, error)
	begins  func(line string) bool // nil: flush
}

// read gives what all rows hold, and the rows that are not understood. An answer none of whose rows is understood is none of the command's.
func (f form[T]) read(raw []byte) (all []T, rows int, left []collectors.Unparsed, err error) {
	note := func(where, text string, found []T, err error) {
		rows++
		if err != nil {
			left = append(left, unread(where, text, err))
			return
		}
		all = append(all, found...)
	}
	if isJSON(raw) {
		var elements []json.RawMessage
		if err := json.Unmarshal(raw, &elements); err != nil {
			return nil, 0, nil, garbled("%s", err)
		}
		for i, e := range elements {
			if strings.Trim(string(e), "{} \t\r\n") == "" {
				continue // iproute2 leaves empty elements where it filters
			}
			found, err := f.element(e)
			note("element "+strconv.Itoa(i), string(e), found, err)
		}
	} else {
		begins := f.begins
		if begins == nil {
			begins = flush
		}
		for _, r := range records(raw, begins) {
			found, err := f.record(r)
			note("line "+strconv.Itoa(r.line), r.text(), found, err)
		}
	}
	if rows > 0 && len(left) == rows {
		return nil, rows, left, garbled("%s: %q: %s", left[0].Where, left[0].Text, left[0].Why)
	}
	return all, rows, left, nil
}

// garbled is the error of an answer that is none of the command's.
func garbled(format string, args ...any) error {
	return fmt.Errorf("%w: %s", collectors.ErrMalformed, fmt.Sprintf(format, args...))
}

// decode reads a JSON value; its error names what is wrong and no Go type.
func decode(raw json.RawMessage, into any) error {
	err := json.Unmarshal(raw, into)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		return fmt.Errorf("%s is a %s", wrong.Field, wrong.Value)
	}
	return err
}

// pairs are words of which some are names of the next: "id 24 local 10.0.0.1".
type pairs []string

// after gives the word that follows a name, "" if there is none.
func (p pairs) after(name string) string {
	for i := 0; i+1 < len(p); i++ {
		if p[i] == name {
			return p[i+1]
		}
	}
	return ""
}

func (p pairs) has(word string) bool { return slices.Contains(p, word) }

// tree is JSON of which only a part is looked at, and whose fields have other types in other objects.
type tree map[string]any

// text gives a field as text; "" if it is no text and no number.
func (t tree) text(name string) string {
	switch v := t[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func (t tree) sub(name string) tree {
	m, _ := t[name].(map[string]any)
	return m
}

// count reads a decimal number; 0 if it is none or negative.
func count(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// addressOf reads an address; the invalid one if it is none, or none in particular. A zone is no part of it.
func addressOf(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a.WithZone("").Unmap()
}

// prefixOf reads ADDRESS or ADDRESS/LENGTH.
func prefixOf(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no prefix", text)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}
