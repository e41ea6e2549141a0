package ssh

import (
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// ovsLACP is what ovs-vswitchd and the far end say of an aggregate (IEEE 802.1AX).
type ovsLACP struct {
	actor, partner       topology.MAC
	actorKey, partnerKey int64           // -1: not said
	detached             map[string]bool // members that the far end does not have in the aggregate
}

// ovsLACPTable is "ovs-appctl lacp/show".
func ovsLACPTable() table {
	return table{name: "ovs-lacp", line: "ovs-appctl lacp/show", root: true, may: true, parse: parseOVSLACP, tell: tellOVSLACP}
}

// parseOVSLACP reads aggregates and their members, one row each. A member is "current attached" where it is in the aggregate; its partner is the
// far end's system then.
func parseOVSLACP(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t tally
	s.ovs.lacp = map[string]ovsLACP{}
	name, member := "", ""
	for where, l := range lines(raw) {
		head, isHead := section(l)
		m, state, isMember := lacpMember(l)
		key, value, pair := strings.Cut(strings.TrimSpace(l), ":")
		a := s.ovs.lacp[name]
		switch {
		case l == "":
		case isHead:
			t.Rows++
			name, member = head, ""
			s.ovs.lacp[name] = ovsLACP{actorKey: -1, partnerKey: -1, detached: map[string]bool{}}
		case name == "", strings.HasPrefix(l, "----"):
			t.Miss(where, l, "of no aggregate that is known")
			name = ""
		case isMember:
			t.Rows++
			member = m
			a.detached[m] = !strings.HasPrefix(state, "current") || !strings.HasSuffix(" "+state, " attached")
		case pair:
			if why := a.property(key, strings.TrimSpace(value), member); why != "" {
				t.Doubt(where, l, why)
			}
			s.ovs.lacp[name] = a
		default:
			t.Miss(where, l, "neither aggregate, member, nor a property of one")
		}
	}
	if len(s.ovs.lacp) == 0 && t.Rows > 0 {
		return 0, nil, shell.Malformed("no list of Open vSwitch aggregates")
	}
	return t.Rows, t.Left, nil
}

// lacpMember gives the name and the state in "member: e1: current attached".
func lacpMember(line string) (name, state string, ok bool) {
	text, ok := strings.CutPrefix(line, "member: ")
	if !ok {
		text, ok = strings.CutPrefix(line, "slave: ")
	}
	if !ok {
		return "", "", false
	}
	name, state, ok = strings.Cut(text, ": ")
	return name, state, ok
}

// property takes down a line beneath an aggregate, or beneath a member of it.
func (a *ovsLACP) property(key, value, member string) (why string) {
	switch key {
	case "sys_id":
		return setMAC(&a.actor, value)
	case "aggregation key":
		return setNumber(&a.actorKey, value)
	case "partner sys_id":
		if !a.detached[member] {
			return setMAC(&a.partner, value)
		}
	case "partner key":
		if !a.detached[member] {
			return setNumber(&a.partnerKey, value)
		}
	}
	return ""
}

func setMAC(to *topology.MAC, text string) (why string) {
	mac, err := topology.ParseMAC(text)
	if err != nil {
		return err.Error()
	}
	*to = mac
	return ""
}

func setNumber(to *int64, text string) (why string) {
	n, ok := unsigned(text)
	if !ok {
		return "no number"
	}
	*to = n
	return ""
}

func tellOVSLACP(s *sheet, say *words) {
	for _, name := range sortedKeys(s.ovs.lacp) {
		a, k := s.ovs.lacp[name], s.lag(name)
		if a.actor != 0 {
			say.Set(k, topology.AttrActorSystemID, topology.MACValue(a.actor))
		}
		if a.actorKey >= 0 {
			say.Set(k, topology.AttrActorKey, topology.IntValue(a.actorKey))
		}
		if a.partner != 0 { // zero: nobody answered
			say.Set(k, topology.AttrPartnerSystemID, topology.MACValue(a.partner))
			if a.partnerKey >= 0 {
				say.Set(k, topology.AttrPartnerKey, topology.IntValue(a.partnerKey))
			}
		}
	}
}
