package planner

import (
	"fmt"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// deviceChecks ask whether the VM has devices that cannot move.
func deviceChecks() []Check {
	return []Check{
		{
			Code: "DEV-1", Asks: "Has the VM no device of its host?", Facts: "host devices, serial and parallel ports, inputs (libvirt: <hostdev>, <serial>, <parallel>, <input>)",
			Mends: "detach the device", run: (*finder).hostDevices,
		},
		{
			Code: "DEV-2", Asks: "Does the VM's QEMU object to nothing?", Facts: "its blocked-reasons", Mends: "what it says", When: AtRun, Why: "QMP is asked over a connection that may write",
		},
		{
			Code: "DEV-3", Asks: "Can the VM's displays and its user network move?", Facts: "clipboards, 3D video, user networking (libvirt: <channel>, <video>, <interface type='user'>)",
			Mends: "take the clipboard, the 3D acceleration or the user network away", run: (*finder).displays,
		},
		{
			Code: "DEV-4", Asks: "Has the VM no memory that is a device of its host?", Facts: "memory devices (libvirt: <memory model='nvdimm'>, virtio-pmem, sgx-epc)", Mends: "detach the memory device",
			run: (*finder).memoryDevices,
		},
	}
}

// local tells of devices whose first word is one of some, and why they do not move; where there are none, it passes.
func (f *finder) local(why map[string]string, none string) {
	devices, ok := f.texts(f.vm, topology.AttrLocalDevice)
	objected := false
	for _, d := range devices {
		kind, what, _ := strings.Cut(d, " ")
		reason := why[kind]
		switch {
		case !ok || reason == "":
			continue
		case strings.HasPrefix(what, "file "): // QEMU goes on in a file of that name there
			f.warn(fmt.Sprintf("%s writes to a file of its host (%s): what it has written stays behind", f.vm.Name(), d), f.vm)
		default:
			f.block(fmt.Sprintf("%s has the device %s: %s", f.vm.Name(), d, reason), f.vm)
		}
		objected = true
	}
	if ok && !objected && f.described(f.vm) {
		f.pass(f.vm.Name()+none, f.vm)
	}
}

// hostDevices objects to what libvirt does not let go (qemuMigrationSrcIsAllowedHostdev): SCSI devices and mediated ones may move.
func (f *finder) hostDevices() {
	devices, ok := f.texts(f.vm, topology.AttrHostDevice)
	for _, d := range devices {
		if !strings.HasPrefix(d, "mdev ") && !strings.HasPrefix(d, "scsi ") {
			ok = false
			f.block(fmt.Sprintf("%s has the device %s of its host", f.vm.Name(), d), f.vm)
		}
	}
	if !ok {
		return
	}
	f.local(map[string]string{
		"serial": "the port is its host's", "parallel": "the port is its host's", "channel": "the port is its host's", "console": "the port is its host's",
		"input": "the device is its host's",
	}, " has no device of its host")
}

// displays objects to what QEMU does not let go (virtio-gpu-gl and qemu-vdagent are not migratable), and tells of connections that end.
func (f *finder) displays() {
	for e := range f.vm.Objects(topology.Contains) {
		if e.Kind() != topology.VNIC || e.Text(topology.AttrSourceType) != "user" {
			continue
		}
		if _, ok := f.value(e, topology.AttrSourceType); ok {
			f.warn(fmt.Sprintf("%s of %s is user networking: its connections end with the move", e.Name(), f.vm.Name()), e, f.vm)
		}
		return
	}
	f.local(map[string]string{
		"video": "the guest's 3D state cannot be taken along", "clipboard": "the clipboard's state cannot be taken along",
	}, " has no display or user network that stays behind")
}

func (f *finder) memoryDevices() {
	f.local(map[string]string{"memory": "its content is its host's"}, " has no memory that is a device of its host")
}
