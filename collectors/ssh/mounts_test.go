package ssh_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/topology"
)

// Mounts are stated as far as a path can meet them: what another mount covers is not, nor what holds no files, nor what comes and goes on the host's own.
func TestMounts(t *testing.T) {
	t.Parallel()
	const root = "28 1 253:0 / / rw - ext4 /dev/sda2 rw\n"
	for _, c := range []struct {
		name, raw, want string
		left            int
	}{
		{"the root alone", root, "ext4 /dev/sda2 /", 0},
		{"of a server, with the address that was dialled", root + "29 28 0:47 / /srv rw shared:51 master:2 - nfs4 n:/e rw,vers=4.2,local_lock=none,addr=192.0.2.50\n", "ext4 /dev/sda2 /; nfs4 n:/e /srv vers=4.2 addr=192.0.2.50", 0},
		{"read-only here, and on the whole", root + "29 28 0:47 / /a ro - nfs n:/a rw\n30 28 0:48 / /b rw - iso9660 /dev/sr0 ro\n", "ext4 /dev/sda2 /; iso9660 /dev/sr0 /b ro; nfs n:/a /a ro", 0},
		{"a folder of one", root + "29 28 253:0 /data /srv rw - ext4 /dev/sda2 rw\n", "ext4 /dev/sda2 /; ext4 /dev/sda2 /srv root=/data", 0},
		{"covered where it is", root + "29 28 0:47 / /srv rw - nfs n:/a rw\n30 29 0:48 / /srv rw - nfs n:/b rw\n", "ext4 /dev/sda2 /; nfs n:/b /srv", 0},
		{"covered from above", root + "29 28 0:47 / /srv/a rw - nfs n:/a rw\n30 28 0:48 / /srv rw - xfs /dev/sdb rw\n", "ext4 /dev/sda2 /; xfs /dev/sdb /srv", 0},
		{"on what covers", root + "30 28 0:48 / /srv rw - xfs /dev/sdb rw\n31 30 0:47 / /srv/a rw - nfs n:/a rw\n", "ext4 /dev/sda2 /; nfs n:/a /srv/a; xfs /dev/sdb /srv", 0},
		{"the root is covered, too", root + "29 28 0:50 / / rw - overlay overlay rw\n30 29 0:51 / /srv rw - nfs n:/a rw\n31 28 0:52 / /lost rw - nfs n:/l rw\n", "nfs n:/a /srv; overlay overlay /", 0},
		{"memory on the host's own, and on a server's", root + "29 28 0:24 / /run rw - tmpfs tmpfs rw\n30 28 0:47 / /srv rw - nfs n:/a rw\n31 30 0:48 / /srv/t rw - tmpfs tmpfs rw\n", "ext4 /dev/sda2 /; nfs n:/a /srv; tmpfs tmpfs /srv/t", 0},
		{"blanks, and no source", root + "29 28 0:47 / /my\\040folder rw - fuse.x  rw\n", "ext4 /dev/sda2 /; fuse.x none /my\\040folder", 0},
		{"not understood", root + "29 28 0:47 / /srv rw\n", "ext4 /dev/sda2 /", 1},
		{"on each other in a circle", root + "30 31 0:47 / /a rw - nfs n:/a rw\n31 30 0:47 / /a/b rw - nfs n:/b rw\n28 28 0:1 / /x rw - nfs n:/x rw\n", "ext4 /dev/sda2 /", 0},
	} {
		observations, unparsed, err := ssh.Parse("mounts", []byte(c.raw))
		if err != nil || len(unparsed) != c.left {
			t.Errorf("%s: not understood %v, error %v", c.name, unparsed, err)
			continue
		}
		var said []string
		for _, f := range observations[0].Facts {
			if f.Attr != topology.AttrMount {
				t.Errorf("%s: %v", c.name, f)
			}
			said = append(said, f.Value.String())
		}
		if got := strings.Join(said, "; "); !sameWords(got, c.want) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	if _, _, err := ssh.Parse("mounts", []byte("29 28 0:47 / /srv rw - nfs n:/e rw\n")); !errors.Is(err, collectors.ErrMalformed) {
		t.Errorf("without a root: error %v", err)
	}
}

// sameWords tells that two lists, parted by semicolons, hold the same.
func sameWords(a, b string) bool {
	left := map[string]int{}
	for w := range strings.SplitSeq(a, "; ") {
		left[w]++
	}
	for w := range strings.SplitSeq(b, "; ") {
		left[w]--
	}
	for _, n := range left {
		if n != 0 {
			return false
		}
	}
	return true
}

func FuzzMounts(f *testing.F) { fuzzHost(f, "mounts") }
