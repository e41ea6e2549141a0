package snmp_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/internal/snmprec"
)

// TestReplay_liveEqualsRecorded serves recordings of real devices and walks them: live and recorded answers must be the same, and every
// walk must see the end. The devices' key spaces are what no generator thinks of.
func TestReplay_liveEqualsRecorded(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("THROUGHLINE_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	files, err := filepath.Glob(filepath.Join(dir, "librenms", "snmprec", "*.snmprec"))
	if err != nil || len(files) == 0 {
		t.Skipf("SKIPPED: no recordings in %s (set THROUGHLINE_CORPUS)", dir)
	}
	mib2 := snmprec.NewOID(1, 3, 6, 1, 2, 1)
	entries := map[string]snmprec.OID{
		"ifTable": mib2.Append(2, 2, 1), "ifXTable": mib2.Append(31, 1, 1, 1), "ifStackTable": mib2.Append(31, 1, 2, 1),
		"ipNetToMediaTable": mib2.Append(4, 22, 1), "ipCidrRouteTable": mib2.Append(4, 24, 4, 1), "dot1dTpFdbTable": mib2.Append(17, 4, 3, 1),
		"dot1qTpFdbTable": mib2.Append(17, 7, 1, 2, 2, 1), "dot1qVlanCurrentTable": mib2.Append(17, 7, 1, 4, 2, 1),
		"entPhysicalTable": mib2.Append(47, 1, 1, 1, 1), "lldpRemTable": snmprec.NewOID(1, 0, 8802, 1, 1, 2, 1, 4, 1, 1),
	}
	for i, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rec, err := snmprec.ParseSnmprec(raw)
			if err != nil {
				t.Fatal(err)
			}
			agent := startAgent(t, slices.Clone(rec.Varbinds))
			session := open(t, agent, v2c(), []snmp.Profile{snmp.DefaultProfile(), snmp.FixedProfile(8, 60), snmp.FixedProfile(16, 25)}[i%3])
			for name, entry := range entries {
				table := snmp.Table{Name: name, Entry: entry, Columns: []uint32{1, 2}, Long: i%2 == 0}
				for _, vb := range rec.Under(entry) {
					if vb.OID.Len() > entry.Len() {
						table.Columns = append(table.Columns, vb.OID.At(entry.Len()))
					}
				}
				table.Columns = slices.Compact(slices.Sorted(slices.Values(table.Columns)))
				want, _, err := snmp.Recording{Held: rec}.Walk(t.Context(), table)
				if err != nil {
					t.Fatal(err)
				}
				got, result, err := session.Walk(t.Context(), table)
				if err != nil || !result.Complete {
					t.Errorf("%s: %v, %v", name, err, result.Gaps)
				}
				if diff := cmp.Diff(flat(table, want), flat(table, got)); diff != "" {
					t.Errorf("%s (-recorded +live):\n%s", name, diff)
				}
			}
		})
	}
}
