package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// Collector reads devices from files that somebody else fetched: nightly backups of configurations, and answers of show commands beside them. It asks no device
// anything. What a file says is as old as the file.
type Collector struct{ now func() time.Time }

var (
	_ collectors.Collector = (*Collector)(nil)
	_ collectors.Prober    = (*Collector)(nil)
)

// New makes a collector. Now tells the time of readings of files that could not be read, and which files are of a time that is still to come.
func New(now func() time.Time) *Collector { return &Collector{now: now} }

// Collect reads the files of a device in their order, one reading for each. A file that cannot be read, or that is not what its answer prints, is a partial reading
// which names it. The error says that nothing at all was read.
func (c *Collector) Collect(ctx context.Context, d collectors.Device) ([]topology.Observation, error) {
	files, err := filesOf(d)
	if err != nil {
		return nil, err
	}
	var observations []topology.Observation
	var failed []error
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return observations, err
		}
		o, err := c.observe(d, f)
		if err != nil {
			failed = append(failed, err)
		}
		observations = append(observations, o)
	}
	if len(failed) == len(files) {
		return observations, errors.Join(failed...)
	}
	return observations, nil
}

// Probe opens the files of a device, and tells of when the oldest is.
func (c *Collector) Probe(ctx context.Context, d collectors.Device) (answer string, err error) {
	files, err := filesOf(d)
	if err != nil {
		return "", err
	}
	var name string
	var oldest time.Time
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		file, at, err := c.open(f)
		if err != nil {
			return "", err
		}
		_ = file.Close() // nothing was written
		if name == "" || at.Before(oldest) {
			name, oldest = f.Name, at
		}
	}
	number := "1 file"
	if len(files) > 1 {
		number = strconv.Itoa(len(files)) + " files, the oldest"
	}
	return fmt.Sprintf("%s of %s: %s", number, oldest.UTC().Format("2006-01-02 15:04:05"), name), nil
}

func filesOf(d collectors.Device) ([]collectors.CLIFile, error) {
	access, ok := d.Access.(collectors.CLIAccess)
	if !ok || len(access.Files) == 0 {
		return nil, fmt.Errorf("%w: %s: the access of the device is not one of files but %T", collectors.ErrUnsupported, d.Handle, d.Access)
	}
	return access.Files, nil
}

// observe reads one file. With an error the reading is partial and says nothing.
func (c *Collector) observe(d collectors.Device, f collectors.CLIFile) (topology.Observation, error) {
	raw, at, err := c.read(f)
	if err == nil {
		var observations []topology.Observation
		if observations, _, err = ParseFile(f.Answer, f.Name, d, raw); err == nil {
			o := observations[0]
			o.Reading.Time = at
			if o.Reading.Partial && strings.HasSuffix(f.Answer, "-config") {
				o.Facts, o.Reading.Rows = nil, 0 // who has half a configuration does not know which lists are attached, nor what stands in them
			}
			o.Reading.Command += ", from " + f.Name
			return o, nil
		}
		err = fmt.Errorf("%s: %w", f.Name, err)
	}
	r := collectors.NewReading(d, f.Answer, "from "+f.Name, c.now())
	r.Partial, r.Reason = true, err.Error()
	return topology.Observation{Reading: r}, err
}

// open opens a file and gives the time at which it was last written, which is no time to come: such a file would never grow old.
func (c *Collector) open(f collectors.CLIFile) (*os.File, time.Time, error) {
	info, err := os.Stat(f.Path)
	if err == nil && !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, time.Time{}, fmt.Errorf("%w: %s is no regular file", collectors.ErrMalformed, f.Name)
	}
	if err != nil {
		return nil, time.Time{}, unread(f, err)
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, time.Time{}, unread(f, err)
	}
	const skew = time.Minute // that the clock of another machine may be ahead, whose folder is mounted here
	at, now := info.ModTime(), c.now()
	if at.After(now.Add(skew)) {
		return nil, time.Time{}, errors.Join(file.Close(), fmt.Errorf("%w: %s is of a time to come, %s: its age is not known",
			collectors.ErrMalformed, f.Name, at.UTC().Format(time.RFC3339)))
	}
	if at.After(now) {
		at = now
	}
	return file, at.UTC().Truncate(time.Millisecond), nil
}

// read gives what a file holds. One that is written to meanwhile is not read: it may be half of two configurations.
func (c *Collector) read(f collectors.CLIFile) (raw []byte, at time.Time, err error) {
	file, at, err := c.open(f)
	if err != nil {
		return nil, at, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	before, err := file.Stat()
	if err != nil {
		return nil, at, unread(f, err)
	}
	if raw, err = io.ReadAll(io.LimitReader(file, maxOctets+1)); err != nil { // more than are believed, Parse refuses
		return nil, at, unread(f, err)
	}
	after, err := file.Stat()
	if err != nil {
		return nil, at, unread(f, err)
	}
	if !before.ModTime().Equal(after.ModTime()) || after.Size() != int64(len(raw)) && len(raw) <= maxOctets {
		return nil, at, fmt.Errorf("%w: %s was written to while it was read", collectors.ErrMalformed, f.Name)
	}
	return raw, at, nil
}

// unread tells why a file could not be read. The name is the inventory's; the system's own words have the whole path before them.
func unread(f collectors.CLIFile, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	sentinel := collectors.ErrUnreachable
	if errors.Is(err, fs.ErrPermission) {
		sentinel = collectors.ErrDenied
	}
	return fmt.Errorf("%w: %s: %w", sentinel, cmp.Or(f.Name, f.Path), err)
}
