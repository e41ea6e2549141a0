package topology

import (
	"net/netip"
	"slices"
	"strings"
)

// Match is a node that answers to what somebody typed, and by which of its words.
type Match struct {
	Node Node
	Attr Attr // 0: by its key, or as DEVICE/INTERFACE
}

// findKinds are the kinds that people look for, in the order in which matches are listed.
var findKinds = []Kind{ //nolint:gochecknoglobals // read-only table
	VM, Host, Switch, Router, Firewall, FCSwitch, Array, Server, BMC, VNIC, VDisk, Port, NIC, LAG, InitiatorPort, TargetPort, LogicalUnit,
	StoragePool, Volume, Subnet, VLAN,
}

// findAttrs are the attributes that people look by: names without regard to case, identifiers in any accepted notation.
var findAttrs = []Attr{ //nolint:gochecknoglobals // read-only table
	AttrName, AttrHandle, AttrSysName, AttrUUID, AttrMAC, AttrBridgeMAC, AttrChassisID, AttrAddress, AttrUnnumbered, AttrMgmtAddress, AttrWWPN,
	AttrIQN, AttrNQN, AttrDesignator, AttrSerial, AttrPath, AttrAlias, AttrIfName, AttrIfAlias,
}

// maxQuery is longer than any name: a device and an interface of 255 octets each.
const maxQuery = 1024

// Find lists the nodes that a name, UUID, MAC, IP address, WWPN, IQN, designator, key (kind:ID) or DEVICE/INTERFACE means. It never chooses: who
// gets several matches asks.
func (s *Snapshot) Find(what string) []Match {
	what = strings.TrimSpace(what)
	if what == "" || len(what) > maxQuery {
		return nil
	}
	if k, err := ParseKey(what); err == nil {
		if n, ok := s.Node(k); ok {
			return []Match{{Node: n}}
		}
	}
	wanted := newQuery(what)
	var ms []Match
	for n := range s.Nodes(findKinds...) {
		if a, ok := wanted.matches(n); ok {
			ms = append(ms, Match{n, a})
		}
	}
	if ms == nil {
		ms = s.findInterface(what)
	}
	slices.SortStableFunc(ms, func(a, b Match) int {
		return slices.Index(findKinds, a.Node.Kind()) - slices.Index(findKinds, b.Node.Kind())
	})
	return ms
}

// query is what somebody typed in all the forms that it may have.
type query struct {
	text  string
	attrs [attrEnd]bool // findAttrs
	exact map[Attr]string
	ids   []string // keys' IDs that it may be
	addr  netip.Addr
	mac   Value // zero: it is none; so is wwn
	wwn   Value
}

func newQuery(what string) *query {
	q := &query{text: what, exact: map[Attr]string{}, ids: []string{what}}
	for _, a := range findAttrs {
		q.attrs[a] = true
	}
	if id, err := ParseUUID(what); err == nil {
		q.exact[AttrUUID] = id
		q.ids = append(q.ids, id)
	}
	if m, err := ParseMAC(what); err == nil {
		q.mac, q.exact[AttrChassisID] = MACValue(m), "mac/"+m.String()
		q.ids = append(q.ids, m.String())
	}
	if w, err := ParseWWN(what); err == nil {
		q.wwn = WWNValue(w)
		q.ids = append(q.ids, w.String())
	}
	if iqn, err := ParseIQN(what); err == nil {
		q.exact[AttrIQN] = string(iqn)
		q.ids = append(q.ids, string(iqn))
	}
	if d, err := ParseDesignator(what); err == nil {
		q.exact[AttrDesignator] = d
		q.ids = append(q.ids, d)
	}
	if a, err := netip.ParseAddr(what); err == nil {
		q.addr = a.Unmap()
	} else if p, err := netip.ParsePrefix(what); err == nil {
		q.ids = append(q.ids, p.Masked().String())
		if p != p.Masked() {
			q.addr = p.Addr()
		}
	}
	return q
}

func (q *query) matches(n Node) (Attr, bool) {
	if slices.Contains(q.ids, n.Key().ID) {
		return 0, true
	}
	for _, f := range n.s.row(n.n).facts {
		if !q.attrs[f.attr] {
			continue
		}
		if q.means(f.attr, n.s.value(f)) {
			return f.attr, true
		}
	}
	return 0, false
}

func (q *query) means(a Attr, v Value) bool {
	switch v.typ { //nolint:exhaustive // the others are compared as text
	case TypeMAC:
		return v == q.mac
	case TypeWWN:
		return v == q.wwn
	case TypeAddr, TypePrefix:
		return q.addr.IsValid() && v.Addr() == q.addr
	}
	want, ok := q.exact[a]
	return ok && want == v.String() || strings.EqualFold(v.String(), q.text)
}

// findInterface reads DEVICE/INTERFACE or "DEVICE INTERFACE", where the device is named by any of its words.
func (s *Snapshot) findInterface(what string) []Match {
	var ms []Match
	for i, r := range what {
		if r != '/' && r != ' ' && r != ':' {
			continue
		}
		device, name := newQuery(what[:i]), what[i+1:]
		for d := range s.Nodes(Host, Switch, Router, Firewall, FCSwitch, Array) {
			if _, ok := device.matches(d); !ok {
				continue
			}
			for _, e := range d.Out(Contains) {
				if e.To.Kind().Interface() && e.To.called(name) {
					ms = append(ms, Match{Node: e.To})
				}
			}
		}
		if ms != nil {
			return ms
		}
	}
	return nil
}

// called reports whether an interface has the name: its own, or the one it is known by inside its device.
func (n Node) called(name string) bool {
	_, part, _ := strings.Cut(n.Key().ID, "/")
	return name != "" && (strings.EqualFold(n.Name(), name) || strings.EqualFold(n.Text(AttrIfName), name) || strings.EqualFold(part, name))
}
