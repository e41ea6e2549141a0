package reconcile_test

import (
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/fixtures/sim/estate"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

// reader says of an estate what collectors say who read its devices: hypervisors over libvirt, switches and firewalls over SNMP. A leaf's forwarding
// database holds the stations of its own rack, a firewall's cache the guests of its pod.
type reader struct {
	*estate.Estate
	now time.Time
	obs []topology.Observation
}

// read gives the observations of some devices.
func read(e *estate.Estate, now time.Time, devices ...estate.DeviceID) []topology.Observation {
	r := &reader{Estate: e, now: now}
	for _, d := range devices {
		switch e.Devices[d].Role {
		case estate.Hypervisor:
			r.host(d)
		case estate.Core, estate.Spine, estate.Leaf, estate.Gateway:
			r.box(d)
		case estate.Fabric, estate.Storage:
		}
	}
	return r.obs
}

// table begins a reading, to which tell and relate add.
func (r *reader) table(d estate.DeviceID, source topology.Source, name string, size int) {
	r.obs = append(r.obs, topology.Observation{
		Reading: topology.Reading{ReadingKey: topology.ReadingKey{Device: r.Devices[d].Name, Source: source, Table: name}, Time: r.now},
		Facts:   make([]topology.Fact, 0, size),
	})
}

func (r *reader) say(f topology.Fact) {
	o := &r.obs[len(r.obs)-1]
	o.Facts = append(o.Facts, f)
	o.Reading.Rows++
}

func (r *reader) tell(k topology.Key, a topology.Attr, v topology.Value) {
	r.say(topology.Attribute(k, a, v))
}

func (r *reader) text(k topology.Key, a topology.Attr, text string) {
	r.tell(k, a, topology.TextValue(text))
}

func (r *reader) relate(a topology.Key, rel topology.Rel, b topology.Key) {
	r.say(topology.Relate(a, rel, b))
}

// local gives the key that a collector writes for a part of the device that it reads.
func (r *reader) local(kind topology.Kind, d estate.DeviceID, name string) topology.Key {
	return topology.PartKey(kind, topology.DeviceKey(r.Devices[d].Kind, r.Devices[d].Name), name)
}

func (r *reader) host(d estate.DeviceID) {
	dev, k := r.Devices[d], topology.DeviceKey(topology.Host, r.Devices[d].Name)
	r.table(d, topology.SourceLibvirt, "capabilities", 8)
	r.text(k, topology.AttrUUID, r.HostUUID(d))
	r.text(k, topology.AttrName, dev.Name)
	r.text(k, topology.AttrHypervisor, "QEMU")
	r.text(k, topology.AttrArch, "x86_64")
	r.tell(k, topology.AttrMemoryBytes, topology.IntValue(int64(1<<40)))
	r.table(d, topology.SourceLibvirt, "interfaces", 32)
	r.interfaces(d, k, topology.NIC)
	r.table(d, topology.SourceLibvirt, "networks", 32)
	bridge, network := r.local(topology.VirtualSwitch, d, estate.Bridge), r.local(topology.Network, d, estate.Lan)
	r.relate(k, topology.Contains, bridge)
	r.relate(bridge, topology.SupportedBy, r.local(topology.LAG, d, r.LAGName(estate.LAGID(dev.LAGs.From))))
	r.relate(k, topology.Contains, network)
	r.relate(network, topology.SupportedBy, bridge)
	for _, v := range r.PodVLANs(dev.Pod)[2:] {
		group := topology.PartKey(topology.PortGroup, network, v.Name)
		r.relate(network, topology.Contains, group)
		r.tell(group, topology.AttrVID, topology.IntValue(v.VID))
	}
	r.table(d, topology.SourceLibvirt, "nodeDevices", 16)
	for p := estate.FCPortID(dev.FC.From); p < estate.FCPortID(dev.FC.To); p++ {
		hba := topology.Key{Kind: topology.InitiatorPort, ID: r.WWPN(p).String()}
		r.relate(k, topology.Contains, hba)
		r.tell(hba, topology.AttrWWPN, topology.WWNValue(r.WWPN(p)))
		r.tell(hba, topology.AttrWWNN, topology.WWNValue(r.WWNN(p)))
		r.text(hba, topology.AttrDeviceName, r.FCPortName(p))
	}
	r.table(d, topology.SourceLibvirt, "domains", 16*len(dev.VMs))
	for _, vm := range dev.VMs {
		r.domain(d, k, vm)
	}
}

func (r *reader) domain(d estate.DeviceID, host topology.Key, vm estate.VMID) {
	v, k := r.VMs[vm], r.VMKey(vm)
	r.text(k, topology.AttrName, r.VMName(vm))
	r.text(k, topology.AttrState, v.State.String())
	r.tell(k, topology.AttrCPUs, topology.IntValue(v.CPUs))
	r.tell(k, topology.AttrMemoryBytes, topology.IntValue(int64(v.MemoryGiB)<<30))
	r.relate(k, topology.RunsOn, host)
	for _, n := range r.VNICsOf(vm) {
		nic := r.VNICKey(n)
		r.relate(k, topology.Contains, nic)
		r.tell(nic, topology.AttrMAC, topology.MACValue(n.MAC))
		r.relate(nic, topology.AttachedTo, topology.PartKey(topology.PortGroup, r.local(topology.Network, d, estate.Lan), r.VLANs[n.VLAN].Name))
	}
	for i := range r.VDisksOf(vm) {
		disk := r.VDiskKey(vm, i)
		r.relate(k, topology.Contains, disk)
		r.text(disk, topology.AttrBus, "virtio")
		r.relate(disk, topology.StoredOn, r.UnitKey(r.VDisksOf(vm)[i].Unit))
	}
}

// interfaces tells of the Ethernet ports and aggregates of a device.
func (r *reader) interfaces(d estate.DeviceID, k topology.Key, kind topology.Kind) {
	dev := r.Devices[d]
	for p := estate.PortID(dev.Ports.From); p < estate.PortID(dev.Ports.To); p++ {
		port := r.local(kind, d, r.PortName(p))
		r.relate(k, topology.Contains, port)
		r.text(port, topology.AttrIfName, r.PortName(p))
		r.tell(port, topology.AttrMAC, topology.MACValue(r.PortMAC(p)))
		r.tell(port, topology.AttrSpeedBits, topology.IntValue(int64(r.Ports[p].Gbits)*1e9))
		r.text(port, topology.AttrState, "up")
	}
	for l := estate.LAGID(dev.LAGs.From); l < estate.LAGID(dev.LAGs.To); l++ {
		lag := r.local(topology.LAG, d, r.LAGName(l))
		r.relate(k, topology.Contains, lag)
		r.tell(lag, topology.AttrMAC, topology.MACValue(r.LAGMAC(l)))
		for m := estate.PortID(r.LAGs[l].Members.From); m < estate.PortID(r.LAGs[l].Members.To); m++ {
			r.relate(lag, topology.SupportedBy, r.local(kind, d, r.PortName(m)))
		}
	}
}

func (r *reader) box(d estate.DeviceID) {
	dev, k := r.Devices[d], topology.DeviceKey(r.Devices[d].Kind, r.Devices[d].Name)
	r.table(d, topology.SourceSNMP, "system", 4)
	r.text(k, topology.AttrSysName, dev.Name)
	r.text(k, topology.AttrChassisID, "mac/"+r.LLDPChassis(d).String())
	r.tell(k, topology.AttrBridgeMAC, topology.MACValue(r.ChassisMAC(d)))
	r.table(d, topology.SourceSNMP, "ifTable", 6*dev.Ports.Len()+4*dev.LAGs.Len())
	r.interfaces(d, k, topology.Port)
	r.neighbors(d)
	switch dev.Role {
	case estate.Leaf:
		r.learned(d)
	case estate.Gateway:
		r.cache(d, k)
	case estate.Core, estate.Spine, estate.Hypervisor, estate.Fabric, estate.Storage:
	}
}

func (r *reader) neighbors(d estate.DeviceID) {
	dev := r.Devices[d]
	r.table(d, topology.SourceSNMP, "lldpRemTable", 5*dev.Ports.Len())
	for p := estate.PortID(dev.Ports.From); p < estate.PortID(dev.Ports.To); p++ {
		far := r.Ports[p].Peer
		if far == estate.None || r.Ports[far].Silent {
			continue
		}
		peer := r.Ports[far].Device
		chassis, name := "mac/"+r.LLDPChassis(peer).String(), "ifName/"+r.PortName(far)
		port := r.local(topology.Port, d, r.PortName(p))
		n := topology.PartKey(topology.Neighbor, port, "lldp", chassis, name)
		r.relate(port, topology.HasNeighbor, n)
		r.text(n, topology.AttrProtocol, "lldp")
		r.text(n, topology.AttrNeighborChassis, chassis)
		r.text(n, topology.AttrNeighborPort, name)
		r.text(n, topology.AttrSysName, r.Devices[peer].Name)
	}
}

// learned tells which stations of its rack a leaf learned: hosts and their guests, each on the aggregate of its host.
func (r *reader) learned(d estate.DeviceID) {
	r.table(d, topology.SourceSNMP, "dot1qTpFdbTable", 1024)
	rack := r.Racks[r.Devices[d].Rack]
	for l := estate.LAGID(r.Devices[d].LAGs.From); l < estate.LAGID(r.Devices[d].LAGs.To); l++ {
		host, lag := r.Far(estate.PortID(r.LAGs[l].Members.From))
		if host < estate.DeviceID(rack.Hosts.From) || host >= estate.DeviceID(rack.Hosts.To) {
			continue
		}
		at := r.local(topology.LAG, d, r.LAGName(l))
		entry := func(vlan int32, m topology.MAC) {
			r.tell(at, topology.AttrLearned, topology.FDBValue(topology.FDBEntry{VID: r.VLANs[vlan].VID, MAC: m, Status: topology.FDBLearned}))
		}
		entry(r.Pods[r.Devices[d].Pod].VLANs.From, r.LAGMAC(lag))
		for _, vm := range r.Devices[host].VMs {
			for _, n := range r.VNICsOf(vm) {
				entry(n.VLAN, n.MAC)
			}
		}
	}
}

// cache tells a firewall's addresses, and the first of a pair also which guests it resolved.
func (r *reader) cache(d estate.DeviceID, k topology.Key) {
	dev := r.Devices[d]
	pod := r.Pods[dev.Pod]
	r.table(d, topology.SourceSNMP, "ipAddressTable", 64)
	ports := map[int32]topology.Key{}
	for i, v := range r.PodVLANs(dev.Pod) {
		x := r.local(topology.Port, d, estate.Subinterface(v.VID))
		ports[pod.VLANs.From+int32(i)] = x
		r.relate(k, topology.Contains, x)
		r.tell(x, topology.AttrIfType, topology.IntValue(135)) // l2vlan
		r.tell(x, topology.AttrAddress, topology.PrefixValue(r.GatewayAddr(d, v)))
	}
	if pod.Firewall[0] != d {
		return
	}
	r.table(d, topology.SourceSNMP, "ipNetToMediaTable", 32768)
	for h := estate.DeviceID(pod.Devices.From); h < estate.DeviceID(pod.Devices.To); h++ {
		for _, vm := range r.Devices[h].VMs {
			for _, n := range r.VNICsOf(vm) {
				r.text(ports[n.VLAN], topology.AttrARP, r.VNICAddr(n).Addr().String()+" "+n.MAC.String())
			}
		}
	}
}

// scaled is an estate of BENCH_HOSTS hosts (2,000 if it is not set; 50,000 are 1 million VMs), and its devices in batches as the runner brings them.
func scaled(b *testing.B) (e *estate.Estate, batches [][]estate.DeviceID) {
	b.Helper()
	hosts, err := strconv.Atoi(os.Getenv("BENCH_HOSTS"))
	if err != nil {
		hosts = 2000
	}
	size := estate.Huge()
	size.Racks = max(2, hosts/size.HostsPerRack)
	if e, err = estate.New(size, 1); err != nil {
		b.Fatal(err)
	}
	all := make([]estate.DeviceID, len(e.Devices))
	for d := range all {
		all[d] = estate.DeviceID(d)
	}
	return e, slices.Collect(slices.Chunk(all, 200))
}

// take reconciles a sweep as the loop of the program does: batch by batch.
func take(b *testing.B, engine *reconcile.Engine, snap *topology.Snapshot, batches [][]topology.Observation, now time.Time) (next *topology.Snapshot, facts, edits int) {
	b.Helper()
	for _, obs := range batches {
		res, err := engine.Reconcile(snap, obs, reconcile.Policy{}, now)
		if err != nil || len(res.Rejected) > 0 {
			b.Fatal(err, res.Rejected)
		}
		for _, o := range obs {
			facts += len(o.Facts)
		}
		snap, edits = res.Next, edits+len(res.Delta.Add)+len(res.Delta.Remove)
	}
	return snap, facts, edits
}

// BenchmarkReconcile_scratch takes in an estate that nobody has seen, 200 devices at a time. Making up what they say is not counted.
func BenchmarkReconcile_scratch(b *testing.B) {
	e, batches := scaled(b)
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	for b.Loop() {
		engine, snap := reconcile.NewEngine(), topology.Empty()
		facts := 0
		used := time.Duration(0)
		b.StopTimer()
		before := heap()
		for _, devices := range batches {
			obs := read(e, now, devices...)
			start := processorTime(b)
			b.StartTimer()
			var n int
			snap, n, _ = take(b, engine, snap, [][]topology.Observation{obs}, now)
			b.StopTimer()
			facts, used = facts+n, used+processorTime(b)-start
		}
		b.ReportMetric(float64(facts), "facts")
		b.ReportMetric(float64(snap.Len()), "nodes")
		b.ReportMetric(used.Seconds(), "cpu-s")
		b.ReportMetric((heap()-before)/1e6, "MB-live")
		runtime.KeepAlive(engine)
		b.StartTimer()
	}
}

// processorTime gives what this process has used of the processors, which is less than what has passed where others use them, too.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heap gives the octets in use after a collection.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkReconcile_next reads some of an estate that is known: all of it unchanged, one switch with a port that went down, one VM that has moved.
func BenchmarkReconcile_next(b *testing.B) {
	e, batches := scaled(b)
	now := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	engine, snap := reconcile.NewEngine(), topology.Empty()
	for _, devices := range batches {
		snap, _, _ = take(b, engine, snap, [][]topology.Observation{read(e, now, devices...)}, now)
	}
	b.Run("unchanged-host", func(b *testing.B) { again(b, engine, &snap, &now, e, e.Hosts()[0]) })
	leaf := e.Racks[0].Leaves[0]
	b.Run("unchanged-leaf", func(b *testing.B) { again(b, engine, &snap, &now, e, leaf) })
	b.Run("changed-leaf", func(b *testing.B) {
		state := []string{"down", "up"}
		each(b, engine, &snap, &now, func(i int) []topology.Observation {
			obs := read(e, now, leaf)
			table := obs[1].Facts
			p := slices.IndexFunc(table, func(f topology.Fact) bool { return f.Attr == topology.AttrState })
			table[p].Value = topology.TextValue(state[i%2])
			return obs
		})
	})
	b.Run("moved-VM", func(b *testing.B) {
		vm := e.Devices[e.Hosts()[0]].VMs[0]
		hosts := []estate.DeviceID{e.Hosts()[1], e.Hosts()[0]}
		each(b, engine, &snap, &now, func(i int) []topology.Observation {
			if err := e.Migrate(vm, hosts[i%2]); err != nil {
				b.Fatal(err)
			}
			return slices.DeleteFunc(read(e, now, hosts[0], hosts[1], e.Racks[0].Leaves[0], e.Racks[0].Leaves[1]), func(o topology.Observation) bool {
				return o.Reading.Table != "domains" && o.Reading.Table != "dot1qTpFdbTable"
			})
		})
	})
}

func again(b *testing.B, engine *reconcile.Engine, snap **topology.Snapshot, now *time.Time, e *estate.Estate, d estate.DeviceID) {
	b.Helper()
	if edits := each(b, engine, snap, now, func(int) []topology.Observation { return read(e, *now, d) }); edits > 0 {
		b.Fatalf("%d facts changed", edits)
	}
}

// each times one call of the engine after the other. The least of the times is that of a call that little else on the machine disturbed.
func each(b *testing.B, engine *reconcile.Engine, snap **topology.Snapshot, now *time.Time, obs func(i int) []topology.Observation) (edits int) {
	b.Helper()
	b.ReportAllocs()
	facts, i, least := 0, 0, time.Duration(math.MaxInt64)
	for b.Loop() {
		b.StopTimer()
		*now = now.Add(5 * time.Minute)
		said := obs(i)
		start := processorTime(b)
		b.StartTimer()
		next, n, changed := take(b, engine, *snap, [][]topology.Observation{said}, *now)
		least = min(least, processorTime(b)-start)
		*snap, facts, edits, i = next, n, edits+changed, i+1
	}
	b.ReportMetric(float64(facts), "facts")
	b.ReportMetric(float64(edits)/float64(i), "edits")
	b.ReportMetric(float64(least.Microseconds()), "least-cpu-us")
	return edits
}
