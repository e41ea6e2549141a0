package ssh

import (
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// sysfsNIC is what /sys/class/net says of one interface.
type sysfsNIC struct {
	hardware     bool   // there is a device behind it
	driver, pci  string // of the device
	duplex       string
	speedBits    int64
	bond         *sysfsBond // it is a bond
	master       string     // of a member: how the bond sees its link
	aggregatorID string
}

// sysfsBond is what the bonding driver says of a bond (Documentation/networking/bonding.rst).
type sysfsBond struct {
	mode         string
	members      []string
	aggregatorID string // of the active aggregate, 802.3ad
	partner      string
}

// sysfsLine makes a fixed line that prints files as "path:line". Grep's exit status is 2 where one of them is missing or cannot be read, which is usual: an
// interface that is down has no speed (EINVAL). It is not told to be silent (-s) about it, since a file that may not be read is another matter.
func sysfsLine(globs ...string) string {
	return `sh -c 'grep -H "" ` + strings.Join(globs, " ") + `; test $? -le 2'`
}

func sysfsNetTable() table {
	const net = "/sys/class/net/*/"
	return table{
		name: "sysfs-net", may: true, needs: []string{"ip-link"}, parse: parseSysfsNet, tell: tellSysfsNet,
		line: sysfsLine(net+"speed", net+"duplex", net+"device/uevent", net+"bonding/mode", net+"bonding/slaves", net+"bonding/ad_aggregator",
			net+"bonding/ad_partner_mac", net+"bonding_slave/mii_status", net+"bonding_slave/ad_aggregator_id"),
	}
}

// sysfsFile splits "/sys/class/CLASS/NAME/FILE:value".
func sysfsFile(line, class string) (name, file, value string, ok bool) {
	rest, ok := strings.CutPrefix(line, "/sys/class/"+class+"/")
	if !ok {
		return "", "", "", false
	}
	// Names of interfaces may hold colons and may not hold slashes; names of files are fixed and hold neither.
	name, rest, ok = strings.Cut(rest, "/")
	if !ok || name == "" {
		return "", "", "", false
	}
	file, value, ok = strings.Cut(rest, ":")
	return name, file, strings.TrimSpace(value), ok
}

// parseSysfsNet reads files of /sys/class/net, one row for each line of one.
func parseSysfsNet(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t tally
	s.nics = map[string]*sysfsNIC{}
	for where, l := range lines(raw) {
		if l == "" {
			continue
		}
		name, file, value, ok := sysfsFile(l, "net")
		if !ok {
			t.Miss(where, l, "no file of /sys/class/net")
			continue
		}
		nic := s.nics[name]
		if nic == nil {
			nic = &sysfsNIC{}
			s.nics[name] = nic
		}
		if why := nic.read(file, value); why != "" {
			t.Miss(where, l, why)
			continue
		}
		t.Rows++
	}
	if t.Rows > 0 && t.Rows == len(t.Left) {
		return 0, nil, shell.Malformed("no files of /sys/class/net")
	}
	return t.Rows, t.Left, nil
}

func (n *sysfsNIC) read(file, value string) (why string) {
	dir, _, _ := strings.Cut(file, "/")
	if dir == "bonding" && n.bond == nil {
		n.bond = &sysfsBond{}
	}
	switch file {
	case "speed": // Mbit/s; -1, and 2^32-1 of older kernels: not known
		mbits, ok := unsigned(value)
		if !ok && value != "-1" {
			return "no speed in Mbit/s"
		}
		if mbits < 1<<32-1 {
			n.speedBits = mbits * 1e6
		}
	case "duplex":
		if value != "unknown" {
			n.duplex = value
		}
	case "device/uevent":
		n.hardware = true
		switch key, word, _ := strings.Cut(value, "="); key {
		case "DRIVER":
			n.driver = word
		case "PCI_SLOT_NAME":
			n.pci = word
		}
	case "bonding/mode": // "802.3ad 4"
		n.bond.mode, _, _ = strings.Cut(value, " ")
	case "bonding/slaves":
		n.bond.members = strings.Fields(value)
	case "bonding/ad_aggregator":
		n.bond.aggregatorID = value
	case "bonding/ad_partner_mac":
		n.bond.partner = value
	case "bonding_slave/mii_status":
		n.master = value
	case "bonding_slave/ad_aggregator_id":
		n.aggregatorID = value
	default:
		return "no such file was asked for"
	}
	return ""
}

// tellSysfsNet states what is behind the interfaces. The speed of what is no hardware is made up by its driver; a bond has that of its members.
func tellSysfsNet(s *sheet, say *words) {
	for _, name := range sortedKeys(s.nics) {
		n, k := s.nics[name], s.port(name)
		if !n.hardware && n.bond == nil {
			continue
		}
		say.contains(s, k)
		say.Text(k, topology.AttrIfName, name)
		if n.speedBits > 0 {
			say.Set(k, topology.AttrSpeedBits, topology.IntValue(n.speedBits))
		}
		say.Text(k, topology.AttrDuplex, n.duplex)
		say.Text(k, topology.AttrDriver, n.driver)
		say.Text(k, topology.AttrPCIAddress, n.pci)
		if l, known := s.link(name); n.bond != nil && (!known || !l.aggregate()) {
			s.tellKernelBond(say, k, n.bond)
		}
	}
}

// tellKernelBond states a bond of the bonding driver where ip does not tell that it is one (old versions do not). A member whose link the bond sees down, or that is in another aggregate than the active one, is
// configured but not in force.
func (s *sheet) tellKernelBond(say *words, k topology.Key, b *sysfsBond) {
	say.Text(k, topology.AttrLAGMode, b.mode)
	if partner, err := topology.ParseMAC(b.partner); err == nil && partner != 0 {
		say.Set(k, topology.AttrPartnerSystemID, topology.MACValue(partner))
	}
	for _, m := range b.members {
		f := topology.Relate(k, topology.SupportedBy, s.port(m))
		if n := s.nics[m]; n != nil && (n.master != "" && n.master != "up" || b.aggregatorID != "" && n.aggregatorID != "" && n.aggregatorID != b.aggregatorID) {
			f.Confidence = configured
		}
		say.Facts = append(say.Facts, f)
	}
}
