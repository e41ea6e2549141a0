//go:build linux && cgo && libvirt_dlopen

package libvirt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"libvirt.org/go/libvirt"
)

// commands names the calls behind each table. All of them are reads that a read-only connection allows; each listing is one call, and each
// object's XML another, since libvirt has no call for the XML of many.
var commands = map[Table]string{ //nolint:gochecknoglobals // read-only table
	Capabilities: "virConnectGetCapabilities, virNodeGetFreePages, virConnectGetHostname, virConnectGetVersion, virConnectGetSysinfo, virConnectBaselineCPU",
	Domains:      "virConnectListAllDomains, virDomainGetState, virDomainGetXMLDesc",
	CPUModels:    "virConnectBaselineCPU",
	Jobs:         "virConnectListAllDomains, virDomainGetXMLDesc, virDomainGetJobStats, virDomainGetBlockJobInfo",
	Networks:     "virConnectListAllNetworks, virNetworkGetXMLDesc",
	Interfaces:   "virConnectListAllInterfaces, virInterfaceGetXMLDesc",
	Pools:        "virConnectListAllStoragePools, virStoragePoolGetXMLDesc",
	Volumes:      "virConnectListAllStoragePools, virStoragePoolListAllVolumes, virStorageVolGetXMLDesc",
	NodeDevices:  "virConnectListAllNodeDevices, virNodeDeviceGetXMLDesc",
	NWFilters:    "virConnectListAllNWFilters, virNWFilterGetXMLDesc",
	Secrets:      "virConnectListAllSecrets, virSecretGetXMLDesc",
}

// List asks for one table. When ctx ends, it gives what has come so far, and an error.
func (c *connection) List(ctx context.Context, t Table) (Listing, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := answer{ctx: ctx, alive: make(chan struct{}, 1), models: c.models}
	err := c.run(ctx, string(t), a.alive, func(conn *libvirt.Connect) error { return a.fill(conn, t) })
	l := a.take()
	l.Command = commands[t]
	if isCode(err, libvirt.ERR_NO_SUPPORT) {
		err = nil // the hypervisor has no such things: an empty table
	}
	if t == Domains {
		c.models = modelsOf(&l, err)
	}
	return l, plain(err)
}

// Probe asks for the names of hypervisor and host.
func (c *connection) Probe(ctx context.Context) (string, error) {
	result := make(chan string, 1)
	err := c.run(ctx, "probe", nil, func(conn *libvirt.Connect) error {
		kind, err := conn.GetType()
		if err != nil {
			return err
		}
		name, err := conn.GetHostname()
		if err != nil {
			return err
		}
		library, err := conn.GetLibVersion()
		result <- fmt.Sprintf("%s on %s, libvirt %s", kind, name, version(library))
		return err
	})
	if err != nil {
		return "", plain(err)
	}
	return <-result, nil
}

// version gives "7.2.17" of libvirt's number for it.
func version(n uint32) string { return fmt.Sprintf("%d.%d.%d", n/1_000_000, n/1000%1000, n%1000) }

// answer is a listing that the connection's goroutine fills while another may take what is there.
type answer struct {
	ctx   context.Context //nolint:containedctx // ends with the call it belongs to
	alive chan struct{}

	models cpuModels // that the domains have

	mu      sync.Mutex
	listing Listing
}

func (a *answer) take() Listing {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.listing
	l.Documents = slices.Clone(l.Documents)
	return l
}

func (a *answer) change(f func(*Listing)) {
	a.mu.Lock()
	f(&a.listing)
	a.mu.Unlock()
	select {
	case a.alive <- struct{}{}:
	default:
	}
}

// add adds the XML of an object, or why there is none. An object that has vanished since it was listed is none.
func (a *answer) add(d Document, xml string, err error) {
	switch {
	case err == nil:
		d.XML = []byte(xml)
	case isCode(err, libvirt.ERR_NO_DOMAIN, libvirt.ERR_NO_NETWORK, libvirt.ERR_NO_INTERFACE, libvirt.ERR_NO_STORAGE_POOL,
		libvirt.ERR_NO_STORAGE_VOL, libvirt.ERR_NO_NODE_DEVICE, libvirt.ERR_NO_NWFILTER, libvirt.ERR_NO_SECRET):
		return
	default:
		d.Err = plain(err)
	}
	a.change(func(l *Listing) { l.Documents = append(l.Documents, d) })
}

func (a *answer) missing(why string) {
	a.change(func(l *Listing) {
		if l.Missing != "" {
			why = l.Missing + "; " + why
		}
		l.Missing = why
	})
}

func isCode(err error, codes ...libvirt.ErrorNumber) bool {
	var e libvirt.Error
	return errors.As(err, &e) && slices.Contains(codes, e.Code)
}

func (a *answer) fill(conn *libvirt.Connect, t Table) error {
	switch t {
	case Capabilities:
		return a.host(conn)
	case Domains:
		return a.domains(conn)
	case Jobs:
		return a.jobs(conn)
	case CPUModels:
		return a.expand(conn)
	case Networks:
		return a.networks(conn)
	case Interfaces:
		return a.interfaces(conn)
	case Pools:
		return a.pools(conn)
	case Volumes:
		return a.volumes(conn)
	case NodeDevices:
		return a.nodeDevices(conn)
	case NWFilters:
		return a.networkFilters(conn)
	case Secrets:
		return a.secrets(conn)
	case volumeDisks, vnicFilters:
	}
	return nil
}

// each goes through a listing and frees every object, also those it does not come to when ctx ends.
func each[T any, P interface {
	*T
	Free() error
}](ctx context.Context, all []T, visit func(P)) {
	for i := range all {
		p := P(&all[i])
		if ctx.Err() == nil {
			visit(p)
		}
		_ = p.Free()
	}
}

// names collects which objects a filtered listing holds.
func names[T any, P interface {
	*T
	Free() error
	GetName() (string, error)
}](all []T, err error) (map[string]bool, error) {
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool, len(all))
	for i := range all {
		p := P(&all[i])
		if name, err := p.GetName(); err == nil {
			found[name] = true
		}
		_ = p.Free()
	}
	return found, nil
}

// known passes a set of names on. Where it could not be listed, the table lacks what the set would tell.
func (a *answer) known(set map[string]bool, err error) map[string]bool {
	if err != nil && !unsupported(err) {
		a.missing(plain(err).Error())
	}
	return set
}

// member tells whether a name is in a set that may not be known.
func member(set map[string]bool, name string) *bool {
	if set == nil {
		return nil
	}
	in := set[name]
	return &in
}

func activity(active map[string]bool, name string) string {
	switch {
	case active == nil:
		return ""
	case active[name]:
		return "active"
	}
	return "inactive"
}

// host asks who the host is. Only the capabilities are required: the rest is there on some hypervisors.
func (a *answer) host(conn *libvirt.Connect) error {
	xml, err := conn.GetCapabilities()
	if err != nil {
		return err
	}
	a.add(Document{Where: "capabilities"}, xml, nil)
	machine, err := conn.GetSysinfo(0)
	a.optional("sysinfo", machine, err)
	if cpu, ok := hostModel(xml); ok {
		expanded, err := conn.BaselineCPU([]string{cpu}, libvirt.CONNECT_BASELINE_CPU_EXPAND_FEATURES)
		a.optional("baseline CPU", expanded, err)
	}
	free := a.freePages(conn, xml)
	number, err := conn.GetVersion()
	if err != nil {
		a.missing("version: " + plain(err).Error())
	}
	name, err := conn.GetHostname()
	a.change(func(l *Listing) {
		l.Hostname, l.Free = name, free
		if number > 0 {
			l.Version = version(number)
		}
	})
	return err
}

// optional adds what some hypervisors and machines do not have.
func (a *answer) optional(what, xml string, err error) {
	switch {
	case err == nil:
		a.add(Document{Where: what}, xml, nil)
	case !unsupported(err):
		a.missing(what + ": " + plain(err).Error())
	}
}

func unsupported(err error) bool {
	return isCode(err, libvirt.ERR_NO_SUPPORT, libvirt.ERR_CONFIG_UNSUPPORTED, libvirt.ERR_OPERATION_UNSUPPORTED, libvirt.ERR_ARGUMENT_UNSUPPORTED,
		libvirt.ERR_INVALID_ARG)
}

// hostModel cuts the <cpu> of the host out of the capabilities, where it names a model.
func hostModel(capabilities string) (string, bool) {
	from := strings.Index(capabilities, "<cpu>")
	to := strings.Index(capabilities, "</cpu>")
	if from < 0 || to < from {
		return "", false
	}
	cpu := capabilities[from : to+len("</cpu>")]
	return cpu, strings.Contains(cpu, "<model>")
}

func (a *answer) domains(conn *libvirt.Connect) error {
	all, err := conn.ListAllDomains(0)
	if err != nil {
		return err
	}
	persistent := a.known(names(conn.ListAllDomains(libvirt.CONNECT_LIST_DOMAINS_PERSISTENT)))
	autostart := a.known(names(conn.ListAllDomains(libvirt.CONNECT_LIST_DOMAINS_AUTOSTART)))
	snapshots := a.known(names(conn.ListAllDomains(libvirt.CONNECT_LIST_DOMAINS_HAS_SNAPSHOT)))
	running := a.known(names(conn.ListAllDomains(libvirt.CONNECT_LIST_DOMAINS_RUNNING)))
	shutoff := a.known(names(conn.ListAllDomains(libvirt.CONNECT_LIST_DOMAINS_SHUTOFF)))
	each(a.ctx, all, func(d *libvirt.Domain) {
		name, _ := d.GetName()
		var state, reason string
		switch {
		case running[name]:
			state = "running"
		case shutoff[name]:
			state = "shutoff"
		default: // few: paused, crashed, on the way down
			if s, why, err := d.GetState(); err == nil {
				state, reason = stateName(s), pausedReason(s, why)
			}
		}
		xml, err := d.GetXMLDesc(0)
		a.add(Document{
			Where: "domain " + name, State: state, StateReason: reason, Persistent: member(persistent, name), Autostart: member(autostart, name),
			Snapshots: member(snapshots, name),
		}, xml, err)
	})
	return a.ctx.Err()
}

func stateName(s libvirt.DomainState) string {
	switch s {
	case libvirt.DOMAIN_RUNNING:
		return "running"
	case libvirt.DOMAIN_BLOCKED:
		return "blocked"
	case libvirt.DOMAIN_PAUSED:
		return "paused"
	case libvirt.DOMAIN_SHUTDOWN:
		return "shutdown"
	case libvirt.DOMAIN_SHUTOFF:
		return "shutoff"
	case libvirt.DOMAIN_CRASHED:
		return "crashed"
	case libvirt.DOMAIN_PMSUSPENDED:
		return "pmsuspended"
	default:
		return ""
	}
}

func (a *answer) networks(conn *libvirt.Connect) error {
	all, err := conn.ListAllNetworks(0)
	if err != nil {
		return err
	}
	active := a.known(names(conn.ListAllNetworks(libvirt.CONNECT_LIST_NETWORKS_ACTIVE)))
	persistent := a.known(names(conn.ListAllNetworks(libvirt.CONNECT_LIST_NETWORKS_PERSISTENT)))
	autostart := a.known(names(conn.ListAllNetworks(libvirt.CONNECT_LIST_NETWORKS_AUTOSTART)))
	each(a.ctx, all, func(n *libvirt.Network) {
		name, _ := n.GetName()
		xml, err := n.GetXMLDesc(0)
		a.add(Document{
			Where: "network " + name, State: activity(active, name), Persistent: member(persistent, name), Autostart: member(autostart, name),
		}, xml, err)
	})
	return a.ctx.Err()
}

func (a *answer) networkFilters(conn *libvirt.Connect) error {
	all, err := conn.ListAllNWFilters(0)
	if err != nil {
		return err
	}
	each(a.ctx, all, func(f *libvirt.NWFilter) {
		name, _ := f.GetName()
		xml, err := f.GetXMLDesc(0)
		a.add(Document{Where: "nwfilter " + name}, xml, err)
	})
	return a.ctx.Err()
}

// secrets lists which there are. Their values no read-only connection gives.
func (a *answer) secrets(conn *libvirt.Connect) error {
	all, err := conn.ListAllSecrets(0)
	if err != nil {
		return err
	}
	each(a.ctx, all, func(s *libvirt.Secret) {
		uuid, _ := s.GetUUIDString()
		xml, err := s.GetXMLDesc(0)
		a.add(Document{Where: "secret " + uuid}, xml, err)
	})
	return a.ctx.Err()
}

func (a *answer) interfaces(conn *libvirt.Connect) error {
	all, err := conn.ListAllInterfaces(0)
	if err != nil {
		return err
	}
	each(a.ctx, all, func(i *libvirt.Interface) {
		name, _ := i.GetName()
		xml, err := i.GetXMLDesc(0)
		a.add(Document{Where: "interface " + name}, xml, err)
	})
	return a.ctx.Err()
}

func (a *answer) pools(conn *libvirt.Connect) error {
	all, err := conn.ListAllStoragePools(0)
	if err != nil {
		return err
	}
	active := a.known(names(conn.ListAllStoragePools(libvirt.CONNECT_LIST_STORAGE_POOLS_ACTIVE)))
	persistent := a.known(names(conn.ListAllStoragePools(libvirt.CONNECT_LIST_STORAGE_POOLS_PERSISTENT)))
	autostart := a.known(names(conn.ListAllStoragePools(libvirt.CONNECT_LIST_STORAGE_POOLS_AUTOSTART)))
	each(a.ctx, all, func(p *libvirt.StoragePool) {
		name, _ := p.GetName()
		xml, err := p.GetXMLDesc(0)
		a.add(Document{
			Where: "pool " + name, State: activity(active, name), Persistent: member(persistent, name), Autostart: member(autostart, name),
		}, xml, err)
	})
	return a.ctx.Err()
}

func (a *answer) volumes(conn *libvirt.Connect) error {
	pools, err := conn.ListAllStoragePools(0)
	if err != nil {
		return err
	}
	active := a.known(names(conn.ListAllStoragePools(libvirt.CONNECT_LIST_STORAGE_POOLS_ACTIVE)))
	each(a.ctx, pools, func(p *libvirt.StoragePool) {
		pool, _ := p.GetName()
		if activity(active, pool) == "inactive" {
			a.missing("pool " + pool + " is not active: its volumes cannot be listed")
			return
		}
		all, err := p.ListAllStorageVolumes(0)
		if err != nil {
			a.missing("pool " + pool + ": " + plain(err).Error())
			return
		}
		each(a.ctx, all, func(v *libvirt.StorageVol) {
			name, _ := v.GetName()
			xml, err := v.GetXMLDesc(0)
			a.add(Document{Where: "volume " + pool + "/" + name, Pool: pool}, xml, err)
		})
	})
	return a.ctx.Err()
}

// nodeDevices asks for the kinds of devices that are in the model, where the driver can choose.
func (a *answer) nodeDevices(conn *libvirt.Connect) error {
	all, err := conn.ListAllNodeDevices(libvirt.CONNECT_LIST_NODE_DEVICES_CAP_SYSTEM | libvirt.CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV |
		libvirt.CONNECT_LIST_NODE_DEVICES_CAP_NET | libvirt.CONNECT_LIST_NODE_DEVICES_CAP_SCSI_HOST |
		libvirt.CONNECT_LIST_NODE_DEVICES_CAP_SCSI_TARGET | libvirt.CONNECT_LIST_NODE_DEVICES_CAP_SCSI |
		libvirt.CONNECT_LIST_NODE_DEVICES_CAP_STORAGE | libvirt.CONNECT_LIST_NODE_DEVICES_CAP_MDEV)
	if unsupported(err) {
		all, err = conn.ListAllNodeDevices(0)
	}
	if err != nil {
		return err
	}
	each(a.ctx, all, func(d *libvirt.NodeDevice) {
		name, _ := d.GetName()
		xml, err := d.GetXMLDesc(0)
		a.add(Document{Where: "device " + name}, xml, err)
	})
	return a.ctx.Err()
}
