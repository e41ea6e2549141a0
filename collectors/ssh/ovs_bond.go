package ssh

import (
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// ovsBond is a bond as ovs-vswitchd runs it.
type ovsBond struct {
	mode     string
	disabled map[string]bool // of members: it carries nothing
	active   string          // the member that carries all, if one does
}

// idle reports whether a member carries nothing now: the bond does not use it, or it stands by for another.
func (b ovsBond) idle(member string) bool {
	return b.disabled[member] || b.mode == "active-backup" && b.active != "" && b.active != member
}

// ovsBondTable is "ovs-appctl bond/show".
func ovsBondTable() table {
	return table{name: "ovs-bond", line: "ovs-appctl bond/show", root: true, may: true, parse: parseOVSBonds, tell: tellOVSBonds}
}

// section gives the name in "---- bond0 ----".
func section(line string) (string, bool) {
	name, ok := strings.CutPrefix(line, "---- ")
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, " ----")
	return name, ok && name != ""
}

// memberOf gives the name and the rest in "member e1: enabled"; before 2.14 it is a "slave".
func memberOf(line string) (name, rest string, ok bool) {
	word, text, _ := strings.Cut(line, " ")
	if word != "member" && word != "slave" && word != "member:" && word != "slave:" {
		return "", "", false
	}
	name, rest, ok = strings.Cut(text, ": ")
	return name, strings.TrimSpace(rest), ok
}

// parseOVSBonds reads bonds and their members, one row each; the lines "name: value" beneath them say how they are doing.
func parseOVSBonds(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t tally
	s.ovs.bonds = map[string]ovsBond{}
	bond, last := "", ""
	for where, l := range lines(raw) {
		name, head := section(l)
		member, state, isMember := memberOf(l)
		key, value, pair := strings.Cut(strings.TrimSpace(l), ":")
		switch {
		case l == "":
		case head:
			t.Rows++
			bond, last = name, ""
			s.ovs.bonds[bond] = ovsBond{disabled: map[string]bool{}}
		case bond == "", strings.HasPrefix(l, "----"):
			t.Miss(where, l, "of no bond that is known")
			bond = ""
		case isMember && (state == "enabled" || state == "disabled"):
			t.Rows++
			last = member
			s.ovs.bonds[bond].disabled[member] = state == "disabled"
		case isMember:
			t.Miss(where, l, "the member is neither enabled nor disabled")
		case pair && key == "bond_mode":
			b := s.ovs.bonds[bond]
			b.mode = strings.TrimSpace(value)
			s.ovs.bonds[bond] = b
		case key == "active member", key == "active slave":
			b := s.ovs.bonds[bond]
			b.active = last
			s.ovs.bonds[bond] = b
		case pair: // how it is doing
		default:
			t.Miss(where, l, "neither bond, member, nor a property of one")
		}
	}
	if len(s.ovs.bonds) == 0 && t.Rows > 0 {
		return 0, nil, shell.Malformed("no list of Open vSwitch bonds")
	}
	return t.Rows, t.Left, nil
}

func tellOVSBonds(s *sheet, say *words) {
	for _, name := range sortedKeys(s.ovs.bonds) {
		say.Text(s.lag(name), topology.AttrLAGMode, s.ovs.bonds[name].mode)
	}
}

// lag gives the key of an aggregate, whether or not another table knows that it is one.
func (s *sheet) lag(name string) topology.Key { return topology.PartKey(topology.LAG, s.device, name) }
