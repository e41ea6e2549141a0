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

// fdbEntry is an entry of a bridge, of a tunnel (it has a destination) or of a card's own filter of addresses (bridge-fdb(8)).
type fdbEntry struct {
	topology.FDBEntry
	dev string
	to  netip.Addr // the VTEP; invalid: the port itself
}

func bridgeFDB() table {
	return table{
		name: "bridge-fdb", line: "bridge -j fdb show", old: "bridge fdb show",
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			s.entries, rows, left, err = form[fdbEntry]{element: fdbElement, record: fdbRecord}.read(raw)
			return rows, left, err
		},
		tell: func(s *sheet, say *words) {
			for _, e := range s.entries {
				k := s.interfaceKey(e.dev)
				if e.to.IsValid() {
					say.Text(k, topology.AttrTunnelEntry, e.MAC.String()+" "+e.to.String())
				} else {
					say.Set(k, topology.AttrLearned, topology.FDBValue(e.FDBEntry))
				}
			}
		},
	}
}

func fdbElement(raw json.RawMessage) ([]fdbEntry, error) {
	var j struct {
		MAC   string `json:"mac"`
		Dev   string `json:"ifname"`
		VID   int    `json:"vlan"`
		To    string `json:"dst"`
		State string `json:"state"`
	}
	if err := decode(raw, &j); err != nil {
		return nil, err
	}
	return newFDBEntry(j.MAC, j.Dev, j.To, j.VID, j.State)
}

// fdbRecord reads "00:00:5e:00:53:01 dev vni24 vlan 24 offload master bridge static". Old versions say "learned" of what they learned.
func fdbRecord(r record) ([]fdbEntry, error) {
	words := pairs(strings.Fields(r.text()))
	state, vid := "", 0
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "vlan":
			v, err := topology.ParseVID(words.after("vlan"))
			if err != nil {
				return nil, err
			}
			vid = int(v)
			i++
		case "dev", "dst", "vni", "src_vni", "port", "via", "master", "br", "link-netnsid", "link-netns", "used", "nhid", "br_dev":
			i++
		case "permanent", "static", "stale", "learned", "reachable":
			state = words[i]
		case "self", "router", "offload", "extern_learn", "sticky", "locked", "added_by_user", "dynamic", "activity_notify", "inactive":
		default:
			return nil, fmt.Errorf("%q is no word of an entry", words[i])
		}
	}
	return newFDBEntry(words[0], words.after("dev"), words.after("dst"), vid, state)
}

// newFDBEntry says how the bridge came to an entry: "permanent" are its own addresses, or groups that it listens to; "static" ones were set or came by
// a routing protocol (EVPN); all others were learned from frames.
func newFDBEntry(mac, dev, to string, vid int, state string) ([]fdbEntry, error) {
	m, err := topology.ParseMAC(mac)
	if err != nil || dev == "" || vid < 0 || vid > 4094 {
		return nil, errors.New("no entry with an address, an interface and a VLAN")
	}
	e := fdbEntry{FDBEntry: topology.FDBEntry{VID: topology.VID(vid), MAC: m, Status: topology.FDBLearned}, dev: dev}
	switch {
	case state == "permanent" && m.Group():
		e.Status = topology.FDBOther
	case state == "permanent":
		e.Status = topology.FDBSelf
	case state == "static":
		e.Status = topology.FDBStatic
	case !slices.Contains([]string{"", "stale", "learned", "reachable"}, strings.ToLower(state)):
		return nil, fmt.Errorf("%q is no state of an entry", state)
	}
	if to != "" {
		a, err := netip.ParseAddr(to)
		if err != nil {
			return nil, fmt.Errorf("%q is no address of a tunnel's end", to)
		}
		e.to = a.WithZone("").Unmap()
	}
	return []fdbEntry{e}, nil
}
