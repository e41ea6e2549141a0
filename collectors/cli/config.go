package cli

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// dialect is what a platform's configurations have of their own. To add a vendor is to write one: docs/collectors/adding-a-vendor.md.
type dialect struct {
	name       string // of its filters, as policy.Filter has it
	kind       topology.Kind
	lag        string        // of an aggregate's name, before its number
	statements [][]statement // the first that fits counts
	fragments  fragments

	// What becomes of packets where a list is attached that has no entries, or that is not there at all.
	empty, undefined missing

	transit  bool   // a list that goes out filters nothing that the device sends itself (Cisco, "Configuring IP Access Lists", document 23602)
	down     bool   // whether an interface is up that says neither "shutdown" nor "no shutdown" depends on the kind of interface
	switched bool   // an Ethernet port is a bridge port unless it says "no switchport"
	mode     string // of a bridge port that does not say any: access, trunk; "" where it is negotiated
	ends     string // the last statement of every configuration; without it the text is cut off
	nd       string // why it is not certain that IPv6 lists permit neighbour discovery without a word; "": it is
}

// missing is what a platform does with a list that is not there, and how that is known.
type missing struct {
	verdict policy.Verdict
	why     string
}

// Config is what was read of one configuration.
type Config struct {
	Lines   []*Line
	Filters []*policy.Filter // in the order of the configuration, those of undefined lists last

	dialect *dialect
	device  topology.Key
	name    string // hostname
	version string
	routed  []string // the families that it forwards by its own word: "ipv4"; "ipv4 off" where it does not

	faces     map[string]*face
	faceOrder []*face
	vlanSet   topology.VIDSet
	vlans     map[topology.VID]*vlan
	vrfs      []string
	groups    map[string]*group
	lists     map[string]*list
	listOrder []string
	attached  []attachment
	maps      []*vlanMap
	mapAt     []mapPlace
	nat       nat
	static    []staticRoute
	localRule []string
	unparsed  map[topology.Key][]string
}

// attachment is a place where a list is said to be met.
type attachment struct {
	list string // key
	policy.Attachment
	family policy.Family
	only   []policy.Term // of packets for the device itself: those that are asked
}

// vlan is a VLAN as it is configured.
type vlan struct {
	name   string
	state  string
	vni    uint32
	groups []string // trunk groups of EOS: only ports of one of them carry it
	unsaid bool     // named elsewhere alone: whether there is such a VLAN, nothing has said so far
}

// staticRoute is a route that is configured; whether it is used, the forwarding table says.
type staticRoute struct {
	vrf     string
	prefix  netip.Prefix
	nextHop netip.Addr
	face    string
	drop    bool
}

// ReadConfig reads a configuration of a dialect (Answers: ios-config, eos-config, nxos-config). File is the name that places have. The error says that it is
// no configuration at all (collectors.ErrMalformed). It never panics.
func ReadConfig(answer, file string, d collectors.Device, raw []byte) (*Config, error) {
	platform, ok := dialects()[answer]
	if !ok {
		return nil, fmt.Errorf("%w: no configuration is called %q", topology.ErrSyntax, answer)
	}
	dialect := platform()
	all, lines, err := outline(file, raw)
	if err != nil {
		return nil, err
	}
	kind := cmp.Or(d.Kind, dialect.kind)
	c := &Config{
		Lines: all, dialect: dialect, device: topology.DeviceKey(kind, d.Handle), faces: map[string]*face{}, vlans: map[topology.VID]*vlan{},
		groups: map[string]*group{}, lists: map[string]*list{}, unparsed: map[topology.Key][]string{},
	}
	r := &reader{Config: c, g: compile(append(slices.Clone(dialect.statements), common())...)}
	r.bears = []topology.Key{c.device}
	r.read(top, lines)
	c.finish()
	return c, nil
}

// Counts tells how many lines came to each state.
func (c *Config) Counts() map[State]int {
	n := map[State]int{}
	for _, l := range c.Lines {
		n[l.State]++
	}
	return n
}

// cut reports that the configuration ends before its end.
func (c *Config) cut() bool {
	if c.dialect.ends == "" {
		return false
	}
	for _, l := range slices.Backward(c.Lines) {
		if l.Text != "" {
			return !strings.HasPrefix(l.Text, c.dialect.ends)
		}
	}
	return true
}

// finish makes the filters of what was read.
func (c *Config) finish() {
	c.settleFaces()
	byName := map[string]*policy.Filter{}
	add := func(f *policy.Filter) {
		byName[f.Name] = f
		c.Filters = append(c.Filters, f)
	}
	for _, key := range c.listOrder {
		add(c.filter(c.lists[key]))
	}
	for _, f := range c.natFilters() {
		add(f)
	}
	for _, f := range c.mapFilters() {
		add(f)
	}
	for i := range c.attached {
		a := &c.attached[i]
		f := byName[a.list]
		if f == nil {
			f = &policy.Filter{Name: a.list, Dialect: c.dialect.name, Family: a.family}
			does := c.dialect.undefined
			if strings.HasPrefix(a.list, mapPrefix) {
				does = missing{policy.Permit, "what the platform does with the VLANs then is not known"}
			}
			c.missing(f, "is not defined", does)
			add(f)
		}
		if a.only == nil {
			f.Attached = append(f.Attached, a.Attachment)
			continue
		}
		// Met by some packets only: a filter of its own asks which, and jumps.
		add(&policy.Filter{
			Name: a.list + " at " + a.Place.String(), Dialect: c.dialect.name, Family: f.Family, Default: policy.Permit, Attached: []policy.Attachment{a.Attachment},
			Rules: []policy.Rule{{Match: a.only, Verdict: policy.Jump, Target: f.Name, Text: "access-class " + a.list, Place: a.Place}},
		})
	}
	if len(c.Filters) == 0 {
		// That there is none is known, too.
		add(&policy.Filter{Name: "no access list", Dialect: c.dialect.name, Family: policy.AnyFamily, Default: policy.Permit})
	}
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{collectors.ErrMalformed}, args...)...)
}
