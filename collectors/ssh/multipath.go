package ssh

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// multipathMap is a multipath device and its paths.
type multipathMap struct {
	name  string // below /dev/mapper
	wwid  string
	dm    string // kernel name: dm-2; "" of a map that is not made
	paths []multipathPath

	queue  string // "features='0' hwhandler='1 alua'"; "" of versions that write it otherwise
	policy string // of the first group of paths: "policy='service-time 0'"
}

// multipathPath is one way of the host to the unit.
type multipathPath struct {
	address string // H:C:T:L, or #:#:#:# of a path that is lost
	device  string // sdb, or "-"
	states  string // device mapper's and the checker's: "active ready"
}

// multipathTable: without maps multipath prints nothing, and that is no failure.
func multipathTable() table {
	return table{
		name: "multipath", line: "multipath -ll", root: true, may: true, needs: []string{"iscsiadm"}, parse: parseMultipath, tell: tellMultipath,
		shownBy: "lsblk", shown: func(s *sheet) string {
			return s.showsDisk("a multipath device", func(d disk) bool { return d.typ == "mpath" })
		},
	}
}

var (
	// "mpathg (36f01…) dm-2 DELL,MD36xxi", "36001… dm-5 LIO-ORG ,block0"; a T10 identifier has blanks: "1IET     00080001 dm-0 IET,VIRTUAL-DISK".
	multipathHead = regexp.MustCompile(`^(?:(?:create|reload|reject|rename|switchpg|resize): )?(\S.*?)(?: \(([^()]+)\))? (dm-\d+|undef)(?: +(.*))?$`)
	// "| |- 12:0:0:1 sdc 8:32   active ready running"; before 0.4.9: " \_ 0:0:1:1 sdc 8:32 [active][ready]".
	multipathWay = regexp.MustCompile(`^[|\s]*(?:[|\x60]-|\\_) ([\d#]+:[\d#]+:[\d#]+:[\d#]+) +(\S+) +([\d#]+:[\d#]+) +(.+)$`)
	// A row of the list of paths that -v3 and above print: "     3:0:0:1 sdb 8:16  -1  undef ready  IET,VIRTUAL-DISK    running".
	multipathListed = regexp.MustCompile(`^(?:\S.*)?\s*[\d#]+:[\d#]+:[\d#]+:[\d#]+ +\S+ +[\d#]+:[\d#]+ +-?\d+ +\w+ +\w+ `)
	// A line of debugging: "Oct 28 14:02:44 | *word = 0, len = 1", "May 17 11:05:02 | loading …".
	multipathDebug  = regexp.MustCompile(`^(?:\w{3} +\d+ \d\d:\d\d:\d\d|\d+\.\d+) \| `)
	multipathQueue  = regexp.MustCompile(`^size=\S+ (features='[^']*' hwhandler='[^']*')`)
	multipathPolicy = regexp.MustCompile(`^[|\s]*(?:[|\x60]-\+-) (policy='[^']*') prio=`)
	multipathGroup  = regexp.MustCompile(`^[|\s]*(?:[|\x60]-\+-|\\_) .*(?:policy=|prio=)`)
)

// parseMultipath reads maps and their paths, one row each, and the rows of the list of paths, which says the same again. Lines of debugging, sizes and
// groups of paths are no rows.
func parseMultipath(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t tally
	s.maps = nil
	lost := true // no map is known to which a path would belong
	for where, l := range lines(raw) {
		switch {
		case l == "", multipathDebug.MatchString(l), strings.HasPrefix(l, "====="), strings.HasPrefix(l, "uuid "),
			strings.HasPrefix(l, "size="), strings.HasPrefix(l, "[size="), multipathGroup.MatchString(l):
			if !lost {
				s.maps[len(s.maps)-1].queues(l)
			}
		case multipathWay.MatchString(l):
			t.way(s, where, l, multipathWay.FindStringSubmatch(l), lost)
		case multipathListed.MatchString(l):
			t.Rows++
		case multipathHead.MatchString(l):
			t.Rows++
			m := multipathHead.FindStringSubmatch(l)
			s.maps = append(s.maps, multipathMap{name: m[1], wwid: cmp.Or(m[2], m[1]), dm: strings.TrimPrefix(m[3], "undef")})
			lost = false
		default:
			t.Miss(where, l, "neither a map nor a path")
			lost = true
		}
	}
	if t.Rows > 0 && t.Rows == len(t.Left) {
		return 0, nil, shell.Malformed("no list of multipath devices")
	}
	return t.Rows, t.Left, nil
}

// queues takes down what a line says of how commands are queued and spread.
func (m *multipathMap) queues(l string) {
	if q := multipathQueue.FindStringSubmatch(l); q != nil {
		m.queue = q[1]
	}
	if p := multipathPolicy.FindStringSubmatch(l); p != nil {
		m.policy = cmp.Or(m.policy, p[1])
	}
}

func (t *tally) way(s *sheet, where, l string, m []string, lost bool) {
	states := strings.Fields(strings.NewReplacer("[", " ", "]", " ").Replace(m[4]))
	switch {
	case lost:
		t.Miss(where, l, "a path of no map that is known")
	case len(states) < 2:
		t.Miss(where, l, "a path without the states of device mapper and checker")
	default:
		t.Rows++
		last := &s.maps[len(s.maps)-1]
		last.paths = append(last.paths, multipathPath{m[1], m[2], states[0] + " " + states[1]})
	}
}

// tellMultipath states which unit a multipath device is, and the state of each path. A unit whose identifier is only good within its vendor (T10) is known
// by its iSCSI target, else the states are those of the device.
func tellMultipath(s *sheet, say *words) {
	for _, m := range s.maps {
		var lower []topology.Key
		about := topology.PartKey(topology.Volume, s.device, "/dev/mapper/"+m.name)
		if m.dm != "" {
			lower = append(lower, s.volume(say, "/dev/mapper/"+m.name), s.volume(say, "/dev/"+m.dm))
		}
		if u, ok := s.unitOf(say, m); ok {
			about = u
			for _, p := range m.paths {
				if p.device != "-" {
					lower = append(lower, s.volume(say, "/dev/"+p.device))
				}
			}
			for _, v := range lower {
				say.Relate(v, topology.StoredOn, u)
			}
		}
		if m.queue != "" && m.policy != "" {
			say.Text(about, topology.AttrQueueing, strings.Join([]string{s.handle(), m.queue, m.policy}, " "))
		}
		for _, p := range m.paths {
			say.Text(about, topology.AttrPathState, strings.Join([]string{s.handle(), p.address, p.device, p.states}, " "))
		}
	}
}

// unitOf gives the unit of a map: by its identifier, else by the iSCSI session of its paths. Where it has an identifier, the units that iSCSI names by number
// are that unit.
func (s *sheet) unitOf(say *words, m multipathMap) (topology.Key, bool) {
	var units []topology.Key
	all := true
	for _, p := range m.paths {
		var named topology.Key
		if a, ok := parseHCTL(p.address); ok {
			_, named, _ = s.byNumber(a)
		}
		if named.IsZero() {
			all = false
			continue
		}
		units = append(units, named)
	}
	if designator, err := topology.ParseDesignator(m.wwid); err == nil {
		for _, named := range units {
			say.Text(named, topology.AttrDesignator, designator)
		}
		return unit(say, designator), true
	}
	if !all || len(slices.Compact(units)) != 1 {
		return topology.Key{}, false
	}
	return units[0], true
}
