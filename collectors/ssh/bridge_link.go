package ssh

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// bridgePort is a port of a bridge (bridge-link(8)).
type bridgePort struct {
	name, state      string
	isolated, locked bool
}

func bridgeLink() table {
	return table{
		name: "bridge-link", line: "bridge -j -d link show", old: "bridge -d link show",
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			s.ports, rows, left, err = form[bridgePort]{element: bridgePortElement, record: bridgePortRecord}.read(raw)
			return rows, left, err
		},
		tell: func(s *sheet, say *words) {
			for _, p := range s.ports {
				k := s.interfaceKey(p.name)
				if p.state != "" {
					say.Text(k, topology.AttrSTPState, "0 "+p.state)
				}
				if p.isolated {
					say.Text(k, topology.AttrPortLimit, "isolated")
				}
				if p.locked {
					say.Text(k, topology.AttrPortLimit, "locked")
				}
			}
		},
	}
}

func bridgePortElement(raw json.RawMessage) ([]bridgePort, error) {
	var j struct {
		Name     string `json:"ifname"`
		State    string `json:"state"`
		Isolated bool   `json:"isolated"`
		Locked   bool   `json:"locked"`
	}
	if err := decode(raw, &j); err != nil {
		return nil, err
	}
	return bridgePort{j.Name, j.State, j.Isolated, j.Locked}.checked()
}

// bridgePortLine is "4: vx10: <BROADCAST,UP> mtu 1500 master br0 state forwarding priority 32 cost 100", and in old versions
// "3: swp1 state UP : <BROADCAST,UP> mtu 1500 master br0 state forwarding …".
var bridgePortLine = regexp.MustCompile(`^\d+: (\S+?)(?:@\S+?)?:? (?:state \S+ (?:@\S+)?: )?<[^<> ]*> (.*)$`)

func bridgePortRecord(r record) ([]bridgePort, error) {
	m := bridgePortLine.FindStringSubmatch(r.lines[0])
	if m == nil {
		return nil, errors.New("no port of a bridge")
	}
	words := pairs(strings.Fields(m[2]))
	details := pairs(strings.Fields(strings.Join(r.lines[1:], " ")))
	return bridgePort{m[1], words.after("state"), details.after("isolated") == "on", details.after("locked") == "on"}.checked()
}

// checked gives the port. A bridge that offloads is listed as a port of itself and has no state.
func (p bridgePort) checked() ([]bridgePort, error) {
	if p.name == "" || p.state != "" && !slices.Contains(treeStates(), p.state) {
		return nil, errors.New("no port of a bridge with its state")
	}
	return []bridgePort{p}, nil
}

// treeStates lists the states of a port, or of a VLAN on it, in the spanning tree (IEEE 802.1D 7.4).
func treeStates() []string {
	return []string{"disabled", "blocking", "listening", "learning", "forwarding"}
}
