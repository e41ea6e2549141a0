package libvirt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// DomainJobs is what is being done with a domain that is active, in the words of the graph: topology.AttrJob.
type DomainJobs struct {
	UUID   string
	Job    string            // "" where it is not known
	Paused string            // why it is paused, if it is and the domain's document does not say: topology.AttrStateReason
	Disks  map[string]string // by target device
}

// jobs takes down what is being done with domains.
func (s *sheet) jobs(all []DomainJobs) {
	for _, d := range all {
		uuid, err := topology.ParseUUID(d.UUID)
		if err != nil {
			s.note(nil, "domain "+d.UUID, "that is not a UUID")
			continue
		}
		vm := topology.Key{Kind: topology.VM, ID: uuid}
		s.text(vm, topology.AttrJob, d.Job)
		s.text(vm, topology.AttrStateReason, d.Paused)
		for disk, job := range d.Disks {
			s.text(topology.PartKey(topology.VDisk, vm, disk), topology.AttrJob, job)
		}
	}
}

// What virsh calls the jobs of a domain (virsh domjobinfo), why it is paused (virsh domstate --reason) and the jobs of a disk (virsh blockjob --info), and the graph's words for them.
var (
	domainOperations = map[string]string{ //nolint:gochecknoglobals // read-only table
		"Start": "start", "Save": "save", "Restore": "restore", "Incoming migration": "migration-in", "Outgoing migration": "migration-out", "Snapshot": "snapshot",
		"Snapshot revert": "snapshot-revert", "Snapshot delete": "snapshot-delete", "Dump": "dump", "Backup": "backup",
	}
	pausedReasons = map[string]string{ //nolint:gochecknoglobals // read-only table
		"user": "user", "migrating": "migration", "saving": "save", "dumping": "dump", "I/O error": "ioerror", "watchdog": "watchdog", "from snapshot": "from-snapshot",
		"shutting down": "shutdown", "creating snapshot": "snapshot", "crashed": "panicked", "starting up": "starting-up", "post-copy": "postcopy",
		"post-copy failed": "postcopy-failed", "API error": "api-error",
	}
	blockJobs = map[string]string{ //nolint:gochecknoglobals // read-only table
		"Block Pull": "pull", "Block Copy": "copy", "Block Commit": "commit", "Active Block Commit": "active-commit", "Backup": "backup",
	}
)

// anyJob is a job whose kind libvirt does not tell, or that is not known here.
const anyJob = "unknown"

// recordedJobs reads what a loop over virsh domjobinfo, domstate and blockjob printed, with a line "domain UUID" before each domain and "disk DEVICE" before each disk. It
// tells why there may be more.
func recordedJobs(raw string) (all []DomainJobs, missing string) {
	var strange []string
	disk := ""
	for line := range strings.Lines(raw) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case line == "":
		case word == "domain":
			all, disk = append(all, DomainJobs{UUID: rest, Disks: map[string]string{}}), ""
		case len(all) == 0:
			strange = append(strange, line)
		case word == "disk":
			disk = rest
		case disk == "" && recordedJob(&all[len(all)-1], line):
		case disk != "" && strings.HasPrefix(line, "No current block job"):
			all[len(all)-1].Disks[disk] = "none"
		case disk != "" && strings.Contains(line, ": ["):
			all[len(all)-1].Disks[disk] = anyJob
			if job, ok := blockJobs[line[:strings.Index(line, ": [")]]; ok {
				all[len(all)-1].Disks[disk] = job
			}
		default:
			strange = append(strange, line)
		}
	}
	if len(strange) > 0 {
		return all, fmt.Sprintf("%q is nothing that virsh domjobinfo, domstate or blockjob prints", strange[0])
	}
	return slices.DeleteFunc(all, func(d DomainJobs) bool { return d.Job == "" && d.Paused == "" && len(d.Disks) == 0 }), ""
}

// recordedJob reads a line of virsh domjobinfo, "Job type:         None", or of virsh domstate: "paused (user)", "running (booted)".
func recordedJob(d *DomainJobs, line string) bool {
	if state, reason, ok := strings.Cut(strings.TrimSuffix(line, ")"), " ("); ok && strings.HasSuffix(line, ")") {
		if state == "paused" {
			d.Paused = cmp.Or(pausedReasons[reason], "unknown")
		}
		return true
	}
	title, value, ok := strings.Cut(line, ":")
	if value = strings.TrimSpace(value); !ok || title == "error" {
		return false
	}
	switch title {
	case "Job type":
		d.Job = anyJob
		if value == "None" {
			d.Job = "none"
		}
	case "Operation":
		if job, known := domainOperations[value]; known {
			d.Job = job
		}
	}
	return true
}
