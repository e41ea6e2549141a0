//go:build !(linux && cgo && libvirt_dlopen)

package libvirt_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/topology"
)

// TestCollect_withoutClient: a build without the libvirt client says so, and what to do.
func TestCollect_withoutClient(t *testing.T) {
	t.Parallel()
	if libvirt.Live() {
		t.Error("this build claims to have a client")
	}
	c := libvirt.New(time.Now)
	d := collectors.Device{Handle: "hv1", Source: topology.SourceLibvirt, Address: "qemu:///system"}
	_, collect := c.Collect(t.Context(), d)
	_, probe := c.Probe(t.Context(), d)
	_, watch := c.Watch(t.Context(), d)
	for _, err := range []error{collect, probe, watch} {
		if !errors.Is(err, collectors.ErrUnsupported) || !strings.Contains(err.Error(), "-tags libvirt_dlopen") || !strings.Contains(err.Error(), "libvirt0") {
			t.Errorf("error %v, want %v and what to build and install", err, collectors.ErrUnsupported)
		}
	}
}
