package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// secretsThere asks for the secrets with which the VM's disks are opened. Values are read by nobody: that the target has the right one is seen where a VM runs there that needs it.
func secretsThere(f *finder) {
	asked := 0
	for _, disk := range f.disks() {
		for _, v := range disk.Values(topology.AttrSecret) {
			if !f.fresh(disk, topology.AttrSecret) {
				continue
			}
			asked++
			if f.secretThere(v.String(), f.label(disk)+" is opened with", disk) && !f.opensWith(v) {
				f.warn(fmt.Sprintf("%s has the secret with which %s is opened (%s); whether its value is set there, and the same, nobody reads", f.target.Name(), f.label(disk), v), f.target, disk)
			}
		}
	}
	if asked == 0 {
		f.conclude(true, "no disk of "+f.vm.Name()+" is opened with a secret")
		return
	}
	f.conclude(false, fmt.Sprintf("%s has the secrets with which the disks of %s are opened, and VMs that run there open theirs with them", f.target.Name(), f.vm.Name()))
}

// secretThere tells whether the target has a secret: "uuid UUID" or "TYPE ID". If it has not, or nobody knows, a finding says so.
func (f *finder) secretThere(wanted, use string, about topology.Node) bool {
	if !f.listed(f.target, topology.SourceLibvirt, "secrets") {
		return false
	}
	uuid, byUUID := strings.CutPrefix(wanted, "uuid ")
	for _, v := range f.target.Values(topology.AttrSecret) {
		id, usage, _ := strings.Cut(v.String(), " ")
		if byUUID && strings.EqualFold(id, uuid) || !byUUID && usage == wanted {
			return true
		}
	}
	f.block(fmt.Sprintf("%s has no secret %s: %s it", f.target.Name(), wanted, use), f.target, about)
	return false
}

// opensWith tells that a VM which runs on the target has a disk that is opened with the same secret.
func (m *move) opensWith(secret topology.Value) bool {
	for vm := range m.target.Subjects(topology.RunsOn) {
		if vm.Text(topology.AttrState) != "running" {
			continue
		}
		for disk := range vm.Objects(topology.Contains) {
			if disk.Kind() == topology.VDisk && slices.Contains(disk.Values(topology.AttrSecret), secret) {
				return true
			}
		}
	}
	return false
}
