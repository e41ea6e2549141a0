package ssh

import (
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// scsi is what the host knows of its initiators and of the target ports that they see.
type scsi struct {
	hosts   map[string]*fcHost   // Fibre Channel, by name: host3
	remotes map[string]*fcRemote // by name: rport-3:0-1
	iqns    map[string]string    // name of the host for iSCSI, by its SCSI host
	iscsi   []iscsiSession
}

// fcHost is a port of a Fibre Channel HBA (class fc_host; values as scsi_transport_fc prints them).
type fcHost struct {
	wwpn, wwnn, fabric topology.WWN
	state, id          string
	speedBits          int64
}

// fcRemote is a port that an HBA sees (class fc_remote_ports).
type fcRemote struct {
	wwpn, wwnn    topology.WWN
	state, roles  string
	target        int64 // of the H:C:T:L of its units; -1: none
	host, channel string
}

// hctl is the address of a unit on the host: SCSI host, channel, target, LUN.
type hctl struct{ host, channel, target, lun string }

// parseHCTL reads "3:0:0:1". A unit that multipath lost has "#:#:#:#", which is none.
func parseHCTL(text string) (hctl, bool) {
	f := strings.Split(text, ":")
	if len(f) != 4 {
		return hctl{}, false
	}
	for _, part := range f {
		if _, ok := unsigned(part); !ok {
			return hctl{}, false
		}
	}
	return hctl{f[0], f[1], f[2], f[3]}, true
}

func sysfsSCSITable() table {
	const host, remote = "/sys/class/fc_host/*/", "/sys/class/fc_remote_ports/*/"
	return table{
		name: "sysfs-scsi", may: true, parse: parseSysfsSCSI, tell: tellSysfsSCSI,
		line: sysfsLine(host+"port_name", host+"node_name", host+"port_state", host+"port_id", host+"fabric_name", host+"speed",
			remote+"port_name", remote+"node_name", remote+"port_state", remote+"roles", remote+"scsi_target_id",
			"/sys/class/iscsi_host/*/initiatorname"),
	}
}

// parseSysfsSCSI reads files of the classes fc_host, fc_remote_ports and iscsi_host, one row each.
func parseSysfsSCSI(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t tally
	s.scsi.hosts, s.scsi.remotes, s.scsi.iqns = map[string]*fcHost{}, map[string]*fcRemote{}, map[string]string{}
	for where, l := range lines(raw) {
		if l == "" {
			continue
		}
		if why := s.scsi.file(l); why != "" {
			t.Miss(where, l, why)
			continue
		}
		t.Rows++
	}
	if t.Rows > 0 && t.Rows == len(t.Left) {
		return 0, nil, shell.Malformed("no files of fc_host, fc_remote_ports or iscsi_host")
	}
	return t.Rows, t.Left, nil
}

func (c *scsi) file(line string) (why string) {
	if name, file, value, ok := sysfsFile(line, "fc_host"); ok {
		h := c.hosts[name]
		if h == nil {
			h = &fcHost{}
			c.hosts[name] = h
		}
		return h.read(file, value)
	}
	// "rport-3:0-1": the first colon is one of the name, which has no slash either.
	if name, file, value, ok := sysfsFile(line, "fc_remote_ports"); ok {
		r := c.remotes[name]
		if r == nil {
			r = &fcRemote{target: -1}
			host, rest, _ := strings.Cut(strings.TrimPrefix(name, "rport-"), ":")
			channel, _, _ := strings.Cut(rest, "-")
			r.host, r.channel = host, channel
			c.remotes[name] = r
		}
		return r.read(file, value)
	}
	name, file, value, ok := sysfsFile(line, "iscsi_host")
	if !ok || file != "initiatorname" {
		return "no file that was asked for"
	}
	if value == "" || value == "<NULL>" || value == "(null)" { // no session yet
		return ""
	}
	if _, err := topology.ParseIQN(value); err != nil {
		return err.Error()
	}
	c.iqns[name] = value
	return ""
}

func (h *fcHost) read(file, value string) (why string) {
	switch file {
	case "port_name":
		return setWWN(&h.wwpn, value)
	case "node_name":
		return setWWN(&h.wwnn, value)
	case "fabric_name":
		return setWWN(&h.fabric, value)
	case "port_state": // Online, Linkdown, Offline, Blocked ...
		h.state = strings.ToLower(value)
	case "port_id":
		h.id = value
	case "speed": // "16 Gbit"; "unknown" without a link
		n, unit, _ := strings.Cut(value, " ")
		gbits, ok := unsigned(n)
		if ok && unit == "Gbit" && gbits < 1<<20 {
			h.speedBits = gbits * 1e9
		} else if !strings.EqualFold(value, "unknown") && !strings.HasPrefix(value, "Not ") {
			return "no speed in Gbit/s"
		}
	default:
		return "no such file was asked for"
	}
	return ""
}

func (r *fcRemote) read(file, value string) (why string) {
	switch file {
	case "port_name":
		return setWWN(&r.wwpn, value)
	case "node_name":
		return setWWN(&r.wwnn, value)
	case "port_state":
		r.state = strings.ToLower(value)
	case "roles":
		r.roles = value
	case "scsi_target_id":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return "no target number"
		}
		if n >= 0 && n < 1<<32-1 {
			r.target = n
		}
	default:
		return "no such file was asked for"
	}
	return ""
}

// setWWN takes a name; all ones is none.
func setWWN(to *topology.WWN, text string) (why string) {
	w, err := topology.ParseWWN(text)
	if err != nil {
		return err.Error()
	}
	if w != ^topology.WWN(0) {
		*to = w
	}
	return ""
}

// seen reports whether a remote port is a target that answers.
func (r *fcRemote) seen() bool {
	return r.wwpn != 0 && r.state == "online" && strings.Contains(r.roles, "Target")
}

func tellSysfsSCSI(s *sheet, say *words) {
	for _, name := range sortedKeys(s.scsi.hosts) {
		h := s.scsi.hosts[name]
		if h.wwpn == 0 {
			continue
		}
		k := fcPort(topology.InitiatorPort, h.wwpn)
		say.contains(s, k)
		say.Set(k, topology.AttrWWPN, topology.WWNValue(h.wwpn))
		say.Text(k, topology.AttrDeviceName, name)
		say.Text(k, topology.AttrState, h.state)
		if h.wwnn != 0 {
			say.Set(k, topology.AttrWWNN, topology.WWNValue(h.wwnn))
		}
		if h.fabric != 0 {
			say.Set(k, topology.AttrFabricWWN, topology.WWNValue(h.fabric))
		}
		if h.speedBits > 0 {
			say.Set(k, topology.AttrSpeedBits, topology.IntValue(h.speedBits))
		}
		if h.state == "online" {
			say.Text(k, topology.AttrNPortID, h.id)
		}
	}
	for _, name := range sortedKeys(s.scsi.remotes) {
		r := s.scsi.remotes[name]
		h := s.scsi.hosts["host"+r.host]
		if !r.seen() || h == nil || h.wwpn == 0 {
			continue
		}
		target := fcPort(topology.TargetPort, r.wwpn)
		say.Set(target, topology.AttrWWPN, topology.WWNValue(r.wwpn))
		if r.wwnn != 0 {
			say.Set(target, topology.AttrWWNN, topology.WWNValue(r.wwnn))
		}
		say.Relate(fcPort(topology.InitiatorPort, h.wwpn), topology.Nexus, target)
	}
	for _, host := range sortedKeys(s.scsi.iqns) {
		s.tellIQN(say, s.scsi.iqns[host])
	}
}

// tellIQN states the name of the host for iSCSI.
func (s *sheet) tellIQN(say *words, iqn string) topology.Key {
	k := topology.Key{Kind: topology.InitiatorPort, ID: strings.ToLower(iqn)} // RFC 3722
	say.contains(s, k)
	say.Text(k, topology.AttrIQN, iqn) // as it is written: some arrays tell upper from lower case
	return k
}

func fcPort(kind topology.Kind, wwpn topology.WWN) topology.Key {
	return topology.Key{Kind: kind, ID: wwpn.String()}
}

// target gives the port behind which a unit is, by its address on the host.
func (c *scsi) target(a hctl) (topology.Key, bool) {
	for _, name := range sortedKeys(c.remotes) {
		r := c.remotes[name]
		if r.seen() && r.host == a.host && r.channel == a.channel && strconv.FormatInt(r.target, 10) == a.target {
			return fcPort(topology.TargetPort, r.wwpn), true
		}
	}
	if session, ok := c.session(a); ok && session.stands() {
		return session.target(), true
	}
	return topology.Key{}, false
}

// session gives the iSCSI session through which a unit is seen, in whatever state it is.
func (c *scsi) session(a hctl) (iscsiSession, bool) {
	for _, session := range c.iscsi {
		if _, ok := session.units[a]; ok {
			return session, true
		}
	}
	return iscsiSession{}, false
}
