package libvirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
)

// Folder is a Source of recordings: files that virsh printed, in the layout of docs/collectors/libvirt.md. It reads regular files below
// the folder and follows no link out of it.
type Folder struct {
	root  *os.Root
	loose *sortedDocuments // documents beside the subfolders; nil until they are looked at
	bad   []Document       // loose documents that belong to no table
}

// OpenFolder opens a folder of recordings. The error is collectors.ErrUnreachable if there is no such folder.
func OpenFolder(name string) (*Folder, error) {
	root, err := os.OpenRoot(name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: folder %s: %v", collectors.ErrDenied, name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: folder %s: %v", collectors.ErrUnreachable, name, err)
	}
	return &Folder{root: root}, nil
}

// Close closes the folder.
func (f *Folder) Close() { _ = f.root.Close() }

// Probe tells that the folder is there.
func (f *Folder) Probe(ctx context.Context) (string, error) {
	return "folder " + f.root.Name(), ctx.Err()
}

// recorded tells where the recordings of a table lie: its subfolder, which is a whole listing where it exists, and the command that
// printed them.
var recorded = map[Table]struct{ folder, command string }{ //nolint:gochecknoglobals // read-only table
	Capabilities: {"", "recorded virsh capabilities, hostname, version, sysinfo, cpu-baseline"},
	Domains:      {"domains", "recorded virsh list, dumpxml"},
	CPUModels:    {"cpuModels", "recorded virsh cpu-baseline --features"},
	Networks:     {"networks", "recorded virsh net-list, net-dumpxml"},
	Interfaces:   {"interfaces", "recorded virsh iface-dumpxml"},
	NodeDevices:  {"nodedevs", "recorded virsh nodedev-dumpxml"},
	NWFilters:    {"nwfilters", "recorded virsh nwfilter-dumpxml"},
	Secrets:      {"secrets", "recorded virsh secret-dumpxml"},
	Pools:        {"pools", "recorded virsh pool-list, pool-dumpxml"},
	Volumes:      {"volumes", "recorded virsh vol-dumpxml"},
	Jobs:         {"", "recorded virsh domjobinfo, domstate, blockjob"},
}

// List reads the documents of a table: those of its subfolder, and those that lie loose in the folder.
func (f *Folder) List(ctx context.Context, t Table) (Listing, error) {
	l := Listing{Command: recorded[t].command}
	if err := ctx.Err(); err != nil {
		return l, err
	}
	if t == Jobs {
		return f.jobs(l)
	}
	if f.loose == nil {
		if err := f.sortLoose(); err != nil {
			return l, err
		}
	}
	documents, known := f.loose.tables[t]
	l.Documents = slices.Clone(documents)
	if t == Capabilities {
		return f.host(l), nil
	}
	if len(documents) > 0 && !f.loose.whole {
		l.Missing = aloneReason
	}
	files, err := f.files(recorded[t].folder, t == Volumes)
	if errors.Is(err, fs.ErrNotExist) {
		l.Absent = !known
		return l, nil
	}
	states, _ := f.states(recorded[t].folder + ".txt")
	snapshots, listed := f.states("snapshots.txt")
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return l, err
		}
		d := f.documentOf(t, file)
		d.flags(states)
		if t == Domains && listed {
			_, some := snapshots[d.object()]
			d.Snapshots = &some
		}
		l.Documents = append(l.Documents, d)
	}
	return l, err
}

// documentOf reads a file of a table, whose name says what the document is of.
func (f *Folder) documentOf(t Table, file string) Document {
	d := f.document(file)
	if pool := path.Base(path.Dir(file)); t == Volumes && pool != recorded[t].folder {
		d.Pool = pool
	}
	if t == CPUModels {
		d.Model = strings.TrimSuffix(path.Base(file), ".xml")
	}
	return d
}

// host reads the capabilities, which are no listing: one document of each kind, under any name.
func (f *Folder) host(l Listing) Listing {
	l.Hostname, l.Version, l.Free = f.word("hostname.txt"), f.version(), f.freePages()
	l.Documents = append(l.Documents, f.bad...)
	l.Absent = len(l.Documents) == 0 && l.Hostname == "" && l.Version == "" && len(l.Free) == 0
	return l
}

// jobs reads what is being done with domains.
func (f *Folder) jobs(l Listing) (Listing, error) {
	raw, err := f.read("jobs.txt")
	if errors.Is(err, fs.ErrNotExist) {
		l.Absent = true
		return l, nil
	}
	if err == nil {
		l.Jobs, l.Missing = recordedJobs(string(raw))
	}
	return l, err
}

// sortLoose reads the XML files that lie in the folder itself and sorts them by their root element.
func (f *Folder) sortLoose() error {
	files, err := f.files(".", false)
	if err != nil {
		return err
	}
	loose := sortedDocuments{tables: make(map[Table][]Document), whole: true}
	for _, file := range files {
		d := f.document(file)
		trees, err := parseDocuments(d.XML)
		if err = cmp.Or(d.Err, err); err != nil {
			f.bad = append(f.bad, Document{Where: file, Err: err})
		}
		for _, d.tree = range trees {
			d.XML = nil
			if err := loose.add(d); err != nil {
				f.bad = append(f.bad, Document{Err: err}) // it names the file
			}
		}
	}
	f.loose = &loose
	return nil
}

// files lists the XML files of a subfolder, and one level deeper if asked to, in order of their names.
func (f *Folder) files(folder string, deeper bool) ([]string, error) {
	entries, err := fs.ReadDir(f.root.FS(), folder)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		switch {
		case e.IsDir() && deeper:
			below, err := f.files(name, false)
			if err != nil {
				return nil, err
			}
			files = append(files, below...)
		case e.Type().IsRegular() && path.Ext(name) == ".xml":
			files = append(files, name)
		}
	}
	return files, nil
}

// document reads a file.
func (f *Folder) document(name string) Document {
	raw, err := f.read(name)
	return Document{Where: name, XML: raw, Err: err}
}

func (f *Folder) read(name string) ([]byte, error) {
	if info, err := f.root.Lstat(name); err != nil || !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, cmp.Or(err, fmt.Errorf("%w: no regular file", collectors.ErrMalformed))
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	return io.ReadAll(io.LimitReader(file, maxDocument+1))
}

// word reads a file of one line; "" if it is not there.
func (f *Folder) word(name string) string {
	raw, err := f.read(name)
	if err != nil || len(raw) > 4096 {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(raw)), "\n")
	return strings.TrimSpace(line)
}

var runningVersion = regexp.MustCompile(`(?m)^Running hypervisor: \S+ (\S+)`)

// version reads what virsh version says of the hypervisor.
func (f *Folder) version() string {
	raw, err := f.read("version.txt")
	if m := runningVersion.FindSubmatch(raw); err == nil && m != nil {
		return string(m[1])
	}
	return ""
}

var (
	pagesNode = regexp.MustCompile(`^Node (\d{1,9}):$`)
	pagesLine = regexp.MustCompile(`^(\d{1,12})KiB: (\d{1,15})$`)
)

// freePages reads what virsh freepages --all printed: the pages of each cell that nobody has, the ordinary ones of the smallest size left out.
func (f *Folder) freePages() []string {
	raw, err := f.read("freepages.txt")
	if err != nil {
		return nil
	}
	var all []string
	cell, ordinary := "", true
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if m := pagesNode.FindStringSubmatch(line); m != nil {
			cell, ordinary = m[1], true
		} else if m := pagesLine.FindStringSubmatch(line); m != nil && cell != "" {
			if size, err := strconv.ParseUint(m[1], 10, 63); err == nil && !ordinary {
				all = append(all, fmt.Sprintf("%s %d %s", cell, size<<10, m[2]))
			}
			ordinary = false
		}
	}
	return all
}

var columns = regexp.MustCompile(`\s{2,}`)

// states reads what virsh list --all, net-list --all or pool-list --all printed: rows by the object's name, each cell under the title of its
// column. Cells are two blanks or more apart, so that "shut off" is one. Whole tells that every line has been read as such.
func (f *Folder) states(name string) (rows map[string]map[string]string, whole bool) {
	raw, err := f.read(name)
	if err != nil {
		return nil, false
	}
	rows, whole = make(map[string]map[string]string), true
	var titles []string
	for line := range strings.Lines(string(raw)) {
		cells := columns.Split(strings.TrimSpace(line), -1)
		switch {
		case titles == nil:
			titles = cells
		case len(cells) == len(titles):
			row := make(map[string]string, len(cells))
			for i, title := range titles {
				row[title] = cells[i]
			}
			rows[row["Name"]] = row
		case strings.Trim(line, "- \r\n") != "":
			whole = false
		}
	}
	return rows, whole && titles != nil
}

// object is the name of the object of a document's file.
func (d *Document) object() string { return strings.TrimSuffix(path.Base(d.Where), ".xml") }

// flags adds what a listing says of the object of a document's file.
func (d *Document) flags(rows map[string]map[string]string) {
	row, ok := rows[d.object()]
	if !ok {
		return
	}
	switch state := row["State"]; state {
	case "shut off":
		d.State = "shutoff"
	case "in shutdown":
		d.State = "shutdown"
	case "idle":
		d.State = "blocked"
	case "no state":
	default:
		d.State = state
	}
	d.Persistent, d.Autostart = yesNo(row["Persistent"]), yesNo(row["Autostart"])
}

func yesNo(text string) *bool {
	if text != "yes" && text != "no" {
		return nil
	}
	yes := text == "yes"
	return &yes
}
