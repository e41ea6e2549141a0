package planner

import (
	"net/netip"
	"slices"
	"time"

	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// Policy is what an operator demands of every move, and what he lets pass. The zero Policy demands what each check says by itself.
type Policy struct {
	Ages topology.AgeLimits

	// MemoryRatio and CPURatio are how often a host's memory and processors may be given away: 1 is never twice. 0: DefaultMemoryRatio, DefaultCPURatio.
	MemoryRatio, CPURatio float64
	HostMemoryBytes       int64 // of each host's memory, what it needs for itself; 0: DefaultHostMemory

	Redundancy Redundancy
	Channel    Channel
	Beside     Verdict // what it is to lose flows that no filter let pass, since both guests were in one bridge: Block if it is Pass
	Sessions   Verdict // what it is to cut sessions that are open: Warn if it is Pass

	CopyDisks bool // a move may copy disks that only the source has, where the target has room

	Placements []Placement // where VMs may run: affinity, isolation, licences
	Pinned     []Pin       // VMs that may not be moved
	Cordons    []Cordon    // hosts that take no VM: maintenance, quarantine
	Required   []Demand    // flows that have to pass
	Forbidden  []Demand    // flows that must not
	Windows    []Window    // moves are made within one of them; none: at any time
	Freezes    []Freeze    // when nothing of some objects is touched

	Paths []PathRule // how the ways of VMs are to be, wherever they run (Violations)
	Units []UnitRule // who may see logical units (Violations)

	Disabled  []Disabled
	Overrides []Override
}

// Ratios where a policy names none: memory is not given twice, processors four times, which is what most estates do.
const (
	DefaultMemoryRatio = 1.0
	DefaultCPURatio    = 4.0
)

// DefaultHostMemory is half a gibibyte: what other programs keep for a host that does nothing but run guests.
const DefaultHostMemory = 512 << 20

// Redundancy is how many ways a VM has to have after a move that share nothing. 0: one.
type Redundancy struct {
	Network int // topology.Rail.Independent
	Storage int // paths; over as many fabrics and controllers as there were before, if that is less
}

// Channel is what moves themselves need.
type Channel struct {
	MinBits    int64          // bit/s of the slowest interface between two hosts; 0: DefaultMinBits
	Networks   []netip.Prefix // that moves go through; none: those that both hosts have an address in
	Concurrent int            // moves from or to one host at once; 0: one
	PostCopy   bool           // a guest may run on the target before all of its memory is there: if that fails, it is lost
}

// DefaultMinBits is a gigabit in a second.
const DefaultMinBits = 1_000_000_000

// Placement says where VMs may run.
type Placement struct {
	Name  string
	Rule  PlacementRule
	VMs   Selector
	Hosts Selector // of Only and Never
	Soft  bool     // broken, it is a warning
}

// PlacementRule is what a Placement asks.
type PlacementRule string

// The rules.
const (
	Together PlacementRule = "together" // all of the VMs on one host
	Apart    PlacementRule = "apart"    // no two of the VMs on one host
	Only     PlacementRule = "only"     // the VMs on these hosts alone
	Never    PlacementRule = "never"    // the VMs not on these hosts
)

// Pin is VMs that stay where they are.
type Pin struct {
	VMs    Selector
	Reason string
}

// Cordon is hosts that take no VM for now.
type Cordon struct {
	Hosts  Selector
	Reason string
	Until  time.Time // zero: until the policy is changed
}

// Demand is flows between machines that have to pass, or must not.
type Demand struct {
	Name     string
	From, To Selector
	Flow     reach.Flow
}

// The rails, as topology.Rail names them.
const (
	RailNetwork = "network"
	RailStorage = "storage"
)

// PathRule is how the ways of some VMs on one rail are to be. What is 0 is not asked.
type PathRule struct {
	Name      string
	VMs       Selector
	Rail      string // RailNetwork, RailStorage
	HostPorts int    // by which they leave the host at least
	Ways      int    // that share nothing (topology.Rail.Independent); from 2 on no device may be on all of them
	Hops      int    // switches, routers and firewalls on a way at most
}

// UnitRule is who may see some logical units: these hosts, and nobody else.
type UnitRule struct {
	Name      string
	Units     Selector
	Hosts     Selector
	Exclusive bool // no two of them at once
}

// Window is a span of time in which moves are made. It has both ends.
type Window struct {
	Name        string
	From, Until time.Time
}

// Open tells whether a time is in the window.
func (w Window) Open(at time.Time) bool { return within(w.From, w.Until, at) }

// Freeze is a span of time in which nothing of some objects is touched: an incident, a change that runs, the end of a quarter.
type Freeze struct {
	Name        string
	Reason      string
	Objects     Selector  // nodes of the path; none: everything
	From, Until time.Time // zero: since ever, until the policy is changed
}

// Holds tells whether a time is in the freeze.
func (f Freeze) Holds(at time.Time) bool { return within(f.From, f.Until, at) }

// Holds tells whether a cordon is still there at a time.
func (c Cordon) Holds(at time.Time) bool { return within(time.Time{}, c.Until, at) }

// within tells whether a time is in a span, whose end is not in it. An end that is zero is none.
func within(from, until, at time.Time) bool {
	return !at.Before(from) && (until.IsZero() || at.Before(until))
}

// Disabled is a check that is not made, and why. It is told with each answer.
type Disabled struct{ Check, Reason string }

// Override lets one finding pass until it expires. It is told beside what it lets pass.
type Override struct {
	Check   string
	VM      string // name or key of the VM; "" for all
	Host    string // of the target
	Name    string // who answers for it
	Reason  string
	Expires time.Time
}

// WhyDisabled gives why a check is not made.
func (p *Policy) WhyDisabled(code string) (reason string, is bool) {
	i := slices.IndexFunc(p.Disabled, func(d Disabled) bool { return d.Check == code })
	if i < 0 {
		return "", false
	}
	return p.Disabled[i].Reason, true
}

// About tells whether an override is about the moves of a VM to a host.
func (o *Override) About(vm, host topology.Node) bool {
	is := func(name string, n topology.Node) bool {
		return name == "" || name == n.Name() || name == n.Key().ID || name == n.Key().String()
	}
	return is(o.VM, vm) && is(o.Host, host)
}

// override finds what lets a finding pass. One that has expired lets nothing pass.
func (p *Policy) override(m *move, code string) *Override {
	for i := range p.Overrides {
		if o := &p.Overrides[i]; o.Check == code && o.About(m.vm, m.target) && m.now.Before(o.Expires) {
			return o
		}
	}
	return nil
}
