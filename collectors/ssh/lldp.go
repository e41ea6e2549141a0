package ssh

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// lldpSystem is a system as it calls itself (IEEE 802.1AB).
type lldpSystem struct {
	chassis      string // "mac/00:00:5e:00:53:01"
	name, descr  string
	addresses    []netip.Addr
	capabilities []string // those that are enabled
}

// heard is a neighbour that lldpd hears on an interface.
type heard struct {
	lldpSystem
	on, protocol string // lldp, cdp, edp …
	index        string // RID, the number that lldpd gives it
	port, descr  string // "ifName/swp1", and in words
	ttl          int64  // s; 0: not said
	pvid         topology.VID
}

// announced is what lldpd calls an interface of the device itself.
type announced struct{ on, port string }

// lldpPrints is what lldpcli prints of nothing: json_end of json_writer.c writes the outermost object, and text_writer.c a heading between rules.
const lldpPrints = "an empty object, or a heading"

// lldpNeighbors asks with details, since the time to live and VLANs are among them in older versions.
func lldpNeighbors() table {
	return table{
		name: "lldp", line: "lldpcli -f json0 show neighbors details", old: "lldpctl", root: true, may: true, prints: lldpPrints,
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			s.heard, rows, left, err = readLLDP(raw, "Interface", "interface", newHeard)
			return rows, left, err
		},
		tell: func(s *sheet, say *words) {
			for _, h := range s.heard {
				say.neighbor(s.interfaceKey(h.on), h)
			}
		},
	}
}

func lldpChassis() table {
	return table{
		name: "lldp-chassis", line: "lldpcli -f json0 show chassis", old: "lldpcli show chassis", root: true, may: true, prints: lldpPrints,
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			s.chassis, rows, left, err = readLLDP(raw, "Chassis", "local-chassis", func(n lldpNode) (lldpSystem, error) {
				return newSystem(n.sub("chassis"), "lldp")
			})
			return rows, left, err
		},
		tell: func(s *sheet, say *words) {
			for _, c := range s.chassis {
				say.Text(s.device, topology.AttrChassisID, c.chassis)
				say.reach(s.device, c)
			}
		},
	}
}

func lldpInterfaces() table {
	return table{
		name: "lldp-interfaces", line: "lldpcli -f json0 show interfaces details", old: "lldpcli show interfaces details", root: true, may: true, prints: lldpPrints,
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			s.announced, rows, left, err = readLLDP(raw, "Interface", "interface", func(n lldpNode) (announced, error) {
				id, err := n.sub("port").id("lldp")
				if n.name == "" {
					err = errors.New("no interface")
				}
				return announced{n.name, id}, err
			})
			return rows, left, err
		},
		tell: func(s *sheet, say *words) {
			for _, a := range s.announced {
				say.Text(s.interfaceKey(a.on), topology.AttrLLDPPortID, a.port)
			}
		},
	}
}

// reach states where a system is reached, and what it does. Its name and its description in LLDP are not those of SNMP (RFC 3418), which a device has.
func (w *words) reach(k topology.Key, c lldpSystem) {
	for _, a := range c.addresses {
		w.Set(k, topology.AttrMgmtAddress, topology.AddrValue(a))
	}
	for _, word := range c.capabilities {
		w.Text(k, topology.AttrCapability, word)
	}
}

// neighbor states a neighbour under the key that SNMP gives it. One that says nothing of itself is known by its number.
func (w *words) neighbor(port topology.Key, h heard) {
	last := h.port
	if h.chassis == "" && h.port == "" {
		last = "lldpRemIndex " + h.index
	}
	n := topology.PartKey(topology.Neighbor, port, h.protocol, h.chassis, last)
	w.Relate(port, topology.HasNeighbor, n)
	w.Text(n, topology.AttrProtocol, h.protocol)
	w.Text(n, topology.AttrNeighborChassis, h.chassis)
	w.Text(n, topology.AttrNeighborPort, h.port)
	w.Text(n, topology.AttrNeighborPortDesc, h.descr)
	w.Text(n, topology.AttrSysName, h.name)
	w.Text(n, topology.AttrSysDescr, h.lldpSystem.descr)
	w.reach(n, h.lldpSystem)
	if _, name, _ := strings.Cut(h.chassis, "/"); h.protocol == "cdp" {
		w.Text(n, topology.AttrName, name)
	}
	if h.ttl > 0 {
		w.Set(n, topology.AttrTTL, topology.IntValue(h.ttl))
	}
	if h.pvid != 0 {
		w.Set(n, topology.AttrPVID, topology.IntValue(h.pvid))
	}
}

func newHeard(n lldpNode) (heard, error) {
	h := heard{on: n.name, index: n.text("rid"), ttl: count(n.sub("port").text("ttl"))}
	via := strings.ToLower(n.text("via"))
	if h.protocol = via; strings.HasPrefix(via, "cdp") {
		h.protocol = "cdp"
	}
	port := n.sub("port")
	var err, err2 error
	h.lldpSystem, err = newSystem(n.sub("chassis"), h.protocol)
	h.port, err2 = port.id(h.protocol)
	h.descr = port.text("descr")
	for _, v := range n.all("vlan") {
		if vid, err := topology.ParseVID(v.text("vlan-id")); err == nil && v.text("pvid") == "yes" {
			h.pvid = vid
		}
	}
	if h.on == "" || h.protocol == "" {
		err = errors.New("no neighbour with its interface and protocol")
	}
	return h, cmp.Or(err, err2)
}

func newSystem(n lldpNode, protocol string) (lldpSystem, error) {
	id, err := n.id(protocol)
	c := lldpSystem{chassis: id, name: n.text("name"), descr: n.text("descr")}
	for _, x := range n.all("mgmt-ip") {
		if a := addressOf(x.value()); a.IsValid() && !slices.Contains(c.addresses, a) {
			c.addresses = append(c.addresses, a)
		}
	}
	for _, x := range n.all("capability") {
		if on := x.text("enabled"); on != "yes" && on != "on" {
			continue
		}
		word, known := capabilityWords()[x.text("type")]
		if !known {
			return c, fmt.Errorf("%q is no capability", x.text("type"))
		}
		c.capabilities = append(c.capabilities, word)
	}
	return c, err
}

// capabilityWords translates lldpd's words for the bits of LldpSystemCapabilitiesMap (IEEE 802.1AB-2016 table 8-4).
func capabilityWords() map[string]string {
	return map[string]string{
		"Other": "other", "Repeater": "repeater", "Bridge": "bridge", "Wlan": "wlanAccessPoint", "Router": "router", "Tel": "telephone",
		"Docsis": "docsisCableDevice", "Station": "stationOnly",
	}
}

// id gives a chassis or port ID as the model writes it. CDP has no subtypes: its device ID is a deviceID and its port ID an ifName. lldpd
// knows no word for some subtypes.
func (n lldpNode) id(protocol string) (string, error) {
	for _, id := range n.all("id") {
		value := id.value()
		if value == "" {
			continue
		}
		subtype, known := map[string]string{
			"mac": "mac", "ip": "address", "ifname": "ifName", "ifalias": "ifAlias", "local": "local", "component": "component",
			"port component": "portComponent", "agent circuit id": "circuit", "unhandled": "subtype0",
		}[strings.ToLower(id.text("type"))]
		switch {
		case !known:
			return "", fmt.Errorf("%q is no subtype of an ID", id.text("type"))
		case protocol == "cdp" && n.kind == "chassis":
			subtype = "deviceID"
		case protocol == "cdp":
			subtype = "ifName"
		}
		if m, err := topology.ParseMAC(value); err == nil && subtype == "mac" {
			value = m.String()
		}
		if a, err := netip.ParseAddr(value); err == nil && subtype == "address" {
			value = a.WithZone("").Unmap().String()
		}
		return subtype + "/" + value, nil
	}
	return "", nil
}

// lldpNode is a part of lldpd's answer, whatever its form: json0 makes a list of everything, json only of what is there twice and takes names for keys,
// and text has words of its own.
type lldpNode struct {
	kind, name string
	body       any
}

// fields gives the fields; a bare text is the field "value".
func (n lldpNode) fields() tree {
	switch v := n.body.(type) {
	case map[string]any:
		return v
	case string:
		return tree{"value": v}
	}
	return nil
}

// all lists the parts of a kind.
func (n lldpNode) all(kind string) []lldpNode { return spread(kind, n.fields()[kind]) }

func spread(kind string, body any) []lldpNode {
	switch v := body.(type) {
	case nil:
		return nil
	case []any:
		var all []lldpNode
		for _, x := range v {
			all = append(all, spread(kind, x)...)
		}
		return all
	case map[string]any:
		if name, ok := tree(v)["name"].(string); ok && kind == "interface" {
			return []lldpNode{{kind, name, body}}
		}
		if kind != "interface" && (kind != "chassis" || v["id"] != nil) {
			return []lldpNode{{kind, "", body}}
		}
		var all []lldpNode
		for name, x := range v {
			if fields, ok := x.(map[string]any); ok && kind == "chassis" && fields["name"] == nil {
				fields["name"] = name
			}
			all = append(all, lldpNode{kind, name, x})
		}
		slices.SortFunc(all, func(a, b lldpNode) int { return strings.Compare(a.name, b.name) })
		return all
	}
	return []lldpNode{{kind, "", body}}
}

// sub gives the first part of a kind.
func (n lldpNode) sub(kind string) lldpNode {
	if all := n.all(kind); len(all) > 0 {
		return all[0]
	}
	return lldpNode{kind: kind}
}

// text gives a field as text, "yes" and "no" of truth values.
func (n lldpNode) text(field string) string {
	switch v := n.fields()[field].(type) {
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case nil:
		return ""
	default:
		if text := n.fields().text(field); text != "" {
			return text
		}
		return n.sub(field).value()
	}
}

// value gives the text of a part that is text; interfaces' TTL is called ttl in itself.
func (n lldpNode) value() string { return strings.TrimSpace(n.fields().text("value")) }

// readLLDP reads the parts of a kind. Text has them as blocks that begin with a word.
func readLLDP[T any](raw []byte, word, kind string, read func(lldpNode) (T, error)) (all []T, rows int, left []collectors.Unparsed, err error) {
	var nodes []lldpNode
	var where []string
	if isJSON(raw) {
		var top any
		if err := json.Unmarshal(raw, &top); err != nil {
			return nil, 0, nil, garbled("%s", err)
		}
		root := lldpNode{body: top}
		if root.fields() == nil || len(root.fields()) > 0 && root.fields()["lldp"] == nil && root.fields()[kind] == nil {
			return nil, 0, nil, garbled("no answer of lldpd")
		}
		nodes = root.all(kind)
		for _, n := range root.all("lldp") {
			nodes = append(nodes, n.all(kind)...)
		}
		for i, n := range nodes {
			where = append(where, strings.TrimSpace(kind+" "+strconv.Itoa(i)+" "+n.name))
		}
	} else if nodes, where, err = lldpBlocks(raw, word, kind); err != nil {
		return nil, 0, nil, err
	}
	for i, n := range nodes {
		x, err := read(n)
		if err != nil {
			text, _ := json.Marshal(n.body) //nolint:errchkjson // it was JSON, or is made of texts
			left = append(left, unread(where[i], string(text), err))
			continue
		}
		all = append(all, x)
	}
	if len(left) > 0 && len(all) == 0 {
		return nil, len(nodes), left, garbled("%s: %s", left[0].Where, left[0].Why)
	}
	return all, len(nodes), left, nil
}
