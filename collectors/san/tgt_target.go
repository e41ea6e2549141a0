package san

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// target is an iSCSI target as tgtd has it.
type target struct {
	iqn      topology.IQN
	online   bool
	sessions []nexus
	units    []unit

	// Who may log in: to nobody's name or address it admits nobody.
	names     []string // as the array has them
	addresses []netip.Prefix
	account   bool // the target asks for one (CHAP)

	broken   bool // a part of it is not understood that the others rest on: nothing is said of it
	maskless bool // not all of who may log in is understood: nothing is said of that
}

// nexus is a session of an initiator, an I_T nexus.
type nexus struct {
	initiator string       // as it calls itself; "" if that is no name
	addresses []netip.Addr // of its connections, at the initiator's end
}

// unit is a logical unit of a target.
type unit struct {
	lun      topology.LUN
	typ      string // disk, cd/dvd, controller ...
	scsiID   string // as it was set, at most 36 octets
	serial   string
	backing  string // path; "" if it has none
	online   bool
	readOnly bool

	where                                string // it is in the listing
	scsiIDSeen, onlineSeen, readOnlySeen bool
}

// The sections of a target, in the order in which tgtd prints them (tgt_target_show_all of target.c), each exactly once.
var sections = []string{"System information:", "I_T nexus information:", "LUN information:", "Account information:", "ACL information:"} //nolint:gochecknoglobals // read-only table

const (
	secSystem = iota
	secNexus
	secUnits
	secAccounts
	secACL
)

var targetLine = regexp.MustCompile(`^Target (\d+): (.+)$`)

// targetReader is the place in a listing where targets have sections, and sections entries: each level is indented by four blanks.
type targetReader struct {
	t       shell.Tally
	targets []target
	section int // of the last target; -1 before the first
	lost    bool
}

// parseTargets reads what "show --mode target" prints. Rows are targets, sessions, units and who may log in. An array without targets prints nothing.
func parseTargets(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	r := targetReader{section: -1}
	for where, l := range shell.Lines(raw) {
		text := strings.TrimLeft(l, " ")
		depth := len(l) - len(text)
		switch {
		case strings.TrimSpace(text) == "":
		case depth == 0:
			if err := r.target(where, text); err != nil {
				return 0, nil, err
			}
		case len(r.targets) == 0:
			return 0, nil, shell.Malformed("%s: before the first target: %q", where, l)
		case r.lost:
		case depth == 4:
			r.heading(where, text)
		case depth%4 != 0:
			r.spoil(where, l, "not indented as tgtadm does")
		default:
			r.entry(where, text, depth/4)
		}
	}
	if len(r.targets) > 0 && !r.whole() {
		return 0, nil, shell.Malformed("the answer is cut off: the last target has no %s", strings.TrimSuffix(sections[secACL], ":"))
	}
	for _, t := range r.targets {
		for _, u := range t.units {
			if lacks := u.lacks(); len(lacks) > 0 && !t.broken {
				r.t.Doubt(u.where, fmt.Sprintf("LUN: %d", u.lun), "no "+strings.Join(lacks, ", no ")+" that is understood")
			}
		}
	}
	s.targets = r.targets
	return r.t.Rows, r.t.Left, nil
}

// last is the target whose lines are being read.
func (r *targetReader) last() *target { return &r.targets[len(r.targets)-1] }

// whole reports that the last target was read to its end, or given up.
func (r *targetReader) whole() bool { return r.lost || r.section == secACL }

// spoil gives the last target up.
func (r *targetReader) spoil(where, text, why string) {
	r.t.Miss(where, text, why)
	r.lost, r.last().broken = true, true
}

// target begins a target.
func (r *targetReader) target(where, text string) error {
	m := targetLine.FindStringSubmatch(text)
	if m == nil {
		return shell.Malformed("%s: no target: %q", where, topology.Text([]byte(text)))
	}
	if len(r.targets) > 0 && !r.whole() {
		r.spoil(where, text, "the target before it has no "+strings.TrimSuffix(sections[r.section+1], ":"))
	}
	iqn, err := topology.ParseIQN(m[2])
	r.targets = append(r.targets, target{iqn: iqn})
	r.section, r.lost = -1, false
	if err != nil {
		r.spoil(where, text, err.Error())
		return nil
	}
	r.t.Rows++
	return nil
}

func (r *targetReader) heading(where, text string) {
	if r.section == secACL || text != sections[r.section+1] {
		r.spoil(where, text, "not the section that comes next")
		return
	}
	r.section++
}

// entry takes down a line of a section, at a depth of two or more.
func (r *targetReader) entry(where, text string, depth int) {
	key, value, _ := strings.Cut(text, ": ")
	switch r.section {
	case secSystem:
		r.system(where, text, key, value)
	case secNexus:
		r.nexus(where, text, key, value, depth)
	case secUnits:
		r.unit(where, text, key, value, depth)
	case secAccounts: // whether one fits is seen at the login alone; an outgoing one is what the initiator may ask the target for
		if !strings.HasSuffix(text, " (outgoing)") {
			r.last().account = true
		}
	case secACL:
		r.admit(where, strings.TrimSpace(text))
	default:
		r.spoil(where, text, "before the first section")
	}
}

func (r *targetReader) system(where, text, key, value string) {
	switch {
	case key == "Driver" && value == "iscsi":
	case key == "State" && (value == "ready" || value == "offline"): // target_state of target.c
		r.last().online = value == "ready"
	default:
		r.spoil(where, text, "neither the driver iscsi nor a state that is known")
	}
}

// nexus takes down a session: "I_T nexus: 4", below it "Initiator: IQN alias: NAME" and "Connection: 0", below that "IP Address: 192.0.2.1".
func (r *targetReader) nexus(where, text, key, value string, depth int) {
	t := r.last()
	switch {
	case depth == 2 && key == "I_T nexus":
		r.t.Rows++
		t.sessions = append(t.sessions, nexus{})
	case len(t.sessions) == 0:
		r.t.Miss(where, text, "before the first session")
	case depth == 3 && key == "Initiator":
		name, _, _ := strings.Cut(value, " alias: ")
		if _, err := topology.ParseIQN(name); err != nil {
			r.t.Doubt(where, text, err.Error())
			return
		}
		t.sessions[len(t.sessions)-1].initiator = name
	case depth == 3 && key == "Connection":
	case depth == 4 && key == "IP Address":
		address, err := netip.ParseAddr(strings.Trim(value, "[]"))
		if err != nil {
			r.t.Doubt(where, text, "not an address")
			return
		}
		last := &t.sessions[len(t.sessions)-1]
		last.addresses = append(last.addresses, address.Unmap().WithZone(""))
	default:
		r.t.Doubt(where, text, "not a property of a session that is known")
	}
}

// unit takes down "LUN: 1" and its properties.
func (r *targetReader) unit(where, text, key, value string, depth int) {
	t := r.last()
	if depth == 2 {
		lun, err := topology.ParseLUN(value)
		if key != "LUN" || err != nil {
			r.spoil(where, text, "not a logical unit number")
			return
		}
		r.t.Rows++
		t.units = append(t.units, unit{lun: lun, where: where})
		return
	}
	if len(t.units) == 0 || depth != 3 {
		r.spoil(where, text, "not a property of a unit")
		return
	}
	u := &t.units[len(t.units)-1]
	switch key {
	case "Type":
		u.typ = value
	case "SCSI ID":
		u.scsiID, u.scsiIDSeen = value, true
	case "SCSI SN":
		u.serial = strings.TrimSpace(value)
	case "Online":
		u.online, u.onlineSeen = r.yes(where, text, value)
	case "Readonly":
		u.readOnly, u.readOnlySeen = r.yes(where, text, value)
	case "Backing store path":
		if value != "None" {
			u.backing = value
		}
	case "Size", // whole megabytes, rounded down: no capacity
		"Removable media", "Prevent removal", "SWP", "Thin-provisioning", "Backing store type", "Backing store flags", "Backing store flags:":
	default:
		r.t.Doubt(where, text, "not a property of a unit that is known")
	}
}

func (r *targetReader) yes(where, text, value string) (yes, ok bool) {
	if value != "Yes" && value != "No" {
		r.t.Doubt(where, text, "neither Yes nor No")
		return false, false
	}
	return value == "Yes", true
}

// admit takes down who may log in: ALL, an address, a network, or the name of an initiator. tgtd prints addresses before names, and does not say which is
// which; a name that is none is one that no initiator can have, unless it looks like an address.
func (r *targetReader) admit(where, text string) {
	t := r.last()
	r.t.Rows++
	if _, err := topology.ParseIQN(text); err == nil {
		t.names = append(t.names, text)
		return
	}
	networks, ok := admitted(text)
	if !ok || len(t.names) > 0 {
		r.t.Doubt(where, text, "neither the address nor the name of an initiator")
		t.maskless = true
		return
	}
	t.addresses = append(t.addresses, networks...)
}

// everybody is what tgt calls ALL.
var everybody = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} //nolint:gochecknoglobals // read-only table

// admitted reads an address, or a network with the length of its prefix (ip_acl of iscsi/target.c).
func admitted(text string) ([]netip.Prefix, bool) {
	if text == "ALL" {
		return everybody, true
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return []netip.Prefix{netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())}, true
	}
	// netmask_match (1.0.85) matches nobody by a prefix of full length, or by one of IPv4 that is 0 long or has bits behind its length. Other versions may: such a
	// line is not understood.
	if p, err := netip.ParsePrefix(text); err == nil && !p.Addr().Is4In6() && p.Bits() < p.Addr().BitLen() && p == p.Masked() && (p.Bits() > 0 || p.Addr().Is6()) {
		return []netip.Prefix{p}, true
	}
	return nil, false
}

// scsiIDOfNobody is what tgtd makes up for a unit to which nobody gave an ID: the numbers of target and unit, which are the same on every array.
var scsiIDOfNobody = regexp.MustCompile(`^IET {5}[0-9a-f]{8}$`)

// designatorOf gives the designator that initiators see for a unit of this ID, in VPD page 83h. tgtd (update_vpd_83 of spc.c) offers three: the ID as a T10
// vendor one, an NAA locally assigned one of the numbers of target and unit, and an NAA IEEE registered extended one, which Linux prefers: its 32 digits are
// the last of the ID, 0 for what is no hexadecimal digit, and the first is always 6.
func designatorOf(scsiID string) (string, bool) {
	if scsiID == "" || scsiIDOfNobody.MatchString(scsiID) {
		return "", false
	}
	hex := []byte(strings.Repeat("0", 32))
	for i := range hex {
		if at := len(scsiID) - len(hex) + i; at >= 0 && strings.IndexByte("0123456789abcdefABCDEF", scsiID[at]) >= 0 {
			hex[i] = scsiID[at]
		}
	}
	hex[0] = '6'
	designator, err := topology.ParseDesignator("naa." + string(hex))
	return designator, err == nil
}

// state is that of the unit; unknown if it is not said in words that are understood.
func (u unit) state() string {
	if !u.onlineSeen {
		return "unknown"
	}
	return map[bool]string{true: "online", false: "offline"}[u.online]
}

// lacks lists the lines that tgtd prints of every unit (tgt_target_show_all of target.c), and that are missing, or not understood.
func (u unit) lacks() []string {
	var missing []string
	for _, line := range []struct {
		name string
		seen bool
	}{{"Type", u.typ != ""}, {"SCSI ID", u.scsiIDSeen || u.typ != "disk" && u.typ != ""}, {"Online", u.onlineSeen}, {"Readonly", u.readOnlySeen}} {
		if !line.seen {
			missing = append(missing, line.name)
		}
	}
	return missing
}

// unitKey names a unit: by the designator that initiators see, if that is the unit's own. One that the array made up, or that two disks of it have, is not: such
// a unit has the array's name for it.
func (s *sheet) unitKey(t target, u unit) (k topology.Key, designator string) {
	designator, ok := designatorOf(u.scsiID)
	for _, other := range s.targets {
		for _, v := range other.units {
			twin, named := designatorOf(v.scsiID)
			if named && twin == designator && v.backing != u.backing {
				ok = false
			}
		}
	}
	if ok {
		return topology.Key{Kind: topology.LogicalUnit, ID: designator}, designator
	}
	return topology.TargetUnitKey(s.array, t.iqn, u.lun), ""
}

func tellTargets(s *sheet, say *shell.Words) {
	for _, t := range s.targets {
		if t.broken {
			continue
		}
		ports := s.ports(t)
		for _, p := range ports {
			say.Relate(s.array, topology.Contains, p.key)
			say.Text(p.key, topology.AttrIQN, string(t.iqn))
			say.Text(p.key, topology.AttrPortal, p.portal)
			say.Text(p.key, topology.AttrState, map[bool]string{true: "online", false: "offline"}[t.online])
			say.Set(p.key, topology.AttrSessions, topology.IntValue(len(t.sessions)))
			if t.account {
				say.Text(p.key, topology.AttrUnparsed, "Account information: the target asks for an account (CHAP)")
			}
		}
		for _, u := range t.units {
			if u.typ == "disk" {
				s.tellUnit(say, t, u, ports)
			}
		}
		for _, i := range t.sessions {
			tellInitiator(say, t, i)
		}
	}
}

// tellUnit states a unit, and to whom it is shown under which number.
func (s *sheet) tellUnit(say *shell.Words, t target, u unit, ports []port) {
	k, designator := s.unitKey(t, u)
	if u.scsiIDSeen { // else nobody knows which unit it is: the mapping alone is stated
		say.Relate(s.array, topology.Contains, k)
		say.Text(k, topology.AttrDesignator, designator)
		say.Text(k, topology.AttrSerial, u.serial)
		say.Text(k, topology.AttrState, u.state())
		say.Text(k, topology.AttrBackingPath, u.backing)
		if u.readOnlySeen {
			say.Set(k, topology.AttrReadOnly, topology.BoolValue(u.readOnly))
		}
		for _, p := range ports {
			say.Relate(p.key, topology.Exports, k)
		}
	}
	if t.maskless || len(ports) == 0 {
		return // half of who may log in is none of it; and a mapping without ports would be one at every port
	}
	m := topology.PartKey(topology.Mapping, s.array, string(t.iqn)+"/"+strconv.FormatUint(uint64(u.lun), 10))
	say.Relate(s.array, topology.Contains, m)
	say.Set(m, topology.AttrLUN, topology.IntValue(u.lun))
	if u.scsiIDSeen {
		say.Relate(m, topology.MapsUnit, k)
	}
	for _, p := range ports {
		say.Relate(m, topology.MapsTarget, p.key)
	}
	for _, name := range t.names { // iscsi/target.c compares them octet by octet, whatever RFC 3722 says
		say.Relate(m, topology.MapsInitiator, initiatorKey(name))
		say.Text(m, topology.AttrInitiatorName, name)
	}
	for _, p := range t.addresses {
		say.Set(m, topology.AttrInitiatorAddress, topology.PrefixValue(p))
	}
}

// initiatorKey names an initiator: in lower case, as the model does (RFC 3722).
func initiatorKey(name string) topology.Key {
	return topology.Key{Kind: topology.InitiatorPort, ID: strings.ToLower(name)}
}

// tellInitiator states who has logged in, and from where.
func tellInitiator(say *shell.Words, t target, i nexus) {
	if i.initiator == "" {
		return
	}
	k := initiatorKey(i.initiator)
	say.Text(k, topology.AttrIQN, i.initiator)
	for _, a := range i.addresses {
		say.Text(k, topology.AttrSessionFrom, string(t.iqn)+" "+a.String())
	}
}

// tellSessions states at which portal initiators are logged in. tgtd does not say it, and the kernel knows no names: it is certain where all connections from an
// address to the portals end at one of them, and are as many as the sessions that tgtd has from there.
func tellSessions(s *sheet, say *shell.Words) {
	sessions := map[netip.Addr]int{}
	for _, t := range s.targets {
		for _, i := range t.sessions {
			for _, a := range i.addresses {
				sessions[a]++
			}
		}
	}
	ends := map[netip.Addr][]netip.AddrPort{} // at this end, by that at the other
	for _, c := range s.connections {
		if s.listens(c.Local) {
			ends[c.Peer.Addr()] = append(ends[c.Peer.Addr()], c.Local)
		}
	}
	for a, at := range ends {
		if len(at) != sessions[a] || slices.ContainsFunc(at, func(end netip.AddrPort) bool { return end != at[0] }) {
			delete(ends, a)
		}
	}
	for _, t := range s.targets {
		for _, i := range t.sessions {
			t.tellNexus(say, i, ends)
		}
	}
}

// tellNexus states the nexus of a session whose addresses are all, each for itself, known to be at one portal.
func (t target) tellNexus(say *shell.Words, i nexus, ends map[netip.Addr][]netip.AddrPort) {
	if t.broken || i.initiator == "" {
		return
	}
	for _, a := range i.addresses {
		if at := ends[a]; len(at) > 0 {
			say.Relate(initiatorKey(i.initiator), topology.Nexus, portKey(t.iqn, at[0]))
		}
	}
}
