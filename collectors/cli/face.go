package cli

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// face is an interface as it is configured.
type face struct {
	said string // its name in the configuration
	name string // ifName
	key  topology.Key

	description string
	addresses   []netip.Prefix
	virtual     []netip.Addr // it answers to them while it is the active member of its group
	unnumbered  string       // whose address it uses
	vrf         string
	mtu         int
	admin       string // up or down, where it says it

	switched, routed bool // what it says itself: "switchport", "no switchport" or an address
	bare             bool // "no ip address": it would have one if it were no bridge port
	bridge           bool // what follows
	mode             string
	access, native   topology.VID
	allowed          topology.VIDSet
	allowedSaid      bool
	isolated         bool
	groupNames       []string // trunk groups

	vid         topology.VID // of a subinterface
	lag         string       // number
	distributed bool         // an aggregate that ends on two systems
	vtep        string       // interface whose address is the end of its tunnels
	lacp        bool
	nat         string // inside, outside
	rules       []string
	spoken      []*line // statements that depend on what is said later
	groups      []listAt
}

// listAt is a list that the interface names.
type listAt struct {
	at     *line
	family policy.Family
	name   string
	out    bool
	port   bool // a port list by its own word
}

// openFace finds or makes an interface.
func (r *reader) openFace(name string) *face {
	if f := r.faces[name]; f != nil {
		return f
	}
	kind := topology.Port
	if strings.HasPrefix(strings.ToLower(name), "port-channel") {
		kind = topology.LAG
	}
	f := &face{said: name, name: inDialect(r.dialect.name, name), access: 1, native: 1}
	f.key = topology.PartKey(kind, r.device, f.name)
	r.faces[name] = f
	r.faceOrder = append(r.faceOrder, f)
	return f
}

func (r *reader) inFace(name string) {
	r.face = r.openFace(name)
	r.bears = []topology.Key{r.face.key}
}

var (
	ethernet = regexp.MustCompile(`(?i)^(Fast|Gigabit|TwoGigabit|FiveGigabit|TenGig(abit)?|TwentyFiveGig[A-Za-z]*|FortyGig(abit)?|HundredGig[A-Za-z]*)?(Ethernet|E)[0-9/]+$|^port-channel[0-9]+$`)
	sviName  = regexp.MustCompile(`(?i)^vlan([0-9]{1,4})$`)
	subName  = regexp.MustCompile(`^(.+)\.([0-9]+)$`)
)

// svi gives the VLAN whose routed interface it is.
func (f *face) svi() (topology.VID, bool) {
	m := sviName.FindStringSubmatch(f.said)
	if m == nil {
		return 0, false
	}
	vid, err := topology.ParseVID(m[1])
	return vid, err == nil
}

// settleFaces decides what follows from all that an interface says, and attaches its lists.
func (c *Config) settleFaces() {
	// Where any port says "switchport", all bridge ports do: that platform's ports route unless told otherwise. Else the other statements of a port tell.
	said := slices.ContainsFunc(c.faceOrder, func(f *face) bool { return f.switched })
	for _, f := range c.faceOrder {
		f.routed = f.routed || f.bare && !f.switched && len(f.spoken) == 0
		f.bridge = ethernet.MatchString(f.said) && !f.routed && (f.switched || !said && (c.dialect.switched || len(f.spoken) > 0))
		c.settleMode(f)
		for _, g := range f.groups {
			c.attach(f, g)
		}
	}
}

// settleMode decides what the statements of a bridge port come to; of another interface they are none.
func (c *Config) settleMode(f *face) {
	if !f.bridge {
		for _, l := range f.spoken {
			if l.State == Understood {
				l.State, l.Why = Harmless, "of a bridge port, and this interface is none"
			}
		}
		return
	}
	if !c.bridges(1) { // it is always there, and not always written
		c.vlans[1] = &vlan{name: "default", state: "active"}
		c.vlanSet = c.vlanSet.Union(topology.VIDs(1))
	}
	if f.mode == "" {
		f.mode = c.dialect.mode
	}
	if f.mode == "" {
		l := f.spoken[0]
		c.unparsed[f.key] = append(c.unparsed[f.key], l.String()+": "+l.Text+": no mode: whether it is a trunk is negotiated with the neighbour")
	}
}

// attach puts a list where packets meet it: on a bridge port as they come in or go out, on a routed interface before or after they are routed.
func (c *Config) attach(f *face, g listAt) {
	hook := policy.HookPrerouting
	switch {
	case (f.bridge || g.port || g.family == policy.AnyFamily) && g.out:
		hook = policy.HookEgress
	case f.bridge || g.port || g.family == policy.AnyFamily:
		hook = policy.HookIngress
	case g.out:
		hook = policy.HookPostrouting
	}
	c.attached = append(c.attached, attachment{
		list: listKey(g.family, g.name), family: g.family,
		Attachment: policy.Attachment{Hook: hook, Interface: f.name, Place: g.at.Place, Transit: c.dialect.transit && hook == policy.HookPostrouting},
	})
}

func (r *reader) accessGroup(family policy.Family, name, direction string, port bool) (why string) {
	if direction != "in" && direction != "out" {
		return "a list without direction"
	}
	r.face.groups = append(r.face.groups, listAt{r.at, family, name, direction == "out", port})
	return ""
}

// address reads "ip address ADDRESS MASK [secondary]" and "ADDRESS/LENGTH".
func (r *reader) address(args []string) (why string) {
	if n := len(args) - 1; n > 0 && args[n] == "secondary" {
		args = args[:n]
	}
	var p netip.Prefix
	var ok bool
	switch len(args) {
	case 1:
		p, ok = prefix(args[0])
	case 2:
		p, ok = prefixOf(args[0], args[1])
	}
	if !ok || !p.Addr().Is4() {
		return "an address that the configuration does not say"
	}
	r.face.addresses = append(r.face.addresses, p)
	r.face.routed = true
	return ""
}

func (r *reader) address6(args []string) (why string) {
	p, ok := prefix(args[0])
	if !ok || len(args) > 1 || !p.Addr().Is6() {
		return "an address that the configuration does not say"
	}
	r.face.addresses = append(r.face.addresses, p)
	r.face.routed = true
	return ""
}

// virtual takes down an address that several devices share.
func (r *reader) virtual(word string) (why string) {
	if p, ok := prefix(word); ok {
		word = p.Addr().String()
	}
	a, err := netip.ParseAddr(word)
	if err != nil {
		return "no address"
	}
	r.face.virtual = append(r.face.virtual, a)
	return ""
}

// spoken is a statement that counts on a bridge port alone.
func spoken(do func(r *reader, args []string) string) func(r *reader, args []string) string {
	return func(r *reader, args []string) string {
		r.face.spoken = append(r.face.spoken, r.at)
		return do(r, args)
	}
}

func (r *reader) setMode(mode string) (why string) {
	r.face.mode = mode
	if mode != "access" && mode != "trunk" {
		return "which VLANs such a port is in is not known"
	}
	return ""
}

// allow reads what stands behind "switchport trunk allowed vlan".
func (f *face) allow(args []string) (why string) {
	every := topology.VIDRange(1, 4094)
	op, text := "", strings.Join(args, "")
	switch args[0] {
	case "none":
		f.allowed, f.allowedSaid = topology.VIDSet{}, true
		return ""
	case "all":
		f.allowed, f.allowedSaid = every, true
		return ""
	case "add", "remove", "except":
		op, text = args[0], strings.Join(args[1:], "")
	}
	set, err := topology.ParseVIDSet(text)
	if err != nil || text == "" {
		return "no list of VLANs"
	}
	if !f.allowedSaid {
		f.allowed = every
	}
	switch op {
	case "add":
		set = f.allowed.Union(set)
	case "remove":
		set = f.allowed.Minus(set)
	case "except":
		set = every.Minus(set)
	}
	f.allowed, f.allowedSaid = set, true
	return ""
}

// member gives the VLANs of a bridge port: that of untagged frames, and those with and without a tag. known: the configuration decides.
func (c *Config) member(f *face) (pvid topology.VID, tagged, untagged topology.VIDSet, known bool) {
	switch f.mode {
	case "access":
		return f.access, tagged, topology.VIDs(f.access), true
	case "trunk":
		allowed := f.allowed
		if !f.allowedSaid {
			allowed = topology.VIDRange(1, 4094)
		}
		allowed = allowed.Minus(c.grouped(f))
		native := topology.VIDs(f.native)
		return f.native, allowed.Minus(native), allowed.Intersect(native), true
	}
	return 0, tagged, untagged, false
}

// grouped gives the VLANs that a trunk does not carry because they are of trunk groups that it is not in. Source: Arista EOS manual, "VLAN Trunking".
func (c *Config) grouped(f *face) topology.VIDSet {
	var out []topology.VID
	for _, vid := range c.vlanSet.All() {
		in := c.vlans[vid].groups
		if len(in) > 0 && !slices.ContainsFunc(in, func(name string) bool { return slices.Contains(f.groupNames, name) }) {
			out = append(out, vid)
		}
	}
	return topology.VIDs(out...)
}

func parseVLAN(word string, to *topology.VID) (why string) {
	vid, err := topology.ParseVID(word)
	if err != nil {
		return "no VLAN"
	}
	*to = vid
	return ""
}

// openVLANs begins the block of one VLAN or several.
func (r *reader) openVLANs(text string) (why string) {
	set, err := topology.ParseVIDSet(text)
	if err != nil || set.Len() == 0 {
		return "no list of VLANs"
	}
	r.bears = nil
	for _, vid := range set.All() {
		if r.Config.vlans[vid] == nil {
			r.Config.vlans[vid] = &vlan{}
		}
		if v := r.Config.vlans[vid]; v.state == "" {
			v.state, v.unsaid = "active", false
		}
		r.bears = append(r.bears, topology.PartKey(topology.VLAN, r.device, strconv.Itoa(int(vid))))
	}
	r.above.vlans = set
	r.vlanSet = r.vlanSet.Union(set)
	return ""
}

func (r *reader) eachVLAN(do func(v *vlan)) {
	for _, vid := range r.above.vlans.All() {
		do(r.Config.vlans[vid])
	}
}

func (r *reader) openVRF(name string) string {
	if !slices.Contains(r.vrfs, name) {
		r.vrfs = append(r.vrfs, name)
	}
	r.vrf = name
	r.bears = []topology.Key{topology.PartKey(topology.VRF, r.device, name)}
	return ""
}
