package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/topology"
)

// reportsFit refuses files of other forms before anything is asked, and what cannot be written over.
func reportsFit(files []string) error {
	for _, file := range files {
		switch strings.ToLower(filepath.Ext(file)) {
		case ".html", ".md":
		default:
			return exitWith(exitUsage, "--report %q: want FILE.html or FILE.md", file)
		}
		if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
			return exitWith(exitUsage, "--report %q is a folder, or no regular file", file)
		}
	}
	return nil
}

// writeReports writes the answer with the rails of the VM, as they are and as they would be.
func (a *app) writeReports(s *topology.Snapshot, vm, host topology.Node, c *report.Check, files []string) error {
	for _, r := range vm.Rails() {
		c.Before = append(c.Before, a.railView(s, r).drawn())
	}
	moved, _, err := movedTo(s, vm, host)
	if err != nil {
		return err
	}
	for _, r := range moved.Rails() {
		c.After = append(c.After, a.railView(moved.Snapshot(), r).drawn())
	}
	for _, file := range files {
		page := c.Markdown()
		if strings.EqualFold(filepath.Ext(file), ".html") {
			if page, err = c.HTML(); err != nil {
				return err
			}
		}
		if err := replaceFile(file, page); err != nil {
			return fmt.Errorf("report %s: %w", file, err)
		}
	}
	return nil
}

// replaceFile writes a file wholly or not at all: who reads it meanwhile sees the old one or the new one.
func replaceFile(file string, text []byte) (err error) {
	draft, err := os.CreateTemp(filepath.Dir(file), ".throughline-report-*")
	if err != nil {
		if path := (*os.PathError)(nil); errors.As(err, &path) {
			return path.Err // the name of the draft tells nobody anything
		}
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(draft.Name())
		}
	}()
	_, err = draft.Write(text)
	if err == nil {
		err = draft.Chmod(0o644) // to be read by others, as what editors write
	}
	if err == nil {
		err = draft.Sync()
	}
	if failed := draft.Close(); err == nil {
		err = failed
	}
	if err == nil {
		err = os.Rename(draft.Name(), file)
	}
	return err
}
