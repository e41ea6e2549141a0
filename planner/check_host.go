package planner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// hostChecks ask about the target as a whole.
func hostChecks() []Check {
	return []Check{
		{
			Code: "HOST-1", Asks: "Is the target another host than the source?", Facts: "the host that runs the VM (libvirt)", Mends: "name another host",
			run: func(f *finder) {
				switch {
				case f.source.IsZero():
					f.unknown("no source says where "+f.vm.Name()+" runs", f.vm)
				case f.source == f.target:
					f.block(f.vm.Name()+" runs on "+f.target.Name()+" already", f.target, f.vm)
				default:
					f.pass(f.vm.Name()+" runs on "+f.source.Name(), f.source)
				}
			},
		},
		{
			Code: "HOST-4", Asks: "Do both hosts have the VM's kind of hypervisor?", Facts: "kinds of guests that a host runs, kind of the VM (libvirt)", Mends: "choose a host that has it",
			run: func(f *finder) {
				needs, ok := f.text(f.vm, topology.AttrHypervisor)
				has, also := f.text(f.target, topology.AttrHypervisor)
				switch {
				case !ok || !also:
				case needs != has && (needs != "qemu" || has != "kvm"): // a host with KVM emulates, too
					f.block(fmt.Sprintf("%s is a guest of %s, %s runs guests of %s", f.vm.Name(), needs, f.target.Name(), has), f.target, f.vm)
				default:
					f.pass(fmt.Sprintf("%s runs guests of %s", f.target.Name(), has), f.target)
				}
			},
		},
		{
			Code: "HOST-5", Asks: "Is the target's hypervisor no older than the source's?", Facts: "versions of both hypervisors (libvirt)", Mends: "update the target, or choose a newer one",
			run: func(f *finder) {
				if f.source.IsZero() {
					f.unknown("no source says where "+f.vm.Name()+" runs", f.vm)
					return
				}
				from, ok := f.text(f.source, topology.AttrHypervisorVersion)
				to, also := f.text(f.target, topology.AttrHypervisorVersion)
				if !ok || !also {
					return
				}
				a, errA := versionOf(from)
				b, errB := versionOf(to)
				switch {
				case errA != nil || errB != nil:
					f.unknown(fmt.Sprintf("which of the versions %q and %q is older is not known", from, to), f.source, f.target)
				case slices.Compare(b, a) < 0:
					f.block(fmt.Sprintf("%s has version %s, %s has %s: a guest may not go to an older one", f.target.Name(), to, f.source.Name(), from), f.target, f.source)
				default:
					f.pass(fmt.Sprintf("%s has version %s, %s has %s", f.source.Name(), from, f.target.Name(), to), f.target)
				}
			},
		},
	}
}

// versionOf reads the numbers of a version: 8.2.1.
func versionOf(text string) (numbers []int, err error) {
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}
