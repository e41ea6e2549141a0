package ssh

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// iscsiSession is a session of the host's own initiator (open-iscsi).
type iscsiSession struct {
	id         string // SID
	initiator  string // IQN as it is written; "" in the short form
	iqn        topology.IQN
	portal     string // "address:port"
	state      string // iSCSI session state of the kernel: LOGGED_IN, FAILED, FREE; "" where it is not listed
	connection string // iSCSI connection state of iscsid: LOGGED IN, TRANSPORT WAIT, Unknown where iscsid does not know; "" where it is not listed
	units      map[hctl]attached
	short      bool // of the listing without states, which has only sessions that there are
}

// attached is the disk of a unit: its name, and the state of its SCSI device (scsi_sysfs.c: running, offline, transport-offline, blocked ...). Both are empty of
// a unit without a disk.
type attached struct{ disk, state string }

// iscsiTable: without sessions it says so on standard error, with exit status 21, and 0 in old versions (print_sessions of iscsiadm.c).
func iscsiTable() table {
	return table{
		name: "iscsiadm", line: "iscsiadm -m session -P 3", root: true, may: true, none: "No active sessions", prints: "its sessions",
		parse: parseISCSI, tell: tellISCSI,
		shownBy: "lsblk", shown: func(s *sheet) string {
			return s.showsDisk("a disk by iSCSI", func(d disk) bool { return d.transport == "iscsi" })
		},
	}
}

var (
	// "tcp: [1] 192.0.2.5:3260,1 iqn.2026-01.example:array (non-flash)"; the mark in parentheses is missing on old systems.
	iscsiShort = regexp.MustCompile(`^\w+: \[(\d+)\] (\S+),-?\d+ (\S+)(?: \([\w-]+\))?$`)
	// A unit: "scsi12 Channel 00 Id 0 Lun: 1".
	iscsiUnit = regexp.MustCompile(`^scsi(\d+) Channel 0*(\d+) Id (\d+) Lun: (\d+)$`)
	// Its disk: "Attached scsi disk sdc		State: running".
	iscsiDisk = regexp.MustCompile(`^Attached scsi disk (\S+)\s+State: (\S+)$`)
)

// iscsiReader is the place in a listing where targets hold portals, portals sessions, and sessions units: each line "name: value", indented.
type iscsiReader struct {
	t        tally
	sessions []iscsiSession
	iqn      topology.IQN
	portal   string
	unit     hctl
	hasUnit  bool
	lost     bool // what follows belongs to a session that is not understood
}

// parseISCSI reads the listing of -P 3, or the short one that is printed without it. Rows are sessions, and the disks of a session.
func parseISCSI(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var r iscsiReader
	for where, l := range lines(raw) {
		l = strings.TrimSpace(l)
		if m := iscsiShort.FindStringSubmatch(l); m != nil {
			r.short(where, l, m)
			continue
		}
		r.line(where, l)
	}
	if len(r.sessions) == 0 {
		return 0, nil, shell.Malformed("no list of iSCSI sessions")
	}
	s.scsi.iscsi = r.sessions
	return r.t.Rows, r.t.Left, nil
}

func (r *iscsiReader) short(where, l string, m []string) {
	iqn, err := topology.ParseIQN(m[3])
	portal, ok := portalOf(m[2])
	if err != nil || !ok {
		r.t.Miss(where, l, "not a portal and an iSCSI name")
		return
	}
	r.t.Rows++
	r.sessions = append(r.sessions, iscsiSession{id: m[1], iqn: iqn, portal: portal, short: true})
}

// iscsiTitle reports a line that holds nothing: a heading, or a rule of asterisks.
func iscsiTitle(l string) bool {
	return l == "" || strings.Trim(l, "*") == "" || l == "Interface:" ||
		strings.HasPrefix(l, "iSCSI Transport Class version") || strings.HasPrefix(l, "version ")
}

func (r *iscsiReader) line(where, l string) {
	key, value, pair := strings.Cut(l, ":")
	value = strings.TrimSpace(value)
	switch {
	case iscsiTitle(l):
	case key == "Target": // "Target: iqn.… (non-flash)"
		name, _, _ := strings.Cut(value, " ")
		iqn, err := topology.ParseIQN(name)
		r.iqn, r.portal = iqn, ""
		if err != nil {
			r.t.Miss(where, l, err.Error())
		}
	case key == "Current Portal": // "192.0.2.5:3260,1"
		address, _, _ := strings.Cut(value, ",")
		portal, ok := portalOf(address)
		r.portal = portal
		if !ok {
			r.t.Miss(where, l, "no address and port")
		}
	case key == "Iface Name": // every session begins with its interface
		r.begin(where, l)
	case iscsiUnit.MatchString(l):
		m := iscsiUnit.FindStringSubmatch(l)
		r.unit, r.hasUnit = hctl{m[1], m[2], m[3], m[4]}, true
		r.attach(where, l, attached{})
	case iscsiDisk.MatchString(l):
		r.disk(where, l)
	case !pair, strings.HasPrefix(l, "Attached scsi disk "):
		r.t.Miss(where, l, "neither a heading nor a property")
	default:
		r.property(where, l, key, value)
	}
}

func (r *iscsiReader) begin(where, l string) {
	if r.iqn == "" || r.portal == "" {
		r.t.Miss(where, l, "a session of no target or portal that is known")
		r.lost = true
		return
	}
	r.t.Rows++
	r.hasUnit, r.lost = false, false
	r.sessions = append(r.sessions, iscsiSession{iqn: r.iqn, portal: r.portal, units: map[hctl]attached{}})
}

// attach gives the last session a unit.
func (r *iscsiReader) attach(where, l string, disk attached) {
	if len(r.sessions) == 0 || r.lost || r.sessions[len(r.sessions)-1].units == nil {
		r.t.Miss(where, l, "a unit of no session that is known")
		return
	}
	if disk.disk == "" {
		r.t.Rows++
	}
	r.sessions[len(r.sessions)-1].units[r.unit] = disk
}

func (r *iscsiReader) disk(where, l string) {
	if !r.hasUnit {
		r.t.Miss(where, l, "a disk of no unit that is known")
		return
	}
	m := iscsiDisk.FindStringSubmatch(l)
	r.attach(where, l, attached{m[1], m[2]})
}

// property takes down a line of a session. Those that say nothing of the path (timeouts, CHAP, negotiated parameters) are passed over; secrets are masked by
// iscsiadm and not kept here.
func (r *iscsiReader) property(where, l, key, value string) {
	if r.lost {
		return
	}
	if len(r.sessions) == 0 {
		if key != "Persistent Portal" {
			r.t.Miss(where, l, "before the first session")
		}
		return
	}
	last := &r.sessions[len(r.sessions)-1]
	switch key {
	case "Iface Initiatorname":
		if _, err := topology.ParseIQN(value); err != nil {
			r.t.Doubt(where, l, err.Error())
			return
		}
		last.initiator = value
	case "SID":
		last.id = value
	case "iSCSI Session State":
		last.state = value
	case "iSCSI Connection State":
		last.connection = value
	}
}

// portalOf gives "address:port" as the model writes it.
func portalOf(text string) (string, bool) {
	host, port, err := net.SplitHostPort(text)
	n, ok := unsigned(port)
	if err != nil || host == "" || !ok || n > 65535 {
		return "", false
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.Unmap().String()
	}
	return net.JoinHostPort(strings.ToLower(host), port), true
}

const (
	loggedIn = "LOGGED_IN"
	unknown  = "unknown"
)

// health says in one word how the session is: loggedIn, unknown, or the state that keeps it from carrying anything. The kernel calls a session logged in until it
// is told otherwise, by iscsid: where iscsid does not answer, nobody knows. (print_iscsi_state of iscsiadm; a driver that logs in by itself, such as qla4xxx,
// is unknown to iscsid, too.)
func (i iscsiSession) health() string {
	if i.short {
		return loggedIn
	}
	state, connection := iscsiWord(i.state), iscsiWord(i.connection)
	for _, word := range []string{state, connection} {
		if word != "" && word != unknown && word != loggedIn {
			return word
		}
	}
	if connection != loggedIn || state == unknown {
		return unknown
	}
	return loggedIn
}

// iscsiWord writes a state as one word.
func iscsiWord(text string) string {
	word := strings.Join(strings.Fields(text), "_")
	if strings.EqualFold(word, unknown) {
		return unknown
	}
	return word
}

// stands reports whether the session may carry something.
func (i iscsiSession) stands() bool { h := i.health(); return h == loggedIn || h == unknown }

func (i iscsiSession) target() topology.Key {
	return topology.Key{Kind: topology.TargetPort, ID: string(i.iqn) + "," + i.portal}
}

// byNumber gives the session through which the host sees a unit, in whatever state that is, and the name of the unit if nobody has asked for its designator: by
// the number that the target shows to this host. To a host that logs in under several names it may show several units so: the key is zero then.
func (s *sheet) byNumber(a hctl) (session iscsiSession, named topology.Key, ok bool) {
	session, ok = s.scsi.session(a)
	lun, err := topology.ParseLUN(a.lun)
	another := slices.ContainsFunc(s.scsi.iscsi, func(i iscsiSession) bool { return i.iqn == session.iqn && i.initiator != session.initiator })
	if ok && err == nil && !another {
		named = topology.TargetUnitKey(s.device, session.iqn, lun)
	}
	return session, named, ok
}

// pathState is the state of the path to a unit in the words of AttrPathState; "" if there is no disk for it.
func (s *sheet) pathState(i iscsiSession, a hctl) string {
	d := i.units[a]
	if d.disk == "" {
		return ""
	}
	address := strings.Join([]string{a.host, a.channel, a.target, a.lun}, ":")
	return strings.Join([]string{s.handle(), address, d.disk, i.health(), iscsiWord(d.state), i.target().ID}, " ")
}

func tellISCSI(s *sheet, say *words) {
	for _, i := range s.scsi.iscsi {
		target := i.target()
		say.Text(target, topology.AttrIQN, string(i.iqn))
		say.Text(target, topology.AttrPortal, i.portal)
		if i.initiator == "" {
			continue // the short form does not say by which name the host logged in
		}
		k := s.tellIQN(say, i.initiator)
		if i.stands() {
			say.Relate(k, topology.Nexus, target)
		}
	}
}
