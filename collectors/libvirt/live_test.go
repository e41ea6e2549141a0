//go:build linux && cgo && libvirt_dlopen

package libvirt_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/fixtures/live"
	"github.com/throughline-dc/throughline/topology"
)

func hypervisor(uri string) collectors.Device {
	return collectors.Device{
		Handle: "hv1", Kind: topology.Host, Source: topology.SourceLibvirt, Address: uri, Access: collectors.LibvirtAccess{URI: uri},
	}
}

// client skips where libvirt.so.0 is missing; with REQUIRE_LIVE=1 it fails.
func client(t *testing.T) *libvirt.Collector {
	t.Helper()
	c := libvirt.New(time.Now)
	_, err := c.Probe(t.Context(), hypervisor("test:///default"))
	if errors.Is(err, collectors.ErrUnsupported) {
		if os.Getenv("REQUIRE_LIVE") == "1" {
			t.Fatalf("%v (REQUIRE_LIVE=1 forbids to skip)", err)
		}
		t.Skipf("SKIPPED, live: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestLive_testDriver reads the host that libvirt's test driver invents, in this process and without a daemon.
func TestLive_testDriver(t *testing.T) {
	t.Parallel()
	c := client(t)
	d := hypervisor("test:///default")
	observations, err := c.Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range collectortest.Problems(d, observations) {
		t.Error(p)
	}
	all := collectortest.Text(observations)
	for _, want := range []string{
		"name=test", "state=running", "RunsOn host:@hv1", "/vda StoredOn volume:@hv1//guest/diskimage1", "AttachedTo network:@hv1/default",
		"network:@hv1/default SupportedBy virtualswitch:@hv1/virbr0", "virtualswitch:@hv1/virbr0 address=192.168.122.1/24",
		"nic:@hv1/eth1 mtu=1492", "Contains initiatorport:", "fabricWWN=", "storagepool:@hv1/default-pool poolType=dir", "hypervisor=test",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no fact %q", want)
		}
	}
	for _, o := range observations {
		if o.Reading.Partial {
			t.Errorf("%s is partial: %s", o.Reading, o.Reading.Reason)
		}
	}
}

// TestLive_ownNode gives one file to libvirt's test driver and to the folder: both must say the same of guests, networks and pools.
func TestLive_ownNode(t *testing.T) {
	t.Parallel()
	c := client(t)
	file, err := filepath.Abs("testdata/parse/node.xml")
	if err != nil {
		t.Fatal(err)
	}
	observations, err := c.Collect(t.Context(), hypervisor("test://"+file))
	if err != nil {
		t.Fatal(err)
	}
	all := collectortest.Text(observations)
	for _, want := range []string{
		"vm:3f7d2a10-0000-4000-8000-000000000011 state=running", "vm:3f7d2a10-0000-4000-8000-000000000012 state=shutoff",
		"vdisk:3f7d2a10-0000-4000-8000-000000000011/vda StoredOn volume:@hv1//srv/images/on.img",
		"storagepool:@hv1/images Contains volume:@hv1//srv/images/on.img",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no fact %q in\n%s", want, all)
		}
	}
}

func TestLive_refused(t *testing.T) {
	t.Parallel()
	c := client(t)
	for uri, want := range map[string]error{
		"qemu+unix:///system?socket=" + filepath.Join(t.TempDir(), "none"): collectors.ErrUnreachable,
		"qemu+tcp://127.0.0.1:1/system":                                    collectors.ErrUnreachable,
	} {
		if _, err := c.Collect(t.Context(), hypervisor(uri)); !errors.Is(err, want) || !strings.Contains(err.Error(), uri) {
			t.Errorf("%s: error %v, want %v and the URI", uri, err, want)
		}
	}
}

// The secret that the daemon of a test has, and its value in base64.
const secretUUID, secretValue = "3f7d2a10-0000-4000-8000-0000000000a1", "bm9ib2R5IHJlYWRzIGl0"

// host is a node with libvirtd, a running guest and one that is off, and a wire to another node.
func host(t *testing.T) (*live.Libvirt, *live.Guest, *live.Guest) {
	t.Helper()
	live.Require(t, live.Guests)
	hv, leaf := live.NewNode(t, "hv1"), live.NewNode(t, "leaf1")
	live.Wire(t, hv, "eth0", leaf, "swp1")
	hv.Bridge(t, "br0", "eth0")
	l := live.StartLibvirt(t, hv)
	l.Network(t, "lan", "br0")
	on := live.StartGuest(t, l, live.GuestSpec{Name: "web1", Bridge: "br0", Network: "lan"})
	off := live.StartGuest(t, l, live.GuestSpec{Name: "db1", Bridge: "br0", Off: true})
	l.Node.WriteFile(t, "/run/live/secret.xml", 0o600, "<secret private='no'><uuid>"+secretUUID+"</uuid><usage type='ceph'><name>client.web</name></usage></secret>")
	l.Virsh(t, "secret-define", l.Node.Path("/run/live/secret.xml"))
	l.Virsh(t, "secret-set-value", secretUUID, secretValue)
	return l, on, off
}

// TestLive_hypervisor reads a real libvirtd with a running QEMU guest: the guest's disk file and its bridge, what happens to it, and the
// same from a folder of what virsh prints.
func TestLive_hypervisor(t *testing.T) {
	t.Parallel()
	l, on, off := host(t)
	c := client(t)
	d := hypervisor(l.URI)
	answer, err := c.Probe(t.Context(), d)
	if err != nil || !strings.Contains(answer, "QEMU on hv1") {
		t.Errorf("probe: %q, %v", answer, err)
	}
	observations, err := c.Collect(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range collectortest.Problems(d, observations) {
		t.Error(p)
	}
	all := collectortest.Text(observations)
	vm := "vm:" + on.UUID
	for _, want := range []string{
		vm + " name=web1", vm + " state=running", vm + " RunsOn host:@hv1\n", "vm:" + off.UUID + " state=shutoff",
		vm + " persistent=true", vm + " autostart=false", vm + " job=none", "vdisk:" + on.UUID + "/vda job=none",
		"vdisk:" + on.UUID + "/vda StoredOn volume:@hv1/" + on.Disk,
		"volume:@hv1/" + on.Disk + " StoredOn volume:@hv1/" + on.Base,
		"vdisk:" + on.UUID + "/vdb StoredOn volume:@hv1//var/lib/libvirt/images/" + on.Data,
		"vnic:" + on.UUID + "/" + on.MACs[0] + " AttachedTo virtualswitch:@hv1/br0",
		"vnic:" + on.UUID + "/" + on.MACs[0] + " deviceName=" + on.Ports[0],
		"vnic:" + on.UUID + "/" + on.MACs[1] + " AttachedTo portgroup:@hv1/lan/back",
		"network:@hv1/lan SupportedBy virtualswitch:@hv1/br0",
		"virtualswitch:@hv1/br0 SupportedBy nic:@hv1/eth0",
		"storagepool:@hv1/default state=active", "host:@hv1 secret=" + secretUUID + " ceph client.web",
		"host:@hv1 name=hv1", "hypervisorVersion=",
		vm + " machine=pc-", vm + " cpuModel=qemu64", vm + " cpuFeature=require hypervisor", vm + " cpuMode=custom",
		"host:@hv1 cpuFeature=fpu", "host:@hv1 cpuRevision=family ", "host:@hv1 modelFeatures=qemu64: apic ", "host:@hv1 machines=x86_64: ", " pc=pc-i440fx-", " q35=pc-q35-",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no fact %q", want)
		}
	}
	if strings.Contains(all, "SupportedBy nic:@hv1/vnet") {
		t.Error("the tap of a guest is taken for an uplink")
	}
	if strings.Contains(all, secretValue) {
		t.Error("the value of a secret is told")
	}
	if t.Failed() {
		t.Log(all)
	}
	sameFromFolder(t, l, c, observations)
}

// sameFromFolder records the host with virsh, in the layout of docs/collectors/libvirt.md, and reads the recording.
func sameFromFolder(t *testing.T, l *live.Libvirt, c *libvirt.Collector, direct []topology.Observation) {
	t.Helper()
	folder := t.TempDir()
	save := func(file string, command ...string) {
		text := l.Virsh(t, command...)
		write(t, folder, file, text)
	}
	save("capabilities.xml", "capabilities")
	write(t, folder, "domains.txt", " Id   Name   State\n--------\n"+l.Virsh(t, "list", "--all")) // virsh is quiet here
	for _, name := range []string{"web1", "db1"} {
		save("domains/"+name+".xml", "dumpxml", name)
	}
	write(t, folder, "model.xml", "<cpu><arch>x86_64</arch><model>qemu64</model></cpu>")
	save("cpuModels/qemu64.xml", "cpu-baseline", "--features", filepath.Join(folder, "model.xml"))
	save("networks/lan.xml", "net-dumpxml", "lan")
	for name := range strings.FieldsSeq(firstColumn(l.Virsh(t, "iface-list", "--all"))) {
		save("interfaces/"+name+".xml", "iface-dumpxml", name)
	}
	save("secrets/ceph.xml", "secret-dumpxml", secretUUID)
	save("pools/default.xml", "pool-dumpxml", "default")
	for name := range strings.FieldsSeq(firstColumn(l.Virsh(t, "vol-list", "default"))) {
		save("volumes/default/"+name+".xml", "vol-dumpxml", "--pool", "default", name)
	}
	var jobs strings.Builder
	for uuid := range strings.FieldsSeq(l.Virsh(t, "list", "--uuid")) {
		jobs.WriteString("domain " + uuid + "\n" + l.Virsh(t, "domjobinfo", uuid) + l.Virsh(t, "domstate", uuid, "--reason"))
		for _, disk := range []string{"vda", "vdb"} {
			said := l.Virsh(t, "blockjob", uuid, disk, "--info")
			if said == "" { // virsh is quiet here
				said = "No current block job for " + disk + "\n"
			}
			jobs.WriteString("disk " + disk + "\n" + said)
		}
	}
	write(t, folder, "jobs.txt", jobs.String())
	save("freepages.txt", "freepages", "--all")
	recorded, err := c.Collect(t.Context(), collectors.Device{Handle: "hv1", Source: topology.SourceLibvirt, Address: "folder:" + folder})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"domains", "cpuModels", "interfaces", "volumes", "domains+volumes", "secrets", "jobs"} {
		if diff := cmp.Diff(facts(direct, table), facts(recorded, table)); diff != "" {
			t.Errorf("%s: -live +recorded\n%s", table, diff)
		}
	}
}

func firstColumn(table string) string {
	var b strings.Builder
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 0 {
			b.WriteString(f[0] + " ")
		}
	}
	return b.String()
}

// facts gives the facts of a table, without those that only a listing or the moment knows.
func facts(observations []topology.Observation, table string) []string {
	var texts []string
	for _, o := range observations {
		if o.Reading.Table != table {
			continue
		}
		for _, f := range o.Facts {
			switch f.Attr {
			case topology.AttrPersistent, topology.AttrAutostart, topology.AttrSnapshots, topology.AttrAllocationBytes:
			default:
				texts = append(texts, fmt.Sprintf("%s %d", f, f.Confidence))
			}
		}
	}
	return texts
}

// TestLive_events watches a hypervisor while guests start, pause and stop.
func TestLive_events(t *testing.T) {
	t.Parallel()
	l, on, off := host(t)
	c := client(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events, err := c.Watch(ctx, hypervisor(l.URI))
	if err != nil {
		t.Fatal(err)
	}
	l.Virsh(t, "suspend", on.Name)
	l.Virsh(t, "start", off.Name)
	l.Virsh(t, "destroy", off.Name)
	expect(t, events, libvirt.Event{UUID: on.UUID, Name: on.Name, What: "suspended"})
	expect(t, events, libvirt.Event{UUID: off.UUID, Name: off.Name, What: "started"})
	expect(t, events, libvirt.Event{UUID: off.UUID, Name: off.Name, What: "stopped"})

	observations, err := c.Collect(ctx, hypervisor(l.URI))
	if all := collectortest.Text(observations); err != nil || !strings.Contains(all, "vm:"+on.UUID+" RunsOn host:@hv1 (50%)") {
		t.Errorf("a paused guest: %v\n%s", err, all)
	}
	cancel()
	for range events {
	}

	// A connection that is lost ends the watching, too.
	events, err = c.Watch(t.Context(), hypervisor(l.URI))
	if err != nil {
		t.Fatal(err)
	}
	l.Stop(t)
	for range events {
	}
}

func expect(t *testing.T, events <-chan libvirt.Event, want libvirt.Event) {
	t.Helper()
	limit := time.After(20 * time.Second)
	var seen []libvirt.Event
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("the events ended; want %+v after %+v", want, seen)
			}
			seen = append(seen, e)
			if e.Time.IsZero() {
				t.Errorf("event without a time: %+v", e)
			}
			if e.Time = (time.Time{}); e == want {
				return
			}
		case <-limit:
			t.Fatalf("no event %+v; seen %+v", want, seen)
		}
	}
}

// relay stands between a client and a libvirtd on a unix socket. It knows the framing of libvirt's RPC, so that it can tell what was asked,
// and can fall silent as a hung daemon does: the connection stays, and nothing comes.
type relay struct {
	socket string
	silent chan struct{} // closed: nothing is passed on any more

	mu   sync.Mutex
	sent []string // "remote/14": program and procedure
	mute int      // calls after which it falls silent by itself; 0: never
}

func startRelay(t *testing.T, daemon string, mute int) *relay {
	t.Helper()
	r := &relay{socket: filepath.Join(t.TempDir(), "s"), silent: make(chan struct{}), mute: mute}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "unix", r.socket)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); _ = listener.Close(); group.Wait() })
	group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { r.serve(ctx, client, daemon) })
		}
	})
	return r
}

func (r *relay) serve(ctx context.Context, client net.Conn, daemon string) {
	defer client.Close() //nolint:errcheck // the other goroutine may have closed it
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, "unix", daemon)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // likewise
	stop := context.AfterFunc(ctx, func() { _ = client.Close(); _ = server.Close() })
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { r.pass(server, client, r.note); _ = server.Close() })
	group.Go(func() { r.pass(client, server, func([]byte) {}); _ = client.Close() })
	group.Wait()
}

// pass copies messages: 4 octets of length (of the whole), program, version, procedure, type, serial, status, payload.
func (r *relay) pass(to, from net.Conn, seen func(header []byte)) {
	for {
		header := make([]byte, 28)
		if _, err := io.ReadFull(from, header); err != nil {
			return
		}
		length := binary.BigEndian.Uint32(header)
		if length < 28 || length > 64<<20 {
			return
		}
		message := append(header, make([]byte, length-28)...)
		if _, err := io.ReadFull(from, message[28:]); err != nil {
			return
		}
		seen(header)
		select {
		case <-r.silent:
			continue
		default:
		}
		if _, err := to.Write(message); err != nil {
			return
		}
	}
}

func (r *relay) note(header []byte) {
	program := map[uint32]string{0x20008086: "remote", 0x6b656570: "keepalive"}[binary.BigEndian.Uint32(header[4:])]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, fmt.Sprintf("%s/%d", program, binary.BigEndian.Uint32(header[12:])))
	if len(r.sent) == r.mute {
		close(r.silent)
	}
}

func (r *relay) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

func (r *relay) uri() string { return "qemu+unix:///system?socket=" + r.socket }

// TestLive_conformance proves the contract on a real libvirtd, and that nothing but the listed reads is sent to it.
func TestLive_conformance(t *testing.T) { //nolint:paralleltest // counts goroutines
	l, _, _ := host(t)
	c := client(t) // starts libvirt's event loop, which never ends
	// What a host says of its processors and disks differs from machine to machine: the first reading is the golden one.
	first, err := c.Collect(t.Context(), hypervisor(l.URI))
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join(t.TempDir(), "golden")
	if err := os.WriteFile(golden, []byte(collectortest.Text(first)), 0o600); err != nil {
		t.Fatal(err)
	}
	collectortest.Run(t, collectortest.Suite{
		New: func(*testing.T) collectors.Collector { return libvirt.New(time.Now) },
		Start: func(t *testing.T, fault collectortest.Fault) collectortest.Fixture {
			t.Helper()
			mute := map[collectortest.Fault]int{collectortest.Stall: 25}[fault]
			r := startRelay(t, l.Socket, mute)
			d := hypervisor(r.uri())
			if fault == collectortest.Silent {
				d = hypervisor("qemu+unix:///system?socket=" + r.socket + "-none")
			}
			return collectortest.Fixture{Device: d, Sent: r.asked, Stalled: r.silent}
		},
		Faults:  map[collectortest.Fault][]string{collectortest.Silent: nil, collectortest.Stall: nil},
		Allowed: reads,
		Golden:  golden,
	})
}

// reads are the procedures of libvirt's remote protocol that the collector may call.
var reads = []string{
	"remote/1",   // CONNECT_OPEN
	"remote/2",   // CONNECT_CLOSE
	"remote/3",   // CONNECT_GET_TYPE
	"remote/4",   // CONNECT_GET_VERSION
	"remote/7",   // CONNECT_GET_CAPABILITIES
	"remote/14",  // DOMAIN_GET_XML_DESC
	"remote/43",  // NETWORK_GET_XML_DESC
	"remote/59",  // CONNECT_GET_HOSTNAME
	"remote/60",  // CONNECT_SUPPORTS_FEATURE
	"remote/66",  // AUTH_LIST
	"remote/88",  // STORAGE_POOL_GET_XML_DESC
	"remote/99",  // STORAGE_VOL_GET_XML_DESC
	"remote/114", // NODE_DEVICE_GET_XML_DESC
	"remote/130", // INTERFACE_GET_XML_DESC
	"remote/143", // SECRET_GET_XML_DESC
	"remote/150", // DOMAIN_IS_ACTIVE
	"remote/157", // CONNECT_GET_LIB_VERSION
	"remote/162", // CONNECT_BASELINE_CPU
	"remote/177", // NWFILTER_GET_XML_DESC
	"remote/203", // CONNECT_GET_SYSINFO
	"remote/212", // DOMAIN_GET_STATE
	"remote/238", // DOMAIN_GET_BLOCK_JOB_INFO
	"remote/273", // CONNECT_LIST_ALL_DOMAINS
	"remote/281", // CONNECT_LIST_ALL_STORAGE_POOLS
	"remote/282", // STORAGE_POOL_LIST_ALL_VOLUMES
	"remote/283", // CONNECT_LIST_ALL_NETWORKS
	"remote/284", // CONNECT_LIST_ALL_INTERFACES
	"remote/285", // CONNECT_LIST_ALL_NODE_DEVICES
	"remote/286", // CONNECT_LIST_ALL_NWFILTERS
	"remote/287", // CONNECT_LIST_ALL_SECRETS
	"remote/298", // DOMAIN_GET_JOB_STATS
	"keepalive/*",
}

// TestLive_hungDaemon meets a libvirtd that takes connections and never answers: reading ends with its context, the next attempt does not
// add another call to the one that hangs, and the collector lives on.
func TestLive_hungDaemon(t *testing.T) {
	t.Parallel()
	l, _, _ := host(t)
	c := client(t)
	r := startRelay(t, l.Socket, 1)
	d := hypervisor(r.uri())
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := c.Collect(ctx, d); !errors.Is(err, collectors.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a hung daemon: %v", err)
	}
	if _, err := c.Collect(t.Context(), d); !errors.Is(err, collectors.ErrUnreachable) || !strings.Contains(err.Error(), "has not returned") {
		t.Errorf("while the earlier call hangs: %v", err)
	}
	if observations, err := c.Collect(t.Context(), hypervisor(l.URI)); err != nil || len(observations) < 7 {
		t.Errorf("the same collector, another hypervisor: %d observations, %v", len(observations), err)
	}
}
