package ssh

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// frrRoute is what FRR's zebra has installed: the same routes as the kernel's, by the protocols that they come from, which old kernels do not know. The
// metric in the kernel is the one that counts.
func frrRoute() table { return frrRoutes("frr-route", "vtysh -c 'show ip route vrf all json'") }

func frrRoute6() table { return frrRoutes("frr-route6", "vtysh -c 'show ipv6 route vrf all json'") }

// notRunning is what vtysh says on standard error, with exit status 0, where zebra is not there to answer (vtysh_execute_func).
const notRunning = "is not running"

func frrRoutes(name, line string) table {
	return table{
		name: name, line: line, root: true, may: true, needs: []string{"ip-link"}, but: notRunning, prints: "an empty object",
		parse: func(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
			routes, rows, left, err := parseFRRRoutes(raw)
			if s.frr == nil {
				s.frr = map[string][]route{}
			}
			s.frr[name] = routes
			return rows, left, err
		},
		tell: func(s *sheet, say *words) { say.routes(s, s.frr[name], false) },
	}
}

// objects reads the JSON objects of an answer, which stand one after the other.
func objects(raw []byte) ([]map[string]json.RawMessage, error) {
	var all []map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(raw))
	for {
		var one map[string]json.RawMessage
		switch err := d.Decode(&one); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, garbled("%s", err)
		}
		all = append(all, one)
	}
}

// parseFRRRoutes reads {"192.0.2.0/24": [route, …]}: one object, one for each VRF, or, in newer versions, one of all VRFs by their names.
func parseFRRRoutes(raw []byte) (routes []route, rows int, left []collectors.Unparsed, err error) {
	all, err := objects(raw)
	if err != nil {
		return nil, 0, nil, err
	}
	read := func(name string, list []json.RawMessage) {
		for _, element := range list {
			rows++
			found, err := frrElement(element)
			if err != nil {
				left = append(left, unread(name, string(element), err))
			}
			routes = append(routes, found...)
		}
	}
	top := len(all) // what follows are the VRFs in them
	for i := 0; i < len(all); i++ {
		for _, name := range slices.Sorted(maps.Keys(all[i])) {
			var list []json.RawMessage
			var vrf map[string]json.RawMessage
			switch value := all[i][name]; {
			case json.Unmarshal(value, &list) == nil:
				read(name, list)
			case i < top && json.Unmarshal(value, &vrf) == nil:
				all = append(all, vrf)
			default:
				rows++
				left = append(left, unread(name, string(value), errors.New("no routes")))
			}
		}
	}
	if rows > 0 && len(left) == rows {
		return nil, rows, left, garbled("%s: %s", left[0].Where, left[0].Why)
	}
	return routes, rows, left, nil
}

func frrElement(raw json.RawMessage) ([]route, error) {
	var j struct {
		Prefix    string `json:"prefix"`
		Protocol  string `json:"protocol"`
		VRF       string `json:"vrfName"`
		Selected  bool   `json:"selected"`
		Installed bool   `json:"installed"`
		Table     int64  `json:"table"`
		Hops      []struct {
			IP        string `json:"ip"`
			Interface string `json:"interfaceName"`
			FIB       bool   `json:"fib"`
			Blackhole bool   `json:"blackhole"`
			Reject    bool   `json:"reject"`
			Direct    bool   `json:"directlyConnected"`
		} `json:"nexthops"`
	}
	if err := decode(raw, &j); err != nil {
		return nil, err
	}
	prefix, err := netip.ParsePrefix(j.Prefix)
	if err != nil {
		return nil, fmt.Errorf("%q is no prefix", j.Prefix)
	}
	r := route{prefix: prefix, vrf: j.VRF, protocol: j.Protocol}
	if j.Protocol == "local" || !j.Selected && !j.Installed {
		return nil, nil // an address of an interface, or a route that is not used
	}
	if j.Protocol == "kernel" {
		r.protocol = "zebra" // not FRR's: the kernel says whose it is
	}
	for _, n := range j.Hops {
		if !n.FIB {
			continue
		}
		h := hop{dev: n.Interface}
		if n.IP != "" {
			a, err := netip.ParseAddr(n.IP)
			if err != nil {
				return nil, fmt.Errorf("%q is no next hop", n.IP)
			}
			h.via = a.WithZone("").Unmap()
		}
		switch {
		case n.Reject:
			r.typ = "unreachable"
		case n.Blackhole:
			r.typ = "blackhole"
		}
		if r.typ != "" && h.dev == "" && prefix.Addr().Is6() {
			h.dev = "lo" // the kernel has such routes of IPv6 there
		}
		r.hops = append(r.hops, h)
	}
	return []route{r}, nil
}

// vni is a VXLAN network as FRR's EVPN (RFC 8365) knows it.
type vni struct {
	number  int64
	layer3  bool
	vrf     string
	dev     string // the VXLAN interface
	local   netip.Addr
	remotes []netip.Addr // VTEPs that get what is flooded
}

// frrVNI: old versions print nothing where EVPN is not enabled (zebra_vxlan_print_vnis_detail).
func frrVNI() table {
	return table{
		name: "frr-evpn-vni", line: "vtysh -c 'show evpn vni detail json'", root: true, may: true, needs: []string{"ip-link"}, but: notRunning,
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			s.vnis, rows, left, err = parseVNIs(raw)
			return rows, left, err
		},
		tell: tellVNIs,
	}
}

// parseVNIs reads one object for each VNI, one after the other in old versions and in a list in new ones; empty ones are no rows.
func parseVNIs(raw []byte) (all []vni, rows int, left []collectors.Unparsed, err error) {
	if trimmed := bytes.TrimSpace(raw); len(trimmed) > 0 && trimmed[0] == '[' {
		return form[vni]{element: vniElement}.read(raw)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	var elements []json.RawMessage
	for {
		var one json.RawMessage
		if err := d.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, 0, nil, garbled("%s", err)
		}
		elements = append(elements, one)
	}
	list, err := json.Marshal(elements)
	if err != nil {
		return nil, 0, nil, garbled("%s", err)
	}
	if len(elements) == 0 {
		return nil, 0, nil, nil
	}
	return form[vni]{element: vniElement}.read(list)
}

func vniElement(raw json.RawMessage) ([]vni, error) {
	var j struct {
		VNI       int64           `json:"vni"`
		Type      string          `json:"type"`
		VRF       string          `json:"vrf"`
		Tenant    string          `json:"tenantVrf"`
		VXLAN     string          `json:"vxlanInterface"`
		VXLANIntf string          `json:"vxlanIntf"`
		VTEP      string          `json:"vtepIp"`
		Local     string          `json:"localVtepIp"`
		Number    json.RawMessage `json:"numRemoteVteps"` // their addresses in old versions
		Remotes   []struct {
			IP string `json:"ip"`
		} `json:"remoteVteps"`
	}
	if err := decode(raw, &j); err != nil {
		return nil, err
	}
	if j.VNI < 1 || j.VNI >= 1<<24 {
		return nil, errors.New("no VNI")
	}
	v := vni{number: j.VNI, layer3: j.Type == "L3", vrf: j.VRF + j.Tenant, dev: j.VXLAN + j.VXLANIntf}
	if j.VRF != "" {
		v.vrf = j.VRF
	}
	v.local = addressOf(j.VTEP + j.Local)
	var old []string
	_ = json.Unmarshal(j.Number, &old) // a number otherwise
	for _, r := range j.Remotes {
		old = append(old, r.IP)
	}
	for _, text := range old {
		a := addressOf(text)
		if !a.IsValid() {
			return nil, fmt.Errorf("%q is no VTEP", text)
		}
		v.remotes = append(v.remotes, a)
	}
	return []vni{v}, nil
}

// tellVNIs states VNIs of their interfaces, and those of layer 3 of their VRFs. An interface that bears many VNIs (collect_metadata) is none's alone.
func tellVNIs(s *sheet, say *words) {
	sharing := map[string]int{}
	for _, v := range s.vnis {
		sharing[v.dev]++
	}
	for _, v := range s.vnis {
		if v.layer3 && v.vrf != "" && v.vrf != "default" {
			say.Set(say.vrf(s, v.vrf), topology.AttrVNI, topology.IntValue(v.number))
		}
		if v.dev == "" {
			continue
		}
		k := s.interfaceKey(v.dev)
		if sharing[v.dev] == 1 {
			say.Set(k, topology.AttrVNI, topology.IntValue(v.number))
		}
		if v.local.IsValid() {
			say.Set(k, topology.AttrVTEP, topology.AddrValue(v.local))
		}
		for _, a := range v.remotes {
			say.Text(k, topology.AttrTunnelEntry, topology.MAC(0).String()+" "+a.String())
		}
	}
}
