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
}

func bridgeVLAN() table {
	return table{
		name: "bridge-vlan", needs: []string{"ip-link"}, line: "bridge -j -compressvlans vlan show", old: "bridge -compressvlans vlan show",
		parse: func(s *sheet, raw []byte) (rows int, left []collectors.Unparsed, err error) {
			if isJSON(raw) {
				if raw, err = membershipList(raw); err != nil {
					return 0, nil, err
				}
			}
			s.members, rows, left, err = form[membership]{element: membershipElement, record: membershipRecord}.read(raw)
			if len(left) > 0 {
				s.members = nil // a part of a set is no set
				err = garbled("%s: %s", left[0].Where, left[0].Why)
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
	listed := map[string]bool{}
	all := slices.Clone(s.members)
	for _, m := range all {
		listed[m.name] = true
	}
	for _, l := range s.links {
		if m, ok := s.link(l.master); ok && m.kind == "bridge" && !listed[l.name] && len(all) > 0 {
			all = append(all, membership{name: l.name})
		}
	}
	for _, m := range all {
		if !s.looksAtVLANs(m.name) {
			continue
		}
		k := s.interfaceKey(m.name)
		say.set(k, topology.AttrTagged, topology.VIDsValue(m.tagged))
		say.set(k, topology.AttrUntagged, topology.VIDsValue(m.untagged))
		if m.pvid != 0 {
			say.set(k, topology.AttrPVID, topology.IntValue(m.pvid))
		}
		if s.device.Kind != topology.Host {
			for _, vid := range m.tagged.Union(m.untagged).All() {
				say.vlan(s, vid)
			}
		}
	}
}

// filtering counts the bridges that look at VLANs.
func (s *sheet) filtering() int {
	n := 0
	for _, l := range s.links {
		if l.kind == "bridge" && l.about.text("vlan_filtering") == "1" {
			n++
		}
	}
	return n
}

// looksAtVLANs reports whether the bridge of a port, or the bridge itself, looks at VLANs. Where nobody says it, the list of VLANs is believed.
func (s *sheet) looksAtVLANs(name string) bool {
	l, _ := s.link(name)
	if l.kind != "bridge" {
		l, _ = s.link(l.master)
	}
	return l.kind != "bridge" || l.about.text("vlan_filtering") != "0"
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
	}
	return listed.of(j.Name)
}

// vlanList gathers VLANs and ranges of them, however many there are.
type vlanList struct {
	tagged, untagged []string
	pvid             topology.VID
}

func (l *vlanList) add(from, to int, pvid, untagged bool) error {
	if from < 1 || to > 4094 || from > to {
		return fmt.Errorf("%d-%d are no VLANs", from, to)
	}
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

func (l *vlanList) of(name string) ([]membership, error) {
	tagged, err := topology.ParseVIDSet(strings.Join(l.tagged, ","))
	untagged, err2 := topology.ParseVIDSet(strings.Join(l.untagged, ","))
	return []membership{{name, tagged, untagged, l.pvid}}, errors.Join(err, err2)
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
		if len(words) == 0 || words[0] == "None" || words[0] == "state" {
			continue // "state forwarding mcast_router 1 …" is a detail
		}
		first, last, ranged := strings.Cut(words[0], "-")
		if !ranged {
			last = first
		}
		from, err := topology.ParseVID(first)
		to, err2 := topology.ParseVID(last)
		flags := strings.Join(words[1:], " ")
		if err != nil || err2 != nil || strings.Trim(strings.NewReplacer("PVID", "", "Egress Untagged", "").Replace(flags), " ") != "" {
			return nil, fmt.Errorf("%q are no VLANs", strings.Join(words, " "))
		}
		if err := listed.add(int(from), int(to), strings.Contains(flags, "PVID"), strings.Contains(flags, "Egress Untagged")); err != nil {
			return nil, err
		}
	}
	return listed.of(name)
}
