package planner

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology/policy"
)

// ErrPolicy is wrapped by what Check finds wrong.
var ErrPolicy = errors.New("policy")

// PolicyError is what has no meaning in a policy, and where: the Key of the element Index of a list, as the policy's file names both.
type PolicyError struct {
	List  string // "overrides"; "" where it is about the policy itself
	Index int
	Key   string // "expires"; "" where it is about the element as a whole
	Text  string
}

// Error is "policy: overrides 3: there is no check "CAP-99"".
func (f PolicyError) Error() string {
	if f.List == "" {
		return fmt.Sprintf("%s: %s", ErrPolicy, f.Text)
	}
	return fmt.Sprintf("%s: %s %d: %s", ErrPolicy, f.List, f.Index+1, f.Text)
}

// Unwrap makes it an ErrPolicy.
func (f PolicyError) Unwrap() error { return ErrPolicy }

// Check says what of a policy has no meaning, or contradicts itself. All of it is said at once: the error joins the PolicyErrors.
func (p *Policy) Check() error {
	var all []error
	for _, f := range p.Faults() {
		all = append(all, f)
	}
	return errors.Join(all...)
}

// Faults is what Check says, one by one.
func (p *Policy) Faults() []PolicyError {
	c := &policyCheck{Policy: p, checks: map[string]bool{}}
	for _, check := range Checks() {
		c.checks[check.Code] = true
	}
	c.numbers()
	c.placements()
	for i, pin := range p.Pinned {
		c.selector("pinned", i, "vms", pin.VMs, true)
		c.text("pinned", i, "reason", pin.Reason)
	}
	for i, cordon := range p.Cordons {
		c.selector("cordons", i, "hosts", cordon.Hosts, true)
		c.text("cordons", i, "reason", cordon.Reason)
	}
	c.demands()
	c.declared()
	c.times()
	c.exceptions()
	return c.faults
}

type policyCheck struct {
	*Policy
	checks map[string]bool // codes
	faults []PolicyError
}

func (c *policyCheck) say(list string, i int, key, format string, args ...any) {
	c.faults = append(c.faults, PolicyError{list, i, key, fmt.Sprintf(format, args...)})
}

func (c *policyCheck) text(list string, i int, key, value string) {
	if value == "" {
		c.say(list, i, key, "it needs a %s", key)
	}
}

// selector looks at patterns. One that names nothing would name everything: that has to be said.
func (c *policyCheck) selector(list string, i int, key string, s Selector, needed bool) {
	if needed && len(s) == 0 {
		c.say(list, i, key, `it names no %s: "*" is all`, key)
	}
	for _, pattern := range s {
		if !Pattern(pattern) {
			c.say(list, i, key, "%q is not a pattern of names", pattern)
		}
	}
}

func (c *policyCheck) numbers() {
	for _, ratio := range []struct {
		key string
		of  float64
	}{{"memory_ratio", c.MemoryRatio}, {"cpu_ratio", c.CPURatio}} {
		if ratio.of < 0 || math.IsNaN(ratio.of) || math.IsInf(ratio.of, 0) {
			c.say("", 0, ratio.key, "a ratio is a number above 0")
		}
	}
	if c.Redundancy.Network < 0 || c.Redundancy.Storage < 0 {
		c.say("", 0, "redundancy", "there are no fewer than 0 ways")
	}
	if c.HostMemoryBytes < 0 {
		c.say("", 0, "host_memory", "a host needs no less than 0 bytes")
	}
	if c.Channel.MinBits < 0 || c.Channel.Concurrent < 0 {
		c.say("", 0, "channel", "a number is below 0")
	}
	if slices.ContainsFunc(c.Channel.Networks, func(p netip.Prefix) bool { return !p.IsValid() || p != p.Masked() }) {
		c.say("", 0, "channel", "a network is a prefix without bits behind its length")
	}
	for _, of := range []struct {
		key string
		v   Verdict
	}{{"sessions", c.Sessions}, {"beside", c.Beside}} {
		if !slices.Contains([]Verdict{Pass, Warn, Block}, of.v) {
			c.say("", 0, of.key, "%s is warn or block", of.key)
		}
	}
}

// placements looks for rules that no host can fulfil.
func (c *policyCheck) placements() {
	const list = "placements"
	for i, p := range c.Placements {
		c.text(list, i, "name", p.Name)
		c.selector(list, i, "vms", p.VMs, true)
		switch p.Rule {
		case Together, Apart:
			if len(p.Hosts) > 0 {
				c.say(list, i, "hosts", "the rule %s is about VMs alone", p.Rule)
			}
			if len(p.VMs) == 1 && literal(p.VMs[0]) {
				c.say(list, i, "vms", "the rule %s is about two VMs at least", p.Rule)
			}
		case Only, Never:
			c.selector(list, i, "hosts", p.Hosts, true)
		default:
			c.say(list, i, "rule", "a rule is %s, %s, %s or %s", Together, Apart, Only, Never)
		}
		for _, o := range c.Placements[:i] {
			if p.contradicts(o) || o.contradicts(p) {
				c.say(list, i, "", "%q (%s) contradicts %q (%s): nothing can fulfil both", p.Name, p.Rule, o.Name, o.Rule)
			}
		}
	}
}

// contradicts tells of two rules that no placement fulfils both, whatever VMs and hosts there are.
func (p Placement) contradicts(o Placement) bool {
	switch {
	case p.Rule == Only && o.Rule == Never:
		return p.VMs.meets(o.VMs) && len(p.Hosts) > 0 && o.Hosts.covers(p.Hosts)
	case p.Rule == Together && o.Rule == Apart:
		return len(p.VMs) > 0 && o.VMs.covers(p.VMs) || len(o.VMs) > 0 && p.VMs.covers(o.VMs)
	}
	return false
}

func (c *policyCheck) demands() {
	for _, of := range []struct {
		list string
		all  []Demand
	}{{"required", c.Required}, {"forbidden", c.Forbidden}} {
		for i, d := range of.all {
			c.text(of.list, i, "name", d.Name)
			c.selector(of.list, i, "from", d.From, true)
			c.selector(of.list, i, "to", d.To, true)
			if f := d.Flow; f.Protocol == nil && (f.Ports != nil || f.From != nil) {
				c.say(of.list, i, "ports", "ports are those of a protocol")
			}
		}
	}
	for i, no := range c.Forbidden {
		for _, yes := range c.Required {
			if no.From.meets(yes.From) && no.To.meets(yes.To) && overlap(no.Flow, yes.Flow) {
				c.say("forbidden", i, "", "%q contradicts what is required by %q: a flow is in both", no.Name, yes.Name)
			}
		}
	}
}

// declared looks at what is declared of ways and units.
func (c *policyCheck) declared() {
	for i, r := range c.Paths {
		c.text("paths", i, "name", r.Name)
		c.selector("paths", i, "vms", r.VMs, true)
		if r.Rail != RailNetwork && r.Rail != RailStorage {
			c.say("paths", i, "rail", "a rail is %s or %s", RailNetwork, RailStorage)
		}
		if r.HostPorts < 0 || r.Ways < 0 || r.Hops < 0 {
			c.say("paths", i, "", "a number is below 0")
		} else if r.HostPorts+r.Ways+r.Hops == 0 {
			c.say("paths", i, "", "it asks for nothing: host_ports, ways or hops")
		}
	}
	for i, r := range c.Units {
		c.text("units", i, "name", r.Name)
		c.selector("units", i, "units", r.Units, true)
		c.selector("units", i, "hosts", r.Hosts, true)
	}
}

func overlap(a, b reach.Flow) bool {
	spans := func(a, b *policy.Range) bool { return a == nil || b == nil || !a.Hi.Less(b.Lo) && !b.Hi.Less(a.Lo) }
	return (a.Protocol == nil || b.Protocol == nil || *a.Protocol == *b.Protocol) && spans(a.Ports, b.Ports) && spans(a.From, b.From)
}

func (c *policyCheck) times() {
	for i, w := range c.Windows {
		c.text("windows", i, "name", w.Name)
		if w.From.IsZero() || w.Until.IsZero() {
			c.say("windows", i, "", "a window needs from and until")
		} else if !w.From.Before(w.Until) {
			c.say("windows", i, "until", "it ends before it begins")
		}
	}
	for i, f := range c.Freezes {
		c.text("freezes", i, "name", f.Name)
		c.text("freezes", i, "reason", f.Reason)
		c.selector("freezes", i, "objects", f.Objects, false)
		if !f.Until.IsZero() && !f.From.Before(f.Until) {
			c.say("freezes", i, "until", "it ends before it begins")
		}
	}
}

// exceptions looks at what lets findings pass.
func (c *policyCheck) exceptions() {
	off := map[string]bool{}
	for i, d := range c.Disabled {
		c.code("disabled", i, d.Check)
		c.text("disabled", i, "reason", d.Reason)
		if off[d.Check] {
			c.say("disabled", i, "check", "%s is disabled already", d.Check)
		}
		off[d.Check] = true
	}
	for i, o := range c.Overrides {
		c.code("overrides", i, o.Check)
		c.text("overrides", i, "name", o.Name)
		c.text("overrides", i, "reason", o.Reason)
		if o.Expires.IsZero() {
			c.say("overrides", i, "expires", "it needs an expiry")
		}
		if off[o.Check] {
			c.say("overrides", i, "check", "%s is disabled: there is nothing to override", o.Check)
		}
	}
}

func (c *policyCheck) code(list string, i int, code string) {
	if !c.checks[code] {
		c.say(list, i, "check", "there is no check %q", code)
	}
}

// meets tells that some node is in both, if there are any that they name: they share a pattern, or one names what a pattern of the other matches.
func (s Selector) meets(o Selector) bool {
	if len(s) == 0 || len(o) == 0 {
		return true
	}
	return slices.ContainsFunc(s, func(p string) bool {
		return slices.ContainsFunc(o, func(q string) bool { return patternCovers(p, q) || patternCovers(q, p) })
	})
}

// covers tells that all nodes of another selector are in this one, too, for certain.
func (s Selector) covers(o Selector) bool {
	if len(s) == 0 {
		return true
	}
	return len(o) > 0 && !slices.ContainsFunc(o, func(q string) bool {
		return !slices.ContainsFunc(s, func(p string) bool { return patternCovers(p, q) })
	})
}

// patternCovers tells that what a pattern matches another one does, too.
func patternCovers(wide, narrow string) bool {
	a, errA := netip.ParsePrefix(wide)
	b, errB := netip.ParsePrefix(narrow)
	switch {
	case errA == nil && errB == nil:
		return a.Bits() <= b.Bits() && a.Contains(b.Addr())
	case errA == nil || errB == nil:
		return false
	case wide == narrow || wide == "*":
		return true
	}
	is, err := path.Match(wide, narrow)
	return literal(narrow) && err == nil && is && (strings.Contains(wide, ":") || !strings.Contains(narrow, ":")) // a pattern of names is none of keys
}

// literal tells that a pattern names one thing.
func literal(pattern string) bool {
	_, err := netip.ParsePrefix(pattern)
	return err != nil && !strings.ContainsAny(pattern, `*?[\`)
}

// ParseFlow reads the words for a flow, as a policy has them: a protocol by its name or number, "" for everything, and a port or a span of ports, "8000-8080", "" for all.
func ParseFlow(protocol, ports string) (reach.Flow, error) {
	var flow reach.Flow
	if protocol != "" {
		n, ok := reach.ParseProtocol(protocol)
		if !ok {
			return flow, fmt.Errorf("%w: %q is no protocol: tcp, udp, icmp ..., or a number up to 255", ErrPolicy, protocol)
		}
		flow.Protocol = &n
	}
	if ports == "" {
		return flow, nil
	}
	first, last, ranged := strings.Cut(ports, "-")
	if !ranged {
		last = first
	}
	lo, errLo := strconv.ParseUint(first, 10, 16)
	hi, errHi := strconv.ParseUint(last, 10, 16)
	if errLo != nil || errHi != nil || hi < lo {
		return flow, fmt.Errorf("%w: %q are no ports: 443, or 8000-8080", ErrPolicy, ports)
	}
	r := policy.FromTo(lo, hi)
	flow.Ports = &r
	return flow, nil
}
