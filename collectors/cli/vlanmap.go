package cli

import (
	"strconv"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// vlanMap is a VLAN access map: steps that each name lists and an action.
type vlanMap struct {
	name  string
	steps []*mapStep
}

// mapStep is one numbered step of it.
type mapStep struct {
	seq    int
	at     *line
	lists  []mapList
	action policy.Verdict
	why    string // not understood
}

type mapList struct {
	family policy.Family
	name   string
	at     *line
}

// mapPlace is where a map is put by "vlan filter".
type mapPlace struct {
	name  string
	vlans topology.VIDSet
	at    *line
}

func (r *reader) openMap(args []string) (why string) {
	seq := 10
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		if err != nil || len(args) > 2 {
			return "no number of a step"
		}
		seq = n
	}
	var m *vlanMap
	for _, o := range r.maps {
		if o.name == args[0] {
			m = o
		}
	}
	if m == nil {
		m = &vlanMap{name: args[0]}
		r.maps = append(r.maps, m)
	}
	r.step = &mapStep{seq: seq, at: r.at, action: policy.Permit}
	i := len(m.steps)
	for i > 0 && m.steps[i-1].seq > seq {
		i--
	}
	m.steps = append(m.steps[:i:i], append([]*mapStep{r.step}, m.steps[i:]...)...)
	return ""
}

func (r *reader) matchLists(family policy.Family, names []string) string {
	for _, name := range names {
		r.step.lists = append(r.step.lists, mapList{family, name, r.at})
	}
	return ""
}

func (r *reader) mapAction(args []string) (why string) {
	switch args[0] {
	case "forward":
		r.step.action = policy.Permit
	case "drop":
		r.step.action = policy.Deny
	default:
		r.step.why = "action " + args[0]
		return r.step.why
	}
	if len(args) > 1 && args[1] != "log" && args[1] != "capture" {
		r.step.why = "action " + args[0] + " " + args[1]
		return r.step.why
	}
	return ""
}

func (r *reader) placeMap(name, vlans string) (why string) {
	set, err := topology.ParseVIDSet(vlans)
	if err != nil {
		return "no list of VLANs"
	}
	r.mapAt = append(r.mapAt, mapPlace{name, set, r.at})
	return ""
}

// mapFilters gives the filters of VLAN maps, and their attachments.
//
// A step matches a packet that one of its lists permits; what a list denies goes on to the next step. A packet that no step matches is dropped if the map has a
// list of its kind, and forwarded otherwise. Source: Cisco Catalyst 3560 and 6500 Software Configuration Guides, "Configuring VLAN Maps", "VLAN ACLs".
func (c *Config) mapFilters() []*policy.Filter {
	var all []*policy.Filter
	for _, m := range c.maps {
		for _, family := range []policy.Family{policy.IPv4, policy.IPv6, policy.AnyFamily} {
			all = append(all, c.mapFilter(m, family)...)
		}
	}
	for _, at := range c.mapAt {
		names := 0
		for _, m := range c.maps {
			if m.name == at.name {
				names++
			}
		}
		for _, family := range []policy.Family{policy.IPv4, policy.IPv6, policy.AnyFamily} {
			if names == 0 && family != policy.IPv4 {
				continue
			}
			c.attached = append(c.attached, attachment{
				list: mapKey(at.name, family), family: family,
				Attachment: policy.Attachment{Hook: policy.HookVLAN, VLANs: at.vlans.String(), Place: at.at.Place},
			})
		}
	}
	return all
}

const mapPrefix = "vlan map "

func mapKey(name string, family policy.Family) string {
	return mapPrefix + listKey(family, name)
}

// mapFilter is a map as one family sees it: the IP lists of the family, or the MAC lists, which are about all else.
func (c *Config) mapFilter(m *vlanMap, family policy.Family) []*policy.Filter {
	f := &policy.Filter{Name: mapKey(m.name, family), Dialect: c.dialect.name, Family: family, Default: policy.Permit}
	if family == policy.AnyFamily {
		f.Family = policy.ARP | policy.Other
	}
	all := []*policy.Filter{f}
	for _, s := range m.steps {
		r := policy.Rule{Text: s.at.Text, Place: s.at.Place, Verdict: s.action, Unparsed: s.why}
		if len(s.lists) == 0 {
			f.Rules = append(f.Rules, r)
			continue
		}
		for i, l := range s.lists {
			if l.family != family {
				continue
			}
			f.Default = policy.Deny
			if family == policy.AnyFamily {
				r.Unparsed = "lists of MAC addresses are not read"
				f.Rules = append(f.Rules, r)
				continue
			}
			jump := c.mapJump(f.Name+" "+strconv.Itoa(s.seq)+" "+strconv.Itoa(i+1), s, l)
			f.Rules = append(f.Rules, policy.Rule{Verdict: policy.Jump, Target: jump.Name, Text: l.at.Text, Place: l.at.Place})
			all = append(all, jump)
		}
	}
	return all
}

// mapJump is a list of a map: its permits do what the step says, its denies lead to the next step.
func (c *Config) mapJump(name string, s *mapStep, l mapList) *policy.Filter {
	f := &policy.Filter{Name: name, Dialect: c.dialect.name, Family: l.family, Default: policy.Return}
	from := c.lists[listKey(l.family, l.name)]
	if from == nil {
		f.Missing = "access list " + l.name + " is not defined"
		return f
	}
	f.Rules = c.turned(from, policy.Rule{Verdict: s.action, Unparsed: s.why})
	return f
}

// turned gives the rules of a list that does not filter but chooses: what it permits gets what the rule does, what it denies goes back.
func (c *Config) turned(l *list, does policy.Rule) []policy.Rule {
	rules := c.filter(l).Rules
	for i := range rules {
		switch {
		case rules[i].Verdict == policy.Permit:
			rules[i].Verdict, rules[i].Set = does.Verdict, does.Set
			if rules[i].Unparsed == "" {
				rules[i].Unparsed = does.Unparsed
			}
		case rules[i].Unparsed == "":
			rules[i].Verdict = policy.Return
		default:
			rules[i].Set = does.Set
		}
	}
	return rules
}
