package ssh

import (
	"fmt"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// connectionsTable lists the TCP connections of a host. Those of the programs that run its VMs, which log in to arrays themselves, are nowhere else to be seen. ss is
// of iproute2, as ip is: a host has it, and one that has not is not one without connections.
func connectionsTable() table {
	return table{name: "tcp-sessions", line: "ss -Htn state established", parse: parseConnections, tell: tellConnections}
}

// parseConnections reads ss -Htn, which prints nothing where there is no connection.
func parseConnections(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	list, t := shell.Connections(raw)
	if len(list) == 0 && t.Rows > 0 {
		return 0, nil, shell.Malformed("no list of connections: %s: %s", t.Left[0].Where, t.Left[0].Why)
	}
	s.connections, s.connected = list, len(t.Left) == 0
	return t.Rows, t.Left, nil
}

// The ports of iSCSI: 3260 is the one that IANA gives to targets, 860 the older one of the system (RFC 7143 section 4.1).
const (
	portISCSI       = 3260
	portISCSISystem = 860
)

// tellConnections states how many connections there are from where to which portal: at iSCSI's own ports alone, since nobody here knows what else is one. The ports
// at this end are others each time, and say nothing.
func tellConnections(s *sheet, say *words) {
	if s.device.Kind != topology.Host || !s.connected { // a count of some is no count
		return
	}
	all, ways := 0, map[string]int{}
	for _, c := range s.connections {
		if p := c.Peer.Port(); p == portISCSI || p == portISCSISystem {
			ways[c.Local.Addr().String()+" "+c.Peer.String()]++
			all++
		}
	}
	say.Set(s.device, topology.AttrSessions, topology.IntValue(all))
	for _, w := range sortedKeys(ways) {
		say.Text(s.device, topology.AttrSessionTo, fmt.Sprintf("%s %d", w, ways[w]))
	}
}
