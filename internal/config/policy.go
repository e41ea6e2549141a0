package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/throughline-dc/throughline/planner"
)

// Policy is a policy file without faults.
type Policy struct {
	planner.Policy
	File   string
	Digest string // of the text: "sha256:" and hexadecimal digits
}

// LoadPolicy reads and checks a policy. The error is an *InvalidError with all that is wrong.
func LoadPolicy(file string) (*Policy, error) {
	text, err := readText(file)
	if err != nil {
		return nil, err
	}
	return ParsePolicy(file, text)
}

// ParsePolicy is LoadPolicy of a text that is, or could be, in the given file.
func ParsePolicy(file string, text []byte) (*Policy, error) {
	f := &findings{file: file}
	sum := sha256.Sum256(text)
	r := &policyReader{Policy: &Policy{File: file, Digest: "sha256:" + hex.EncodeToString(sum[:])}, elements: map[string][]element{}}
	if top := parse(f, text, form{"policy", policyKeys(), `put patterns that begin with * in quotes: "*-db"`}); top != nil {
		r.read(top)
		r.faults(top)
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	return r.Policy, nil
}

func policyKeys() []string {
	return []string{
		"version", "ages", "memory_ratio", "cpu_ratio", "host_memory", "redundancy", "channel", "sessions", "beside", "copy_disks", "placements", "pinned", "cordons", "required", "forbidden", "paths", "units", "windows", "freezes",
		"disabled", "overrides",
	}
}

// policyReader remembers where what it has read stands, for the planner's own faults.
type policyReader struct {
	*Policy
	elements map[string][]element // by the name of their list
}

// element is an element of a list, and the keys of it that could not be read: what the planner misses for them is known.
type element struct {
	*object
	bad []string
}

// keyAt gives the key in whose value a place is.
func (o *object) keyAt(at place) string {
	found, last := "", place{}
	for key, begins := range o.places {
		if begins.compare(at) <= 0 && last.compare(begins) <= 0 {
			found, last = key, begins
		}
	}
	return found
}

func (r *policyReader) read(top *object) {
	p := &r.Policy.Policy
	p.Ages = readLimits(top, "ages")
	p.MemoryRatio, p.CPURatio = top.ratio("memory_ratio"), top.ratio("cpu_ratio")
	p.HostMemoryBytes = top.quantity("host_memory", "size", map[string]int64{"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}, "such as 512 MiB or 4 GiB")
	const most = 1024
	redundancy := top.object("redundancy", "redundancy", "network", "storage")
	p.Redundancy = planner.Redundancy{Network: redundancy.number("network", 1, most), Storage: redundancy.number("storage", 1, most)}
	channel := top.object("channel", "channel", "min_speed", "networks", "concurrent", "post_copy")
	speeds := map[string]int64{"bit/s": 1, "kbit/s": 1e3, "Mbit/s": 1e6, "Gbit/s": 1e9}
	p.Channel = planner.Channel{MinBits: channel.quantity("min_speed", "speed", speeds, "such as 10 Gbit/s or 500 Mbit/s"), Networks: channel.prefixes("networks"), Concurrent: channel.number("concurrent", 1, most), PostCopy: channel.flag("post_copy")}
	p.Sessions = top.verdict("sessions", planner.Warn, planner.Block)
	p.Beside = top.verdict("beside", planner.Warn, planner.Block)
	p.CopyDisks = top.flag("copy_disks")
	r.each(top, "placements", "a placement", []string{"name", "rule", "vms", "hosts", "soft"}, func(o *object) {
		p.Placements = append(p.Placements, planner.Placement{
			Name: o.printable("name"), Rule: planner.PlacementRule(o.text("rule")), VMs: o.selector("vms"), Hosts: o.selector("hosts"), Soft: o.flag("soft"),
		})
	})
	r.each(top, "pinned", "a pin", []string{"vms", "reason"}, func(o *object) {
		p.Pinned = append(p.Pinned, planner.Pin{VMs: o.selector("vms"), Reason: o.printable("reason")})
	})
	r.each(top, "cordons", "a cordon", []string{"hosts", "reason", "until"}, func(o *object) {
		p.Cordons = append(p.Cordons, planner.Cordon{Hosts: o.selector("hosts"), Reason: o.printable("reason"), Until: o.time("until")})
	})
	r.demands(top, "required", &p.Required)
	r.demands(top, "forbidden", &p.Forbidden)
	r.each(top, "paths", "a rule of paths", []string{"name", "vms", "rail", "host_ports", "ways", "hops"}, func(o *object) {
		p.Paths = append(p.Paths, planner.PathRule{
			Name: o.printable("name"), VMs: o.selector("vms"), Rail: o.text("rail"), HostPorts: o.number("host_ports", 1, most), Ways: o.number("ways", 1, most), Hops: o.number("hops", 1, most),
		})
	})
	r.each(top, "units", "a rule of units", []string{"name", "units", "hosts", "exclusive"}, func(o *object) {
		p.Units = append(p.Units, planner.UnitRule{Name: o.printable("name"), Units: o.selector("units"), Hosts: o.selector("hosts"), Exclusive: o.flag("exclusive")})
	})
	r.each(top, "windows", "a window", []string{"name", "from", "until"}, func(o *object) {
		p.Windows = append(p.Windows, planner.Window{Name: o.printable("name"), From: o.time("from"), Until: o.time("until")})
	})
	r.each(top, "freezes", "a freeze", []string{"name", "reason", "objects", "from", "until"}, func(o *object) {
		p.Freezes = append(p.Freezes, planner.Freeze{
			Name: o.printable("name"), Reason: o.printable("reason"), Objects: o.selector("objects"), From: o.time("from"), Until: o.time("until"),
		})
	})
	r.each(top, "disabled", "a disabled check", []string{"check", "reason"}, func(o *object) {
		p.Disabled = append(p.Disabled, planner.Disabled{Check: o.printable("check"), Reason: o.printable("reason")})
	})
	r.each(top, "overrides", "an override", []string{"check", "vm", "host", "name", "reason", "expires"}, func(o *object) {
		p.Overrides = append(p.Overrides, planner.Override{
			Check: o.printable("check"), VM: o.printable("vm"), Host: o.printable("host"), Name: o.printable("name"), Reason: o.printable("reason"), Expires: o.time("expires"),
		})
	})
}

// each reads the elements of a list, of which each becomes one element of the policy.
func (r *policyReader) each(top *object, list, what string, keys []string, read func(*object)) {
	for _, n := range top.items(list) {
		o := newObject(top.findings, n, what, keys...)
		if o == nil {
			continue
		}
		before := len(top.list)
		read(o)
		e := element{object: o}
		for _, f := range top.list[before:] {
			e.bad = append(e.bad, o.keyAt(place{f.Line, f.Column}))
		}
		r.elements[list] = append(r.elements[list], e)
	}
}

// demands reads flows. One element of the file is a demand for each span of its ports.
func (r *policyReader) demands(top *object, list string, to *[]planner.Demand) {
	r.each(top, list, "a flow", []string{"name", "from", "to", "protocol", "ports"}, func(o *object) {
		d := planner.Demand{Name: o.printable("name"), From: o.selector("from"), To: o.selector("to")}
		protocol := o.text("protocol")
		if _, err := planner.ParseFlow(protocol, ""); err != nil {
			o.add(o.valueAt("protocol"), "tcp, udp, icmp ..., or a number up to 255", "not a protocol")
			protocol = "tcp" // for what is wrong with its ports alone
		}
		spans := o.texts("ports", "such as 443, 8000-8080, or a list of these")
		if len(spans) == 0 {
			spans = []word{{at: o.at}}
		}
		for i, span := range spans {
			flow, err := planner.ParseFlow(protocol, span.text)
			if err != nil {
				o.add(span.at, "such as 443, 8000-8080, or a list of these", "not a port")
			}
			d.Flow = flow
			*to = append(*to, d)
			if i > 0 {
				r.elements[list] = append(r.elements[list], element{object: o})
			}
		}
	})
}

// faults says where the planner's own faults stand.
func (r *policyReader) faults(top *object) {
	whole := element{object: top}
	for _, f := range top.list {
		whole.bad = append(whole.bad, top.keyAt(place{f.Line, f.Column}))
	}
	told := map[Finding]bool{}
	for _, fault := range r.Faults() {
		in := whole
		if fault.List != "" {
			in = r.elements[fault.List][fault.Index]
		}
		if len(in.bad) > 0 && (fault.Key == "" || slices.Contains(in.bad, fault.Key)) {
			continue
		}
		at := in.at
		if fault.Key != "" {
			at = in.valueAt(fault.Key)
		}
		f := Finding{File: top.file, Line: at.line, Column: at.column, Cause: fault.Text}
		switch fault.Key {
		case "check":
			f.Hint = meant(in.text("check"), codes())
		case "rule":
			f.Hint = meant(in.text("rule"), []string{string(planner.Together), string(planner.Apart), string(planner.Only), string(planner.Never)})
		}
		if !told[f] { // of several ports, once
			told[f] = true
			top.list = append(top.list, f)
		}
	}
}

func codes() (all []string) {
	for _, c := range planner.Checks() {
		all = append(all, c.Code)
	}
	return all
}

func meant(text string, words []string) string {
	if word := nearest(text, words); word != "" && word != text {
		return fmt.Sprintf("did you mean %q?", word)
	}
	return ""
}

// word is a text and where it stands.
type word struct {
	text string
	at   place
}

// texts gives a text, or the texts of a list.
func (o *object) texts(key, hint string) []word {
	if o == nil || o.values[key] == nil {
		return nil
	}
	nodes := []ast.Node{o.values[key]}
	if list, ok := o.values[key].(*ast.SequenceNode); ok {
		nodes = list.Values
	}
	var words []word
	for _, n := range nodes {
		text, ok := textOf(n)
		if !ok || text == "" || strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
			o.add(placeOf(n), hint, "%q must be text, or a list of texts", key)
			continue
		}
		words = append(words, word{text, placeOf(n)})
	}
	return words
}

// selector gives names and patterns of names. What the planner finds wrong with one is told of the first.
func (o *object) selector(key string) planner.Selector {
	var s planner.Selector
	for _, w := range o.texts(key, `a name, a pattern with * and ?, or a prefix such as 10.0.0.0/8; "*" is all`) {
		s = append(s, w.text)
	}
	return s
}

// ratio gives a number above 0, 0 if it is not there.
func (o *object) ratio(key string) float64 {
	if o == nil || o.values[key] == nil {
		return 0
	}
	text, _ := textOf(o.values[key])
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x > 0 && x <= 1000) {
		o.add(o.valueAt(key), "1 is never twice, 4 four times", "%q must be a number above 0, up to 1000", key)
		return 0
	}
	return x
}

// quantity gives a whole number of one of some units, 0 if it is not there.
func (o *object) quantity(key, what string, units map[string]int64, hint string) int64 {
	text := o.text(key)
	if text == "" {
		return 0
	}
	number, unit, _ := strings.Cut(text, " ")
	n, err := strconv.ParseUint(number, 10, 20)
	if err != nil || n == 0 || units[unit] == 0 {
		o.add(o.valueAt(key), hint, "%q must be a %s", key, what)
		return 0
	}
	return int64(n) * units[unit]
}

// prefixes gives networks.
func (o *object) prefixes(key string) (all []netip.Prefix) {
	const hint = "such as 10.0.40.0/24 or 2001:db8:40::/64"
	for _, w := range o.texts(key, hint) {
		p, err := netip.ParsePrefix(w.text)
		if err != nil || p != p.Masked() {
			o.add(w.at, hint, "not a network")
			continue
		}
		all = append(all, p)
	}
	return all
}

// verdict gives one of some verdicts, the zero one if it is not there.
func (o *object) verdict(key string, of ...planner.Verdict) planner.Verdict {
	text := o.text(key)
	var words []string
	for _, v := range of {
		if v.String() == text {
			return v
		}
		words = append(words, v.String())
	}
	if text != "" {
		o.add(o.valueAt(key), meant(text, words), "%q must be one of %s", key, strings.Join(words, ", "))
	}
	return planner.Pass
}

// time gives a moment, the zero one if it is not there.
func (o *object) time(key string) time.Time {
	text := o.text(key)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		o.add(o.valueAt(key), "such as 2026-12-01T06:00:00Z or 2026-12-01T07:00:00+01:00", "%q must be a time with its zone", key)
	}
	return t
}
