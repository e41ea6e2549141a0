package ssh

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// membership is what VLANs a port of a bridge is in (bridge-vlan(8)).
type membership struct {
	name             string
	tagged, untagged topology.VIDSet
	pvid             topology.VID // 0: frames without a tag are dropped
	blocked          []string     // what the trees of single VLANs let not pass, in the words of AttrSTPState
}

// bridgeVLAN asks for details: the tree of each VLAN (MSTP) is one. Kernels before 5.6 do not know that request.
// Of no VLANs at all it prints an empty list, and the heading of the text (vlan_show of iproute2).
func bridgeVLAN() table {
	return table{
		name: "bridge-vlan", needs: []string{"ip-link"}, line: "bridge -j -d -compressvlans vlan show", old: "bridge -compressvlans vlan show",
		prints: "an empty list, or a heading",
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			if isJSON(raw) {
				if raw, err = membershipList(raw); err != nil {
					return 0, nil, err
				}
			}
			all, rows, left, err := form[membership]{element: membershipElement, record: membershipRecord}.read(raw)
			switch {
			case len(left) > 0: // a part of a set is no set
				err = garbled("%s: %s", left[0].Where, left[0].Why)
			case err == nil:
				s.members = append([]membership{}, all...) // read, also if there are none
			}
			return rows, left, err
		},
		tell: tellMembership,
	}
}

// tellMembership states the VLANs of the ports. A port that the command leaves out is in none. A bridge that does not filter carries all
// VLANs, whatever is configured. A switch is one bridge in the model: of one that has several, nothing is stated.
func tellMembership(s *sheet, say *words) {
	if s.device.Kind != topology.Host && s.filtering() > 1 {
		return // one VLAN of two bridges would look like one VLAN of the switch
	}
	for _, m := range s.memberships() {
		protocol, looks := s.looksAtVLANs(m.name)
		if !looks {
			continue
		}
		k := s.interfaceKey(m.name)
		say.tagProtocol(k, protocol)
		if strings.EqualFold(protocol, "802.1ad") {
			continue // these are other VLANs than those of the same numbers
		}
		say.Set(k, topology.AttrTagged, topology.VIDsValue(m.tagged))
		say.Set(k, topology.AttrUntagged, topology.VIDsValue(m.untagged))
		if m.pvid != 0 {
			say.Set(k, topology.AttrPVID, topology.IntValue(m.pvid))
		}
		for _, state := range m.blocked {
			say.Text(k, topology.AttrSTPState, state)
		}
		if s.device.Kind != topology.Host {
			for _, vid := range m.tagged.Union(m.untagged).All() {
				say.vlan(s, vid)
			}
		}
	}
}

// memberships gives the VLANs of all ports of bridges, also of those that are in none; nothing unless the list was read.
func (s *sheet) memberships() []membership {
	if s.members == nil {
		return nil
	}
	listed := map[string]bool{}
	all := slices.Clone(s.members)
	for _, m := range all {
		listed[m.name] = true
	}
	for _, l := range s.links {
		if m, ok := s.link(l.master); ok && m.kind == "bridge" && !listed[l.name] {
			all = append(all, membership{name: l.name})
		}
	}
	return all
}

// filters gives the word for whether a bridge looks at VLANs: 0 or 1, or "" where nobody says it, as in old versions of ip.
func (l link) filters() string {
	if word := l.about.text("vlan_filtering"); word == "0" || word == "1" {
		return word
	}
	return ""
}

// filtering counts the bridges that look at VLANs.
func (s *sheet) filtering() int {
	n := 0
	for _, l := range s.links {
		if l.kind == "bridge" && l.filters() == "1" {
			n++
		}
	}
	return n
}

// looksAtVLANs reports whether the bridge of a port, or the bridge itself, is known to look at VLANs, and by which protocol. Without any word
// on interfaces, the list of VLANs is believed: it is all that was read.
func (s *sheet) looksAtVLANs(name string) (protocol string, looks bool) {
	if len(s.named) == 0 {
		return "", true
	}
	l, _ := s.link(name)
	if l.kind != "bridge" {
		l, _ = s.link(l.master)
	}
	if l.kind != "bridge" || l.filters() != "1" {
		return "", false
	}
	return l.about.text("vlan_protocol"), true
}

// membershipList makes an array of the object that old versions of bridge print: {"swp1": [{"vlan": 1}]}.
func membershipList(raw []byte) ([]byte, error) {
	if !strings.HasPrefix(strings.TrimSpace(string(raw)), "{") {
		return raw, nil
	}
	var ports map[string]json.RawMessage
	if err := json.Unmarshal(raw, &ports); err != nil {
		return nil, garbled("%s", err)
	}
	type port struct {
		Name  string          `json:"ifname"`
		VLANs json.RawMessage `json:"vlans"`
	}
	list := []port{}
	for name, vlans := range ports {
		list = append(list, port{name, vlans})
	}
	slices.SortFunc(list, func(a, b port) int { return strings.Compare(a.Name, b.Name) })
	return json.Marshal(list)
}

func membershipElement(raw json.RawMessage) ([]membership, error) {
	var j struct {
		Name  string `json:"ifname"`
		VLANs []struct {
			From  int      `json:"vlan"`
			To    int      `json:"vlanEnd"`
			Flags []string `json:"flags"`
			State string   `json:"state"`
		} `json:"vlans"`
	}
	if err := decode(raw, &j); err != nil {
		return nil, err
	}
	if j.Name == "" {
		return nil, errors.New("no port with its VLANs")
	}
	var listed vlanList
	for _, v := range j.VLANs {
		if err := listed.add(v.From, max(v.From, v.To), slices.Contains(v.Flags, "PVID"), slices.Contains(v.Flags, "Egress Untagged")); err != nil {
			return nil, err
		}
		if err := listed.state(v.State); err != nil {
			return nil, err
		}
	}
	return listed.of(j.Name)
}

// vlanList gathers VLANs and ranges of them, however many there are.
type vlanList struct {
	tagged, untagged []string
	pvid             topology.VID
	from, to         int // the last range
	blocked          []string
}

func (l *vlanList) add(from, to int, pvid, untagged bool) error {
	if from < 1 || to > 4094 || from > to {
		return fmt.Errorf("%d-%d are no VLANs", from, to)
	}
	l.from, l.to = from, to
	text := fmt.Sprintf("%d-%d", from, to)
	if untagged {
		l.untagged = append(l.untagged, text)
	} else {
		l.tagged = append(l.tagged, text)
	}
	if pvid {
		l.pvid = topology.VID(from)
	}
	return nil
}

// state notes in which state the tree of the last range is. A VLAN that its tree lets pass needs the port's state, too: that is not said here.
func (l *vlanList) state(word string) error {
	switch {
	case word == "" || word == "forwarding":
		return nil
	case !slices.Contains(treeStates(), word) || l.from == 0:
		return fmt.Errorf("%q is no state of a VLAN", word)
	}
	for vid := l.from; vid <= l.to; vid++ {
		l.blocked = append(l.blocked, fmt.Sprintf("%d %s", vid, word))
	}
	return nil
}

func (l *vlanList) of(name string) ([]membership, error) {
	tagged, err := topology.ParseVIDSet(strings.Join(l.tagged, ","))
	untagged, err2 := topology.ParseVIDSet(strings.Join(l.untagged, ","))
	return []membership{{name, tagged, untagged, l.pvid, l.blocked}}, errors.Join(err, err2)
}

// membershipRecord reads "swp1	 1 PVID Egress Untagged" and the VLANs in the lines below; "None" stands for none.
func membershipRecord(r record) ([]membership, error) {
	words := strings.Fields(r.lines[0])
	if words[0] == "port" && len(words) > 1 && strings.HasPrefix(words[1], "vlan") {
		return nil, nil // the heading
	}
	if len(words) == 1 && len(r.lines) == 1 {
		return nil, errors.New("no port with its VLANs")
	}
	name := words[0]
	var listed vlanList
	lines := [][]string{words[1:]}
	for _, line := range r.lines[1:] {
		lines = append(lines, strings.Fields(line))
	}
	for _, words := range lines {
		if err := listed.line(words); err != nil {
			return nil, err
		}
	}
	return listed.of(name)
}

// line reads "10-12 PVID Egress Untagged", or the details of the VLANs before: "state forwarding mcast_router 1 …".
func (l *vlanList) line(words []string) error {
	switch {
	case len(words) == 0 || words[0] == "None":
		return nil
	case words[0] == "state":
		return l.state(pairs(words).after("state"))
	}
	first, last, ranged := strings.Cut(words[0], "-")
	if !ranged {
		last = first
	}
	from, err := topology.ParseVID(first)
	to, err2 := topology.ParseVID(last)
	flags := strings.Join(words[1:], " ")
	if err != nil || err2 != nil || strings.Trim(strings.NewReplacer("PVID", "", "Egress Untagged", "").Replace(flags), " ") != "" {
		return fmt.Errorf("%q are no VLANs", strings.Join(words, " "))
	}
	return l.add(int(from), int(to), strings.Contains(flags, "PVID"), strings.Contains(flags, "Egress Untagged"))
}
