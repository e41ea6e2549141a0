package cli

import (
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// list is an access list.
type list struct {
	name     string
	family   policy.Family
	standard bool
	mac      bool
	entries  []listLine
}

// listLine is one entry of a list.
type listLine struct {
	seq    int
	at     *line
	words  []string // from permit, deny or evaluate on
	why    string   // of a line that is no entry that is understood
	remark string
}

// key names a list among all of a device: the families have name spaces of their own.
func (l *list) key() string { return listKey(l.family, l.name) }

func listKey(family policy.Family, name string) string {
	if family == policy.IPv4 {
		return name
	}
	if family == policy.IPv6 {
		return "ipv6 " + name
	}
	return "mac " + name
}

// openList finds or makes a list.
func (r *reader) openList(family policy.Family, name string, standard bool) *list {
	key := listKey(family, name)
	if r.lists[key] == nil {
		r.lists[key] = &list{name: name, family: family, standard: standard, mac: family == policy.AnyFamily}
		r.listOrder = append(r.listOrder, key)
	}
	return r.lists[key]
}

// numbered tells what a number says of an access list. Source: Cisco IOS Security Command Reference, "access-list (IP standard)", "(IP extended)".
func numbered(n int) (standard, extended bool) {
	return n >= 1 && n <= 99 || n >= 1300 && n <= 1999, n >= 100 && n <= 199 || n >= 2000 && n <= 2699
}

// accessListLine reads "access-list NUMBER …".
func (r *reader) accessListLine(args []string) (why string) {
	n, err := strconv.Atoi(args[0])
	standard, extended := numbered(n)
	if err != nil || !standard && !extended {
		return "an access list of another kind than IP"
	}
	l := r.openList(policy.IPv4, args[0], standard)
	return r.addEntry(l, r.at, args[1:])
}

// listEntry reads a line beneath a named list.
func (r *reader) listEntry(at *line) {
	if len(at.below) > 0 {
		for _, b := range at.below {
			r.lost(b, "nothing is known to stand beneath an entry")
		}
	}
	if s, args := r.g.find(inList, at.words); s != nil {
		if s.do == nil {
			at.harmless(s.why)
		} else if why := s.do(r, args); why != "" {
			r.entryLost(r.list, at, why)
		} else {
			at.State = Understood
		}
		return
	}
	words := at.words
	seq := 0
	if words[0] == "sequence" && len(words) > 1 { // of IPv6 lists
		words = words[1:]
	}
	if n, err := strconv.Atoi(words[0]); err == nil && n > 0 && n < 1<<31 && len(words) > 1 {
		seq, words = n, words[1:]
	}
	if why := r.addNumbered(r.list, at, seq, words); why != "" {
		r.entryLost(r.list, at, why)
	} else {
		at.State = Understood
	}
}

// entryLost keeps a line of a list that is not understood, as a rule that may do anything.
func (r *reader) entryLost(l *list, at *line, why string) {
	at.State, at.Why, at.Text = Unparsed, why, withoutSecrets(at.Text)
	l.entries = append(l.entries, listLine{seq: l.last() + 10, at: at, why: why})
}

func (l *list) last() int {
	if len(l.entries) == 0 {
		return 0
	}
	return l.entries[len(l.entries)-1].seq
}

func (r *reader) addEntry(l *list, at *line, words []string) (why string) {
	return r.addNumbered(l, at, 0, words)
}

func (r *reader) addNumbered(l *list, at *line, seq int, words []string) (why string) {
	if seq == 0 {
		seq = l.last() + 10
	}
	e := listLine{seq: seq, at: at, words: words}
	switch words[0] {
	case "remark":
		e.words, e.remark = nil, strings.Join(words[1:], " ")
	case "permit", "deny", "evaluate", "dynamic":
	default:
		return "no entry of an access list"
	}
	i, _ := slices.BinarySearchFunc(l.entries, seq+1, func(o listLine, seq int) int { return o.seq - seq })
	if i > 0 && l.entries[i-1].seq == seq {
		return "a second entry of the number " + strconv.Itoa(seq)
	}
	l.entries = slices.Insert(l.entries, i, e)
	return ""
}

// filter gives the rules of a list. Lines that are not understood become rules that say so.
func (c *Config) filter(l *list) *policy.Filter {
	f := &policy.Filter{Name: l.key(), Dialect: c.dialect.name, Family: l.family, Default: policy.Deny}
	remark := ""
	for _, e := range l.entries {
		if e.words == nil && e.why == "" {
			remark = strings.TrimSpace(remark + "\n" + e.remark)
			continue
		}
		rules := c.rules(l, e)
		for i := range rules {
			rules[i].Remark = remark
		}
		remark = ""
		f.Rules = append(f.Rules, rules...)
	}
	if l.family == policy.IPv6 {
		f.Rules = append(f.Rules, neighbourDiscovery(c.dialect.nd)...)
	}
	if len(f.Rules) == 0 && len(l.entries) == 0 {
		c.missing(f, "is empty", c.dialect.empty)
	}
	return f
}

// neighbourDiscovery is what stands before the last deny of an IPv6 list without being written.
// Source: Cisco IOS IPv6 Command Reference, "ipv6 access-list": permit icmp any any nd-na, permit icmp any any nd-ns, deny ipv6 any any.
func neighbourDiscovery(uncertain string) []policy.Rule {
	var rules []policy.Rule
	for _, name := range []string{"nd-na", "nd-ns"} {
		match := append([]policy.Term{{Field: policy.Protocol, Of: []policy.Range{policy.Is(protoICMPv6)}}}, icmp6Messages[name].terms()...)
		rules = append(rules, policy.Rule{Match: match, Verdict: policy.Permit, Uncertain: uncertain, Text: "permit icmp any any " + name + " (unwritten, before the last deny)"})
	}
	return rules
}

// rules reads one entry.
func (c *Config) rules(l *list, e listLine) []policy.Rule {
	r := policy.Rule{Text: e.at.Text, Place: e.at.Place}
	if e.why != "" || l.mac {
		r.Unparsed = e.why
		if l.mac {
			r.Unparsed = "lists of MAC addresses are not read"
			e.at.State, e.at.Why = Unparsed, r.Unparsed
		}
		return []policy.Rule{r}
	}
	if e.words[0] == "evaluate" {
		return c.evaluate(e, r)
	}
	p := entry{family: l.family, groups: c.groups, frag: c.dialect.fragments, words: e.words}
	if p.next() == "dynamic" { // lock and key: it stands once somebody has logged in
		p.take()
		p.unsure("dynamic list " + p.take())
		p.takePair("timeout")
	}
	switch p.take() {
	case "permit":
		p.verdict = policy.Permit
	case "deny":
		p.verdict = policy.Deny
	default:
		r.Unparsed = "neither permit nor deny"
	}
	if r.Unparsed == "" {
		if l.standard {
			r.Unparsed = p.standard()
		} else {
			r.Unparsed = p.extended()
		}
	}
	if r.Unparsed != "" {
		e.at.State, e.at.Why = Unparsed, r.Unparsed
	}
	return p.rules(r)
}

// evaluate is the place of a reflexive list: the replies to what other entries let out under its name, as long as sessions live.
func (c *Config) evaluate(e listLine, r policy.Rule) []policy.Rule {
	if len(e.words) != 2 {
		r.Unparsed = "evaluate without a name"
		e.at.State, e.at.Why = Unparsed, r.Unparsed
		return []policy.Rule{r}
	}
	r.Verdict, r.Uncertain = policy.Permit, "sessions of reflexive list "+e.words[1]
	return []policy.Rule{r}
}

// missing makes the filter of a list that has no entries, or that is not defined at all, do what its platform does then.
func (c *Config) missing(f *policy.Filter, is string, m missing) {
	f.Default = m.verdict
	f.Missing = f.Name + " " + is + ": " + m.why
}
