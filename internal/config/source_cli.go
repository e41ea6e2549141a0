package config

import (
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
)

func cliKeys() []string { return []string{"source", "files"} }

// nameInFile stands for the name of the device in the name of a file, so that one line of the defaults names the files of all devices.
const nameInFile = "{name}"

// cliFiles reads which files hold which answers, in the order of the answers. Names are as they are written.
func cliFiles(o *object) []collectors.CLIFile {
	o = o.object("files", "files", collectors.CLIAnswers()...)
	if o == nil {
		return nil
	}
	var files []collectors.CLIFile
	for _, answer := range collectors.CLIAnswers() {
		if name := o.printable(answer); name != "" {
			files = append(files, collectors.CLIFile{Answer: answer, Name: name})
		}
	}
	return files
}

// readCLI gives the files of a device: its own, else those of the defaults. Whether they are there is seen when they are read: they come and go with backups.
func (r *reader) readCLI(o *object, d *device) (string, any) {
	if o == nil {
		return "", nil
	}
	files := slices.Clone(r.cli)
	if o.has("files") {
		files = cliFiles(o)
	} else if len(files) == 0 {
		o.add(o.at, "files: {eos-config: backups/leaf1.cfg}, here or in the defaults of cli", "the source cli needs files")
	}
	for i := range files {
		files[i].Name = strings.ReplaceAll(files[i].Name, nameInFile, d.name)
		files[i].Path = r.path(files[i].Name)
	}
	if len(files) == 0 {
		return "", collectors.CLIAccess{}
	}
	return files[0].Name, collectors.CLIAccess{Files: files}
}
