package libvirt

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// capabilities takes down <capabilities>: identity, processors, memory and what kind of guests the host can run.
func (s *sheet) capabilities(e *element) {
	h := e.child("host")
	if uuid := s.uuid(h.child("uuid")); uuid != "" {
		s.text(s.host, topology.AttrUUID, uuid)
	}
	cpu := h.child("cpu")
	s.text(s.host, topology.AttrArch, cpu.child("arch").word())
	s.text(s.host, topology.AttrCPUModel, cpu.child("model").word())
	s.text(s.host, topology.AttrCPUVendor, cpu.child("vendor").word())
	s.features(cpu)
	s.counter(cpu)
	s.revision(cpu)
	s.pages(cpu)
	s.cells(h.child("topology", "cells"), cpu.child("topology"))

	var kinds []string
	for guest := range e.all("guest") {
		s.machines(guest.child("arch"))
		for domain := range guest.child("arch").all("domain") {
			kinds = append(kinds, domain.attr("type"))
		}
	}
	for _, kind := range []string{"kvm", "xen", "qemu", "lxc", "bhyve", "test"} { // the best that it offers
		if slices.Contains(kinds, kind) {
			s.text(s.host, topology.AttrHypervisor, kind)
			break
		}
	}
}

// pages states the sizes of huge pages: all that the processors offer but the smallest, which is the ordinary page.
func (s *sheet) pages(cpu *element) {
	var sizes []uint64
	for p := range cpu.all("pages") {
		if n, ok := s.unsigned(p, "size"); ok {
			if n, ok = s.scale(p, n, cmp.Or(p.attr("unit"), "KiB")); ok {
				sizes = append(sizes, n)
			}
		}
	}
	slices.Sort(sizes)
	for i, n := range sizes {
		if i > 0 {
			s.set(s.host, topology.AttrHugePageBytes, topology.IntValue(n))
		}
	}
}

// hugePages are the pages of one size in a cell of a host.
type hugePages struct {
	cell         int
	bytes, total uint64
}

// hugePages lists the pages of a cell that are larger than the ordinary ones.
func (s *sheet) hugePages(cell *element) []hugePages {
	id, numbered := s.unsigned(cell, "id")
	if !numbered || id > 1<<16 {
		return nil
	}
	var all []hugePages
	for p := range cell.all("pages") {
		size, ok := s.unsigned(p, "size")
		if ok {
			size, ok = s.scale(p, size, cmp.Or(p.attr("unit"), "KiB"))
		}
		if n, also := s.count(p); ok && also {
			all = append(all, hugePages{int(id), size, n})
		}
	}
	slices.SortFunc(all, func(a, b hugePages) int { return cmp.Compare(a.bytes, b.bytes) })
	return all[min(1, len(all)):]
}

// setAside states the huge pages of a cell: of those that there are none of, none is free.
func (s *sheet) setAside(cell *element) {
	for _, p := range s.hugePages(cell) {
		a := topology.AttrHugePages
		if p.total == 0 {
			a = topology.AttrHugePageFree
		}
		s.text(s.host, a, fmt.Sprintf("%d %d %d", p.cell, p.bytes, p.total))
	}
}

// cells states the NUMA cells, and the processors and memory that they sum up to. The <topology> of the <cpu> counts one cell alone, so
// that sockets are counted by their IDs where the cells have them.
func (s *sheet) cells(cells, shape *element) {
	var memory uint64
	var cpus []uint64
	sockets := make(map[string]bool)
	known := true
	for cell := range cells.all("cell") {
		n, ok := s.size(cell.child("memory"), "KiB")
		known = known && ok && memory+n >= memory
		memory += n
		var own []uint64
		for cpu := range cell.child("cpus").all("cpu") {
			if id, ok := s.unsigned(cpu, "id"); ok {
				own = append(own, id)
			}
			if id := cpu.attr("socket_id"); id != "" {
				sockets[id] = true
			}
		}
		cpus = append(cpus, own...)
		s.numaCell(s.host, cell, ranges(own))
		s.setAside(cell)
	}
	s.number(s.host, topology.AttrMemoryBytes, memory, known && memory > 0)
	s.number(s.host, topology.AttrCPUs, uint64(len(cpus)), len(cpus) > 0)
	s.number(s.host, topology.AttrSockets, uint64(len(sockets)), len(sockets) > 0)
	if len(sockets) > 0 {
		cores, ok := s.unsigned(shape, "cores")
		dies, split := s.unsigned(shape, "dies")
		if split && dies < 1<<16 && cores < 1<<32 {
			cores *= dies
		}
		s.number(s.host, topology.AttrCores, cores, ok)
		threads, ok := s.unsigned(shape, "threads")
		s.number(s.host, topology.AttrThreads, threads, ok)
	}
}

// ranges gives "0-3,8" of a list of numbers.
func ranges(ids []uint64) string {
	slices.Sort(ids)
	var parts []string
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		part := strconv.FormatUint(ids[i], 10)
		if j > i {
			part += "-" + strconv.FormatUint(ids[j], 10)
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// sysinfo takes down <sysinfo type='smbios'>: the machine under the hypervisor.
func (s *sheet) sysinfo(e *element) {
	for entry := range e.child("system").all("entry") {
		text := named(strings.TrimSpace(entry.value()))
		switch entry.attr("name") {
		case "manufacturer":
			s.text(s.host, topology.AttrVendor, text)
		case "product":
			s.text(s.host, topology.AttrModel, text)
		case "serial":
			s.text(s.host, topology.AttrSerial, text)
		}
	}
}

// testNode takes down the <cpu> and <memory> of a <node>, libvirt's format for a whole host of its test driver.
func (s *sheet) testNode(e *element) {
	cpu := e.child("cpu")
	s.text(s.host, topology.AttrCPUModel, cpu.child("model").word())
	n, ok := s.count(cpu.child("active"))
	s.number(s.host, topology.AttrCPUs, n, ok)
	n, ok = s.size(e.child("memory"), "KiB")
	s.number(s.host, topology.AttrMemoryBytes, n, ok)
}
