package ssh

import (
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// ovsLearned is a row of fdb/show: where a bridge learned an address.
type ovsLearned struct {
	bridge string // "" where only one bridge was asked, without its name
	port   string // ofport, or LOCAL
	entry  topology.FDBEntry
}

// ovsEach makes a fixed line that asks every bridge, after a line "bridge NAME" for each. The list of bridges is that of the database: list-br has also
// those that are a VLAN of another, which ovs-vswitchd does not know. It ends at the first failure, with its exit status.
func ovsEach(command string) string {
	return `sh -c 'x=$(ovs-vsctl --bare --columns=name list Bridge) || exit; for b in $x; do echo "bridge $b"; ovs-appctl ` + command + ` "$b" || exit; done'`
}

// ovsFDBTable is "ovs-appctl fdb/show BRIDGE" of every bridge.
func ovsFDBTable() table {
	return table{
		name: "ovs-fdb", line: ovsEach("fdb/show"), root: true, may: true,
		needs: []string{"ovs-bridge", "ovs-port", "ovs-interface"}, parse: parseOVSFDB, tell: tellOVSFDB,
	}
}

// parseOVSFDB reads rows "port VLAN MAC age" below the headings of each bridge, which are there without a row, too (ofproto_unixctl_fdb_show): a bridge without
// them was not read. The age is in seconds, or "static". Without a bridge there is nothing at all.
func parseOVSFDB(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t tally
	bridge, place, headed, found := "", "", false, false
	unheaded := func() {
		if place != "" && !headed {
			t.Miss(place, "bridge "+bridge, "no headings of its forwarding database follow")
		}
	}
	for where, l := range lines(raw) {
		f := strings.Fields(l)
		switch {
		case len(f) == 0:
		case f[0] == "bridge":
			unheaded()
			bridge, place, headed = strings.Join(f[1:], " "), where, false
		case len(f) == 4 && f[0] == "port" && f[1] == "VLAN":
			headed, found = true, true
		case len(f) < 4 || !headed:
			t.Miss(where, l, "not a row of port, VLAN, MAC and age")
		default:
			t.fdbRow(s, where, l, bridge, f)
		}
	}
	unheaded()
	if !found && t.Rows > 0 {
		return 0, nil, shell.Malformed("no forwarding database of Open vSwitch: the headings are missing")
	}
	return t.Rows, t.Left, nil
}

func (t *tally) fdbRow(s *sheet, where, l, bridge string, f []string) {
	vid, ok := unsigned(f[1])
	mac, err := topology.ParseMAC(f[2])
	_, numbered := unsigned(f[0])
	_, aged := unsigned(f[3])
	switch {
	case err != nil:
		t.Miss(where, l, err.Error())
	case !ok || vid > 4094 || !numbered && f[0] != "LOCAL" || !aged && f[3] != "static":
		t.Miss(where, l, "port, VLAN or age is none")
	default:
		t.Rows++
		e := topology.FDBEntry{VID: topology.VID(vid), MAC: mac, Status: topology.FDBLearned}
		if f[3] == "static" {
			e.Status = topology.FDBStatic
		}
		s.ovs.learned = append(s.ovs.learned, ovsLearned{bridge, f[0], e})
	}
}

// tellOVSFDB states what was learned on ports with something outside: behind a tunnel the address and the other end, and of a patch nothing, since the
// other bridge says where the address really is.
func tellOVSFDB(s *sheet, say *words) {
	type place struct{ bridge, port string }
	ports := map[place]ovsPort{}
	for _, b := range s.ovs.bridges {
		for _, p := range s.ovs.portsOf(b) {
			for _, i := range s.ovs.members(p) {
				if i.number > 0 {
					ports[place{b.name, strconv.Itoa(i.number)}] = p
				}
			}
		}
	}
	for _, l := range s.ovs.learned {
		p, ok := ports[place{l.bridge, l.port}]
		if !ok {
			continue
		}
		i := s.ovs.members(p)[0]
		switch {
		case i.typ == "patch" || i.internal():
		case i.tunnel():
			i.tellBehind(say, s.port(p.name), l.entry.MAC)
		default:
			say.Set(s.port(p.name), topology.AttrLearned, topology.FDBValue(l.entry))
		}
	}
}
