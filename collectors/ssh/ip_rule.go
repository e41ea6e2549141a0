package ssh

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// rule is a rule of policy routing (ip-rule(8)): "32766 ipv4 from all lookup main". The family is part of what it selects.
type rule struct{ family, text string }

// ipRule: the kernel makes three rules (fib_default_rules_init), and without any nothing is routed.
func ipRule() table {
	t := ruleTable("ip-rule", "ip -j rule show", "ip rule show", "ipv4")
	t.prints = "the rules that the kernel makes"
	return t
}

// ip6Rule has nothing to show where the kernel does not speak IPv6.
func ip6Rule() table {
	return ruleTable("ip6-rule", "ip -j -6 rule show", "ip -6 rule show", "ipv6")
}

func ruleTable(name, line, old, family string) table {
	read := form[rule]{
		element: func(raw json.RawMessage) ([]rule, error) { return ruleElement(raw, family) },
		record:  func(r record) ([]rule, error) { return ruleRecord(r, family) },
	}
	return table{
		name: name, line: line, old: old,
		parse: func(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
			rules, rows, left, err := read.read(raw)
			s.rules = append(s.rules, rules...)
			return rows, left, err
		},
		tell: func(s *sheet, say *words) {
			for _, r := range s.rules {
				if r.family == family {
					say.Text(s.device, topology.AttrPolicyRule, r.text)
				}
			}
		},
	}
}

// ruleElement writes a rule of JSON as ip would print it.
func ruleElement(raw json.RawMessage, family string) ([]rule, error) {
	var j tree
	if err := decode(raw, &j); err != nil {
		return nil, err
	}
	if j.text("priority") == "" {
		return nil, errors.New("no rule with a priority")
	}
	words := []string{j.text("priority"), family}
	if _, not := j["not"]; not {
		words = append(words, "not")
	}
	length := func(name string) string {
		if n := j.text(name); n != "" {
			return "/" + n
		}
		return ""
	}
	add := func(word, value string) {
		if value != "" {
			words = append(words, word, value)
		}
	}
	flag := func(name, word string) {
		if _, is := j[name]; is {
			words = append(words, word)
		}
	}
	add("from", j.text("src")+length("srclen"))
	if dst := j.text("dst"); dst != "all" {
		add("to", dst+length("dstlen"))
	}
	add("tos", j.text("tos"))
	if mark := j.text("fwmark"); mark != "" {
		mask := j.text("fwmask")
		if mask != "" {
			mask = "/" + mask
		}
		add("fwmark", mark+mask)
	}
	add("iif", j.text("iif"))
	add("oif", j.text("oif"))
	if _, is := j["l3mdev"]; is {
		words = append(words, "lookup", "[l3mdev-table]")
	}
	if from := j.text("uid_start"); from != "" {
		add("uidrange", from+"-"+j.text("uid_end"))
	}
	for _, what := range []string{"ipproto", "sport", "dport"} {
		value := j.text(what)
		if from := j.text(what + "_start"); from != "" {
			value = from + "-" + j.text(what+"_end")
		}
		add(what, value)
	}
	add("lookup", j.text("table"))
	add("goto", j.text("goto"))
	add("suppress_prefixlength", j.text("suppress_prefixlen"))
	add("suppress_ifgroup", j.text("suppress_ifgroup"))
	flag("blackhole", "blackhole")
	if action := j.text("action"); action != "" && action != "to_tbl" {
		words = append(words, action)
	}
	return []rule{{family, strings.Join(words, " ")}}, nil
}

// ruleRecord reads "32766:	from all lookup main".
func ruleRecord(r record, family string) ([]rule, error) {
	priority, rest, ok := strings.Cut(r.text(), ":")
	words := strings.Fields(rest)
	if _, err := strconv.ParseUint(priority, 10, 32); err != nil || !ok || len(words) < 3 || words[0] != "from" && words[0] != "not" {
		return nil, fmt.Errorf("%q is no rule", r.text())
	}
	return []rule{{family, strings.Join(append([]string{priority, family}, words...), " ")}}, nil
}
