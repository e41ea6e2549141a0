package ssh_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/ssh"
)

// seedHost adds our own answers of a table and, where it is there, what the corpus has of the same command.
func seedHost(f *testing.F, table string, folders ...string) {
	f.Helper()
	root := os.Getenv("THROUGHLINE_CORPUS")
	if root == "" {
		root = "../../../shared/corpus"
	}
	patterns := []string{"testdata/host/*/" + table + ".txt"}
	for _, folder := range folders {
		patterns = append(patterns, filepath.Join(root, "hostcmd-insights", folder, "*.txt"))
	}
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
}

// fuzzHost parses the input: every fact is allowed by the model, an error says that the answer is malformed, no more rows are not understood than there
// are pieces, and the same input gives the same again.
func fuzzHost(f *testing.F, table string, folders ...string) {
	f.Helper()
	seedHost(f, table, folders...)
	f.Fuzz(func(t *testing.T, raw []byte) {
		observations, unparsed, err := ssh.Parse(table, raw)
		if err != nil {
			if !errors.Is(err, collectors.ErrMalformed) {
				t.Errorf("error %v is not %v", err, collectors.ErrMalformed)
			}
			return
		}
		for _, o := range observations {
			if o.Reading.Rows < 0 {
				t.Errorf("%d rows", o.Reading.Rows)
			}
			for _, fact := range o.Facts {
				if err := fact.Check(); err != nil {
					t.Error(err)
				}
			}
		}
		again, unparsed2, _ := ssh.Parse(table, raw)
		if shownText(observations, unparsed) != shownText(again, unparsed2) {
			t.Error("the same answer is read differently")
		}
	})
}

func FuzzOVSBridge(f *testing.F)    { fuzzHost(f, "ovs-bridge", "ovs_vsctl") }
func FuzzOVSPort(f *testing.F)      { fuzzHost(f, "ovs-port") }
func FuzzOVSInterface(f *testing.F) { fuzzHost(f, "ovs-interface") }
func FuzzOVSFDB(f *testing.F)       { fuzzHost(f, "ovs-fdb", "ovs_appctl_fdb_show_bridge") }
func FuzzOVSFlows(f *testing.F)     { fuzzHost(f, "ovs-flows", "ovs_ofctl_dump_flows") }
func FuzzOVSBond(f *testing.F)      { fuzzHost(f, "ovs-bond") }
func FuzzOVSLACP(f *testing.F)      { fuzzHost(f, "ovs-lacp") }
func FuzzNFT(f *testing.F)          { fuzzHost(f, "nft", "nftables") }
func FuzzIPTables(f *testing.F)     { fuzzHost(f, "iptables-save", "iptables") }
func FuzzQdisc(f *testing.F)        { fuzzHost(f, "tc-qdisc") }
func FuzzSysfsNet(f *testing.F)     { fuzzHost(f, "sysfs-net") }
func FuzzSysfsSCSI(f *testing.F)    { fuzzHost(f, "sysfs-scsi") }
func FuzzISCSI(f *testing.F)        { fuzzHost(f, "iscsiadm", "iscsiadm_mode_session") }
func FuzzMultipath(f *testing.F)    { fuzzHost(f, "multipath", "multipath_v4_ll") }
func FuzzLsblk(f *testing.F)        { fuzzHost(f, "lsblk", "lsblk") }

// FuzzHost_together reads three answers of one host, whose words are looked up in each other.
func FuzzHost_together(f *testing.F) {
	for _, dir := range []string{"testdata/host/ovs", "testdata/host/san"} {
		answers := answersIn(f, dir)
		f.Add(answers["ovs-bridge"], answers["ovs-port"], answers["ovs-interface"], answers["ovs-flows"], answers["ovs-fdb"])
		f.Add(answers["lsblk"], answers["sysfs-scsi"], answers["iscsiadm"], answers["multipath"], answers["sysfs-net"])
	}
	f.Fuzz(func(t *testing.T, a, b, c, d, e []byte) {
		for _, names := range [][]string{
			{"ovs-bridge", "ovs-port", "ovs-interface", "ovs-flows", "ovs-fdb"},
			{"lsblk", "sysfs-scsi", "iscsiadm", "multipath", "sysfs-net"},
		} {
			answers := map[string][]byte{}
			for i, raw := range [][]byte{a, b, c, d, e} {
				answers[names[i]] = raw
			}
			observations, _ := ssh.Replay(hostDevice(), answers, time.Unix(0, 0))
			for _, o := range observations {
				for _, fact := range o.Facts {
					if err := fact.Check(); err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
}

func FuzzConnections(f *testing.F) { fuzzHost(f, "tcp-sessions") }
