package libvirt_test

import (
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/topology"
)

// TestCollect_refusesURI: what must not reach libvirt is refused in every build, and no password shows.
func TestCollect_refusesURI(t *testing.T) {
	t.Parallel()
	c := libvirt.New(time.Now)
	for uri, want := range map[string]string{
		"qemu+tcp://user:hunter22@192.0.2.1/system":      "password",
		"qemu+tls://192.0.2.1/system?no_verify=1":        "no_verify",
		"qemu+ssh://root@192.0.2.1/system?no_verify=yes": "no_verify",
		"qemu+tcp://user:hunter22@192.0.2.1:%zz/system":  "cannot be read",
	} {
		d := collectors.Device{Handle: "hv1", Source: topology.SourceLibvirt, Address: uri, Access: collectors.LibvirtAccess{URI: uri}}
		_, collect := c.Collect(t.Context(), d)
		_, watch := c.Watch(t.Context(), d)
		for _, err := range []error{collect, watch} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter22") {
				t.Errorf("%s: error %v, want %q and no password", uri, err, want)
			}
		}
	}
}
