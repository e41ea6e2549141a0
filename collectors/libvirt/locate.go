package libvirt

import (
	"cmp"
	"net"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// These functions find the node that holds data, so that two guests, a pool and a node device that mean one thing name one node. They state
// what the name itself tells about that node.

// ports are the well-known ports of the protocols that QEMU and libvirt speak to storage. A port that is written out and one
// that is left to the default are the same place.
var ports = map[string]string{ //nolint:gochecknoglobals // read-only table
	"rbd": "6789", "gluster": "24007", "sheepdog": "7000", "nbd": "10809", "iscsi": "3260", "nfs": "2049", "http": "80",
	"https": "443", "ftp": "21", "ftps": "990", "tftp": "69", "ssh": "22", "vxhs": "9999",
}

// iscsiPath is udev's name of an iSCSI unit below /dev/disk/by-path.
var iscsiPath = regexp.MustCompile(`(?:^|-)ip-(.+)-iscsi-(.+)-lun-(\d+)$`)

var partition = regexp.MustCompile(`-part\d+$`)

// device gives the node behind a path on the host: a logical unit where the path names one by its designator (by-id, or a
// multipath device under its WWID) or by its iSCSI target, else a volume by path.
func (s *sheet) device(file string) topology.Key {
	name := path.Base(file)
	whole := partition.ReplaceAllString(name, "")
	unit, ok := s.unit(file, whole)
	if !ok {
		return s.volume(file)
	}
	if whole != name {
		part := s.volume(file)
		s.relate(part, topology.StoredOn, unit)
		return part
	}
	return unit
}

// unit finds the logical unit that a whole-disk path names.
func (s *sheet) unit(file, name string) (topology.Key, bool) {
	if strings.HasPrefix(file, "/dev/disk/by-id/") || strings.HasPrefix(file, "/dev/mapper/3") && len(name) == 33 {
		if designator, err := topology.ParseDesignator(strings.TrimPrefix(name, "nvme-")); err == nil {
			return s.designated(designator), true
		}
	}
	m := iscsiPath.FindStringSubmatch(name)
	if m == nil {
		return topology.Key{}, false
	}
	iqn, err := topology.ParseIQN(m[2])
	lun, err2 := topology.ParseLUN(m[3])
	if err != nil || err2 != nil {
		return topology.Key{}, false
	}
	return s.iscsiUnit(s.host, iqn, []string{m[1]}, lun), true
}

// volume gives a file or block device of the host.
func (s *sheet) volume(file string) topology.Key {
	v := topology.PartKey(topology.Volume, s.host, file)
	s.text(v, topology.AttrPath, file)
	return v
}

func (s *sheet) designated(designator string) topology.Key {
	u := topology.Key{Kind: topology.LogicalUnit, ID: designator}
	s.text(u, topology.AttrDesignator, designator)
	return u
}

// iscsiUnit gives a unit of an iSCSI target that nobody has asked for its designator. The initiator is the host's, or that of a VM which opens the disk by
// itself: what the target shows to others under the same number may be another unit.
func (s *sheet) iscsiUnit(initiator topology.Key, iqn topology.IQN, portals []string, lun topology.LUN) topology.Key {
	u := topology.TargetUnitKey(initiator, iqn, lun)
	s.set(u, topology.AttrLUN, topology.IntValue(lun))
	for _, portal := range portals {
		s.relate(s.target(iqn, portal), topology.Exports, u)
	}
	return u
}

// target gives the port of an iSCSI target: name and network portal (RFC 7143).
func (s *sheet) target(iqn topology.IQN, portal string) topology.Key {
	t := topology.Key{Kind: topology.TargetPort, ID: string(iqn) + "," + portal}
	s.text(t, topology.AttrIQN, string(iqn))
	s.text(t, topology.AttrPortal, portal)
	return t
}

// session states that an initiator, part of owner, is set up to log in at the portals of a target: what a definition asks for is not a session that stands.
func (s *sheet) session(owner topology.Key, e *element, iqn topology.IQN, portals []string) {
	text := e.child("initiator", "iqn").attr("name")
	if text == "" {
		return
	}
	name, err := topology.ParseIQN(text)
	if err != nil {
		s.note(e, text, "not an iSCSI name")
		return
	}
	initiator := topology.Key{Kind: topology.InitiatorPort, ID: string(name)}
	s.text(initiator, topology.AttrIQN, text) // as it is written: some arrays tell upper from lower case
	s.relate(owner, topology.Contains, initiator)
	for _, portal := range portals {
		nexus := topology.Relate(initiator, topology.Nexus, s.target(iqn, portal))
		nexus.Confidence = topology.ConfidenceConfigured
		s.facts = append(s.facts, nexus)
	}
}

// iscsi gives the unit that name, "IQN/LUN" or "IQN" for unit 0, means at the hosts, and states the session of the initiator. The key is zero
// if the name is none.
func (s *sheet) iscsi(owner topology.Key, source *element, name string, hosts []server) topology.Key {
	target, number, found := strings.Cut(name, "/")
	if !found {
		number = "0" // formatdomain: "the default LUN is zero"
	}
	iqn, err := topology.ParseIQN(target)
	lun, err2 := topology.ParseLUN(number)
	if err != nil || err2 != nil {
		s.note(source, name, "not an iSCSI name and unit number")
		return topology.Key{}
	}
	portals := make([]string, len(hosts))
	for i, h := range hosts {
		portals[i] = h.endpoint("iscsi", true)
	}
	s.session(owner, source, iqn, portals)
	return s.iscsiUnit(owner, iqn, portals, lun)
}

// server is one <host> of a source.
type server struct{ name, port, socket string }

func servers(source *element) []server {
	var hosts []server
	for h := range source.all("host") {
		hosts = append(hosts, server{h.attr("name"), h.attr("port"), h.attr("socket")})
	}
	return hosts
}

// endpoint gives "host:port", without the well-known port of the protocol unless it is wanted.
func (h server) endpoint(protocol string, wellKnown bool) string {
	if h.socket != "" {
		return "unix:" + h.socket
	}
	name, port := strings.ToLower(strings.Trim(h.name, "[]")), h.port
	if wellKnown {
		port = cmp.Or(port, ports[protocol])
	} else if port == ports[protocol] {
		port = ""
	}
	switch {
	case port != "":
		return net.JoinHostPort(name, port)
	case strings.Contains(name, ":"):
		return "[" + name + "]"
	}
	return name
}

// written gives the endpoint as the document has it.
func (h server) written() string {
	h.name = strings.ToLower(h.name)
	return h.endpoint("", false)
}

// remote gives a volume that servers offer, "PROTOCOL:HOSTS/NAME". Where the host's own configuration or socket decides which servers are
// meant, the name is good on this host only.
func (s *sheet) remote(protocol, name string, hosts []server) topology.Key {
	var ends []string
	local := len(hosts) == 0
	for _, h := range hosts {
		ends = append(ends, h.endpoint(protocol, protocol == "nbd"))
		local = local || h.socket != ""
	}
	slices.Sort(ends)
	id := protocol + ":" + strings.Join(slices.Compact(ends), ",")
	if name != "" {
		id += "/" + strings.TrimPrefix(name, "/")
	}
	v := topology.Key{Kind: topology.Volume, ID: topology.Text([]byte(id))}
	if local {
		v = topology.PartKey(topology.Volume, s.host, id)
	}
	s.text(v, topology.AttrProtocol, protocol)
	for _, h := range hosts {
		s.text(v, topology.AttrSourceHost, h.written())
	}
	return v
}

// cephImage gives pool/image of a source name that carries options behind colons; a colon of the name is written "\:".
func cephImage(name string) string {
	for i := range len(name) {
		if name[i] == ':' && (i == 0 || name[i-1] != '\\') {
			name = name[:i]
			break
		}
	}
	return strings.ReplaceAll(name, `\:`, ":")
}
