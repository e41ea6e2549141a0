package libvirt_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/fixtures/sim/estate"
	"github.com/throughline-dc/throughline/fixtures/sim/virsh"
	"github.com/throughline-dc/throughline/topology"
)

// TestCollect_findsTheEstate reads every hypervisor of a generated estate from what virsh would print, and looks for all that is true of them
// and that libvirt can know.
func TestCollect_findsTheEstate(t *testing.T) {
	t.Parallel()
	e, err := estate.New(estate.Small(), 7)
	if err != nil {
		t.Fatal(err)
	}
	c := libvirt.New(time.Now)
	said := make(map[topology.Fact]bool)
	for _, h := range e.Hosts() {
		name := e.Devices[h].Name
		folder := filepath.Join(t.TempDir(), name)
		if err := virsh.Write(folder, virsh.Host(e, h)); err != nil {
			t.Fatal(err)
		}
		observations, err := c.Collect(t.Context(), collectors.Device{Handle: name, Source: topology.SourceLibvirt, Address: folder})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range observations {
			if o.Reading.Partial || o.Reading.Reason != "" {
				t.Errorf("%s: partial %t: %s", o.Reading, o.Reading.Partial, o.Reading.Reason)
			}
			for _, f := range o.Facts {
				f.Subject, f.Object = global(e, h, f.Subject), global(e, h, f.Object)
				said[f.Identity()] = true
			}
		}
	}
	checked, missing := 0, []string{}
	for f := range e.Truth() {
		if !knowable(e, f) {
			continue
		}
		checked++
		if !said[f.Identity()] {
			missing = append(missing, f.String())
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d of %d facts are missing, such as\n%s", len(missing), checked, strings.Join(missing[:min(len(missing), 40)], "\n"))
	}
	if checked < 500 {
		t.Errorf("only %d facts of the estate were looked for", checked)
	}
}

// global replaces the handle of a local key by what the estate calls the host.
func global(e *estate.Estate, h estate.DeviceID, k topology.Key) topology.Key {
	if _, rest, ok := k.Local(); ok {
		k.ID = e.DeviceKey(h).ID
		if rest != "" {
			k.ID += "/" + rest
		}
	}
	return k
}

// knowable tells whether a hypervisor knows a fact through libvirt.
func knowable(e *estate.Estate, f topology.Fact) bool {
	switch f.Subject.Kind {
	case topology.VM, topology.VDisk, topology.Network, topology.PortGroup, topology.StoragePool:
		return true
	case topology.VirtualSwitch: // what is in a bridge of Open vSwitch, libvirt does not see
		return !slices.ContainsFunc(e.Hosts(), func(h estate.DeviceID) bool { return e.Devices[h].OVS && e.BridgeKey(h) == f.Subject })
	case topology.VNIC:
		return f.Attr != topology.AttrVID // that of a port group is not the vNIC's own
	case topology.InitiatorPort:
		return f.Rel != topology.LoggedIn
	case topology.Host:
		return f.Attr == topology.AttrUUID ||
			f.Rel == topology.Contains && slices.Contains([]topology.Kind{topology.Network, topology.VirtualSwitch, topology.StoragePool, topology.InitiatorPort}, f.Object.Kind)
	default:
		return false
	}
}
