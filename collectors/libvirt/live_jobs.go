//go:build linux && cgo && libvirt_dlopen

package libvirt

import (
	"fmt"
	"slices"

	"libvirt.org/go/libvirt"
)

// jobs asks what is being done with the domains that are active. libvirt answers from memory where nothing is; else it asks QEMU, which may hang.
func (a *answer) jobs(conn *libvirt.Connect) error {
	all, err := conn.ListAllDomains(libvirt.CONNECT_LIST_DOMAINS_ACTIVE)
	if err != nil {
		return err
	}
	var refused error
	each(a.ctx, all, func(d *libvirt.Domain) {
		if refused != nil {
			return
		}
		jobs, err := jobsOf(d)
		switch {
		case isCode(err, libvirt.ERR_NO_SUPPORT): // no domain of this hypervisor has jobs
			refused = err
		case isCode(err, libvirt.ERR_NO_DOMAIN, libvirt.ERR_OPERATION_INVALID): // it has vanished, or is off by now
		case err != nil:
			name, _ := d.GetName()
			a.missing("domain " + name + ": " + plain(err).Error())
		default:
			a.change(func(l *Listing) { l.Jobs = append(l.Jobs, jobs) })
		}
	})
	if refused != nil {
		return refused
	}
	return a.ctx.Err()
}

func jobsOf(d *libvirt.Domain) (DomainJobs, error) {
	jobs := DomainJobs{Disks: make(map[string]string)}
	var err error
	if jobs.UUID, err = d.GetUUIDString(); err != nil {
		return jobs, err
	}
	stats, err := d.GetJobStats(0)
	active, _ := d.IsActive()
	switch {
	case isCode(err, libvirt.ERR_OPERATION_INVALID) && active: // libvirt has statistics of a migration on the source alone
		jobs.Job = "migration-in"
	case err != nil:
		return jobs, err
	default:
		jobs.Job = jobName(stats)
	}
	xml, err := d.GetXMLDesc(0)
	if err != nil {
		return jobs, err
	}
	disks, err := targets([]byte(xml))
	for _, disk := range disks {
		info, failure := d.GetBlockJobInfo(disk, 0)
		if failure != nil {
			return jobs, fmt.Errorf("disk %s: %w", disk, failure)
		}
		jobs.Disks[disk] = blockJobName(info)
	}
	return jobs, err
}

func jobName(stats *libvirt.DomainJobInfo) string {
	names := map[libvirt.DomainJobOperationType]string{
		libvirt.DOMAIN_JOB_OPERATION_START: "start", libvirt.DOMAIN_JOB_OPERATION_SAVE: "save", libvirt.DOMAIN_JOB_OPERATION_RESTORE: "restore",
		libvirt.DOMAIN_JOB_OPERATION_MIGRATION_IN: "migration-in", libvirt.DOMAIN_JOB_OPERATION_MIGRATION_OUT: "migration-out",
		libvirt.DOMAIN_JOB_OPERATION_SNAPSHOT: "snapshot", libvirt.DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT: "snapshot-revert",
		libvirt.DOMAIN_JOB_OPERATION_SNAPSHOT_DELETE: "snapshot-delete", libvirt.DOMAIN_JOB_OPERATION_DUMP: "dump", libvirt.DOMAIN_JOB_OPERATION_BACKUP: "backup",
	}
	name, known := names[stats.Operation]
	switch {
	case stats.Type == libvirt.DOMAIN_JOB_NONE:
		return "none"
	case !known || !stats.OperationSet:
		return anyJob
	}
	return name
}

// blockJobName is of a disk without a job, of which libvirt fills nothing in, none.
func blockJobName(info *libvirt.DomainBlockJobInfo) string {
	switch info.Type {
	case libvirt.DOMAIN_BLOCK_JOB_TYPE_PULL:
		return "pull"
	case libvirt.DOMAIN_BLOCK_JOB_TYPE_COPY:
		return "copy"
	case libvirt.DOMAIN_BLOCK_JOB_TYPE_COMMIT:
		return "commit"
	case libvirt.DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT:
		return "active-commit"
	case libvirt.DOMAIN_BLOCK_JOB_TYPE_BACKUP:
		return "backup"
	default:
		if info.Cur == 0 && info.End == 0 && info.Bandwidth == 0 {
			return "none"
		}
		return anyJob
	}
}

// pausedReason says why a domain is paused, in the words of libvirt's status files.
func pausedReason(state libvirt.DomainState, reason int) string {
	if state != libvirt.DOMAIN_PAUSED {
		return ""
	}
	names := map[libvirt.DomainPausedReason]string{
		libvirt.DOMAIN_PAUSED_USER: "user", libvirt.DOMAIN_PAUSED_MIGRATION: "migration", libvirt.DOMAIN_PAUSED_SAVE: "save", libvirt.DOMAIN_PAUSED_DUMP: "dump",
		libvirt.DOMAIN_PAUSED_IOERROR: "ioerror", libvirt.DOMAIN_PAUSED_WATCHDOG: "watchdog", libvirt.DOMAIN_PAUSED_FROM_SNAPSHOT: "from-snapshot",
		libvirt.DOMAIN_PAUSED_SHUTTING_DOWN: "shutdown", libvirt.DOMAIN_PAUSED_SNAPSHOT: "snapshot", libvirt.DOMAIN_PAUSED_CRASHED: "panicked",
		libvirt.DOMAIN_PAUSED_STARTING_UP: "starting-up", libvirt.DOMAIN_PAUSED_POSTCOPY: "postcopy", libvirt.DOMAIN_PAUSED_POSTCOPY_FAILED: "postcopy-failed",
		libvirt.DOMAIN_PAUSED_API_ERROR: "api-error",
	}
	if name, ok := names[libvirt.DomainPausedReason(reason)]; ok {
		return name
	}
	return "unknown"
}

// freePages asks for the huge pages that nobody has, of the sizes and cells of which the host has set some aside.
func (a *answer) freePages(conn *libvirt.Connect, capabilities string) []string {
	var all []string
	for _, p := range setAsidePages([]byte(capabilities)) {
		counts, err := conn.GetFreePages([]uint64{p.bytes >> 10}, p.cell, 1, 0)
		switch {
		case err == nil && len(counts) == 1:
			all = append(all, fmt.Sprintf("%d %d %d", p.cell, p.bytes, counts[0]))
		case err != nil && !unsupported(err):
			a.missing("free pages: " + plain(err).Error())
		}
	}
	return all
}

// setAsidePages lists the huge pages that a host has set aside, by its capabilities.
func setAsidePages(capabilities []byte) []hugePages {
	trees, err := parseDocuments(capabilities)
	if err != nil {
		return nil
	}
	var s sheet
	var all []hugePages
	for cell := range trees[0].child("host", "topology", "cells").all("cell") {
		all = append(all, slices.DeleteFunc(s.hugePages(cell), func(p hugePages) bool { return p.total == 0 })...)
	}
	return all
}

// targets lists the disks of a domain by what its jobs are asked by.
func targets(domain []byte) ([]string, error) {
	trees, err := parseDocuments(domain)
	if err != nil {
		return nil, err
	}
	var all []string
	for devices := range trees[0].all("devices") {
		for disk := range devices.all("disk") {
			if dev := disk.child("target").attr("dev"); dev != "" {
				all = append(all, dev)
			}
		}
	}
	return all, nil
}
