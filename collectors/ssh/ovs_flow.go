package ssh

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
)

// ovsFlowsTable is "ovs-appctl bridge/dump-flows BRIDGE" of every bridge: its OpenFlow rules, whatever version of the protocol the bridge speaks.
func ovsFlowsTable() table {
	return table{
		name: "ovs-flows", line: ovsEach("bridge/dump-flows"), root: true, may: true, text: true, parse: parseOVSFlows,
		tell: func(s *sheet, say *words) { s.tellFilter(say, "ovs-flows") },
	}
}

// ovsCounters are the properties of a rule that change although the rule does not.
var ovsCounters = regexp.MustCompile(`\b(?:duration|n_packets|n_bytes|idle_age|hard_age)=[^, ]*,? ?`)

// maxRules is how long the rules of all bridges may be to be kept, in octets: those that a controller makes are many, and others in every sweep.
const maxRules = 1 << 20

// parseOVSFlows reads the rules of each bridge, one row each, and tells whether they are anything but normal switching of whatever comes. A rule beside it
// that drops is more than that; what no rule takes is dropped. Rules of table 254 are Open vSwitch's own, for bonds and for what matches no rule; to the
// other tables but the first only rules of the first lead.
func parseOVSFlows(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t tally
	byBridge := map[string][]string{}
	normal, others := map[string]bool{}, map[string]bool{} // bridges with the rule that switches all, and those with any other in the first table
	bridge := ""
	for where, l := range lines(raw) {
		name, isBridge := strings.CutPrefix(l, "bridge ")
		match, actions, isRule := strings.Cut(l, "actions=")
		switch {
		case l == "":
		case isBridge:
			bridge = name
			byBridge[bridge] = nil
		case !isRule || bridge == "":
			t.Miss(where, l, "neither a bridge nor one of its rules")
			others[bridge] = true
			byBridge[bridge] = append(byBridge[bridge], l)
		case strings.HasPrefix(l, "table_id=254,"):
			t.Rows++
		default:
			t.Rows++
			byBridge[bridge] = append(byBridge[bridge], ovsCounters.ReplaceAllString(l, ""))
			switch first, all := ovsMatch(match); {
			case first && all && actions == "NORMAL":
				normal[bridge] = true
			case first:
				others[bridge] = true
			}
		}
	}
	if bridge == "" && t.Rows > 0 {
		return 0, nil, shell.Malformed("no OpenFlow rules: no bridge is named")
	}
	s.ovs.flows = make(map[string]bool, len(byBridge))
	for name := range byBridge {
		s.ovs.flows[name] = others[name] || !normal[name]
	}
	var text strings.Builder
	for _, name := range sortedKeys(byBridge) {
		text.WriteString("bridge " + name + "\n")
		slices.Sort(byBridge[name])
		for _, rule := range byBridge[name] {
			text.WriteString(rule + "\n")
		}
	}
	switch {
	case bridge == "":
	case text.Len() > maxRules:
		t.Doubt("all bridges", "", strconv.Itoa(text.Len())+" octets of rules are too many to be kept")
	default:
		s.keepFilter("ovs-flows", filterText{dialect: openflow, text: text.String()})
	}
	return t.Rows, t.Left, nil
}

// ovsMatch tells of what stands before a rule's actions whether the rule is in the first table, and whether it takes all packets.
func ovsMatch(match string) (first, all bool) {
	first, all = true, true
	for word := range strings.FieldsFuncSeq(ovsCounters.ReplaceAllString(match, ""), func(r rune) bool { return r == ',' || r == ' ' }) {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "table", "table_id":
			first = value == "0"
		case "cookie", "priority":
		default:
			all = false
		}
	}
	return first, all
}
