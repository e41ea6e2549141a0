package ssh

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// openVSwitch is what ovs-vsctl and ovs-appctl said, by UUID and by name.
type openVSwitch struct {
	bridges    map[string]ovsBridge    // by name
	ports      map[string]ovsPort      // by UUID
	interfaces map[string]ovsInterface // by UUID
	bonded     map[string]bool         // names of ports of several interfaces
	flows      map[string]bool         // by bridge whose rules are known: they are anything but normal switching of all
	learned    []ovsLearned
	bonds      map[string]ovsBond // by port name, from bond/show
	lacp       map[string]ovsLACP // by port name, from lacp/show
}

// ovsBridge is a row of the table Bridge (ovs-vswitchd.conf.db(5), as for all columns below).
type ovsBridge struct {
	name       string
	ports      []string // UUIDs
	controlled bool     // a controller, or nobody, says what is forwarded: not the VLANs of the ports
	rstp, stp  bool
}

// ovsPort is a row of the table Port.
type ovsPort struct {
	name       string
	interfaces []string // UUIDs; several: a bond
	tag        int      // -1: none
	trunks     []int
	mode       string // vlan_mode
	bondMode   string
	protected  bool   // passes nothing to other protected ports
	fake       bool   // the port is a bridge of its own in the eyes of ovs-vsctl and libvirt
	tree       string // state in the spanning tree, in the words of AttrSTPState; "" if there is none
}

// ovsInterface is a row of the table Interface.
type ovsInterface struct {
	name, typ         string
	number            int // ofport; -1: the interface could not be opened
	options, external map[string]string
	driver            string
	mac               string
	mtu, speed        int
	duplex            string
	link, admin       string
	broken            bool
}

// ovsTables are the commands of Open vSwitch. Its control socket is root's.
func ovsTables() []table {
	const list = "ovs-vsctl -f json --columns="
	all := []table{
		{
			name: "ovs-interface", root: true, may: true, needs: []string{"ovs-port", "ovs-bridge"},
			line:  list + "_uuid,name,type,ofport,options,external_ids,status,mac_in_use,mtu,link_speed,duplex,link_state,admin_state,error list Interface",
			parse: ovsdb("Interface", parseOVSInterface), tell: tellOVSInterfaces,
		},
		{
			name: "ovs-port", root: true, may: true, needs: []string{"ovs-bridge", "ovs-interface", "ovs-bond", "ovs-lacp", "ovs-flows"},
			line:  list + "_uuid,name,interfaces,tag,trunks,vlan_mode,bond_mode,fake_bridge,status,rstp_status,protected list Port",
			old:   list + "_uuid,name,interfaces,tag,trunks,vlan_mode,bond_mode,fake_bridge,status,rstp_status list Port", // before 2.8
			parse: ovsdb("Port", parseOVSPort), tell: tellOVSPorts,
		},
		{
			name: "ovs-bridge", root: true, may: true, needs: []string{"ovs-port", "ovs-interface", "ovs-flows", "ip-link", "sysfs-net"},
			line:  list + "_uuid,name,ports,controller,fail_mode,stp_enable,rstp_enable list Bridge",
			parse: ovsdb("Bridge", parseOVSBridge), tell: tellOVSBridges,
		},
		ovsFlowsTable(), ovsFDBTable(), ovsBondTable(), ovsLACPTable(),
	}
	for i := range all {
		all[i].shown, all[i].shownBy = (*sheet).showsOVS, "ip-link"
	}
	return all
}

// showsOVS tells by what Open vSwitch is seen on a host without asking it: the interfaces of its kernel datapath (ovs-system, which is the master of all that are
// in it) and of its userspace datapath (ovs-netdev), or its own database, where ovs-appctl alone is missing.
func (s *sheet) showsOVS() string {
	for _, name := range sortedKeys(s.named) {
		l := s.named[name]
		if name == "ovs-system" || name == "ovs-netdev" || l.master == "ovs-system" || l.kind == "openvswitch" || l.slaveKind == "openvswitch" {
			return "the interface " + name + " is one of Open vSwitch"
		}
	}
	if len(s.ovs.bridges) > 0 {
		return "ovs-vsctl lists bridges"
	}
	return ""
}

// ovsRow is a row of a table by the names of its columns. Values are those of OVSDB's JSON (RFC 7047 section 5.1).
type ovsRow map[string]any

// ovsdb makes the grammar of "ovs-vsctl -f json list TABLE": headings, and rows of that many values.
func ovsdb(what string, row func(s *sheet, uuid string, r ovsRow) (why string)) func(*sheet, []byte) (int, []collectors.Unparsed, error) {
	return func(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
		var doc struct {
			Headings []string
			Data     [][]any
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			return 0, nil, shell.Malformed("Open vSwitch table %s: %v", what, err)
		}
		if len(doc.Headings) == 0 {
			return 0, nil, shell.Malformed("Open vSwitch table %s has no headings", what)
		}
		var t tally
		for i, values := range doc.Data {
			where := what + " row " + strconv.Itoa(i+1)
			if len(values) != len(doc.Headings) {
				t.Miss(where, what, strconv.Itoa(len(values))+" values under "+strconv.Itoa(len(doc.Headings))+" headings")
				continue
			}
			r := make(ovsRow, len(values))
			for j, h := range doc.Headings {
				r[h] = values[j]
			}
			// Only the name is shown of a row: options may hold keys of tunnels.
			if why := row(s, r.uuid("_uuid"), r); why != "" {
				t.Miss(where, r.text("name"), why)
				continue
			}
			t.Rows++
		}
		return t.Rows, t.Left, nil
	}
}

// atoms gives the values of a column: one, or those of a set.
func (r ovsRow) atoms(column string) []any {
	v, ok := r[column]
	if !ok || v == nil {
		return nil
	}
	if pair, ok := v.([]any); ok && len(pair) == 2 && pair[0] == "set" {
		set, _ := pair[1].([]any)
		return set
	}
	return []any{v}
}

// text gives a column of one text; "" if it is empty or none.
func (r ovsRow) text(column string) string {
	if a := r.atoms(column); len(a) == 1 {
		text, _ := a[0].(string)
		return text
	}
	return ""
}

func (r ovsRow) flag(column string) bool {
	a := r.atoms(column)
	return len(a) == 1 && a[0] == true
}

// whole gives a column of whole numbers; false if anything else is in it.
func (r ovsRow) whole(column string) ([]int, bool) {
	atoms := r.atoms(column)
	ns := make([]int, 0, len(atoms))
	for _, a := range atoms {
		f, ok := a.(float64)
		if !ok || f != float64(int(f)) {
			return nil, false
		}
		ns = append(ns, int(f))
	}
	return ns, true
}

// one gives a column of at most one number; absent if it is empty.
func (r ovsRow) one(column string, absent int) (int, bool) {
	ns, ok := r.whole(column)
	switch {
	case !ok || len(ns) > 1:
		return absent, false
	case len(ns) == 0:
		return absent, true
	}
	return ns[0], true
}

// uuids gives the rows that a column refers to.
func (r ovsRow) uuids(column string) []string {
	var ids []string
	for _, a := range r.atoms(column) {
		if pair, ok := a.([]any); ok && len(pair) == 2 && pair[0] == "uuid" {
			if id, ok := pair[1].(string); ok {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func (r ovsRow) uuid(column string) string {
	if ids := r.uuids(column); len(ids) == 1 {
		return ids[0]
	}
	return ""
}

// pairs gives a column that is a map of texts.
func (r ovsRow) pairs(column string) map[string]string {
	m := map[string]string{}
	v, _ := r[column].([]any)
	if len(v) != 2 || v[0] != "map" {
		return m
	}
	entries, _ := v[1].([]any)
	for _, e := range entries {
		if pair, ok := e.([]any); ok && len(pair) == 2 {
			key, isText := pair[0].(string)
			value, also := pair[1].(string)
			if isText && also {
				m[key] = value
			}
		}
	}
	return m
}

func parseOVSBridge(s *sheet, uuid string, r ovsRow) (why string) {
	b := ovsBridge{name: r.text("name"), ports: r.uuids("ports"), stp: r.flag("stp_enable"), rstp: r.flag("rstp_enable")}
	b.controlled = len(r.atoms("controller")) > 0 || r.text("fail_mode") == "secure"
	if b.name == "" || uuid == "" {
		return "a bridge without name or UUID"
	}
	if s.ovs.bridges == nil {
		s.ovs.bridges = map[string]ovsBridge{}
	}
	s.ovs.bridges[b.name] = b
	return ""
}

func parseOVSPort(s *sheet, uuid string, r ovsRow) (why string) {
	p := ovsPort{
		name: r.text("name"), interfaces: r.uuids("interfaces"), mode: r.text("vlan_mode"), bondMode: r.text("bond_mode"),
		fake: r.flag("fake_bridge"), protected: r.flag("protected"), tree: ovsTree(r.pairs("status")["stp_state"], r.pairs("rstp_status")["rstp_port_state"]),
	}
	if p.name == "" || uuid == "" || len(p.interfaces) == 0 {
		return "a port without name, UUID or interfaces"
	}
	var ok, also bool
	p.tag, ok = r.one("tag", -1)
	p.trunks, also = r.whole("trunks")
	if !ok || !also {
		return "tag or trunks are no VLAN numbers"
	}
	switch p.mode {
	case "", "access", "trunk", "native-tagged", "native-untagged", "dot1q-tunnel":
	default:
		return "no VLAN mode is called " + strconv.Quote(p.mode)
	}
	if s.ovs.ports == nil {
		s.ovs.ports, s.ovs.bonded = map[string]ovsPort{}, map[string]bool{}
	}
	s.ovs.ports[uuid] = p
	s.ovs.bonded[p.name] = s.ovs.bonded[p.name] || len(p.interfaces) > 1
	return ""
}

// ovsTree gives the state of a port in the spanning tree: of the columns status (IEEE 802.1D) and rstp_status (IEEE 802.1D-2004, where what
// neither learns nor forwards is discarding).
func ovsTree(stp, rstp string) string {
	if rstp == "Discarding" {
		return "blocking"
	}
	return strings.ToLower(stp + rstp)
}

func parseOVSInterface(s *sheet, uuid string, r ovsRow) (why string) {
	i := ovsInterface{
		name: r.text("name"), typ: r.text("type"), options: r.pairs("options"), external: r.pairs("external_ids"), driver: r.pairs("status")["driver_name"],
		mac: r.text("mac_in_use"), duplex: r.text("duplex"), link: r.text("link_state"), admin: r.text("admin_state"), broken: len(r.atoms("error")) > 0,
	}
	if i.name == "" || uuid == "" {
		return "an interface without name or UUID"
	}
	var ok [3]bool
	i.number, ok[0] = r.one("ofport", -1)
	i.mtu, ok[1] = r.one("mtu", 0)
	i.speed, ok[2] = r.one("link_speed", 0)
	if ok != [3]bool{true, true, true} {
		return "ofport, mtu or link_speed are no numbers"
	}
	if i.mac != "" {
		if _, err := topology.ParseMAC(i.mac); err != nil {
			return err.Error()
		}
	}
	if s.ovs.interfaces == nil {
		s.ovs.interfaces = map[string]ovsInterface{}
	}
	s.ovs.interfaces[uuid] = i
	return ""
}
