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
type bridgePort struct{ name, master, state string }

func bridgeLink() table {
	return table{
		name: "bridge-link", line: "bridge -j -d link show", old: "bridge -d link show",
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			s.ports, rows, left, err = form[bridgePort]{element: bridgePortElement, record: bridgePortRecord}.read(raw)
			return rows, left, err
		},
		tell: func(s *sheet, say *words) {
			for _, p := range s.ports {
				if p.state != "" {
					say.text(s.interfaceKey(p.name), topology.AttrSTPState, "0 "+p.state)
				}
			}
		},
	}
}

func bridgePortElement(raw json.RawMessage) ([]bridgePort, error) {
	var j struct {
		Name   string `json:"ifname"`
		Master string `json:"master"`
		State  string `json:"state"`
	}
	if err := decode(raw, &j); err != nil {
		return nil, err
	}
	return bridgePort{j.Name, j.Master, j.State}.checked()
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
	return bridgePort{m[1], words.after("master"), words.after("state")}.checked()
}

// checked gives the port. A bridge that offloads is listed as a port of itself and has no state.
func (p bridgePort) checked() ([]bridgePort, error) {
	states := []string{"disabled", "blocking", "listening", "learning", "forwarding"}
	if p.name == "" || p.state != "" && !slices.Contains(states, p.state) {
		return nil, errors.New("no port of a bridge with its state")
	}
	return []bridgePort{p}, nil
}
