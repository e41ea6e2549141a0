package ssh

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// disk is a block device of the host. What lies on two devices is listed under each of them.
type disk struct {
	name, kernel, typ string
	bytes             int64 // -1: not said
	designator        string
	address           string // H:C:T:L
	transport         string // TRAN: fc, iscsi, sas … ; "" of what is no whole disk
	parent            string // kernel name; "" of a whole disk
}

// lsblkColumns are the columns that are asked for; older versions lack some, and show what they have.
const lsblkColumns = "NAME,KNAME,TYPE,SIZE,WWN,SERIAL,HCTL,TRAN,PKNAME,MODEL,VENDOR"

// lsblkTable: JSON is printed of no devices at all, too, but not by old versions (do_print_table of libsmartcols), nor are pairs. That a machine without a single
// block device is taken for one that could not be read harms nobody: there is nothing that would have to be deleted.
func lsblkTable() table {
	return table{
		name: "lsblk", line: "lsblk -J -b -o " + lsblkColumns, old: "lsblk -P -b -o " + lsblkColumns, may: true, needs: []string{"sysfs-scsi", "iscsiadm"},
		prints: "a block device",
		parse:  parseLsblk, tell: tellDisks,
		shown: func(s *sheet) string {
			switch {
			case len(s.maps) > 0:
				return "multipath lists " + s.maps[0].name
			case len(s.scsi.iscsi) > 0:
				return "iscsiadm lists sessions"
			}
			return ""
		},
	}
}

// lsblkPair is one COLUMN="value" of -P; octets that would break it are written \xNN.
var lsblkPair = regexp.MustCompile(`^\s*([A-Z0-9:%_-]+)="([^"]*)"`)

// parseLsblk reads the tree of -J or the rows of -P.
func parseLsblk(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t tally
	s.disks = nil
	if text := bytes.TrimSpace(raw); len(text) > 0 && text[0] == '{' {
		var doc struct {
			Devices []map[string]any `json:"blockdevices"`
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			return 0, nil, shell.Malformed("lsblk: %v", err)
		}
		if doc.Devices == nil {
			return 0, nil, shell.Malformed("lsblk: no list of block devices")
		}
		t.tree(s, doc.Devices, "")
		return t.Rows, t.Left, nil
	}
	for where, l := range lines(raw) {
		if l == "" {
			continue
		}
		columns := map[string]string{}
		rest := l
		for m := lsblkPair.FindStringSubmatch(rest); m != nil; m = lsblkPair.FindStringSubmatch(rest) {
			columns[strings.ToLower(m[1])] = m[2]
			rest = rest[len(m[0]):]
		}
		if strings.TrimSpace(rest) != "" {
			t.Miss(where, l, "not pairs of column and value")
			continue
		}
		t.device(s, where, columns, columns["pkname"])
	}
	if t.Rows > 0 && len(s.disks) == 0 {
		return 0, nil, shell.Malformed("no list of block devices")
	}
	return t.Rows, t.Left, nil
}

// tree reads devices of one level and below.
func (t *tally) tree(s *sheet, devices []map[string]any, parent string) {
	for _, d := range devices {
		columns := map[string]string{}
		for name, v := range d {
			switch v := v.(type) {
			case string:
				columns[name] = v
			case float64:
				columns[name] = strconv.FormatFloat(v, 'f', -1, 64)
			}
		}
		where := "device " + strconv.Itoa(t.Rows+1)
		kernel, ok := t.device(s, where, columns, parent)
		children, isList := d["children"].([]any)
		if !ok && isList {
			t.Miss(where, columns["name"], "what lies on a device without a name")
			continue
		}
		var below []map[string]any
		for _, c := range children {
			child, isDevice := c.(map[string]any)
			if !isDevice {
				t.Miss(where, columns["name"], "a child that is no device")
				continue
			}
			below = append(below, child)
		}
		t.tree(s, below, kernel)
	}
}

// device takes down one device.
func (t *tally) device(s *sheet, where string, c map[string]string, parent string) (kernel string, ok bool) {
	// Older versions write "mpathb (dm-2)".
	name, alias, aliased := strings.Cut(c["name"], " (")
	kernel = c["kname"]
	if kernel == "" && aliased {
		kernel = strings.TrimSuffix(alias, ")")
	}
	if kernel == "" {
		kernel = name
	}
	if name == "" || strings.ContainsAny(kernel, "/ ") {
		t.Miss(where, c["name"], "a device without a name")
		return "", false
	}
	t.Rows++
	d := disk{name: name, kernel: kernel, typ: c["type"], bytes: -1, address: c["hctl"], transport: c["tran"], parent: parent}
	if n, ok := unsigned(c["size"]); ok {
		d.bytes = n
	}
	if wwn := c["wwn"]; wwn != "" && (d.typ == "disk" || d.typ == "mpath") {
		designator, err := topology.ParseDesignator(wwn)
		if err != nil {
			t.Doubt(where, name+" "+wwn, err.Error())
		}
		d.designator = designator
	}
	s.disks = append(s.disks, d)
	return kernel, true
}

// showsDisk tells of a device that is such a one, in words.
func (s *sheet) showsDisk(what string, such func(disk) bool) string {
	if i := slices.IndexFunc(s.disks, such); i >= 0 {
		return "lsblk shows " + s.disks[i].name + ", " + what
	}
	return ""
}

// path gives the name below /dev.
func (d disk) path() string {
	if strings.HasPrefix(d.kernel, "dm-") {
		return "/dev/mapper/" + d.name
	}
	return "/dev/" + d.kernel
}

// tellDisks states what each device lies on: a disk on the logical unit that it is, anything else on its parents; and behind which target port the host sees
// the unit.
func tellDisks(s *sheet, say *words) {
	units, paths := map[string][]string{}, map[string]string{} // by kernel name: the designators, the name below /dev
	for _, d := range s.disks {
		paths[d.kernel] = d.path()
		if d.designator != "" {
			units[d.kernel] = []string{d.designator}
		}
	}
	for _, d := range s.disks { // a multipath device is the one unit that all its paths are
		if d.typ == "mpath" && d.designator == "" {
			units[d.kernel] = slices.Compact(slices.Sorted(slices.Values(append(units[d.kernel], units[d.parent]...))))
		}
	}
	for _, d := range s.disks {
		if d.typ != "rom" && d.typ != "loop" {
			s.tellDisk(say, d, units[d.kernel], paths[d.parent])
		}
	}
}

// tellDisk states one device, which is one of these units if there is one, or lies on the parent.
func (s *sheet) tellDisk(say *words, d disk, designators []string, parent string) {
	v := s.volume(say, d.path())
	about := v
	if len(designators) == 1 {
		about = unit(say, designators[0])
	} else if u, ok := s.iscsiUnit(d); ok {
		about = u
	}
	switch {
	case about != v:
		say.Relate(v, topology.StoredOn, about)
	case d.parent != "":
		say.Relate(v, topology.StoredOn, s.volume(say, parent))
	}
	if d.bytes > 0 {
		say.Set(about, topology.AttrCapacityBytes, topology.IntValue(d.bytes))
	}
	if d.typ == "lvm" {
		s.tellLVM(say, d, v)
	}
	s.tellExport(say, d, about)
}

// iscsiUnit gives the unit of a whole disk that iSCSI alone names: by target and LUN.
func (s *sheet) iscsiUnit(d disk) (topology.Key, bool) {
	a, ok := parseHCTL(d.address)
	if !ok || d.parent != "" {
		return topology.Key{}, false
	}
	_, named, _ := s.byNumber(a)
	return named, !named.IsZero()
}

// tellExport states that a target port gives a unit to this host, as the address of the disk shows, and in what state an iSCSI path is. A unit that iSCSI alone
// names has both names then.
func (s *sheet) tellExport(say *words, d disk, u topology.Key) {
	a, ok := parseHCTL(d.address)
	if !ok || u.Kind != topology.LogicalUnit {
		return
	}
	if target, ok := s.scsi.target(a); ok {
		say.Relate(target, topology.Exports, u)
	}
	session, named, ok := s.byNumber(a)
	if !ok {
		return
	}
	say.Text(u, topology.AttrPathState, s.pathState(session, a))
	if named.IsZero() {
		return
	}
	if named != u {
		say.Text(named, topology.AttrDesignator, u.ID)
	}
	if lun, ok := unsigned(a.lun); ok {
		say.Set(named, topology.AttrLUN, topology.IntValue(lun))
	}
}

// tellLVM states the other name of a logical volume: device mapper joins group and volume by a hyphen and doubles those that are in the names.
func (s *sheet) tellLVM(say *words, d disk, v topology.Key) {
	const hyphen = "\x00"
	group, volume, ok := strings.Cut(strings.ReplaceAll(d.name, "--", hyphen), "-")
	if !ok || group == "" || volume == "" || strings.Contains(volume, "-") {
		return
	}
	restored := strings.NewReplacer(hyphen, "-")
	say.Relate(s.volume(say, "/dev/"+restored.Replace(group)+"/"+restored.Replace(volume)), topology.StoredOn, v)
}
