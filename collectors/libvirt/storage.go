package libvirt

import (
	"cmp"
	"path"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// pool is what the volumes of a pool need to know of it.
type pool struct {
	key       topology.Key
	name, typ string
	source    string // name of the source: volume group, Ceph pool, Gluster volume
	dir, path string // of the source; on the host
	hosts     []server
}

// storagePool takes down a <pool>.
func (s *sheet) storagePool(e *element, d Document) {
	source := e.child("source")
	p := pool{
		name: cmp.Or(e.child("name").value(), source.child("name").value()), // formatstorage: the name defaults to the source's
		typ:  e.attr("type"), source: source.child("name").value(), dir: source.child("dir").attr("path"),
		path: e.child("target", "path").value(), hosts: servers(source),
	}
	if p.name == "" {
		s.refuse(e, "", "", "without a name")
		return
	}
	p.key = topology.PartKey(topology.StoragePool, s.host, p.name)
	s.subject = p.key
	s.relate(s.host, topology.Contains, p.key)
	s.text(p.key, topology.AttrName, p.name)
	s.text(p.key, topology.AttrUUID, s.uuid(e.child("uuid")))
	s.text(p.key, topology.AttrPoolType, p.typ)
	s.text(p.key, topology.AttrState, d.State)
	s.known(p.key, topology.AttrPersistent, d.Persistent)
	s.known(p.key, topology.AttrAutostart, d.Autostart)
	s.text(p.key, topology.AttrPath, p.path)
	s.text(p.key, topology.AttrSource, cmp.Or(p.source, source.child("adapter").attr("name"), source.child("adapter").attr("parent")))
	s.text(p.key, topology.AttrSourceDir, p.dir)
	s.text(p.key, topology.AttrFormat, source.child("format").attr("type"))
	if v := source.child("protocol").attr("ver"); v != "" && p.typ == "netfs" {
		s.text(p.key, topology.AttrProtocol, "nfs "+v) // formatstorage: of NFS alone
	}
	s.sizes(p.key, e)
	available, ok := s.size(e.child("available"), "bytes")
	s.number(p.key, topology.AttrAvailableBytes, available, ok)
	for _, h := range p.hosts {
		s.text(p.key, topology.AttrSourceHost, h.written())
	}
	s.poolDevices(p, source)
	s.poolAdapter(source.child("adapter"))
	s.pool = p
}

func (s *sheet) sizes(key topology.Key, e *element) {
	capacity, ok := s.size(e.child("capacity"), "bytes")
	s.number(key, topology.AttrCapacityBytes, capacity, ok)
	allocation, ok := s.size(e.child("allocation"), "bytes")
	s.number(key, topology.AttrAllocationBytes, allocation, ok)
}

// poolDevices states what a pool lies on: devices of the host, a target, or what another machine exports.
func (s *sheet) poolDevices(p pool, source *element) {
	for device := range source.all("device") {
		path := device.attr("path")
		s.text(p.key, topology.AttrSourceDevice, path)
		switch p.typ {
		case "iscsi", "iscsi-direct":
			iqn, err := topology.ParseIQN(path)
			if err != nil {
				s.note(device, path, "not an iSCSI name")
				continue
			}
			var portals []string
			for _, h := range p.hosts {
				portals = append(portals, h.endpoint("iscsi", true))
			}
			for _, portal := range portals {
				s.relate(p.key, topology.StoredOn, s.target(iqn, portal))
			}
			s.session(s.host, source, iqn, portals)
		default:
			if path != "" {
				s.relate(p.key, topology.StoredOn, s.device(path))
			}
		}
	}
	if p.typ == "netfs" && len(p.hosts) > 0 && p.dir != "" {
		protocol := source.child("format").attr("type")
		switch protocol {
		case "", "auto":
			protocol = "nfs" // formatstorage: what the host mounts by default
		case "glusterfs":
			protocol = "gluster"
		}
		s.relate(p.key, topology.StoredOn, s.remote(protocol, p.dir, p.hosts))
	}
}

// poolAdapter states the initiator that an <adapter type='fc_host'> names.
func (s *sheet) poolAdapter(adapter *element) {
	if adapter.attr("type") == "fc_host" {
		s.hba(func(name string) (*element, string, string) { return adapter, name, adapter.attr(name) })
	}
}

// hba states a Fibre Channel initiator of the host. At gives the place of a name, the attribute if it is one, and its text.
func (s *sheet) hba(at func(name string) (*element, string, string)) (topology.Key, bool) {
	wwpn, ok := s.wwn(at("wwpn"))
	if !ok {
		return topology.Key{}, false
	}
	i := topology.Key{Kind: topology.InitiatorPort, ID: wwpn.String()}
	s.relate(s.host, topology.Contains, i)
	s.set(i, topology.AttrWWPN, topology.WWNValue(wwpn))
	if wwnn, ok := s.wwn(at("wwnn")); ok {
		s.set(i, topology.AttrWWNN, topology.WWNValue(wwnn))
	}
	if fabric, ok := s.wwn(at("fabric_wwn")); ok {
		s.set(i, topology.AttrFabricWWN, topology.WWNValue(fabric))
	}
	return i, true
}

// storageVolume takes down a <volume> of the sheet's pool, which is the zero pool where nobody knows which one.
func (s *sheet) storageVolume(e *element, _ Document) {
	p, name, target := s.pool, e.child("name").value(), e.child("target")
	if name == "" {
		s.refuse(e, "", "", "without a name")
		return
	}
	file := cmp.Or(target.child("path").value(), e.child("key").value())
	k := s.volumeKey(p, name, file)
	if p.key != (topology.Key{}) {
		s.relate(p.key, topology.Contains, k)
		s.volumes = map[volumeName]topology.Key{{p.name, name}: k}
	}
	s.text(k, topology.AttrName, name)
	s.text(k, topology.AttrPath, file)
	s.text(k, topology.AttrSourceType, e.attr("type"))
	s.text(k, topology.AttrFormat, target.child("format").attr("type"))
	s.sizes(k, e)

	if lower := e.child("backingStore", "path").value(); lower != "" {
		s.text(k, topology.AttrBackingPath, lower)
		if strings.HasPrefix(lower, "/") {
			if below := s.device(lower); below != k {
				s.relate(k, topology.StoredOn, below)
			}
		}
	}
	if unit, ok := s.unit(file, path.Base(file)); ok {
		s.relate(k, topology.StoredOn, unit)
	}
}

// volumeKey gives a volume of a pool: what servers offer is the same on every host, the rest is a path of this host.
func (s *sheet) volumeKey(p pool, name, file string) topology.Key {
	switch {
	case p.typ == "rbd":
		return s.remote("rbd", p.source+"/"+name, p.hosts)
	case p.typ == "gluster":
		return s.remote("gluster", path.Join(p.source, p.dir, name), p.hosts)
	case p.typ == "sheepdog":
		return s.remote("sheepdog", name, p.hosts)
	case file != "":
		return s.volume(file)
	case p.key != (topology.Key{}):
		return topology.PartKey(topology.Volume, p.key, name)
	}
	return topology.PartKey(topology.Volume, s.host, name)
}

type volumeName struct{ pool, name string }

// volumeDisk is a disk that names its volume by pool and name; the path is known once the pool's volumes are.
type volumeDisk struct {
	disk       topology.Key
	pool, name string
	at         string
}
