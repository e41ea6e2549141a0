package libvirt_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/topology"
)

const (
	badDomain  collectortest.Fault = "a domain that is refused"
	cutPool    collectortest.Fault = "a pool that is cut off"
	badNetwork collectortest.Fault = "a network of other XML"
)

func TestConformance_folder(t *testing.T) { //nolint:paralleltest // counts goroutines
	collectortest.Run(t, collectortest.Suite{
		New: func(*testing.T) collectors.Collector { return libvirt.New(time.Now) },
		Start: func(t *testing.T, fault collectortest.Fault) collectortest.Fixture {
			t.Helper()
			folder := recording(t)
			switch fault {
			case collectortest.Silent:
				folder = filepath.Join(folder, "nowhere")
			case badDomain:
				write(t, folder, "domains/a-bad.xml", domain("<vcpu>-1</vcpu>"))
			case cutPool:
				write(t, folder, "pools/images.xml", "<pool type='dir'>\n<name>ima")
			case badNetwork:
				write(t, folder, "networks/x.xml", "<html/>")
			default:
			}
			return collectortest.Fixture{Device: collectors.Device{
				Handle: "hv1", Kind: topology.Host, Source: topology.SourceLibvirt, Address: folder, Access: collectors.LibvirtAccess{Folder: folder},
			}}
		},
		Faults: map[collectortest.Fault][]string{
			collectortest.Silent: nil,
			badDomain:            {"domains", "domains+volumes"},
			cutPool:              {"pools", "volumes", "domains+volumes"},
			badNetwork:           {"networks"},
		},
		Golden: "testdata/hv1.golden",
	})
}

// recording copies the recording of a host, so that it can be spoilt.
func recording(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "hv1")
	if err := os.CopyFS(folder, os.DirFS("testdata/hv1")); err != nil {
		t.Fatal(err)
	}
	return folder
}

func write(t *testing.T, folder, name, content string) {
	t.Helper()
	file := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func collect(t *testing.T, folder string) (map[string]topology.Observation, error) {
	t.Helper()
	c := libvirt.New(func() time.Time { return time.Unix(1_700_000_000, 0) })
	observations, err := c.Collect(t.Context(), collectors.Device{Handle: "hv1", Source: topology.SourceLibvirt, Address: "folder:" + folder})
	byTable := make(map[string]topology.Observation)
	for _, o := range observations {
		byTable[o.Reading.Table] = o
	}
	return byTable, err
}

// TestFolder_snapshots: a listing of the domains that have some says of the others that they have none; without one, or of one that broke off, nobody knows.
func TestFolder_snapshots(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, listing, want string }{
		{"listed", " Id   Name   State\n--------------------\n 1    web1   running\n\n", "false,true"},
		{"none have any", " Id   Name   State\n--------------------\n\n", "false,false"},
		{"a command that failed", "", ""},
		{"a row that nobody understands", " Id   Name   State\n--------------------\n 1    web1\n", ""},
	} {
		folder := recording(t)
		write(t, folder, "snapshots.txt", c.listing)
		tables, err := collect(t, folder)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range attribute([]topology.Observation{tables["domains"]}, topology.AttrSnapshots) {
			got = append(got, v.String())
		}
		slices.Sort(got)
		if all := strings.Join(got, ","); all != c.want {
			t.Errorf("%s: %s, want %s", c.name, all, c.want)
		}
	}
}

// TestFolder_jobs: what virsh says of jobs, domain by domain and disk by disk.
func TestFolder_jobs(t *testing.T) {
	t.Parallel()
	const vm = "3f7d2a10-0000-4000-8000-000000000001"
	for _, c := range []struct{ name, recorded, want, missing string }{
		{
			"at rest", "domain " + vm + "\nJob type:         None        \n\ndisk vda\nNo current block job for vda\ndisk vdb\nNo current block job for vdb\n",
			"vm:" + vm + " job=none,vdisk:" + vm + "/vda job=none,vdisk:" + vm + "/vdb job=none", "",
		},
		{
			"busy", "domain " + vm + "\nJob type:         Unbounded   \nOperation:        Outgoing migration\nTime elapsed:     112 ms\n\ndisk vda\nActive Block Commit: [100.00 %]\n",
			"vm:" + vm + " job=migration-out,vdisk:" + vm + "/vda job=active-commit", "",
		},
		{"of a kind that is not known", "domain " + vm + "\nJob type: Bounded\nOperation: Dance\ndisk vda\nBlock Dance: [1 %]\n", "vm:" + vm + " job=unknown,vdisk:" + vm + "/vda job=unknown", ""},
		{"it has vanished", "domain " + vm + "\n", "", ""},
		{"an error", "domain " + vm + "\nerror: Domain not found\n", "", `"error: Domain not found" is nothing that virsh domjobinfo, domstate or blockjob prints`},
		{"paused by its disk", "domain " + vm + "\nJob type: None\npaused (I/O error)\n", "vm:" + vm + " stateReason=ioerror,vm:" + vm + " job=none", ""},
		{"running", "domain " + vm + "\nrunning (booted)\nJob type: None\n", "vm:" + vm + " job=none", ""},
		{"of nobody", "Job type: None\n", "", `"Job type: None" is nothing that virsh domjobinfo, domstate or blockjob prints`},
		{"none", "", "", ""},
	} {
		folder := recording(t)
		write(t, folder, "jobs.txt", c.recorded)
		tables, err := collect(t, folder)
		if err != nil {
			t.Fatal(err)
		}
		o, ok := tables["jobs"]
		if !ok || o.Reading.Partial != (c.missing != "") || o.Reading.Reason != c.missing {
			t.Errorf("%s: %v %q", c.name, o.Reading, o.Reading.Reason)
		}
		var got []string
		for _, f := range o.Facts {
			got = append(got, f.String())
		}
		if all := strings.Join(got, ","); all != c.want {
			t.Errorf("%s: %s, want %s", c.name, all, c.want)
		}
	}
	if tables, err := collect(t, recording(t)); err != nil || tables["jobs"].Reading.Table != "" {
		t.Errorf("without a recording: %v, %v", tables["jobs"], err)
	}
}

// TestFolder_freePages: the ordinary pages are left out, whatever their size.
func TestFolder_freePages(t *testing.T) {
	t.Parallel()
	folder := recording(t)
	write(t, folder, "freepages.txt", "Node 0:\n4KiB: 4096\n2048KiB: 12\n1048576KiB: 0\n\nNode 1:\n4KiB: 1\n2048KiB: 7\n")
	tables, err := collect(t, folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range attribute([]topology.Observation{tables["capabilities"]}, topology.AttrHugePageFree) {
		got = append(got, v.String())
	}
	if want := []string{"0 1073741824 0", "0 2097152 12", "1 2097152 7"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFolder_errorNamesFileLineAndAttribute(t *testing.T) {
	t.Parallel()
	folder := recording(t)
	write(t, folder, "domains/bad.xml", devices("\n<interface type='user'><driver name='vhost' queues='-5'/></interface>"))
	write(t, folder, "networks/cut.xml", "<network>\n<name>x</name>\n<bri")
	tables, err := collect(t, folder)
	for _, want := range []string{"domains/bad.xml:5: <driver> attribute queues", "networks/cut.xml: ", "line 3"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	if !errors.Is(err, collectors.ErrMalformed) {
		t.Errorf("error %v is not %v", err, collectors.ErrMalformed)
	}
	o := tables["domains"]
	if !o.Reading.Partial || !strings.Contains(o.Reading.Reason, "domains/bad.xml") || o.Reading.Rows != 3 {
		t.Errorf("reading of domains: %+v", o.Reading)
	}
	if got := len(attribute([]topology.Observation{o}, topology.AttrDeviceName)); got != 4 {
		t.Errorf("%d device names, want 4: the other domains are kept", got)
	}
}

// TestFolder_tables: a subfolder is a whole listing, also an empty one; what is missing is not said; what lies loose is not all.
func TestFolder_tables(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, sub := range []string{"domains", "volumes"} {
		if err := os.Mkdir(filepath.Join(folder, sub), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	write(t, folder, "n.xml", "<network><name>n</name></network><network><name>m</name></network>")
	write(t, folder, "notes.txt", "not looked at")
	tables, err := collect(t, folder)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		rows    int
		partial bool
	}{"domains": {0, false}, "volumes": {0, false}, "networks": {2, true}, "domains+volumes": {0, false}}
	for table, o := range tables {
		w, ok := want[table]
		if !ok || o.Reading.Rows != w.rows || o.Reading.Partial != w.partial {
			t.Errorf("%s: %d rows, partial %t; want %+v", table, o.Reading.Rows, o.Reading.Partial, w)
		}
	}
	if len(tables) != len(want) {
		t.Errorf("%d tables, want %d", len(tables), len(want))
	}
}

// TestFolder_liveRecording reads what virsh printed about a real host.
func TestFolder_liveRecording(t *testing.T) {
	t.Parallel()
	tables, err := collect(t, "../../fixtures/recordings/libvirt-live")
	if err != nil {
		t.Fatal(err)
	}
	var facts []string
	for _, o := range tables {
		for _, f := range o.Facts {
			facts = append(facts, f.String())
		}
	}
	all := strings.Join(facts, "\n")
	for _, want := range []string{
		"StoredOn volume:@hv1//var/lib/libvirt/images/web1.qcow2",
		"volume:@hv1//var/lib/libvirt/images/web1.qcow2 StoredOn volume:@hv1//var/lib/libvirt/images/web1-base.qcow2",
		"/vdb StoredOn volume:@hv1//var/lib/libvirt/images/web1-data.img",
		"storagepool:@hv1/default Contains volume:@hv1//var/lib/libvirt/images/web1-data.img",
		"AttachedTo virtualswitch:@hv1/br0",
		"AttachedTo portgroup:@hv1/lan/back",
		"virtualswitch:@hv1/br0 SupportedBy nic:@hv1/eth0",
		"network:@hv1/lan SupportedBy virtualswitch:@hv1/br0",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no fact %q", want)
		}
	}
}

// TestFolder_hostileFiles: links out of the folder, pipes and devices are no recordings, and nothing waits for them.
func TestFolder_hostileFiles(t *testing.T) {
	t.Parallel()
	folder := recording(t)
	outside := filepath.Join(t.TempDir(), "secret.xml")
	write(t, filepath.Dir(outside), "secret.xml", domain(""))
	if err := os.Symlink(outside, filepath.Join(folder, "domains", "link.xml")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "domains", "pipe.xml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(folder, "hostname.txt")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "hostname.txt"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "domains", "dir.xml"), 0o750); err != nil {
		t.Fatal(err)
	}
	tables, err := collect(t, folder)
	if err != nil {
		t.Fatal(err)
	}
	if rows := tables["domains"].Reading.Rows; rows != 2 {
		t.Errorf("%d domains, want the 2 files", rows)
	}
}

func TestFolder_absent(t *testing.T) {
	t.Parallel()
	c := libvirt.New(time.Now)
	d := collectors.Device{Handle: "hv1", Source: topology.SourceLibvirt, Address: "folder:" + filepath.Join(t.TempDir(), "nowhere")}
	if _, err := c.Collect(t.Context(), d); !errors.Is(err, collectors.ErrUnreachable) || !strings.Contains(err.Error(), d.Address[7:]) {
		t.Errorf("error %v, want %v and the folder's name", err, collectors.ErrUnreachable)
	}
	if _, err := c.Watch(t.Context(), d); !errors.Is(err, collectors.ErrUnsupported) {
		t.Errorf("watching a folder: %v, want %v", err, collectors.ErrUnsupported)
	}
}

// source serves documents from memory, and fails where it is told to.
type source struct {
	listings map[libvirt.Table]libvirt.Listing
	fail     map[libvirt.Table]error
}

func (s source) List(_ context.Context, t libvirt.Table) (libvirt.Listing, error) {
	l, ok := s.listings[t]
	l.Command = string(t)
	l.Absent = !ok && s.fail[t] == nil
	return l, s.fail[t]
}
func (source) Probe(context.Context) (string, error) { return "memory", nil }
func (source) Close()                                {}

// TestRead_storageOutlivesAFailedPool: where pools cannot be listed, disks that name a volume keep the storage that an earlier, whole
// reading found, since the reading that says so is partial and not whole and empty.
func TestRead_storageOutlivesAFailedPool(t *testing.T) {
	t.Parallel()
	s := source{
		listings: map[libvirt.Table]libvirt.Listing{
			libvirt.Domains: {Documents: []libvirt.Document{{Where: "domain x", XML: []byte(devices(
				"<disk type='volume'><source pool='p' volume='v'/><target dev='vda'/></disk>"))}}},
			libvirt.Volumes: {Missing: "pool p is not active: its volumes cannot be listed"},
		},
		fail: map[libvirt.Table]error{libvirt.Pools: os.ErrDeadlineExceeded},
	}
	d := collectors.Device{Handle: "hv1", Source: topology.SourceLibvirt}
	observations, err := libvirt.Read(t.Context(), d, s, time.Now)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "pools") {
		t.Errorf("error %v", err)
	}
	partial := make(map[string]bool)
	for _, o := range observations {
		partial[o.Reading.Table] = o.Reading.Partial
	}
	for table, want := range map[string]bool{"domains": false, "pools": true, "volumes": true, "domains+volumes": true} {
		if got, ok := partial[table]; !ok || got != want {
			t.Errorf("%s: partial %t (there: %t), want %t", table, got, ok, want)
		}
	}
}
