package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// nft -j list ruleset (libnftables-json(5)) is a list of objects. A chain is the filter "FAMILY TABLE CHAIN". A rule is a list of statements, done in their order until
// one does not hold; it may become several rules of a Filter, where it looks a verdict or an address up.

// nftFamilies are the packets that tables of a family look at.
var nftFamilies = map[string]policy.Family{ //nolint:gochecknoglobals // read-only table
	"ip": policy.IPv4, "ip6": policy.IPv6, "inet": policy.IP, "arp": policy.ARP, "bridge": policy.AnyFamily, "netdev": policy.AnyFamily,
}

// Priorities by name (nft(8), "Standard priority names"). Those of bridges differ.
var (
	nftPriorities       = map[string]int{"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}   //nolint:gochecknoglobals // read-only table
	nftBridgePriorities = map[string]int{"dstnat": -300, "filter": -200, "out": 100, "srcnat": 300}                                 //nolint:gochecknoglobals // read-only table
	nftHooks            = map[string]policy.Hook{"ingress": policy.HookIngress, "egress": policy.HookEgress}                        //nolint:gochecknoglobals // read-only table
	nftSilent           = []string{"metainfo", "counter", "quota", "limit", "secmark", "flowtable", "ct timeout", "ct expectation"} //nolint:gochecknoglobals // read-only table
)

// nftName names a chain, a set or a map.
type nftName struct{ family, table, name string }

// String is how a filter is called.
func (n nftName) String() string { return n.family + " " + n.table + " " + n.name }

// nftSet is a named set or map.
type nftSet struct {
	elements []any
	changes  string // why its elements are not always these
}

// nftReader is a ruleset while it is read.
type nftReader struct {
	file    string
	dormant map[nftName]bool // tables whose chains no packet meets
	sets    map[nftName]*nftSet
	chains  map[nftName]*policy.Filter
	out     Ruleset
}

// NFT reads what nft -j list ruleset printed; places count the objects of the list from 1. The error says that the text is no such list.
func NFT(file string, raw []byte) (Ruleset, error) {
	var doc struct {
		Objects []map[string]any `json:"nftables"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return Ruleset{}, fmt.Errorf("%w: %s: %w", ErrMalformed, file, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Ruleset{}, fmt.Errorf("%w: %s: more follows after the ruleset", ErrMalformed, file)
	}
	if doc.Objects == nil {
		return Ruleset{}, fmt.Errorf("%w: %s: no list of objects", ErrMalformed, file)
	}
	n := &nftReader{file: file, dormant: map[nftName]bool{}, sets: map[nftName]*nftSet{}, chains: map[nftName]*policy.Filter{}}
	for i, o := range doc.Objects { // rules refer to what may stand behind them
		n.declare(policy.Place{File: file, Line: i + 1}, o)
	}
	for i, o := range doc.Objects {
		if r, ok := o["rule"].(map[string]any); ok && len(o) == 1 {
			n.rule(policy.Place{File: file, Line: i + 1}, r)
		}
	}
	settle(n.out.Filters)
	return n.out, nil
}

func (n *nftReader) rest(at policy.Place, o any, why string) {
	n.out.Rest = append(n.out.Rest, Line{Place: at, Text: jsonText(o), Why: why})
}

// jsonText writes a part of the ruleset as it came, in one line with sorted members.
func jsonText(o any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(o); err != nil {
		return err.Error()
	}
	return printable(strings.TrimSuffix(b.String(), "\n"))
}

// declare reads an object that is no rule.
func (n *nftReader) declare(at policy.Place, o map[string]any) {
	for kind, v := range o {
		object, ok := v.(map[string]any)
		if !ok || len(o) != 1 {
			n.rest(at, o, "no object of a ruleset")
			return
		}
		name := nftName{text(object["family"]), text(object["table"]), text(object["name"])}
		switch kind {
		case "table":
			n.dormant[nftName{name.family, name.name, ""}] = slices.Contains(words(object["flags"]), "dormant")
		case "chain":
			n.chain(at, name, object)
		case "set", "map":
			n.set(name, object)
		case "element":
			s := n.setOf(name)
			elements, _ := object["elem"].([]any)
			s.elements = append(s.elements, elements...)
		case "rule":
			n.writes(name, object["expr"])
		default:
			if !slices.Contains(nftSilent, kind) && !strings.HasPrefix(kind, "ct ") && kind != "synproxy" && kind != "tunnel" {
				n.rest(at, o, "no such object of a ruleset is known")
			}
		}
	}
}

func (n *nftReader) setOf(name nftName) *nftSet {
	if n.sets[name] == nil {
		n.sets[name] = &nftSet{}
	}
	return n.sets[name]
}

// set reads a named set or map. One that lets its elements go, or to which rules add, is another one a minute later.
func (n *nftReader) set(name nftName, object map[string]any) {
	s := n.setOf(name)
	elements, _ := object["elem"].([]any)
	s.elements = append(s.elements, elements...)
	flags := words(object["flags"])
	if object["timeout"] != nil || slices.Contains(flags, "timeout") || slices.Contains(flags, "dynamic") {
		s.changes = "its elements come and go"
	}
}

// writes notes to which sets the statements of a rule add, or of which they take.
func (n *nftReader) writes(rule nftName, v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n.writes(rule, e)
		}
	case map[string]any:
		for kind, e := range v {
			inner, ok := e.(map[string]any)
			if (kind == "set" || kind == "map" || kind == "meter") && ok && inner["op"] != nil {
				target := text(inner["set"])
				if kind == "map" {
					target = text(inner["map"])
				}
				n.setOf(nftName{rule.family, rule.table, strings.TrimPrefix(target, "@")}).changes = "rules write it"
			}
			n.writes(rule, e)
		}
	}
}

// chain declares a chain.
func (n *nftReader) chain(at policy.Place, name nftName, object map[string]any) {
	family, known := nftFamilies[name.family]
	if !known || n.chains[name] != nil {
		n.rest(at, object, "a chain of an unknown family, or one that is there already")
		return
	}
	f := &policy.Filter{Name: printable(name.String()), Dialect: "nft-json", Family: family, Default: policy.Return}
	n.chains[name] = f
	n.out.Filters = append(n.out.Filters, f)
	hook := text(object["hook"])
	if hook == "" {
		return
	}
	f.Default = policy.Permit
	switch text(object["policy"]) {
	case "", "accept":
	case "drop":
		f.Default = policy.Deny
	default:
		n.rest(at, object, "its policy is not known")
	}
	a := policy.Attachment{Hook: hooks[hook] + nftHooks[hook], Bridged: name.family == "bridge", Place: at}
	var err error
	if a.Priority, err = nftPriority(name.family, object["prio"]); err != nil || a.Hook == 0 {
		n.rest(at, object, "its hook or priority is not known")
		return
	}
	if kind := text(object["type"]); kind == "nat" {
		f.Rules = append(f.Rules, firstOfConnection())
		a.Order, a.Priority = a.Priority, natPriorities[a.Hook]
	} else if kind != "filter" && kind != "route" {
		n.rest(at, object, "no such type of chain is known")
	}
	if n.dormant[nftName{name.family, name.table, ""}] {
		f.Default = policy.Return
		return
	}
	devices := words(object["dev"])
	if len(devices) == 0 {
		f.Attached = []policy.Attachment{a}
	}
	for _, d := range devices {
		a.Interface = d
		f.Attached = append(f.Attached, a)
	}
	if len(devices) == 0 && nftHooks[hook] != 0 { // older versions do not show it
		n.rest(at, object, "its device is not shown: it may be met anywhere, or not")
		f.Rules = append(f.Rules, policy.Rule{Verdict: policy.Permit, Uncertain: "the chain's device is not shown", Text: "(" + hook + ")"})
	}
}

// natPriorities are where the kernel translates, whatever a chain of type nat says: its own priority orders it among its like (nf_nat_register_fn).
var natPriorities = map[policy.Hook]int{ //nolint:gochecknoglobals // read-only table
	policy.HookPrerouting: -100, policy.HookOutput: -100, policy.HookInput: 100, policy.HookPostrouting: 100,
}

// nftPriority reads a number, or a name with an offset.
func nftPriority(family string, v any) (int, error) {
	s := text(v)
	if n, err := strconv.Atoi(s); err == nil {
		return n, nil
	}
	table := nftPriorities
	if family == "bridge" {
		table = nftBridgePriorities
	}
	name, offset := s, "0"
	if i := strings.IndexAny(s, " +-"); i > 0 {
		name, offset = s[:i], strings.ReplaceAll(s[i:], " ", "")
	}
	base, known := table[name]
	n, err := strconv.Atoi(offset)
	if !known || err != nil {
		return 0, fmt.Errorf("priority %q", s)
	}
	return base + n, nil
}

// text gives a string or a number as text; other things are empty.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// words gives one text, or a list of them.
func words(v any) []string {
	list, ok := v.([]any)
	if !ok && text(v) != "" {
		return []string{text(v)}
	}
	var out []string
	for _, e := range list {
		out = append(out, text(e))
	}
	return out
}
