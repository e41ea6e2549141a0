package ssh

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// neighborEntry is an entry of the neighbour cache that has an address (ip-neighbour(8)): ARP (RFC 826) or neighbour discovery (RFC 4861).
type neighborEntry struct {
	addr netip.Addr
	dev  string
	mac  topology.MAC
}

// ipNeigh may have nothing to show: entries are forgotten, and not every link has them. Old versions take -j and print text (nothing) all the same.
func ipNeigh() table {
	return table{
		name: "ip-neigh", line: "ip -j neigh show", old: "ip neigh show", // of both families, since no family is named
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			s.neighbors, rows, left, err = form[neighborEntry]{element: neighborElement, record: neighborRecord}.read(raw)
			return rows, left, err
		},
		tell: func(s *sheet, say *words) {
			for _, n := range s.neighbors {
				say.Set(s.interfaceKey(n.dev), topology.AttrARP, topology.TextValue(n.addr.String()+" "+n.mac.String()))
			}
		},
	}
}

func neighborElement(raw json.RawMessage) ([]neighborEntry, error) {
	var j struct {
		Address string   `json:"dst"`
		Dev     string   `json:"dev"`
		MAC     string   `json:"lladdr"`
		States  []string `json:"state"`
	}
	if err := decode(raw, &j); err != nil {
		return nil, err
	}
	return usableNeighbor(j.Address, j.Dev, j.MAC, j.States)
}

// neighborRecord reads "192.0.2.1 dev swp1 lladdr 00:00:5e:00:53:01 router offload NOARP proto zebra".
func neighborRecord(r record) ([]neighborEntry, error) {
	words := pairs(strings.Fields(r.text()))
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "dev", "lladdr", "proto", "probes", "ref", "used", "dst":
			i++
		case "router", "proxy", "offload", "extern_learn", "managed", "locked", "vni":
		default:
			if strings.ToUpper(words[i]) != words[i] {
				return nil, fmt.Errorf("%q is no word of a neighbour entry", words[i])
			}
		}
	}
	return usableNeighbor(words[0], words.after("dev"), words.after("lladdr"), words)
}

// usableNeighbor gives an entry that somebody answered, or that was set. One that failed or waits for an answer is understood and none. So is one of
// an interface whose addresses are no MAC addresses.
func usableNeighbor(address, dev, mac string, states []string) ([]neighborEntry, error) {
	a, err := netip.ParseAddr(address)
	known := func(state string) bool {
		return slices.Contains([]string{"REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT", "NOARP"}, state)
	}
	unanswered := func(state string) bool { return slices.Contains([]string{"FAILED", "INCOMPLETE", "NONE"}, state) }
	switch {
	case err == nil && slices.ContainsFunc(states, unanswered):
		return nil, nil
	case err != nil || dev == "":
		return nil, errors.New("no neighbour entry with an address and an interface")
	case mac == "":
		return nil, nil
	case !slices.ContainsFunc(states, known):
		return nil, errors.New("no state of a neighbour entry")
	}
	m, err := topology.ParseMAC(mac)
	if err != nil {
		if _, err := netip.ParseAddr(mac); err == nil || len(mac) > len("00:00:5e:00:53:01") {
			return nil, nil // of a tunnel, or of InfiniBand
		}
		return nil, fmt.Errorf("%q is no MAC address", mac)
	}
	if m == 0 || m.Group() || a.IsUnspecified() {
		return nil, nil
	}
	return []neighborEntry{{a.WithZone("").Unmap(), dev, m}}, nil
}
