package libvirt_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/libvirt"
	"github.com/throughline-dc/throughline/topology"
)

// seed adds our own fixtures and, where it is there, the corpus.
func seed(f *testing.F, patterns ...string) {
	f.Helper()
	root := os.Getenv("THROUGHLINE_CORPUS")
	if root == "" {
		root = "../../../shared/corpus"
	}
	for _, pattern := range patterns {
		for _, place := range []string{"testdata", filepath.Join(root, "libvirt")} {
			files, err := filepath.Glob(filepath.Join(place, pattern))
			if err != nil {
				f.Fatal(err)
			}
			for _, file := range files {
				if raw, err := os.ReadFile(file); err == nil && len(raw) < 64<<10 {
					f.Add(raw)
				}
			}
		}
	}
}

// fuzz parses the input: every fact is allowed by the model, every error is ErrMalformed, and the same input gives the same again.
func fuzz(f *testing.F) {
	f.Helper()
	f.Fuzz(func(t *testing.T, raw []byte) {
		observations, unparsed, err := libvirt.Parse("auto", raw)
		if err != nil && !errors.Is(err, collectors.ErrMalformed) {
			t.Errorf("error %v is not %v", err, collectors.ErrMalformed)
		}
		checkFacts(t, observations)
		again, unparsed2, err2 := libvirt.Parse("auto", raw)
		if text(observations, unparsed, err) != text(again, unparsed2, err2) {
			t.Error("the same document is read differently")
		}
	})
}

func FuzzParse_domain(f *testing.F) {
	seed(f, "parse/[dhns]*s.xml", "parse/status.xml", "hv1/domains/*.xml", "domain/*.xml")
	fuzz(f)
}

func FuzzParse_network(f *testing.F) {
	seed(f, "parse/networks.xml", "parse/interfaces.xml", "network-in/*.xml", "network-out/*.xml", "interface/*.xml")
	fuzz(f)
}

func FuzzParse_storage(f *testing.F) {
	seed(f, "parse/storage.xml", "pool-in/*.xml", "pool-out/*.xml", "vol-in/*.xml", "vol-out/*.xml")
	fuzz(f)
}

func FuzzParse_host(f *testing.F) {
	seed(f, "parse/devices.xml", "parse/host.xml", "parse/node.xml", "parse/secrets.xml", "parse/octets.xml", "nodedev/*.xml", "capabilities/*.xml", "domaincaps/*.xml", "vdsm/*.xml")
	fuzz(f)
}

// FuzzFolder_lists reads what virsh list and virsh version printed.
func FuzzFolder_lists(f *testing.F) {
	for _, name := range []string{"domains.txt", "networks.txt", "pools.txt", "version.txt"} {
		raw, err := os.ReadFile(filepath.Join("testdata/hv1", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("domain 3f7d2a10-0000-4000-8000-000000000001\nJob type: Unbounded\nOperation: Backup\ndisk vda\nBlock Copy: [ 42 %]\n"))
	f.Add([]byte("Node 0:\n4KiB: 4096\n2048KiB: 12\n"))
	folder := f.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "domains"), 0o750); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "domains", "web1.xml"), []byte(domain("")), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, name := range []string{"domains.txt", "snapshots.txt", "jobs.txt", "freepages.txt", "version.txt", "hostname.txt"} {
			if err := os.WriteFile(filepath.Join(folder, name), raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		d := collectors.Device{Handle: "hv1", Source: topology.SourceLibvirt, Address: "folder:" + folder}
		observations, err := libvirt.New(time.Now).Collect(context.Background(), d)
		if err != nil {
			t.Error(err)
		}
		for _, p := range collectortest.Problems(d, observations) {
			t.Error(p)
		}
	})
}
