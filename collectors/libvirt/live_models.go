//go:build linux && cgo && libvirt_dlopen

package libvirt

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"

	"libvirt.org/go/libvirt"
)

// cpuModels are the CPU models of x86 that the domains of a host have.
type cpuModels struct {
	names   []string
	missing string // why there may be more
}

// modelsOf looks for the models in a listing of domains. The documents are parsed then, and not again.
func modelsOf(l *Listing, failure error) cpuModels {
	var m cpuModels
	if failure != nil || l.Missing != "" {
		m.missing = "not all domains were read"
	}
	names := make(map[string]bool)
	for i := range l.Documents {
		d := &l.Documents[i]
		trees, err := parseDocuments(d.XML)
		if err != nil || len(trees) != 1 {
			m.missing = "not all domains were read"
			continue
		}
		d.tree, d.XML = trees[0], nil
		model := d.tree.child("cpu", "model").word()
		if arch := d.tree.child("os", "type").attr("arch"); model != "" && (arch == "x86_64" || arch == "i686") {
			names[model] = true
		}
	}
	m.names = slices.Sorted(maps.Keys(names))
	return m
}

// ask is the processor of which virConnectBaselineCPU tells what its model stands for.
func (cpuModels) ask(model string) string {
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(model)) // a buffer takes everything
	return fmt.Sprintf("<cpu><arch>x86_64</arch><model>%s</model></cpu>", escaped.String())
}

// expand asks what the CPU models of the domains stand for here.
func (a *answer) expand(conn *libvirt.Connect) error {
	if a.models.missing != "" {
		a.missing(a.models.missing)
	}
	for _, model := range a.models.names {
		if a.ctx.Err() != nil {
			break
		}
		expanded, err := conn.BaselineCPU([]string{a.models.ask(model)}, libvirt.CONNECT_BASELINE_CPU_EXPAND_FEATURES)
		if err != nil {
			a.optional("CPU model "+model, "", err)
			continue
		}
		a.add(Document{Where: "CPU model " + model, Model: model}, expanded, nil)
	}
	return a.ctx.Err()
}
