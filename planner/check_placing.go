package planner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// setOf reads libvirt's list of processors or cells: "0-3,^2,8".
func setOf(text string) ([]int, error) {
	const most = 1 << 14
	var set []int
	for part := range strings.SplitSeq(strings.ReplaceAll(text, " ", ""), ",") {
		part, out := strings.CutPrefix(part, "^")
		first, last, span := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		if err != nil {
			return nil, err
		}
		to := from
		if span {
			if to, err = strconv.Atoi(last); err != nil {
				return nil, err
			}
		}
		if from < 0 || to < from || to >= most {
			return nil, fmt.Errorf("%q is no list of processors", text)
		}
		for n := from; n <= to; n++ {
			set = slices.DeleteFunc(set, func(m int) bool { return m == n })
			if !out {
				set = append(set, n)
			}
		}
	}
	return set, nil
}

// missing gives the first of some numbers that others do not have.
func missing(want, have []int) (int, bool) {
	i := slices.IndexFunc(want, func(n int) bool { return !slices.Contains(have, n) })
	if i < 0 {
		return 0, false
	}
	return want[i], true
}

// texts reads all values of an attribute that only some nodes have. It is false where one of them is not known, of which it has taken an unknown down.
func (f *finder) texts(n topology.Node, a topology.Attr) (all []string, ok bool) {
	ok = true
	whole := false
	for fact := range n.About(a) {
		ok = ok && f.rests(n, fact)
		whole = whole || !fact.Reading.Partial
		all = append(all, fact.Value.String())
	}
	if ok && len(all) > 0 && !whole {
		f.unknown(fmt.Sprintf("no source says all of the %s of %s %s: an answer broke off", a, n.Kind(), n.Name()), n)
	}
	return all, ok && (len(all) == 0 || whole)
}

// strange takes down that a value cannot be read.
func (f *finder) strange(n topology.Node, a topology.Attr, text string) {
	f.unknown(fmt.Sprintf("what the %s %q of %s %s means is not known", a, text, n.Kind(), n.Name()), n)
}

// pinnedTo reads which processors the vCPUs of a VM may run on, and which of them one vCPU has for itself alone.
func (f *finder) pinnedTo(vm topology.Node) (cpus, own []int, ok bool) {
	pins, ok := f.texts(vm, topology.AttrCPUPin)
	for _, pin := range pins {
		_, list, _ := strings.Cut(pin, " ")
		set, err := setOf(list)
		if err != nil {
			f.strange(vm, topology.AttrCPUPin, pin)
			return nil, nil, false
		}
		if cpus = append(cpus, set...); len(set) == 1 {
			own = append(own, set[0])
		}
	}
	return cpus, own, ok
}

// pins asks for the processors that vCPUs are pinned to.
func (f *finder) pins() {
	cpus, own, ok := f.pinnedTo(f.vm)
	if ok && len(cpus) == 0 && f.described(f.vm) {
		f.idle(f.vm.Name()+" is not pinned to processors", f.vm)
	}
	if !ok || len(cpus) == 0 {
		return
	}
	cells, ok := f.cellsOf(f.target)
	if !ok {
		return
	}
	var there []int
	for _, c := range cells {
		there = append(there, c.cpus...)
	}
	if cpu, lacks := missing(cpus, there); lacks {
		f.block(fmt.Sprintf("%s is pinned to processor %d, which %s does not have", f.vm.Name(), cpu, f.target.Name()), f.target, f.vm)
		return
	}
	if !f.shared(own) {
		f.pass(fmt.Sprintf("%s has the processors that %s is pinned to", f.target.Name(), f.vm.Name()), f.target)
	}
}

// shared tells of VMs on the target that have processors for themselves which this one wants for itself, too. It is true where that is not known.
func (f *finder) shared(own []int) bool {
	if len(own) == 0 {
		return false
	}
	objected := !f.listed(f.target, topology.SourceLibvirt, domains)
	for other := range f.target.Subjects(topology.RunsOn) {
		if other == f.vm {
			continue
		}
		_, theirs, ok := f.pinnedTo(other)
		i := slices.IndexFunc(theirs, func(cpu int) bool { return slices.Contains(own, cpu) })
		if objected = objected || !ok; i < 0 || !ok {
			continue
		}
		if is, known := f.awake(other); !known || is {
			objected = true
			if known {
				f.warn(fmt.Sprintf("%s has processor %d of %s for itself, and so would %s", other.Name(), theirs[i], f.target.Name(), f.vm.Name()), other, f.target)
			}
		}
	}
	return objected
}

// cell is a NUMA cell of a host.
type cell struct {
	id    int
	bytes int64
	cpus  []int
}

// cellsOf reads the cells of a host: "0: 17179869184 bytes, cpus 0-7".
func (f *finder) cellsOf(host topology.Node) ([]cell, bool) {
	lines, ok := f.texts(host, topology.AttrNUMACell)
	if len(lines) == 0 {
		f.unknown(fmt.Sprintf("no source says the %s of %s %s", topology.AttrNUMACell, host.Kind(), host.Name()), host)
		return nil, false
	}
	var cells []cell
	for _, line := range lines {
		var c cell
		_, err := fmt.Sscanf(line, "%d: %d bytes,", &c.id, &c.bytes)
		_, list, found := strings.Cut(line, " cpus ")
		if err == nil && list != "" { // a cell may have memory alone
			c.cpus, err = setOf(list)
		}
		if err != nil || !found {
			f.strange(host, topology.AttrNUMACell, line)
			return nil, false
		}
		cells = append(cells, c)
	}
	return cells, ok
}

// binding is where memory of a VM comes from: "memory strict 0-1", "cell 1 preferred 1".
type binding struct {
	strict, whole bool // whole: all of the memory
	cells         []int
}

func (f *finder) bindings(vm topology.Node) (all []binding, ok bool) {
	lines, ok := f.texts(vm, topology.AttrNUMATune)
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) < 3 {
			f.strange(vm, topology.AttrNUMATune, line)
			return nil, false
		}
		mode, list := words[len(words)-2], words[len(words)-1]
		set, err := setOf(list)
		switch {
		case words[0] == "pages": // CAP-5
		case err != nil:
			f.strange(vm, topology.AttrNUMATune, line)
			return nil, false
		default:
			all = append(all, binding{mode == "strict" || mode == "restrictive", words[0] == "memory", set})
		}
	}
	return all, ok
}

// cells asks for the cells that the VM's memory is bound to, and whether all that is bound to them fits.
func (f *finder) cells() {
	bound, ok := f.bindings(f.vm)
	if ok && len(bound) == 0 && f.described(f.vm) {
		f.idle("the memory of "+f.vm.Name()+" is not bound to cells", f.vm)
	}
	if !ok || len(bound) == 0 {
		return
	}
	there, ok := f.cellsOf(f.target)
	if !ok {
		return
	}
	for _, b := range bound {
		n, lacks := missing(b.cells, idsOf(there))
		if lacks {
			f.block(fmt.Sprintf("the memory of %s is bound to cell %d, which %s does not have", f.vm.Name(), n, f.target.Name()), f.target, f.vm)
			return
		}
		if b.strict && b.whole && !f.fits(b.cells, there) {
			return
		}
	}
	f.pass(fmt.Sprintf("%s has the cells that the memory of %s is bound to; what is free in them is seen at the run", f.target.Name(), f.vm.Name()), f.target)
}

func idsOf(cells []cell) (ids []int) {
	for _, c := range cells {
		ids = append(ids, c.id)
	}
	return ids
}

// fits tells whether cells have memory for the VM beside the VMs that are bound to no others. What is free in them now, nobody says.
func (f *finder) fits(set []int, there []cell) bool {
	var room, taken int64
	for _, c := range there {
		if slices.Contains(set, c.id) {
			room += c.bytes
		}
	}
	needs, ok := f.number(f.vm, topology.AttrMemoryBytes)
	if ok = ok && f.listed(f.target, topology.SourceLibvirt, domains); !ok {
		return false
	}
	for other := range f.target.Subjects(topology.RunsOn) {
		if other == f.vm {
			continue
		}
		bound, known := f.bindings(other)
		here := slices.ContainsFunc(bound, func(b binding) bool {
			_, outside := missing(b.cells, set)
			return b.strict && b.whole && !outside
		})
		if known && !here {
			continue
		}
		is, state := f.awake(other)
		n, said := f.number(other, topology.AttrMemoryBytes)
		if ok = ok && known && state && said; is {
			taken += n
		}
	}
	if needs > room-taken {
		f.block(fmt.Sprintf("%s needs %s in cells of %s that have %s, of which %s are bound to others", f.vm.Name(), gibibytes(needs), f.target.Name(), gibibytes(room), gibibytes(taken)),
			f.target, f.vm)
		return false
	}
	return ok
}

// pages are huge pages in a cell of a host.
type pages struct{ cell, bytes, number int64 }

// pagesOf reads "CELL BYTES NUMBER".
func pagesOf(text string) (p pages, err error) {
	_, err = fmt.Sscanf(text, "%d %d %d", &p.cell, &p.bytes, &p.number)
	return p, err
}

// hugePages asks for the pages that the VM's memory is made of. They are taken when it comes, all of them.
func (f *finder) hugePages() {
	sizes, ok := f.texts(f.vm, topology.AttrHugePageBytes)
	if ok && len(sizes) == 0 && f.described(f.vm) {
		f.idle(f.vm.Name()+" asks for no huge pages", f.vm)
	}
	needs, also := int64(0), false
	if ok && len(sizes) > 0 {
		needs, also = f.number(f.vm, topology.AttrMemoryBytes)
	}
	if !also {
		return
	}
	free, ok := f.freePages(f.target)
	if !ok {
		return
	}
	if len(sizes) > 1 || !inHugePages(f.vm) {
		f.unknown(f.vm.Name()+" asks for pages of several sizes: how many of each is not known", f.vm)
		return
	}
	fits, lacks := false, false
	for size, bytes := range free {
		if sizes[0] != "0" && sizes[0] != strconv.FormatInt(size, 10) {
			continue
		}
		fits, lacks = fits || bytes >= needs, lacks || bytes < needs
	}
	switch {
	case fits && lacks: // 0: the size that the host takes where none is named
		f.unknown(fmt.Sprintf("%s asks for huge pages of the host's own size, which no source says of %s: not all that it has are enough", f.vm.Name(), f.target.Name()), f.target, f.vm)
	case fits:
		f.pass(fmt.Sprintf("%s has huge pages for %s of %s", f.target.Name(), gibibytes(needs), f.vm.Name()), f.target)
	default:
		f.block(fmt.Sprintf("%s needs %s of huge pages that %s does not have free", f.vm.Name(), gibibytes(needs), f.target.Name()), f.target, f.vm)
	}
}

// freePages adds up a host's huge pages that nobody has, in bytes, by their size.
func (f *finder) freePages(host topology.Node) (map[int64]int64, bool) {
	lines, ok := f.texts(host, topology.AttrHugePageFree)
	if len(lines) == 0 {
		f.unknown(fmt.Sprintf("no source says the %s of %s %s", topology.AttrHugePageFree, host.Kind(), host.Name()), host)
		return nil, false
	}
	free := map[int64]int64{}
	for _, line := range lines {
		p, err := pagesOf(line)
		if err != nil {
			f.strange(host, topology.AttrHugePageFree, line)
			return nil, false
		}
		free[p.bytes] += p.bytes * p.number
	}
	return free, ok
}

// backing asks for the kind of memory that the VM's is.
func (f *finder) backing() {
	wants, ok := f.texts(f.vm, topology.AttrMemorySource)
	if ok && len(wants) == 0 && f.described(f.vm) {
		f.idle(f.vm.Name()+" asks for no backing of its memory", f.vm)
	}
	if !ok || len(wants) == 0 {
		return
	}
	offers, ok := f.texts(f.target, topology.AttrMemorySource)
	if len(offers) == 0 {
		f.unknown(fmt.Sprintf("no source says the %s of %s %s", topology.AttrMemorySource, f.target.Kind(), f.target.Name()), f.target)
		return
	}
	for _, want := range wants {
		switch {
		case !ok:
		case !slices.Contains(offers, want):
			f.block(fmt.Sprintf("the memory of %s is backed by %s, which %s does not offer", f.vm.Name(), want, f.target.Name()), f.target, f.vm)
		default:
			f.pass(fmt.Sprintf("%s backs memory by %s", f.target.Name(), want), f.target)
		}
	}
}

// mediated asks for the mediated devices of the VM on the target: by their UUID, as its definition names them.
func (f *finder) mediated() {
	devices, ok := f.texts(f.vm, topology.AttrHostDevice)
	devices = slices.DeleteFunc(devices, func(d string) bool { return !strings.HasPrefix(d, "mdev ") })
	if ok && len(devices) == 0 && f.described(f.vm) {
		f.idle(f.vm.Name()+" has no mediated device", f.vm)
	}
	if !ok || len(devices) == 0 {
		return
	}
	there, ok := f.texts(f.target, topology.AttrHostDevice)
	for _, d := range devices {
		switch {
		case !ok:
		case slices.Contains(there, d):
			f.pass(fmt.Sprintf("%s has the device %s", f.target.Name(), d), f.target)
		case f.listed(f.target, topology.SourceLibvirt, nodeDevices):
			f.block(fmt.Sprintf("%s has the device %s, which %s does not", f.vm.Name(), d, f.target.Name()), f.target, f.vm)
		}
	}
}

// nodeDevices is libvirt's listing of a host's devices.
const nodeDevices = "nodeDevices"
