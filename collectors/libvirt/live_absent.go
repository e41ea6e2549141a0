//go:build !(linux && cgo && libvirt_dlopen)

package libvirt

import (
	"context"
	"fmt"
	"time"

	"github.com/throughline-dc/throughline/collectors"
)

// Live tells whether this build can connect to hypervisors; any build reads recordings.
func Live() bool { return false }

var errNoLibvirt = fmt.Errorf("%w: this build has no libvirt client, so that it reads recordings only: "+
	"build with CGO_ENABLED=1 and -tags libvirt_dlopen on Linux (make build-libvirt), and install libvirt.so.0 (Debian: libvirt0)",
	collectors.ErrUnsupported)

type dialer struct{}

func newDialer() *dialer { return nil }

func (*dialer) open(context.Context, collectors.LibvirtAccess) (Source, error) {
	return nil, errNoLibvirt
}

func (*dialer) watch(context.Context, collectors.LibvirtAccess, func() time.Time) (<-chan Event, error) {
	return nil, errNoLibvirt
}
