package libvirt_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"libvirt.org/go/libvirtxml"

	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/topology"
)

// corpus gives the folder of recordings of others, or skips.
func corpus(tb testing.TB) string {
	tb.Helper()
	root := os.Getenv("THROUGHLINE_CORPUS")
	if root == "" {
		dir, err := os.Getwd()
		if err != nil {
			tb.Fatal(err)
		}
		for filepath.Dir(dir) != dir {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
			dir = filepath.Dir(dir)
		}
		root = filepath.Join(dir, "..", "shared", "corpus")
	}
	root = filepath.Join(root, "libvirt")
	if _, err := os.Stat(root); err != nil {
		tb.Skipf("######## SKIPPED: no corpus at %s (THROUGHLINE_CORPUS names it) ########", root)
	}
	return root
}

// TestParse_agreesWithLibvirtxml reads domains with the structures of libvirt's own Go module, too. Nobody is right by definition, but
// where the two differ one of them is wrong.
func TestParse_agreesWithLibvirtxml(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/parse/[hns]*s.xml")
	files = append(files, "testdata/hv1/domains/web1.xml")
	found, _ := filepath.Glob(filepath.Join(corpus(t), "domain", "*.xml"))
	for _, file := range append(files, found...) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d libvirtxml.Domain
		theirs := d.Unmarshal(string(raw))
		observations, _, ours := libvirt.Parse("domain", raw)
		if (theirs == nil) != (ours == nil) {
			t.Errorf("%s: libvirtxml says %v, we say %v", file, theirs, ours)
		}
		if theirs != nil || ours != nil {
			continue
		}
		if diff := gocmp.Diff(theirDevices(d), ourDevices(observations)); diff != "" {
			t.Errorf("%s: -libvirtxml +we\n%s", file, diff)
		}
	}
}

// theirDevices lists name, disks, vNICs and number of host devices in words.
func theirDevices(d libvirtxml.Domain) []string {
	words := []string{"name " + d.Name}
	if d.VCPU != nil {
		words = append(words, fmt.Sprintf("cpus %d", cmp.Or(d.VCPU.Current, d.VCPU.Value)))
	}
	if d.Devices == nil {
		return append(words, "hostdevs 0")
	}
	for _, disk := range d.Devices.Disks {
		dev, bus, serial, source := "", "", disk.Serial, ""
		if disk.Target != nil {
			dev, bus = disk.Target.Dev, disk.Target.Bus
		}
		if s := disk.Source; s != nil {
			switch {
			case s.File != nil:
				source = s.File.File
			case s.Block != nil:
				source = s.Block.Dev
			case s.Dir != nil:
				source = s.Dir.Dir
			case s.Network != nil:
				source = s.Network.Name
			case s.Volume != nil && s.Volume.Pool != "":
				source = s.Volume.Pool + "/" + s.Volume.Volume
			}
		}
		words = append(words, fmt.Sprintf("disk %s %s %s %q %t %t", dev, bus, serial, source, disk.ReadOnly != nil, disk.Shareable != nil))
	}
	for _, nic := range d.Devices.Interfaces {
		mac, model, mtu := "", "", int64(0)
		if nic.MAC != nil {
			m, err := topology.ParseMAC(nic.MAC.Address)
			if err == nil {
				mac = m.String()
			}
		}
		if nic.Model != nil {
			model = nic.Model.Type
		}
		if nic.MTU != nil {
			mtu = int64(nic.MTU.Size)
		}
		words = append(words, fmt.Sprintf("nic %s %s %d", mac, model, mtu))
	}
	words = append(words, fmt.Sprintf("hostdevs %d", len(d.Devices.Hostdevs)))
	slices.Sort(words)
	return words
}

// ourDevices gives the same words of observations.
func ourDevices(observations []topology.Observation) []string {
	type node map[topology.Attr]string
	nodes := make(map[topology.Key]node)
	hostDevices := 0
	for _, o := range observations {
		for _, f := range o.Facts {
			if nodes[f.Subject] == nil {
				nodes[f.Subject] = node{}
			}
			if f.Rel == 0 {
				nodes[f.Subject][f.Attr] = f.Value.String()
			}
			if f.Subject.Kind == topology.VM && f.Attr == topology.AttrHostDevice {
				hostDevices++
			}
		}
	}
	words := []string{fmt.Sprintf("hostdevs %d", hostDevices)}
	for k, n := range nodes {
		switch k.Kind {
		case topology.VM:
			words = append(words, "name "+n[topology.AttrName])
			if cpus, ok := n[topology.AttrCPUs]; ok {
				words = append(words, "cpus "+cpus)
			}
		case topology.VDisk:
			source := n[topology.AttrSource]
			if typ := n[topology.AttrSourceType]; typ == "nvme" || typ == "vhostuser" {
				source = ""
			}
			words = append(words, fmt.Sprintf("disk %s %s %s %q %s %s", n[topology.AttrDeviceName], n[topology.AttrBus], n[topology.AttrSerial],
				source, n[topology.AttrReadOnly], n[topology.AttrShareable]))
		case topology.VNIC:
			words = append(words, fmt.Sprintf("nic %s %s %s", n[topology.AttrMAC], n[topology.AttrDeviceType], cmp.Or(n[topology.AttrMTU], "0")))
		}
	}
	slices.Sort(words)
	return words
}
